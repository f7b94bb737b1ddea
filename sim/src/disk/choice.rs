//! Choosing what a power loss leaves, change by change, instead of drawing it.
//!
//! A search that wants every image asks what is pending, and builds the image of each choice. Images are told apart by
//! a 64-bit fingerprint: two different ones share it with a probability that no search of this size will meet.
//! Not here: garbage in lost sectors, which has no end of choices; see [`Loss::Garbage`](super::Loss::Garbage).

use engram::base::hash::HashKey;
use engram::base::rng::mix64;

use super::Disk;
use super::content::{Change, Content, apply, put};
use super::image::{Image, NameChange, rename};
use super::loss::pieces;

/// A change to a file that a power loss may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChange {
    /// The file's number.
    pub file: u64,
    /// Bytes that were written; none for a new length.
    pub bytes: usize,
    /// Sectors that they touch; zero for a new length.
    pub sectors: usize,
    /// It in words.
    pub text: String,
}

/// What becomes of a change that is not lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it is there.
    Whole,
    /// Of a write, only the length it gives the file: the room reads as before, or as zeros.
    Empty,
    /// Of a write, only so many of its first bytes; the file grows no further.
    Head(usize),
    /// Of a write, these of its sectors, the first at the lowest bit; the file has its full length.
    Sectors(u64),
}

/// One way in which the power can go: what is not named is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Changes of names that survive, by their number among the pending ones.
    pub names: Vec<usize>,
    /// Changes of files that survive, by their number among the pending ones, in the order in which they came about.
    pub changes: Vec<(usize, Fate)>,
}

impl Disk {
    /// Changes of files that no sync has covered: file after file, in the order of the calls.
    #[must_use]
    pub fn pending_changes(&self) -> Vec<PendingChange> {
        self.pending_in_order().map(|(file, change)| describe(&self.image, file, change)).collect()
    }

    /// Changes of names that no sync of the directory has covered, in the order of the calls, in words.
    #[must_use]
    pub fn pending_names(&self) -> Vec<String> {
        let text = |change: &NameChange| match change {
            NameChange::Create { name, .. } | NameChange::Plant { name, .. } => format!("create {name}"),
            NameChange::Rename { from, to, .. } => format!("rename {from} to {to}"),
            NameChange::Remove { name, .. } => format!("remove {name}"),
        };
        self.image.pending_names.iter().map(text).collect()
    }

    /// The disk after a power loss that leaves what `choice` says. Numbers that mean nothing here are ignored.
    #[must_use]
    pub fn survivor(&self, choice: &Choice) -> Self {
        let mut names = self.image.durable_names.clone();
        for change in choice.names.iter().filter_map(|&number| self.image.pending_names.get(number)) {
            rename(&mut names, change);
        }
        let mut image = self.image.bare();
        for (name, file) in names {
            if let Some(content) = self.image.files.get(&file) {
                let durable = content.durable.clone();
                image.files.insert(file, Content { durable, ..Content::default() });
                image.names.insert(name, file);
            }
        }
        let pending: Vec<(u64, &Change)> = self.pending_in_order().collect();
        for &(number, fate) in &choice.changes {
            let Some(&(file, change)) = pending.get(number) else { continue };
            if let Some(content) = image.files.get_mut(&file) {
                keep(&mut content.durable, change, fate);
            }
        }
        image.files.values_mut().for_each(|content| content.seen.clone_from(&content.durable));
        image.durable_names.clone_from(&image.names);
        Self { image }
    }

    /// A fingerprint of all that a later life or a later power loss could tell apart. What numbers the files have, no
    /// one can.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let image = &self.image;
        let mut sum = Sum::default();
        for names in [&image.names, &image.durable_names] {
            sum.add_number(names.len() as u64);
            names.iter().for_each(|(name, &file)| sum.add_name(image, name, file));
        }
        for change in &image.pending_names {
            match change {
                NameChange::Create { name, file } | NameChange::Plant { name, file } => {
                    sum.add_name(image, name, *file);
                }
                NameChange::Rename { from, to, file } => {
                    sum.add(from.as_bytes());
                    sum.add_name(image, to, *file);
                }
                NameChange::Remove { name, file } => {
                    sum.add_number(1);
                    sum.add_name(image, name, *file);
                }
            }
        }
        sum.value
    }

    fn pending_in_order(&self) -> impl Iterator<Item = (u64, &Change)> {
        let of = |(&file, content)| {
            let content: &Content = content;
            content.pending.iter().map(move |change| (file, change))
        };
        self.image.files.iter().flat_map(of)
    }
}

fn describe(image: &Image, file: u64, change: &Change) -> PendingChange {
    let names = image.names.iter().chain(&image.durable_names);
    let name = names.clone().find(|(_, number)| **number == file).map_or("a nameless file", |(name, _)| name);
    match change {
        Change::Write { offset, bytes, .. } => PendingChange {
            file,
            bytes: bytes.len(),
            sectors: pieces(*offset, bytes).len(),
            text: format!("write {} bytes at {offset} of {name}", bytes.len()),
        },
        Change::Length(len) => {
            PendingChange { file, bytes: 0, sectors: 0, text: format!("set length {len} of {name}") }
        }
        Change::Room(end) => {
            PendingChange { file, bytes: 0, sectors: 0, text: format!("make room up to {end} of {name}") }
        }
    }
}

