//! What happens to files without anybody's doing: a bit or a sector rots, a file is cut, replaced or removed from outside, a
//! removed one comes back, a copy turns up under another segment's name.
//!
//! It may happen between two lives or at a call during one. Files are addressed by their kind and a relative place, so
//! that a planned change hits something wherever there is something to hit.

use std::fmt;
use std::str::FromStr;

use super::Kind;
use super::image::Image;
use super::robbed;

/// Bytes that rot together.
const SECTOR: usize = 512;

/// A place in the files of one kind, taken in the order of their names as one row of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which files.
    pub of: Kind,
    /// Where in them.
    pub at: At,
}

/// Where in a row of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// So many thousandths from its beginning.
    Part(u16),
    /// So many bytes before its end, at most at its beginning; 1 is the last byte.
    Before(u32),
}

/// What happens to the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// One bit of the byte there changes.
    Bit(Place, u8),
    /// The bytes of the sector there change.
    Sector(Place),
    /// The file ends there from now on.
    Cut(Place),
    /// The file is replaced by a copy of which the byte there differs. Whoever has it open keeps the old one.
    Replace(Place),
    /// The file there has no name any more. Whoever has it open keeps it.
    Remove(Place),
    /// The file there gets a double under the name that would be the next one of its kind.
    Double(Place),
    /// The file of this kind that was removed or renamed last comes back, as it was, if nothing bears its name.
    Return(Kind),
}

impl Decay {
    /// Makes it happen. Returns the number of the file that it has hit; none if there was nothing to hit.
    pub(super) fn happen(self, image: &mut Image) -> Option<u64> {
        let hit = self.strike(image)?;
        image.found.files.remove(&hit);
        image.found.names &= matches!(self, Self::Bit(..) | Self::Sector(_) | Self::Cut(_));
        Some(hit)
    }

    fn strike(self, image: &mut Image) -> Option<u64> {
        match self {
            Self::Bit(place, bit) => {
                let (_, file, at) = place.find(image)?;
                image.files.get_mut(&file)?.rot(at, 1 << (bit % 8));
                Some(file)
            }
            Self::Sector(place) => {
                let (_, file, at) = place.find(image)?;
                let content = image.files.get_mut(&file)?;
                let start = at - at % SECTOR;
                for at in start..(start + SECTOR).min(content.seen.len()) {
                    // What rots twice is not right again.
                    let byte = content.seen[at];
                    content.rot(at, byte ^ byte.wrapping_add(0x5b));
                }
                Some(file)
            }
            Self::Cut(place) => {
                let (_, file, at) = place.find(image)?;
                image.files.get_mut(&file)?.cut(at);
                Some(file)
            }
            Self::Replace(place) => {
                let (name, file, at) = place.find(image)?;
                // A name that is on its way would lead back to the file that was replaced.
                if image.is_being_named(&name) {
                    return None;
                }
                let mut bytes = image.files.get(&file)?.seen.clone();
                *bytes.get_mut(at)? ^= 1;
                image.plant(&name, bytes);
                Some(file)
            }
            Self::Remove(place) => {
                let (name, file, _) = place.find(image)?;
                // One that is on its way would bring the file back.
                if image.is_being_named(&name) || !robbed::shows(&image.names, &name) {
                    return None;
                }
                image.take_away(&name);
                Some(file)
            }
            Self::Double(place) => {
                let (name, file, _) = place.find(image)?;
                let double = next_name(&name)?;
                if image.names.contains_key(&double) {
                    return None;
                }
                let bytes = image.files.get(&file)?.seen.clone();
                image.plant(&double, bytes);
                Some(file)
            }
            Self::Return(kind) => {
                let removed = image.removed.as_ref()?;
                let free = |name: &str| Kind::of(name) == kind && !image.names.contains_key(name);
                let (name, bytes) = removed.iter().rev().find(|(name, _)| free(name))?.clone();
                image.plant(&name, bytes);
                image.names.get(&name).copied()
            }
        }
    }
}

