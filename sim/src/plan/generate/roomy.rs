//! A disk that is full for a while, under clients who stay for long after: in one seed of forty.

use engram::base::rng::Rng;

use super::scenes::one_who_stays;
use super::{Ending, Life, pick};
use crate::disk::Kind;
use crate::faults::{Call, Fault, Planned};

/// Fills the disk in one life of a few seeds.
pub(super) fn fill(rng: &mut Rng, lives: &mut [Life]) {
    if rng.below(40) > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    one_who_stays(rng, life);
    life.ending = pick(rng, &[Ending::Shutdown, Ending::Kill]);
    let call = pick(rng, &[Call::WriteAt, Call::WriteAt, Call::Create]);
    let calls = pick(rng, &[1, 2, 3, 8]);
    let fault = Fault::Full(calls);
    life.faults.push(Planned::new(call, 1 + rng.below(8), fault).of(Kind::Log));
}
