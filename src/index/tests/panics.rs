//! Links that panic on the way: the row is found all the same, and whoever links it again comes to the end. Sweeps that do so: what
//! they have taken away is free.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::codec::reopened;
use super::*;
use crate::base::mark::Mark;
use crate::base::sync::{Scheduler, catch, install};

/// Panics at the point that `left` has counted down to, of those at `sites`.
struct PanicAt {
    sites: &'static [&'static str],
    left: AtomicU64,
}

impl Scheduler for PanicAt {
    fn point(&self, site: &'static str) {
        if !std::thread::panicking()
            && self.sites.contains(&site)
            && self.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            panic!("planned at `{site}`");
        }
    }

    fn block(&self, _: usize, site: &'static str, _: Option<Duration>) -> bool {
        panic!("nothing is to be waited for at `{site}`");
    }

    fn wake(&self, _: usize, _: bool) {}

    fn spawn(&self, name: &str, _: Box<dyn FnOnce() + Send>) -> usize {
        panic!("nobody starts `{name}`");
    }

    fn running(&self, _: usize) -> bool {
        false
    }

    fn reached(&self, _: Mark) {}
}

#[test]
fn a_link_that_panics_anywhere_leaves_a_row_that_is_found_and_can_be_linked() {
    let vectors = random_vectors(41, sized(12, 40), 6);
    let (last, others) = vectors.split_last().unwrap();
    for passage in 1.. {
        let mut writer = built(config(6, &L2), others);
        let row = writer.insert(b"last", last).unwrap().row;
        let index = Arc::clone(writer.index());
        install(Some(Arc::new(PanicAt { sites: &["hop", "link"], left: AtomicU64::new(passage) })));
        let linked = catch(|| index.link(row, &mut Scratch::new()));
        install(None);
        let found = |what: &str| {
            writer.validate().unwrap_or_else(|why| panic!("{what} at passage {passage}: {why}"));
            assert_eq!(searched(&index, last, 1, 50)[0].row, row, "{what} at passage {passage}");
        };
        found("panicked");
        if linked.is_ok() {
            assert!(passage > 5, "a link has more points than {passage}");
            return;
        }
        assert_eq!(index.stats().unlinked, 1);
        let (_, unlinked) = reopened(&writer);
        assert_eq!(unlinked, [row], "a snapshot has it linked again, at passage {passage}");
        index.link(row, &mut Scratch::new());
        found("linked again");
        assert_eq!(index.stats().unlinked, 0);
    }
}

#[test]
fn a_sweep_that_panics_between_two_rows_leaves_free_what_it_has_cleared() {
    const GONE: u32 = 12;
    let vectors = random_vectors(43, 40, 6);
    for passage in 1..=GONE {
        let mut writer = built(config(6, &L2), &vectors);
        (0..GONE).for_each(|key| assert!(writer.remove(&key.to_le_bytes())));
        let index = Arc::clone(writer.index());
        install(Some(Arc::new(PanicAt { sites: &["sweep: clear"], left: AtomicU64::new(passage.into()) })));
        let swept = catch(|| {
            while index.sweep_is_ready(1) {
                index.sweep_some(1_000, &mut Scratch::new());
            }
        });
        install(None);
        assert!(swept.is_err(), "there are {GONE} rows to be cleared");
        writer.validate().unwrap();
        assert_eq!(index.stats().free as u32, passage - 1);
        let rows = index.rows();
        for key in 100..100 + GONE {
            let row = writer.insert(&key.to_le_bytes(), &vectors[0]).unwrap().row;
            index.link(row, &mut Scratch::new());
        }
        assert_eq!(index.rows(), rows + (GONE + 1 - passage) as usize, "what is free is taken first");
        writer.validate().unwrap();
    }
}
