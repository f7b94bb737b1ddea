//! Operations on keys and strings.

use engram::base::rng::Rng;

use super::super::{Op, pick, spread};
use super::Source;
use crate::clock::wall_millis;
use crate::plan::{Form, Lifetime, Only};

impl Source {
    pub(super) fn key_op(&mut self, rng: &mut Rng) -> Op {
        match rng.below(12) {
            0..=4 => self.plain(rng),
            5 | 6 => self.conditional(rng),
            7 => self.number(rng),
            8 => self.part(rng),
            9 if self.swarm.expiry => self.expiry(rng),
            10 => self.renaming(rng),
            _ => self.look(rng),
        }
    }

    fn plain(&mut self, rng: &mut Rng) -> Op {
        let key = self.key(rng);
        match rng.below(16) {
            0..=4 => {
                let expire = (self.swarm.expiry && rng.below(3) == 0).then(|| 1 + spread(rng, 10_000));
                Op::Set { key, value: self.value(rng), expire }
            }
            5..=7 => Op::Get(key),
            8 | 9 => Op::Del((0..1 + rng.below(2)).map(|_| self.any_key(rng)).collect()),
            10 => Op::Unlink((0..1 + rng.below(2)).map(|_| self.any_key(rng)).collect()),
            11 | 12 => Op::Append { key, value: self.value(rng) },
            13 | 14 => Op::Mset(self.pairs(rng)),
            _ => Op::GetDel(key),
        }
    }

    fn pairs(&mut self, rng: &mut Rng) -> Vec<(String, String)> {
        (0..1 + rng.below(4)).map(|_| (self.key(rng), self.value(rng))).collect()
    }

    fn conditional(&mut self, rng: &mut Rng) -> Op {
        let key = self.any_key(rng);
        match rng.below(8) {
            0 => Op::SetNx { key, value: self.value(rng) },
            1 => Op::MsetNx(self.pairs(rng)),
            2 => Op::GetSet { key, value: self.value(rng) },
            3 if self.swarm.expiry => {
                let life = match rng.below(4) {
                    0 => Lifetime::Plain,
                    1 => Lifetime::Persist,
                    _ => self.until(rng),
                };
                Op::GetEx { key, life }
            }
            4 if self.swarm.expiry => {
                let millis = rng.below(2) == 0;
                let after = if millis { 1 + spread(rng, 10_000) } else { 1 + rng.below(20) };
                Op::SetFor { key, millis, after, value: self.value(rng) }
            }
            _ => self.set_with(key, rng),
        }
    }

    /// SET with options, of which at least one is not what [`Op::Set`] can say.
    fn set_with(&mut self, key: String, rng: &mut Rng) -> Op {
        let life = match rng.below(4) {
            0 => Lifetime::Keep,
            1 if self.swarm.expiry => self.until(rng),
            _ => Lifetime::Plain,
        };
        let only = pick(rng, &[None, Some(Only::Nx), Some(Only::Xx)]);
        let get = only.is_none() || rng.below(3) == 0;
        Op::SetWith { key, value: self.value(rng), only, get, life }
    }

    /// A moment at which something ends, sometimes one that has passed.
    fn until(&self, rng: &mut Rng) -> Lifetime {
        let (form, time) = self.moment(rng);
        Lifetime::Until(form, time.max(1))
    }

    fn moment(&self, rng: &mut Rng) -> (Form, i64) {
        let form = pick(rng, &[Form::Ex, Form::Px, Form::Px, Form::ExAt, Form::PxAt]);
        let at = wall_millis(spread(rng, 20_000_000_000));
        let time = match form {
            Form::Ex => rng.below(12),
            Form::Px => spread(rng, 10_000),
            Form::ExAt => at / 1_000 + rng.below(2),
            Form::PxAt => at,
        };
        (form, time as i64)
    }