/// The name of the segment or snapshot whose number is one higher.
fn next_name(name: &str) -> Option<String> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let digits = name.get(start..start + 20)?;
    let number: u64 = digits.parse().ok()?;
    Some(name.replacen(digits, &format!("{:020}", number + 1), 1))
}

impl Place {
    /// The name and number of the file that this is in, and where in it; none if there is no byte of that kind.
    pub(super) fn find(self, image: &Image) -> Option<(String, u64, usize)> {
        let named = |of: &str| self.of == Kind::Any || Kind::of(of) == self.of;
        let files: Vec<(&String, u64, usize)> = image
            .names
            .iter()
            .filter(|(name, _)| named(name))
            .filter_map(|(name, file)| Some((name, *file, image.files.get(file)?.seen.len())))
            .collect();
        let total: usize = files.iter().map(|(_, _, len)| len).sum();
        let mut at = match self.at {
            At::Part(thousandths) => total * usize::from(thousandths.min(999)) / 1_000,
            At::Before(bytes) => total.saturating_sub((bytes as usize).max(1)),
        };
        for (name, file, len) in files {
            if at < len {
                return Some((name.clone(), file, at));
            }
            at -= len;
        }
        None
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            At::Part(thousandths) => write!(f, "{} {thousandths}", self.of),
            At::Before(bytes) => write!(f, "{} -{bytes}", self.of),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no kind of file and place");
        let (of, at) = text.split_once(' ').ok_or_else(wrong)?;
        let at = match at.strip_prefix('-') {
            Some(bytes) => At::Before(bytes.parse().map_err(|_| wrong())?),
            None => At::Part(at.parse().map_err(|_| wrong())?),
        };
        Ok(Self { of: of.parse()?, at })
    }
}

impl fmt::Display for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bit(place, bit) => write!(f, "rot {place} bit {bit}"),
            Self::Sector(place) => write!(f, "rot {place} sector"),
            Self::Cut(place) => write!(f, "cut {place}"),
            Self::Replace(place) => write!(f, "replace {place}"),
            Self::Remove(place) => write!(f, "remove {place}"),
            Self::Double(place) => write!(f, "double {place}"),
            Self::Return(kind) => write!(f, "return {kind}"),
        }
    }
}

