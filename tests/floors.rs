//! The house holds: imports run downward, siblings do not see each other, files and functions stay in bounds.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its sources has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floor of each folder of `src`. Folders on one floor do not see each other.
const FLOORS: &[(&str, u32)] = &[
    ("base", 0),
    ("env", 1),
    ("os", 2),
    ("kernels", 2),
    ("resp", 2),
    ("wal", 2),
    ("index", 3),
    ("recall", 4),
    ("snapshot", 4),
    ("engine", 5),
    ("server", 6),
];
/// Nobody on a floor sees the real machine; `main` does.
const ANNEX: &str = "os";
const MAX_FILE: usize = 500;
const MAX_FUNCTION: usize = 70;

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn files_under(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    folders.iter().map(|f| root.join(f)).filter(|p| p.is_dir()).for_each(|p| sources(&p, &mut paths));
    paths
        .into_iter()
        .map(|p| (p.strip_prefix(root).unwrap().to_owned(), fs::read_to_string(&p).unwrap()))
        .collect()
}

/// The first segments of every path that begins with `crate::` in this text, groups (`crate::{a, b}`) spelled out.
fn named_folders(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => item = true,
                    c if item && depth == 0 && c.is_alphanumeric() => {
                        found.push(word(&group[i..]));
                        item = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.push(word(rest));
        }
    }
    found
}

/// Every edge of this file that a floor does not allow.
fn climbing_edges(folder: &str, text: &str) -> Vec<String> {
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let Some(own) = floors.get(folder) else { return vec![format!("the folder {folder} has no floor")] };
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).flat_map(|l| [l, "\n"]).collect();
    let is_bad = |name: &String| {
        let Some(other) = floors.get(name.as_str()) else { return false };
        name != folder && (other >= own || name == ANNEX || (folder == ANNEX && *other > 1))
    };
    named_folders(&code).into_iter().filter(is_bad).collect()
}

#[test]
fn imports_run_downward_and_siblings_do_not_see_each_other() {
    let mut bad = Vec::new();
    for (path, text) in files_under(&["src"]) {
        let parts: Vec<_> = path.iter().map(|p| p.to_string_lossy().into_owned()).collect();
        if parts.len() < 3 {
            continue;
        }
        for edge in climbing_edges(&parts[1], &text) {
            bad.push(format!("{} names {edge}", path.display()));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn an_edge_that_climbs_would_be_seen() {
    assert_eq!(climbing_edges("wal", "use crate::engine::Engine;"), ["engine"]);
    assert_eq!(climbing_edges("wal", "use crate::{base::rng, resp::{Args, Reply}, os};"), ["resp", "os"]);
    assert_eq!(climbing_edges("engine", "let x = crate::server::Server::new();"), ["server"]);
    assert!(climbing_edges("engine", "use crate::{wal::Lsn, index, engine::Op};").is_empty());
}

#[test]
fn the_machine_is_reached_through_its_doors_only() {
    let doors =
        ["std::fs", "std::net", "std::time::Instant", "std::time::SystemTime", "std::thread", "libc::"];
    let mut bad = Vec::new();
    for (path, text) in files_under(&["src"]) {
        let shown = path.display().to_string();
        let is_test = shown.contains("/tests") || shown.ends_with("tests.rs");
        if is_test
            || shown.starts_with("src/os")
            || shown.starts_with("src/base/sync")
            || shown == "src/main.rs"
        {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
        for line in lines {
            bad.extend(
                doors.iter().filter(|d| line.contains(**d)).map(|d| format!("{shown} reaches for {d}")),
            );
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn files_stay_below_five_hundred_lines_and_open_with_what_they_guarantee() {
    let mut bad = Vec::new();
    for (path, text) in files_under(&["src", "sim", "tests", "benches"]) {
        let lines = text.lines().count();
        if lines > MAX_FILE {
            bad.push(format!("{}: {lines} lines", path.display()));
        }
        if !text.starts_with("//!") {
            bad.push(format!("{}: does not open with //!", path.display()));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Functions of a rustfmt-formatted text that are too long, with their lengths. A function ends at the first line that
/// is a closing brace at its own indentation.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let head = code.split('(').next().unwrap_or_default();
        if code.starts_with("//") || !format!(" {head}").contains(" fn ") || code.ends_with(';') {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(indent));
        let body = lines[start..].iter().position(|l| *l == closing);
        if let Some(length) = body.filter(|length| *length + 1 > MAX_FUNCTION) {
            long.push((head.to_owned(), length + 1));
        }
    }
    long
}

#[test]
fn functions_stay_below_seventy_lines() {
    let mut bad = Vec::new();
    for (path, text) in files_under(&["src", "sim", "tests", "benches"]) {
        bad.extend(
            long_functions(&text)
                .into_iter()
                .map(|(name, n)| format!("{}: {name}: {n} lines", path.display())),
        );
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_long_function_would_be_seen() {
    let body = "    let x = 1;\n".repeat(MAX_FUNCTION);
    let text = format!("impl A {{\n    pub fn grow() {{\n{body}    }}\n}}\n");
    assert_eq!(long_functions(&text), [("pub fn grow".to_owned(), MAX_FUNCTION + 2)]);
}
