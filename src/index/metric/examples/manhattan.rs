//! An own metric from outside the crate: the Manhattan distance, without kernels and codes. `cargo run --example manhattan`
//! shows it; `cargo test` compiles it, compares it with the definition, and holds README's text against this file.

use engram::index::{Assume, Config, Hit, Metric, Quant, Scratch, Writer};
use engram::kernels::Kernels;
use engram::recall::{Nearest, Range, Recall};

/// The sum of |a - b| over all dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Manhattan;

impl Metric for Manhattan {
    fn name(&self) -> &'static str {
        "manhattan" // VNEW ... METRIC manhattan
    }

    fn code(&self) -> u32 {
        100 // stands for it on disk: never change it, never use it again
    }

    fn term(&self, _: &Kernels, _: &[f32]) -> f32 {
        0.0 // a number computed once a row; cosine keeps 1/|v| in it
    }

    fn distance(&self, _: &Kernels, query: &[f32], _: f32, row: &[f32], _: f32) -> f32 {
        query.iter().zip(row).map(|(a, b)| (a - b).abs()).sum() // smaller is closer
    }

    fn report(&self, distance: f32) -> f32 {
        distance // what clients see
    }

    fn assume(&self) -> Assume {
        // May be left out. A WITHIN below `least` is answered without a look at any row.
        Assume { least: 0.0, ..Assume::NOTHING }
    }
}

/// `n` points on a spiral, linked into a graph.
fn spiral(n: u32) -> Writer {
    let kernels = Kernels::best();
    // A metric without `by_dot` has no codes: whatever is asked for, walks go by the vectors.
    let quant = Quant::Int8;
    let config = Config { dim: 3, metric: &Manhattan, quant, m: 8, ef_construction: 60, seed: 1, kernels };
    let (mut writer, mut scratch) = (Writer::new(config), Scratch::new());
    for i in 0..n {
        let turn = i as f32 * 0.05;
        let point = [turn.cos() * turn, turn.sin() * turn, turn];
        if let Ok(inserted) = writer.insert(format!("point {i}").as_bytes(), &point) {
            writer.index().link(inserted.row, &mut scratch);
        }
    }
    writer
}

/// What a primitive finds around `query`: key and distance.
fn ask(writer: &Writer, recall: &dyn Recall, query: [f32; 3]) -> Vec<(String, f32)> {
    let index = &writer.index().pin();
    let mut hits = Vec::new();
    recall.recall(index, &index.query(&query), &mut Scratch::new(), &mut hits);
    let shown = |hit: &Hit| (String::from_utf8_lossy(index.key(hit.row)).into_owned(), hit.distance);
    hits.iter().map(shown).collect()
}

fn main() {
    let writer = spiral(2_000);
    let query = [3.0, -2.0, 20.0];
    println!("nearest: {:?}", ask(&writer, &Nearest::new(3, 100), query));
    let within = Range { radius: 21.0, nearest: Nearest::new(5, 100), filter: engram::recall::Everything };
    println!("within 21: {:?}", ask(&writer, &within, query));
}

#[cfg(test)]
mod tests {
    use super::*;
    use engram::recall::{EXACT_BELOW, Everything, Exact};

    #[test]
    fn works_exactly_and_by_graph() {
        let writer = spiral(2_000);
        writer.validate().unwrap();
        assert_eq!((writer.quant(), writer.walked_by()), (Quant::Int8, Quant::F32));
        for query in [[0.0; 3], [3.0, -2.0, 20.0], [-50.0, 50.0, 80.0]] {
            let index = writer.index().pin();
            let row = |i: u32| index.vector(engram::index::RowId(i));
            let far = |i| row(i).iter().zip(&query).map(|(a, b)| (a - b).abs()).sum::<f32>();
            let mut all: Vec<f32> = (0..2_000).map(far).collect();
            all.sort_by(f32::total_cmp);
            let exact = ask(&writer, &Exact::new(10), query);
            assert!(exact.iter().map(|(_, distance)| *distance).eq(all[..10].iter().copied()));
            for exact_below in [0, EXACT_BELOW] {
                let nearest = Nearest { k: 10, ef: 200, exact_below };
                assert_eq!(ask(&writer, &nearest, query), exact);
                let range = Range { radius: f64::from(all[9]), nearest, filter: Everything };
                assert_eq!(ask(&writer, &range, query), exact);
                assert!(ask(&writer, &Range { radius: -1.0, ..range }, query).is_empty());
            }
        }
    }

    #[test]
    fn the_readme_shows_this_metric() {
        let (own, readme) = (include_str!("manhattan.rs"), include_str!("../../../../README.md"));
        let (_, body) = own.split_once("/// The sum of").unwrap();
        let (body, _) = body.split_once("/// `n` points").unwrap();
        assert!(readme.contains(body.trim_end()), "README.md has another text");
    }
}
