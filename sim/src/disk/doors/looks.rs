//! What the rig sees of a disk that is in use.

use super::{Kind, SimStorage};
use crate::disk::image::Image;
use crate::disk::reading::{Held, held};

impl SimStorage {
    /// Everything on the disk was looked at, and is what is promised from now on.
    pub fn settle(&self) {
        self.inner.change(Image::settle_blame);
    }

    /// What an earlier life has not finished and a start that is over has not removed, though it could.
    #[must_use]
    pub fn leftover(&self) -> Option<String> {
        let left = self.inner.state.lock().image.still_unfinished().map(str::to_owned);
        left.filter(|name| !self.inner.faults.lock().told.may_stay(name))
    }

    /// What the log and the newest snapshot hold.
    #[must_use]
    pub fn held(&self) -> Held {
        let state = self.inner.state.lock();
        let image = &state.image;
        let bytes = |file| image.files.get(file).map(|content| content.seen.as_slice()).unwrap_or_default();
        let files: Vec<(&str, &[u8])> =
            image.names.iter().map(|(name, file)| (name.as_str(), bytes(file))).collect();
        held(&files)
    }

    /// Whether somebody has taken a file away in this life without which no start finds its way to the log's last segment.
    pub(in crate::disk) fn lacks(&self) -> bool {
        self.inner.state.lock().image.lacks()
    }

    /// Bytes of the log's files.
    pub(in crate::disk) fn log_bytes(&self) -> u64 {
        let image = &self.inner.state.lock().image;
        let segments = image.names.iter().filter(|(name, _)| Kind::of(name) == Kind::Log);
        let sizes = segments.filter_map(|(_, file)| Some(image.files.get(file)?.seen.len() as u64));
        sizes.sum()
    }

    /// Bytes of the newest snapshot.
    pub(in crate::disk) fn snapshot_bytes(&self) -> u64 {
        let image = &self.inner.state.lock().image;
        // Names are in the order of their records.
        let published = |name: &str| name.starts_with("snapshot-") && name.ends_with(".snap");
        let newest = image.names.iter().filter(|(name, _)| published(name)).max();
        newest.and_then(|(_, file)| image.files.get(file)).map_or(0, |file| file.seen.len() as u64)
    }

    /// How long a file is.
    pub(in crate::disk) fn len_of(&self, name: &str) -> u64 {
        let image = &self.inner.state.lock().image;
        let content = image.names.get(name).and_then(|file| image.files.get(file));
        content.map_or(0, |content| content.seen.len() as u64)
    }

    /// Whether a file has come from outside since the life began.
    pub(in crate::disk) fn is_stranger(&self, name: &str) -> bool {
        self.inner.state.lock().image.is_stranger(name)
    }
}