impl FromStr for Decay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match name {
            "rot" => match rest.rsplit_once(" bit ") {
                Some((place, bit)) => {
                    Self::Bit(place.parse()?, bit.parse().map_err(|_| format!("`{bit}` is no bit"))?)
                }
                None => Self::Sector(rest.strip_suffix(" sector").unwrap_or(rest).parse()?),
            },
            "cut" => Self::Cut(rest.parse()?),
            "replace" => Self::Replace(rest.parse()?),
            "remove" => Self::Remove(rest.parse()?),
            "double" => Self::Double(rest.parse()?),
            "return" => Self::Return(rest.parse()?),
            _ => return Err(format!("no decay `{name}`")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_is_one_line_that_reads_back() {
        let lines = [
            "rot log 370 bit 5",
            "rot log -12 bit 0",
            "rot snapshot 999 sector",
            "cut snapshot 500",
            "replace snapshot 0",
            "remove snapshot 500",
            "double log 10",
            "return copy",
        ];
        for line in lines {
            assert_eq!(line.parse::<Decay>().unwrap().to_string(), line);
        }
        for wrong in ["", "rot", "rot log", "rot door 1 bit 1", "cut log x", "return", "rust log 1 bit 1"] {
            assert!(wrong.parse::<Decay>().is_err(), "{wrong}");
        }
    }

    fn image() -> Image {
        let mut image = Image::default();
        image.removed = Some(Vec::new());
        for (name, byte) in [("wal-00000000000000000001.log", 1), ("wal-00000000000000000003.log", 3)] {
            let file = image.create(name);
            let content = image.files.get_mut(&file).unwrap();
            content.write(0, &[byte; 100]);
            content.settle(usize::MAX);
        }
        image.settle_names(usize::MAX);
        image
    }

    fn place(at: At) -> Place {
        Place { of: Kind::Log, at }
    }

    #[test]
    fn rot_changes_what_is_safe_and_is_remembered_until_it_is_put_right() {
        let mut image = image();
        assert!(!image.is_damaged());
        let hit = Decay::Bit(place(At::Part(750)), 3).happen(&mut image);
        assert_eq!(hit, Some(2));
        assert_eq!((image.files[&2].seen[50], image.files[&2].durable[50]), (3 ^ 8, 3 ^ 8));
        assert!(image.is_damaged());
        image.restore();
        assert_eq!((&image.files[&2].seen, &image.files[&2].durable), (&vec![3; 100], &vec![3; 100]));
        assert!(!image.is_damaged());
        Decay::Sector(place(At::Before(1))).happen(&mut image);
        assert_eq!(image.files[&2].seen, [3 + 0x5b; 100]);
        Decay::Sector(place(At::Before(1))).happen(&mut image);
        assert_eq!(image.files[&2].seen, [3 + 2 * 0x5b; 100], "twice is not right again");
        Decay::Bit(Place { of: Kind::Snapshot, at: At::Part(1) }, 1)
            .happen(&mut image)
            .ok_or(())
            .unwrap_err();
    }

    #[test]
    fn a_dirty_page_does_not_rot() {
        let mut image = image();
        image.files.get_mut(&2).unwrap().write(50, &[9; 10]);
        Decay::Bit(place(At::Part(750)), 0).happen(&mut image);
        assert_eq!(image.files[&2].seen[50], 9);
        image.files.get_mut(&2).unwrap().settle(usize::MAX);
        assert_eq!(image.files[&2].durable[50], 9);
    }

    #[test]
    fn a_removed_file_comes_back_and_a_replaced_one_stays_with_who_has_it() {
        let mut image = image();
        let name = "wal-00000000000000000001.log".to_owned();
        image.change_name(super::super::image::NameChange::Remove { name: name.clone(), file: 1 });
        image.settle_names(usize::MAX);
        assert!(Decay::Return(Kind::Log).happen(&mut image).is_some());
        assert_eq!(image.files[&image.names[&name]].seen, [1; 100]);
        assert!(!image.as_promised().contains_key(&name), "nobody promised that");
        let old = image.names["wal-00000000000000000003.log"];
        Decay::Replace(place(At::Before(1))).happen(&mut image);
        let new = image.names["wal-00000000000000000003.log"];
        assert_ne!(old, new);
        assert_eq!((image.files[&old].seen[99], image.files[&new].seen[99]), (3, 2));
        image.restore();
        assert_eq!(image.names.len(), 1);
        assert_eq!(image.names["wal-00000000000000000003.log"], old);
    }

    #[test]
    fn a_file_that_is_taken_away_is_promised_still_and_does_not_come_back() {
        let mut image = image();
        let name = "wal-00000000000000000001.log".to_owned();
        assert_eq!(Decay::Remove(place(At::Part(0))).happen(&mut image), Some(1));
        assert!(!image.names.contains_key(&name) && !image.durable_names.contains_key(&name));
        assert_eq!(image.as_promised()[&name], [1; 100]);
        assert!(image.is_damaged() && image.lacks() && image.files.contains_key(&1));
        let mut restored = image.clone();
        restored.restore();
        assert_eq!((restored.names[&name], restored.is_damaged()), (1, false));
        assert_eq!(Decay::Return(Kind::Log).happen(&mut image), None);
        assert!(image.lacks());
        // A name that is not safe yet would come back with the next sync of the directory.
        image.create("wal-00000000000000000009.log");
        let file = image.names["wal-00000000000000000009.log"];
        image.files.get_mut(&file).unwrap().write(0, &[9; 10]);
        assert_eq!(Decay::Remove(place(At::Before(1))).happen(&mut image), None);
    }
}