/// Lets of `change` reach the medium what `fate` says.
fn keep(durable: &mut Vec<u8>, change: &Change, fate: Fate) {
    let Change::Write { offset, bytes, .. } = change else { return apply(durable, change) };
    let grow = |durable: &mut Vec<u8>| {
        let end = (*offset as usize + bytes.len()).max(durable.len());
        durable.resize(end, 0);
    };
    match fate {
        Fate::Whole => apply(durable, change),
        Fate::Empty => grow(durable),
        Fate::Head(len) => put(durable, *offset, &bytes[..len.min(bytes.len())]),
        Fate::Sectors(mask) => {
            grow(durable);
            for (number, (at, piece)) in pieces(*offset, bytes).into_iter().enumerate() {
                if number < 64 && mask >> number & 1 == 1 {
                    put(durable, at, piece);
                }
            }
        }
    }
}

/// A fingerprint in the making.
#[derive(Default)]
struct Sum {
    value: u64,
    /// Files that were met, in order.
    met: Vec<u64>,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.add_number(HashKey::default().hash(bytes));
    }

    fn add_number(&mut self, number: u64) {
        self.value = mix64(self.value.rotate_left(7) ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }

    /// Adds a name and its file: all of it at the first meeting, its place among those met later.
    fn add_name(&mut self, image: &Image, name: &str, file: u64) {
        self.add(name.as_bytes());
        if let Some(place) = self.met.iter().position(|met| *met == file) {
            return self.add_number(place as u64);
        }
        self.met.push(file);
        let Some(content) = image.files.get(&file) else { return };
        self.add(&content.seen);
        self.add(&content.durable);
        self.add_number(content.pending.len() as u64);
        for change in &content.pending {
            match change {
                Change::Write { offset, bytes, .. } => {
                    self.add_number(*offset);
                    self.add(bytes);
                }
                Change::Length(len) | Change::Room(len) => self.add_number(!len),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file `a` of eight durable bytes, with two pending writes and a pending length, renamed to `b`.
    fn disk() -> Disk {
        let mut image = Image::default();
        let file = image.create("a");
        image.settle_names(image.mark_names());
        image.change_name(NameChange::Rename { from: "a".to_owned(), to: "b".to_owned(), file });
        let content = image.files.get_mut(&file).unwrap();
        content.write(0, b"durable!");
        content.settle(content.mark());
        content.write(0, b"AB");
        content.write(6, &[7; 1_000]);
        content.set_len(4);
        Disk { image }
    }

    fn read(disk: &Disk, name: &str) -> Vec<u8> {
        disk.contents()[name].clone()
    }

    #[test]
    fn what_is_chosen_survives_and_the_rest_does_not() {
        let disk = disk();
        assert_eq!(disk.pending_names(), ["rename a to b"]);
        let sizes: Vec<_> = disk.pending_changes().iter().map(|c| (c.bytes, c.sectors)).collect();
        assert_eq!(sizes, [(2, 1), (1_000, 2), (0, 0)]);
        assert_eq!(read(&disk.survivor(&Choice::default()), "a"), b"durable!");
        let choose = |changes: &[(usize, Fate)]| {
            let survivor = disk.survivor(&Choice { names: vec![0], changes: changes.to_vec() });
            assert_eq!(survivor.pending(), 0);
            read(&survivor, "b")
        };
        assert_eq!(choose(&[(0, Fate::Whole)]), b"ABrable!");
        assert_eq!(choose(&[(1, Fate::Head(1))]), b"durabl\x07!");
        assert_eq!(choose(&[(2, Fate::Whole), (0, Fate::Whole)]), b"ABra");
        assert_eq!(choose(&[(1, Fate::Whole), (2, Fate::Whole)]), b"dura");
        let empty = choose(&[(1, Fate::Empty)]);
        assert_eq!((empty.len(), &empty[..9]), (1_006, &b"durable!\0"[..]));
        let second = choose(&[(1, Fate::Sectors(0b10))]);
        assert_eq!((second.len(), second[511], second[512]), (1_006, 0, 7));
    }

    #[test]
    fn fingerprints_tell_images_apart_and_pending_changes_too() {
        let disk = disk();
        let mut settled = disk.clone();
        settled.power_loss(super::super::Loss::None, &mut |_| 0);
        assert_eq!(disk.contents(), settled.contents());
        assert_ne!(disk.fingerprint(), settled.fingerprint());
        assert_eq!(disk.fingerprint(), disk.clone().fingerprint());
        let all = Choice { names: vec![0], changes: (0..3).map(|i| (i, Fate::Whole)).collect() };
        assert_eq!(disk.survivor(&all).fingerprint(), settled.fingerprint());
    }
}
