//! Clients without keys of their own: hostile ones, crowds, and one that only asks whether anyone is there.

use std::fmt::{Display, Formatter, Result as Shown};
use std::str::FromStr;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Virtual nanoseconds after the plan's clients when it comes.
    pub at: u64,
    /// What it comes for.
    pub errand: Errand,
}

/// What a visitor does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Sends so many numbered PINGs without waiting for an answer, and wants them answered in order.
    Flood(u32),
    /// Sends so many numbered commands that there are not, and wants each refused in order.
    Wrong(u32),
    /// Sends so many commands with long replies and takes none of them until all others are through.
    Deaf(u32),
    /// Begins a command of so many bytes, leaves out the last one, and waits.
    Unfinished(u32),
    /// Sends one PING and then nothing, as long as it is let.
    Silent,
    /// So many clients come at once, of whom the first few leave at once.
    Crowd {
        /// How many come.
        come: u32,
        /// How many leave before they can be served.
        leave: u32,
    },
    /// Sends bytes that are no command, and wants to be told so and dropped, or to be dropped when it has finished.
    Garbage(Vec<u8>),
    /// Sends an inline command of so many bytes, which may be too long.
    Line(u32),
    /// Asks who is there and what took long, has writes wait for so many milliseconds, and has itself disconnected.
    Steward(u32),
    /// Begins a transaction, queues so many commands of a kilobyte each, and executes it; they may be too many.
    Queue(u32),
    /// Sends a PING, waits for the answer and so many virtual nanoseconds, and again, while anyone else is there.
    Probe(u64),
}

impl Errand {
    /// Whether it comes to an end by itself.
    #[must_use]
    pub fn ends(&self) -> bool {
        !matches!(self, Self::Deaf(_) | Self::Unfinished(_) | Self::Silent | Self::Probe(_))
    }
}

impl Display for Visitor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Shown {
        write!(f, "at {} {}", self.at, self.errand)
    }
}

impl Display for Errand {
    fn fmt(&self, f: &mut Formatter<'_>) -> Shown {
        match self {
            Self::Flood(commands) => write!(f, "flood {commands}"),
            Self::Wrong(commands) => write!(f, "wrong {commands}"),
            Self::Deaf(commands) => write!(f, "deaf {commands}"),
            Self::Unfinished(bytes) => write!(f, "unfinished {bytes}"),
            Self::Silent => f.write_str("silent"),
            Self::Crowd { come, leave } => write!(f, "crowd {come} {leave}"),
            Self::Garbage(bytes) => {
                f.write_str("garbage ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Line(bytes) => write!(f, "line {bytes}"),
            Self::Steward(millis) => write!(f, "steward {millis}"),
            Self::Queue(commands) => write!(f, "queue {commands}"),
            Self::Probe(every) => write!(f, "probe {every}"),
        }
    }
}

impl FromStr for Visitor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let wrong = || format!("`{text}` is no visitor");
        let number = |word: &str| word.parse::<u64>().map_err(|_| wrong());
        let count = |word: &str| word.parse::<u32>().map_err(|_| wrong());
        let [_, at, errand @ ..] = words.as_slice() else { return Err(wrong()) };
        let errand = match errand {
            ["flood", n] => Errand::Flood(count(n)?),
            ["wrong", n] => Errand::Wrong(count(n)?),
            ["deaf", n] => Errand::Deaf(count(n)?),
            ["unfinished", n] => Errand::Unfinished(count(n)?),
            ["silent"] => Errand::Silent,
            ["crowd", come, leave] => Errand::Crowd { come: count(come)?, leave: count(leave)? },
            ["garbage", bytes @ ..] => Errand::Garbage(unhex(bytes.concat().as_bytes()).ok_or_else(wrong)?),
            ["line", n] => Errand::Line(count(n)?),
            ["steward", millis] => Errand::Steward(count(millis)?),
            ["queue", n] => Errand::Queue(count(n)?),
            ["probe", every] => Errand::Probe(number(every)?),
            _ => return Err(wrong()),
        };
        Ok(Self { at: number(at)?, errand })
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_reads_back_as_it_was_written() {
        for errand in [
            Errand::Flood(3),
            Errand::Wrong(4),
            Errand::Deaf(5),
            Errand::Unfinished(6),
            Errand::Silent,
            Errand::Crowd { come: 7, leave: 2 },
            Errand::Garbage(vec![0, 255, 13, 10]),
            Errand::Garbage(Vec::new()),
            Errand::Line(70_000),
            Errand::Probe(1_000),
            Errand::Steward(20),
            Errand::Queue(30),
        ] {
            let visitor = Visitor { at: 9, errand };
            assert_eq!(visitor.to_string().parse(), Ok(visitor));
        }
        assert!("at 9 nobody".parse::<Visitor>().is_err());
    }
}
