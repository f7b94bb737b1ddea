//! An own retrieval primitive from outside the crate: the nearest that are not near to one another, so that ten hits tell of
//! ten things instead of one thing ten times. `cargo run --example diverse` shows it, `cargo test` tests it.
//!
//! A primitive is a type that is a [`Recall`]. What it gathers it says by a [`Gather`], and the index brings the rows: by
//! a walk through the graph, or by a scan where the walk would take too long.

use engram::index::{Config, Cosine, Gather, Hit, Met, Near, Pinned, Quant, Query, Scratch, Writer};
use engram::kernels::Kernels;
use engram::recall::{Closest, Recall};

/// The nearest rows of which no two are closer than `apart`, as the metric reports it: of two such, the nearer to the
/// query stays.
#[derive(Clone, Copy, Debug)]
pub struct Diverse {
    /// How many.
    pub k: usize,
    /// Rows they are chosen from: so many of the nearest.
    pub among: usize,
    /// How far apart they are at least.
    pub apart: f32,
    /// Rows that a walk measures before every row is compared instead.
    pub patience: usize,
}

/// Gathers the nearest, whatever their keys.
struct Candidates(Closest);

impl Gather for Candidates {
    fn admits(&self, _: Met<'_>) -> bool {
        true
    }

    fn meet(&mut self, near: Near, _: Met<'_>) {
        self.0.offer(near);
    }

    fn follows(&self, near: Near) -> bool {
        !self.0.excludes(near)
    }
}

impl Recall for Diverse {
    fn recall(&self, index: &Pinned, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let mut nearest = Candidates(Closest::new(self.among, scratch));
        if !index.walk(query, self.patience, &mut nearest, scratch) {
            nearest.0.clear();
            index.scan(query, &mut nearest);
        }
        nearest.0.finish(self.among, index, scratch, hits);
        // What is kept stands in front.
        let mut kept = 0;
        for at in 0..hits.len() {
            let between = |other: &Hit| index.hit(index.between(hits[at].row, other.row)).distance;
            if kept < self.k && hits[..kept].iter().all(|other| between(other) >= self.apart) {
                hits.swap(kept, at);
                kept += 1;
            }
        }
        hits.truncate(kept);
    }
}

/// Directions in groups: many all but alike, in each of eight places.
fn groups(each: u32) -> Writer {
    let kernels = Kernels::best();
    let config =
        Config { dim: 8, metric: &Cosine, quant: Quant::F32, m: 8, ef_construction: 60, seed: 1, kernels };
    let (mut writer, mut scratch) = (Writer::new(config), Scratch::new());
    for i in 0..8 * each {
        let mut vector = [0.0; 8];
        let (group, noise) = (i as usize % 8, f32::from((i / 8 % 97) as u8) / 9_700.0);
        vector[group] = 1.0;
        vector[(group + 1) % 8] = noise;
        if let Ok(inserted) = writer.insert(format!("group {group}, {}", i / 8).as_bytes(), &vector) {
            writer.index().link(inserted.row, &mut scratch);
        }
    }
    writer
}

/// What a primitive finds around `query`.
fn ask(writer: &Writer, recall: &dyn Recall, query: &[f32]) -> Vec<Hit> {
    let mut hits = Vec::new();
    recall.recall(&writer.index().pin(), &writer.index().query(query), &mut Scratch::new(), &mut hits);
    hits
}

fn main() {
    let writer = groups(50);
    let query = [0.9, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0, 0.2];
    let diverse = Diverse { k: 4, among: 400, apart: 0.2, patience: 10_000 };
    for hit in ask(&writer, &diverse, &query) {
        println!("{}: {}", String::from_utf8_lossy(writer.index().pin().key(hit.row)), hit.distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engram::recall::Exact;

    #[test]
    fn tells_of_several_things() {
        let writer = groups(50);
        let query = [0.9, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0, 0.2];
        let nearest = ask(&writer, &Exact::new(4), &query);
        let group = |hit: &Hit| writer.index().pin().key(hit.row)[.."group 0".len()].to_vec();
        assert!(nearest.iter().all(|hit| group(hit) == b"group 0"), "the nearest are of one group");
        for patience in [0, 10_000] {
            let diverse = ask(&writer, &Diverse { k: 3, among: 400, apart: 0.2, patience }, &query);
            assert_eq!(diverse[0], nearest[0]);
            assert_eq!(diverse.iter().map(group).collect::<Vec<_>>(), [b"group 0", b"group 1", b"group 7"]);
            assert!(diverse.is_sorted_by(|a, b| a.distance <= b.distance));
        }
    }
}
