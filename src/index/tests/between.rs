//! A search into whose every step others write, link and sweep: it finds each key that is there all the time, once. And a
//! sweep into whose steps others write and link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::base::mark::Mark;
use crate::base::sync::{Mutex, Scheduler, install};
use crate::index::Pinned;

/// Lets the others do something at the point that `left` has counted down to.
struct ActAt {
    /// Only points are counted whose names begin so.
    sites: &'static str,
    left: AtomicU64,
    others: Mutex<Option<Others>>,
}

impl Scheduler for ActAt {
    fn point(&self, site: &'static str) {
        if site.starts_with(self.sites) && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let others = self.others.lock().take();
            let mut others = others.unwrap();
            others.act(20, self.sites.is_empty());
            *self.others.lock() = Some(others);
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

/// Who writes, links and sweeps.
struct Others {
    writer: Writer,
    scratch: Scratch,
    rng: Rng,
    unlinked: Vec<RowId>,
    keys: u32,
    /// Lets no sweep go on that has not begun to wait before.
    pin: Option<Pinned>,
}

impl Others {
    fn new(seed: u64) -> Self {
        let writer = Writer::new(Config { m: 2, seed, ..config(2, &L2) });
        Self { writer, scratch: Scratch::new(), rng: Rng::new(seed), unlinked: vec![], keys: 0, pin: None }
    }

    fn insert(&mut self, key: u32) {
        // In a few places, so that many a row is the nearest of one that came before it.
        let vector = [self.rng.below(4) as f32 * 100.0, self.rng.below(1_000) as f32 / 100.0];
        self.unlinked.push(self.writer.insert(&key.to_le_bytes(), &vector).unwrap().row);
    }

    fn link(&mut self) {
        if !self.unlinked.is_empty() {
            let row = self.unlinked.swap_remove(self.rng.index(self.unlinked.len()));
            self.writer.index().link(row, &mut self.scratch);
        }
    }

    fn sweep(&mut self, slices: usize) {
        let index = Arc::clone(self.writer.index());
        for _ in 0..slices {
            if index.sweep_is_ready(1) {
                index.sweep_some(1_000, &mut self.scratch);
            }
        }
    }

    fn act(&mut self, times: usize, sweeps: bool) {
        for _ in 0..times {
            match self.rng.below(10) {
                0..=1 => {
                    self.keys += 1;
                    self.insert(self.keys);
                }
                2..=4 => {
                    let key = self.rng.below(u64::from(self.keys)) as u32 + 1;
                    self.insert(key);
                }
                5..=7 => self.link(),
                _ if !sweeps => {}
                8 => self.sweep(3),
                _ if self.pin.take().is_none() => self.pin = Some(self.writer.index().pin()),
                _ => {}
            }
        }
    }
}

/// A search with others at its step `passage`; false where it has no such step.
fn searched_between(seed: u64, passage: u64) -> bool {
    let mut others = Others::new(seed);
    others.keys = 6;
    (1..=6).for_each(|key| others.insert(key));
    others.act(40, true);
    let index = Arc::clone(others.writer.index());
    let before = others.keys;
    let (query, mut scratch, mut hits) = (index.query(&[1.0, 1.0]), Scratch::new(), Vec::new());
    let pin = index.pin();
    let scheduler = Arc::new(ActAt {
        sites: "",
        left: AtomicU64::new(passage),
        others: Mutex::new("others", Some(others)),
    });
    install(Some(Arc::clone(&scheduler) as Arc<dyn Scheduler>));
    index.search(&query, 1_000, 1, &mut scratch, &mut hits);
    install(None);
    let mut seen: Vec<u32> =
        hits.iter().map(|hit| u32::from_le_bytes(*pin.key(hit.row).first_chunk().unwrap())).collect();
    seen.sort_unstable();
    let old = seen.iter().copied().filter(|key| *key <= before);
    assert!(old.eq(1..=before), "seed {seed}, passage {passage}: {seen:?} of {before} keys");
    assert!(seen.is_sorted_by(|a, b| a < b), "seed {seed}, passage {passage}: {seen:?}");
    drop(pin);
    scheduler.others.lock().take().unwrap().writer.validate().unwrap();
    scheduler.left.load(Ordering::Relaxed) > passage
}

#[test]
fn a_search_finds_every_key_once_whatever_others_do_at_any_of_its_steps() {
    for seed in 0..sized(1, 200) as u64 {
        let mut passage = 1;
        while searched_between(seed, passage) {
            passage += sized(40, 1) as u64;
        }
        assert!(passage > 10, "a search has more steps than {passage}");
    }
}

/// A sweep with others at its step `passage`; false where it has no such step.
fn swept_between(seed: u64, passage: u64) -> bool {
    let mut others = Others::new(seed);
    others.keys = 40;
    (1..=40).for_each(|key| others.insert(key));
    while !others.unlinked.is_empty() {
        others.link();
    }
    (1..=20).for_each(|key| others.insert(key));
    let index = Arc::clone(others.writer.index());
    let mut scratch = Scratch::new();
    let scheduler = Arc::new(ActAt {
        sites: "sweep: ",
        left: AtomicU64::new(passage),
        others: Mutex::new("others", Some(others)),
    });
    install(Some(Arc::clone(&scheduler) as Arc<dyn Scheduler>));
    for _ in 0..12 {
        if index.sweep_is_ready(1) {
            index.sweep_some(1_000, &mut scratch);
        }
    }
    install(None);
    scheduler.others.lock().take().unwrap().writer.validate().unwrap();
    let left = scheduler.left.load(Ordering::Relaxed);
    left == 0 || left > passage
}

/// A slice looked at the graph as it was when the slice began, and met a row in a list that had come since: it panicked, and
/// there was no sweep any more. Found by crash tests, whose servers said so on the way.
#[test]
fn rows_may_be_written_and_linked_at_any_step_of_a_sweep() {
    for seed in 0..sized(1, 4) as u64 {
        let mut passage = 1;
        while swept_between(seed, passage) {
            passage += sized(29, 3) as u64;
        }
        assert!(passage > 10, "a sweep has more steps than {passage}");
    }
}
