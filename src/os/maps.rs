//! Which file is mapped where, for a handler that has nothing but an address.
//!
//! A signal handler may take no lock and allocate nothing, so this is a table of atomics with a fixed number of places. It is
//! for words only: a map that finds no place is one without a name.

use std::ptr;
use std::sync::Arc;
// Not base::sync's: a handler reads these.
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// The longest path that is told, in bytes (PATH_MAX on Linux).
pub(super) const LONGEST_PATH: usize = 4_096;

/// Maps that are known by name at a time. A server has one or two, a check those of all snapshots.
const PLACES: usize = 64;

struct Place {
    taken: AtomicBool,
    start: AtomicUsize,
    /// Zero while the others are not to be believed.
    end: AtomicUsize,
    path: AtomicPtr<u8>,
    path_len: AtomicUsize,
}

static TABLE: [Place; PLACES] = [const {
    Place {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        path: AtomicPtr::new(ptr::null_mut()),
        path_len: AtomicUsize::new(0),
    }
}; PLACES];

/// An entry of the table. It owns the path, so it has to be dropped after the last use of the map, and before the map is
/// given back: then nobody can meet an address in it any more.
#[derive(Debug)]
pub(super) struct Known {
    place: Option<usize>,
    _path: Arc<[u8]>,
}

impl Known {
    /// The file at `path` is mapped from address `start` on, `len` bytes of it.
    pub(super) fn new(start: usize, len: usize, path: &[u8]) -> Self {
        let path: Arc<[u8]> = path.get(..LONGEST_PATH).unwrap_or(path).into();
        let free = |place: &Place| !place.taken.swap(true, Ordering::AcqRel);
        let found = TABLE.iter().enumerate().find(|(_, place)| free(place));
        if let Some((_, place)) = found {
            place.start.store(start, Ordering::Release);
            place.path.store(Arc::as_ptr(&path).cast::<u8>().cast_mut(), Ordering::Release);
            place.path_len.store(path.len(), Ordering::Release);
            place.end.store(start.saturating_add(len), Ordering::Release);
        }
        Self { place: found.map(|(number, _)| number), _path: path }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        if let Some(place) = self.place.and_then(|number| TABLE.get(number)) {
            place.end.store(0, Ordering::Release);
            place.taken.store(false, Ordering::Release);
        }
    }
}

/// The path of the file that is mapped at `address`, and the offset in it. To be asked by who has just touched the address
/// through that map: as long as that thread stands there, the map is borrowed, and its entry stays.
pub(super) fn find(address: usize) -> Option<(&'static [u8], usize)> {
    TABLE.iter().find_map(|place| {
        let end = place.end.load(Ordering::Acquire);
        let start = place.start.load(Ordering::Acquire);
        let (path, len) = (place.path.load(Ordering::Acquire), place.path_len.load(Ordering::Acquire));
        let whole = end != 0 && place.end.load(Ordering::Acquire) == end;
        if !whole || !(start..end).contains(&address) {
            return None;
        }
        // SAFETY: the entry is that of a map that the asker uses, so its path stands, and for as long as the asker needs it.
        let path = unsafe { std::slice::from_raw_parts(path, len) };
        Some((path, address - start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_file_until_the_map_is_gone_and_the_table_may_be_full() {
        let (start, len) = (usize::MAX - (1 << 24), 1 << 16);
        let one = Known::new(start, len, b"/a/one");
        let two = Known::new(start + len, len, b"/a/two");
        assert_eq!(find(start), Some((&b"/a/one"[..], 0)));
        assert_eq!(find(start + len - 1), Some((&b"/a/one"[..], len - 1)));
        assert_eq!(find(start + len + 7), Some((&b"/a/two"[..], 7)));
        assert_eq!(find(start + 2 * len), None);
        drop(one);
        assert_eq!(find(start), None);
        assert_eq!(find(start + len), Some((&b"/a/two"[..], 0)));
        drop(two);
        // More of them than places: those behind have no name.
        let known: Vec<_> = (0..2 * PLACES).map(|n| Known::new(start + n * 16, 16, b"/many")).collect();
        assert_eq!(find(start + (2 * PLACES - 1) * 16), None);
        drop(known);
    }
}
