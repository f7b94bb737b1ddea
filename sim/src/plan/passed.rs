//! Requests that pass a limit of `engram::base::limits`, each with what it has to be told.
//!
//! Here are those that a client can pass by words alone. Sizes of commands, words and lines are passed by visitors; how much may
//! be held, waited for, looked at or done at once by plans that make it small. What nobody passes, and why, ARCHITECTURE.md says.

use super::Word;

/// A request beyond a limit.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// Its words: `K` stands for a key, `I` for that of an index, `V` for a vector, and `P` for a pattern that is too long.
    pub words: &'static str,
    /// What the error says.
    pub says: &'static str,
    /// What its key has to hold, lest another error come first; nothing where that does not matter.
    pub on: Option<&'static str>,
}

/// A pattern that is too long.
#[must_use]
pub fn long_pattern() -> String {
    "x".repeat(1_025)
}

const fn passed(words: &'static str, says: &'static str, on: Option<&'static str>) -> Passed {
    Passed { words, says, on }
}

const INDEX: Option<&str> = Some("vectorset");

/// All of them.
pub const PASSED: [Passed; 10] = [
    passed("VNEW K 65537", "dim must be a number from 1 to 65536, not '65537'", None),
    passed("VNEW K 3 M 4097", "M must be a number from 2 to 4096, not '4097'", None),
    passed("VNEW K 3 EF_CONSTRUCTION 1000001", "EF_CONSTRUCTION must be a number from 1 to 1000000", None),
    passed("SETRANGE K 536870912 v", "string exceeds maximum allowed size", Some("string")),
    passed("CONFIG SET slowlog-max-len 1048577", "argument 'slowlog-max-len'", None),
    passed("VSEARCH I V 3 EF 1000001", "EF must be a number from 1 to 1000000, not '1000001'", INDEX),
    passed("VSEARCH I V 1000001 WITHIN 1", "k must be a number from 1 to 1000000 with WITHIN", INDEX),
    passed("VSEARCH I V 3 KEYS 65537 e", "the number of KEYS must be a number from 1 to 65536", INDEX),
    passed("VSEARCH I V 3 MATCH P", "a pattern takes 1024 bytes at most, not 1025", INDEX),
    passed("KEYS P", "a pattern takes 1024 bytes at most, not 1025", None),
];

impl Passed {
    /// The one that these words are.
    #[must_use]
    pub fn of(words: &[Word]) -> Option<&'static Self> {
        PASSED.iter().find(|passed| {
            let template: Vec<&str> = passed.words.split(' ').collect();
            let fits = |(part, word): (&&str, &Word)| match (*part, word) {
                ("K" | "I", Word::Text(_)) | ("V", Word::Vector(_)) => true,
                ("P", Word::Text(text)) => *text == long_pattern(),
                (part, Word::Text(text)) => part == text,
                _ => false,
            };
            template.len() == words.len() && template.iter().zip(words).all(fits)
        })
    }
}
