//! What looking for orders has taken, and how often it was given up.
//!
//! What is given up is not judged. So a campaign that gives up more than a little has shown less than it seems to have.

/// Of so many questions one may be given up: of some ten thousand seeds, that have about three each, a handful.
const ONE_IN: u64 = 2_000;
/// So many may be given up in any campaign: what is rare comes in lumps.
const ANYWAY: u64 = 3;

/// How orders were looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Questions: one for each life in which shared keys were named, and more where it was split.
    pub asked: u64,
    /// Steps that they took.
    pub steps: u64,
    /// Questions that took too many.
    pub given_up: u64,
}

impl Effort {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            steps: self.steps + other.steps,
            given_up: self.given_up + other.given_up,
        }
    }

    /// Whether more was given up than a campaign may.
    #[must_use]
    pub fn gives_up_too_much(&self) -> bool {
        self.given_up > ANYWAY && self.given_up > self.asked / ONE_IN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_share_may_be_given_up_and_no_more() {
        let too_much = |asked, given_up| Effort { asked, given_up, steps: 0 }.gives_up_too_much();
        assert!(!too_much(100, 3) && too_much(100, 4));
        assert!(!too_much(20_000, 10) && too_much(20_000, 11));
    }
}
