//! What a client says on a new connection where the server wants a password, before it gives the right one.

use std::fmt::{Display, Formatter, Result as Shown};
use std::str::FromStr;

use engram::resp::client::write_command;

/// The password of servers that want one.
pub const PASSWORD: &str = "sesame";

/// A letter, the words that it stands for, and how the reply to them begins.
type Step = (char, &'static [&'static str], &'static str);

/// What is refused to whom the server does not know. What is written so must never be seen.
const STEPS: [Step; 15] = [
    ('w', &["AUTH", "open"], "WRONGPASS "),
    ('s', &["AUTH", "sesam"], "WRONGPASS "),
    ('l', &["AUTH", "sesamesesame"], "WRONGPASS "),
    ('e', &["AUTH", ""], "WRONGPASS "),
    ('u', &["AUTH", "nobody", PASSWORD], "WRONGPASS "),
    ('h', &["HELLO", "3", "AUTH", "default", "open"], "WRONGPASS "),
    ('v', &["HELLO", "3"], "NOAUTH "),
    ('p', &["PING"], "NOAUTH "),
    ('n', &["SET", "shared:r0", "unbidden"], "NOAUTH "),
    ('k', &["SET", "c0:k0", "unbidden"], "NOAUTH "),
    ('g', &["GET", "shared:r0"], "NOAUTH "),
    ('f', &["FLUSHALL"], "NOAUTH "),
    ('m', &["MULTI"], "NOAUTH "),
    ('c', &["CONFIG", "SET", "requirepass", ""], "NOAUTH "),
    ('x', &["NOSUCH"], "ERR unknown command"),
];

/// Letters of [`STEPS`].
pub(super) const LETTERS: &str = "wsleuhvpnkgfmcx";

/// So many steps, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entrance(pub(super) String);

impl Entrance {
    /// Appends the steps and the right password to `out`. Returns how each reply has to begin, an error's without its sign.
    pub fn encode(&self, out: &mut Vec<u8>) -> Vec<&'static str> {
        let steps = self.0.chars().filter_map(|letter| STEPS.iter().find(|step| step.0 == letter));
        let mut due = Vec::new();
        for (_, words, reply) in steps {
            write_command(out, words);
            due.push(*reply);
        }
        write_command(out, &["AUTH", PASSWORD]);
        due.push("OK");
        due
    }
}

impl Display for Entrance {
    fn fmt(&self, f: &mut Formatter<'_>) -> Shown {
        f.write_str(&self.0)
    }
}

impl FromStr for Entrance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.chars().find(|letter| !LETTERS.contains(*letter)) {
            None => Ok(Self(text.to_owned())),
            Some(letter) => Err(format!("nobody begins with `{letter}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_stands_for_a_step() {
        let letters: String = STEPS.iter().map(|step| step.0).collect();
        assert_eq!(letters, LETTERS);
        let mut out = Vec::new();
        let due = "wp".parse::<Entrance>().unwrap().encode(&mut out);
        assert_eq!(due, ["WRONGPASS ", "NOAUTH ", "OK"]);
        assert!("w?".parse::<Entrance>().is_err());
    }
}
