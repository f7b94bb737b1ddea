//! The compressed forms: the same answers on every machine, and none of them lost.

use super::*;
use crate::base::crc32c;

/// What searches of each form answer, all of it, as one number. Any change of a code, an estimate, the graph or the
/// order of a sum changes it; no instruction set does.
const ANSWERS: [(&str, Quant, u32); 12] = [
    ("cosine", Quant::F32, 0xd8a8_accc),
    ("cosine", Quant::Int8, 0x0ba3_577f),
    ("cosine", Quant::Int4, 0x0590_2027),
    ("cosine", Quant::Bin, 0xa9f8_3a6f),
    ("l2", Quant::F32, 0x5d26_13f8),
    ("l2", Quant::Int8, 0x36ff_9fee),
    ("l2", Quant::Int4, 0x6221_8d0d),
    ("l2", Quant::Bin, 0x725d_a2db),
    ("dot", Quant::F32, 0x1e08_3083),
    ("dot", Quant::Int8, 0x8dcb_2bf7),
    ("dot", Quant::Int4, 0x6427_f0a9),
    ("dot", Quant::Bin, 0x3747_1612),
];

#[test]
fn every_form_answers_with_the_same_bits_on_every_machine() {
    let (rows, dim) = (sized(60, 600), 100);
    let vectors = clustered_vectors(21, 6, rows / 6, dim, 4.0);
    let queries = clustered_vectors(22, 6, sized(1, 5), dim, 4.0);
    let mut wrong = false;
    for kernels in Kernels::available() {
        for (name, quant, expected) in ANSWERS {
            let Some(metric) = metric_named(name.as_bytes()) else { unreachable!("{name} is a metric") };
            let writer = built(Config { kernels, quant, ..config(dim, metric) }, &vectors);
            let mut answers = Vec::new();
            for hit in queries.iter().flat_map(|query| searched(writer.index(), query, 10, 30)) {
                answers.extend(hit.row.0.to_le_bytes());
                answers.extend(hit.distance.to_bits().to_le_bytes());
            }
            let seen = crc32c::crc32c(&answers);
            println!("{:<8} {name:<8} {:<5} {seen:#010x}", kernels.name(), quant.name());
            wrong |= !cfg!(miri) && seen != expected;
        }
    }
    assert!(!wrong, "the table above is not the one that is written down");
}
