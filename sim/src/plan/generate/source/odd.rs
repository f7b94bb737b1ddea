//! What a server has to refuse, and values that are awkward to carry.

use std::sync::Arc;

use engram::base::rng::Rng;

use super::super::{Op, pick};
use super::Source;
use crate::plan::{Among, PASSED, Word, long_pattern};

/// Commands that there are not, or with too few or too many words. `K` stands for a key.
const WRONG: [&str; 14] = [
    "GET",
    "GET K K",
    "SET K",
    "MSET K",
    "DEL",
    "APPEND K",
    "RENAME K",
    "VADD K e",
    "VADD K e 1 2 3",
    "VSEARCH K",
    "VNEW K",
    "EXPIRE K",
    "NOSUCH K 1",
    "OBJECT NOSUCH K",
];

/// Commands of the right length that are refused whatever the keys hold.
const UNFIT: [&str; 16] = [
    "SET K v NX XX",
    "SET K v EX",
    "SET K v EX 0",
    "SET K v PX x",
    "SET K v PX 5 KEEPTTL",
    "MSET K v K",
    "EXPIRE K x",
    "EXPIRE K 5 NX GT",
    "SETEX K 0 v",
    "GETEX K KEEPTTL",
    "VNEW K 0",
    "VNEW K 3 METRIC nosuch",
    "VNEW K 3 M",
    "INCRBY K 1.5",
    "SETRANGE K -1 v",
    "SCAN x",
];

impl Source {
    /// A request that is refused.
    pub(super) fn refused(&self, rng: &mut Rng) -> Op {
        if rng.below(2) == 0 {
            return self.wrong(rng);
        }
        let number = rng.index(UNFIT.len() + PASSED.len());
        let template =
            number.checked_sub(UNFIT.len()).map_or_else(|| UNFIT[number], |past| PASSED[past].words);
        Op::Unfit(self.filled(template, rng))
    }

    /// A request that is refused before it can be queued.
    pub(super) fn wrong(&self, rng: &mut Rng) -> Op {
        Op::Wrong(self.filled(pick(rng, &WRONG), rng))
    }

    fn filled(&self, template: &str, rng: &mut Rng) -> Vec<Word> {
        let word = |word: &str| match word {
            "K" => Word::Text(self.key(rng)),
            "I" => Word::Text(self.index_key(rng)),
            "V" => Word::Vector(self.vector(rng)),
            "P" => Word::Text(long_pattern()),
            word => Word::Text(word.to_owned()),
        };
        template.split(' ').map(word).collect()
    }

    /// A vector operation with a vector that no index takes, or on a key that holds something else.
    pub(super) fn misfit(&self, key: String, element: String, rng: &mut Rng) -> Op {
        let mut vector = self.vector(rng).to_vec();
        let mut key = key;
        match rng.below(5) {
            0 => drop(vector.pop()),
            1 => vector.push(1.0),
            2 => vector[rng.index(self.dim)] = f32::NAN,
            3 => vector[rng.index(self.dim)] = pick(rng, &[f32::INFINITY, f32::NEG_INFINITY, f32::MAX]),
            _ => key = self.key(rng),
        }
        let vector = Arc::from(vector);
        if rng.below(2) == 0 {
            return Op::Add { key, element, vector };
        }
        let (exact, among) = (rng.below(2) == 0, Among::default());
        Op::Search { key, query: vector, k: 3, ef: None, exact, vectors: false, among }
    }
}

/// Text that a careless server trips over.
pub(super) fn text(rng: &mut Rng) -> String {
    pick(
        rng,
        &[
            " ",
            "\r\n",
            "\0",
            "\"quoted\"",
            "\\",
            "$5\r\nhello\r\n",
            "*1\r\n",
            "\n+OK\r\n",
            ";",
            "\x7f\x1b[0m",
            "\t",
        ],
    )
    .to_owned()
}
