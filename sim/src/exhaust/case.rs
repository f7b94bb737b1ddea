//! The address of one image in a search: which crash, which image, and the same again inside recovery.

use std::fmt;
use std::str::FromStr;

/// One image of a workload, as `CRASH.IMAGE` or `CRASH.IMAGE/CRASH.IMAGE`, counted from 0. The search enumerates the
/// same images in the same order every time, so the numbers say all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// A crash and an image that it leaves: first of the workload, then of the recovery from that image, and so on.
    pub steps: Vec<(usize, usize)>,
}

impl Case {
    /// The image `image` of crash `crash` while recovering from this one.
    pub(super) fn then(&self, crash: usize, image: usize) -> Self {
        let mut steps = self.steps.clone();
        steps.push((crash, image));
        Self { steps }
    }

    /// True if this image is on the way to `other`, or is it.
    pub(super) fn leads_to(&self, other: &Self) -> bool {
        other.steps.starts_with(&self.steps)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (crash, image)) in self.steps.iter().enumerate() {
            let between = if number > 0 { "/" } else { "" };
            write!(f, "{between}{crash}.{image}")?;
        }
        Ok(())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let step = |step: &str| {
            let (crash, image) = step.split_once('.')?;
            Some((crash.parse().ok()?, image.parse().ok()?))
        };
        let steps = text.split('/').map(step).collect::<Option<_>>();
        Ok(Self { steps: steps.ok_or_else(|| format!("`{text}` is no case CRASH.IMAGE[/CRASH.IMAGE]"))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_goes_through_text_and_back() {
        let case = Case::default().then(17, 203).then(5, 2);
        assert_eq!(case.to_string(), "17.203/5.2");
        assert_eq!("17.203/5.2".parse(), Ok(case.clone()));
        assert!("17".parse::<Case>().is_err() && "a.b".parse::<Case>().is_err());
        assert!("17.203".parse::<Case>().unwrap().leads_to(&case));
        assert!(!"17.20".parse::<Case>().unwrap().leads_to(&case));
    }
}