    fn number(&self, rng: &mut Rng) -> Op {
        let key = format!("c{}:n", self.client);
        match rng.below(7) {
            0 | 1 => Op::Incr(key),
            2 => Op::Decr(key),
            3 => Op::IncrBy { key, by: pick(rng, &[0, 7, -3, 1 << 40, i64::MAX, i64::MIN]) },
            4 => Op::DecrBy { key, by: pick(rng, &[0, 5, -9, 1 << 40, i64::MAX, i64::MIN]) },
            5 => Op::Incr(self.any_key(rng)),
            _ => {
                let key = if rng.below(4) == 0 { self.any_key(rng) } else { format!("c{}:f", self.client) };
                let by = pick(rng, &["0.25", "-0.75", "3", "1e2", "-1e3", "10.5", "0", "x"]);
                Op::IncrByFloat { key, by: by.to_owned() }
            }
        }
    }

    fn part(&mut self, rng: &mut Rng) -> Op {
        let key = self.any_key(rng);
        match rng.below(3) {
            0 => {
                let value = if rng.below(6) == 0 { String::new() } else { self.value(rng) };
                Op::SetRange { key, offset: spread(rng, 64) as usize, value }
            }
            1 => Op::StrLen(key),
            _ => {
                let bound = |rng: &mut Rng| rng.below(24) as i64 - 12;
                Op::GetRange { key, start: bound(rng), end: bound(rng) }
            }
        }
    }

    fn expiry(&self, rng: &mut Rng) -> Op {
        let key = self.any_key(rng);
        match rng.below(10) {
            0 | 1 => Op::Expire { key, after: 1 + spread(rng, 10_000) },
            2 => Op::ExpireAt { key, at: wall_millis(spread(rng, 20_000_000_000)) },
            3 => Op::Persist(key),
            4 => Op::Pttl(key),
            5 => pick(rng, &[Op::Ttl, Op::ExpireTime, Op::PexpireTime])(key),
            _ => {
                let (form, time) = self.moment(rng);
                let time = if rng.below(12) == 0 { -time } else { time };
                let only = pick(rng, &[Only::Nx, Only::Xx, Only::Gt, Only::Lt]);
                Op::ExpireIf { key, form, time, only: Some(only) }
            }
        }
    }

    fn renaming(&self, rng: &mut Rng) -> Op {
        let (from, to) = (self.any_key(rng), self.any_key(rng));
        match rng.below(3) {
            0 => Op::Rename { from, to },
            1 => Op::RenameNx { from, to },
            _ => Op::Copy { from, to, replace: rng.below(2) == 0 },
        }
    }

    fn look(&self, rng: &mut Rng) -> Op {
        let key = self.any_key(rng);
        let several = |rng: &mut Rng| (0..1 + rng.below(3)).map(|_| self.any_key(rng)).collect();
        match rng.below(7) {
            0 => Op::Exists(several(rng)),
            1 => Op::Touch(several(rng)),
            2 | 3 => Op::Mget(several(rng)),
            4 => Op::Pttl(key),
            5 => Op::Encoding(key),
            _ => Op::Type(key),
        }
    }

    /// What tells of all keys.
    pub(super) fn names(&self, rng: &mut Rng) -> Op {
        let own = self.client;
        let patterns = [
            "*".to_owned(),
            format!("c{own}:*"),
            format!("c{own}:k?"),
            "*:k[0-2]".to_owned(),
            "c?:[^k]*".to_owned(),
        ];
        let drawn = rng.index(patterns.len());
        let pattern = patterns[drawn].clone();
        let kinds = ["string", "vectorset", "VectorSet", "hash"];
        match rng.below(6) {
            0 => Op::RandomKey,
            1 => Op::Keys,
            2 => Op::KeysLike(patterns[1 + rng.index(patterns.len() - 1)].clone()),
            way => Op::Scan {
                pattern: (rng.below(2) == 0).then_some(pattern),
                count: (rng.below(4) > 0).then(|| 1 + spread(rng, 16)),
                kind: (way == 5).then(|| kinds[drawn % kinds.len()].to_owned()),
            },
        }
    }
}
