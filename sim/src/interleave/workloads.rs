//! Tiny plans whose schedules are searched: as text, so that they can be read, and changed.

use crate::plan::{Plan, parse};

/// A tiny plan.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What it is called.
    pub name: &'static str,
    /// What happens in its first life.
    pub plan: Plan,
}

/// A write races with a read of the same key on another connection.
const SET_GET: &str = "\
# a write races with a read of the same key on another connection
plan seed 1
server workers 1
life 0
  ending shutdown twice false
  client 0 depth 2
    SET shared:r0 0.0.1
    GET shared:r0
  client 1 depth 2
    GET shared:r0
    SET shared:r0 1.0.1
";

/// Two rows are linked and searched for by two workers at once.
const VECTORS: &str = "\
# two rows are linked and searched for by two workers at once
plan seed 2
server workers 2 exact-below 0
life 0
  ending shutdown twice false
  client 0 depth 8
    VNEW c0:v0 2 METRIC l2 M 4 EF_CONSTRUCTION 20
    VADD c0:v0 e0 [0,1]
    VADD c0:v0 e1 [1,0]
    VSEARCH c0:v0 [1,1] 2
";

/// The server is asked to finish while jobs are with the workers.
const FINISH: &str = "\
# the server is asked to finish while jobs are with the workers
plan seed 3
server workers 2 exact-below 0
life 0
  ending shutdown twice false
  client 0 depth 8
    VNEW c0:v0 2 METRIC l2 M 4 EF_CONSTRUCTION 20
    VADD c0:v0 e0 [0,1]
    VADD c0:v0 e1 [1,0]
    VSEARCH c0:v0 [1,1] 2
    break shutdown 20000
";

/// Rows die and are swept, and others take their places, while two workers link and search and a snapshot is written.
const SWEEP: &str = "\
# rows are swept while others are linked, searched for and captured
plan seed 4
server workers 2 exact-below 0 sweep-from 1 sweep-slice 1
life 0
  ending shutdown twice false
  client 0 depth 8
    VNEW c0:v0 2 METRIC l2 M 4 EF_CONSTRUCTION 20
    VADD c0:v0 e0 [0,1]
    VADD c0:v0 e1 [1,0]
    VADD c0:v0 e0 [1,1]
    VSEARCH c0:v0 [1,1] 2
    BGSAVE
    VADD c0:v0 e1 [0,1]
    VADD c0:v0 e2 [0,0]
    VSEARCH c0:v0 [0,1] 3
";

/// The form of an index is changed while rows come and go, are searched for and captured.
const FORM: &str = "\
# a form is changed while rows are written, linked, searched for and captured
plan seed 5
server workers 2 exact-below 0 sweep-from 1 sweep-slice 1
life 0
  ending shutdown twice false
  client 0 depth 8
    VNEW c0:v0 2 METRIC l2 QUANT int4 M 4 EF_CONSTRUCTION 20
    VADD c0:v0 e0 [0,1]
    VADD c0:v0 e1 [1,0]
    VQUANT c0:v0 bin
    VADD c0:v0 e0 [1,1]
    VSEARCH c0:v0 [1,1] 2
    BGSAVE
    VADD c0:v0 e2 [0,0]
    VSEARCH c0:v0 [0,1] 3
";

/// All there are.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let vectors = [("vectors", VECTORS), ("finish", FINISH), ("sweep", SWEEP), ("form", FORM)];
    let all = [("set-get", SET_GET)].into_iter().chain(vectors);
    all.map(|(name, text)| Workload { name, plan: parse(text).0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_understood() {
        for text in [SET_GET, VECTORS, FINISH, SWEEP, FORM] {
            assert_eq!(parse(text).1, Vec::<String>::new());
        }
    }
}
