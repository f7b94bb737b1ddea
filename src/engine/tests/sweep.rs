//! Every byte of a small directory damaged, and every file cut to every length: a start refuses, or it serves exactly what
//! was there. `cargo test --lib sweep -- --nocapture` prints how many places were tried, by what stands there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::SetClock;
use crate::base::sync::AtomicU64;
use crate::engine::command::{Handler, lookup};
use crate::engine::value::Value;
use crate::engine::{Call, Engine, Outcome};
use crate::index::Scratch;
use crate::resp::{OwnedArgs, Protocol};
use crate::snapshot;
use crate::wal::tests::disk::MemDisk;
use crate::wal::{self, Item, Lsn};

/// Sizes of a log's segment, and of the room ahead of its end.
const LOG: (u64, u64) = (256, 1 << 10);

type Files = BTreeMap<String, Vec<u8>>;

/// What a server that starts shows: each key with what it holds, and what searches find.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    contents: Vec<String>,
    answers: Vec<String>,
}

fn clock() -> Arc<SetClock> {
    Arc::new(SetClock(AtomicU64::new(1_700_000_000_000)))
}

/// Starts on these files; what is shown, and the last record.
fn shown(files: &Files) -> Result<(Shown, Lsn), String> {
    let disk = MemDisk::default();
    files.iter().for_each(|(name, bytes)| disk.put(name, bytes));
    let engine = Engine::try_on(Some(disk.arc()), clock(), LOG).map_err(|e| e.to_string())?;
    let shown = contents(&engine);
    let last = engine.next_lsn().0 - 1;
    engine.close().unwrap();
    Ok((shown, Lsn(last)))
}

fn contents(engine: &Engine) -> Shown {
    let mut shown = Shown::default();
    let (mut cursor, mut scratch) = (0, Scratch::new());
    loop {
        cursor = engine.store.keyspace.scan(cursor, 64, &mut |entry| {
            let head = format!("{} {}", entry.key.escape_ascii(), entry.expire_at);
            match &entry.value {
                Value::String(bytes) => shown.contents.push(format!("{head} {}", bytes.escape_ascii())),
                Value::Shared(bytes) => shown.contents.push(format!("{head} {}", bytes.escape_ascii())),
                Value::Vectors(set) => {
                    let index = set.writer.index().pin();
                    let (dim, m) = (index.config().dim, index.config().m);
                    shown.contents.push(format!("{head} {} {dim} {m}", index.config().metric.name()));
                    for key in set.writer.keys() {
                        let vector = index.vector(set.writer.get(key).unwrap());
                        shown.contents.push(format!("{head} {} {vector:?}", key.escape_ascii()));
                        let mut hits = Vec::new();
                        index.search(&index.query(vector), 3, 8, &mut scratch, &mut hits);
                        let hits = hits
                            .iter()
                            .map(|hit| (index.key(hit.row).escape_ascii().to_string(), hit.distance));
                        shown.answers.push(format!("{} {:?}", key.escape_ascii(), hits.collect::<Vec<_>>()));
                    }
                }
            }
        });
        if cursor == 0 {
            break;
        }
    }
    engine.validate().unwrap();
    shown.contents.sort();
    shown.answers.sort();
    shown
}

/// Runs a command to its end, its job included.
fn run(engine: &mut Engine, words: &[&[u8]]) {
    let owned = OwnedArgs::from_words(words.iter().copied());
    let Some(Handler::Engine(handler)) = lookup(words[0]).map(|c| c.handler) else { panic!("the engine's") };
    let mut out = Vec::new();
    let mut call = Call::new(owned.args(), Protocol::Resp2, &mut out);
    if let Outcome::Job(mut job) = engine.execute(handler, &mut call) {
        job.run(&mut Scratch::new());
    }
    assert!(!out.starts_with(b"-"), "{}", out.escape_ascii());
    let lsn = Lsn(engine.next_lsn().0 - 1);
    super::await_durable(engine, lsn);
}

/// The commands of step `n`: one record each.
fn step(engine: &mut Engine, n: usize) {
    let vector: Vec<u8> = [n as f32, 1.0, (n * n % 7) as f32].iter().flat_map(|x| x.to_le_bytes()).collect();
    let (key, element) = (format!("k{}", n % 4), format!("e{}", n % 6));
    match n % 5 {
        0 => run(engine, &[b"SET", key.as_bytes(), format!("value {n}").as_bytes()]),
        1 | 3 => run(engine, &[b"VADD", b"i", element.as_bytes(), &vector]),
        2 => run(engine, &[b"SET", key.as_bytes(), b"brief", b"PX", b"100000"]),
        _ => run(engine, &[b"MSET", key.as_bytes(), b"\0\r\n\xff", b"other", element.as_bytes()]),
    }
}

/// A directory that a server left in order, or by a crash: a snapshot, segments that it covers, segments behind it. And
/// what it held after each record.
fn directory(in_order: bool) -> (Files, Vec<Shown>) {
    let disk = MemDisk::default();
    let mut engine = Engine::try_on(Some(disk.arc()), clock(), LOG).unwrap();
    let mut states = vec![Shown::default()];
    run(&mut engine, &[b"VNEW", b"i", b"3", b"METRIC", b"l2", b"M", b"2"]);
    states.push(contents(&engine));
    let mut covered = Files::new();
    for n in 0..24 {
        if n == 12 {
            covered = disk.image();
            engine.request_snapshot().unwrap();
            while engine.take_saved().is_none() {
                engine.tick();
            }
        }
        step(&mut engine, n);
        states.push(contents(&engine));
    }
    let crashed = disk.after_kill();
    engine.close().unwrap();
    let mut files = if in_order { disk.image() } else { crashed.image() };
    // As a removal that failed leaves them: the room behind the last one's records has been cut.
    let whole = MemDisk::default();
    covered.iter().for_each(|(name, bytes)| whole.put(name, bytes));
    wal::list(&whole, Lsn(1), Lsn(u64::MAX), &mut |item| {
        if let Item::Torn { file, offset, .. } = item {
            covered.get_mut(file).unwrap().truncate(offset as usize);
        }
    })
    .unwrap();
    for (name, bytes) in covered {
        files.entry(name).or_insert(bytes);
    }
    assert!(files.keys().filter(|name| name.ends_with(".log")).count() >= 5, "{:?}", files.keys());
    (files, states)
}

/// What stands at each byte of each file.
fn classes(files: &Files) -> BTreeMap<String, Vec<&'static str>> {
    let disk = MemDisk::default();
    files.iter().for_each(|(name, bytes)| disk.put(name, bytes));
    let mut classes = BTreeMap::new();
    for (name, bytes) in files {
        let rest = match name.rsplit_once('.') {
            Some((_, "log")) => "mark",
            Some((_, "snap")) => "snapshot: filling and table",
            _ => "temporary",
        };
        classes.insert(name.clone(), vec![rest; bytes.len()]);
    }
    let mut file = String::new();
    let mut fill = |file: &str, range: std::ops::Range<usize>, what| {
        classes.get_mut(file).unwrap()[range].fill(what);
    };
    wal::list(&disk, Lsn(1), Lsn(u64::MAX), &mut |item| match item {
        Item::Segment { file: name, .. } => {
            file = name.to_owned();
            fill(&file, 0..32, "segment header");
        }
        Item::Record { offset, payload, .. } => {
            let at = offset as usize;
            fill(&file, at..at + 28, "record header");
            fill(&file, at + 28..at + 28 + payload.len(), "record payload");
        }
        Item::Torn { room, offset, bytes, .. } => {
            assert!(room, "the log is whole");
            fill(&file, offset as usize..(offset + bytes) as usize, "room for records");
        }
    })
    .unwrap();
    for report in snapshot::inspect(&disk).unwrap() {
        let len = files[&report.file].len();
        fill(&report.file, 0..64, "snapshot: header");
        fill(&report.file, len - 32..len, "snapshot: footer");
        for section in report.sections.unwrap() {
            let at = section.offset as usize;
            fill(&report.file, at..at + section.bytes as usize, "snapshot: sections");
        }
    }
    classes
}

/// How many places were tried and what became of it.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    tried: usize,
    refused: usize,
    harmless: usize,
    /// The log is taken to end before a record that nothing behind it vouches for.
    torn: usize,
}

fn print(title: &str, tallies: &BTreeMap<String, Tally>) {
    println!(
        "{title}\n| what | tried | refused | harmless | taken for torn | wrong |\n|---|---|---|---|---|---|"
    );
    for (what, t) in tallies {
        println!("| {what} | {} | {} | {} | {} | 0 |", t.tried, t.refused, t.harmless, t.torn);
    }
}

/// Starts on damaged files and judges what comes of it.
fn judge(
    files: &Files,
    whole: &(Shown, Lsn),
    states: &[Shown],
    may_end: bool,
    tally: &mut Tally,
    what: &str,
) {
    tally.tried += 1;
    match shown(files) {
        Err(why) => {
            assert!(files.keys().any(|name| why.contains(name.as_str())), "{what}: no file is named: {why}");
            tally.refused += 1;
        }
        Ok(found) if found == *whole => tally.harmless += 1,
        Ok((found, last)) => {
            let prefix = last < whole.1 && states[last.0 as usize].contents == found.contents;
            assert!(may_end && prefix, "{what}: WRONG: a start shows {last} of {}", whole.1);
            tally.torn += 1;
        }
    }
}

/// Each byte of each file, two ways. Records of the last batch are vouched for by a mark, or by nothing.
fn flip_everything(in_order: bool) -> BTreeMap<String, Tally> {
    let (files, states) = directory(in_order);
    let whole = shown(&files).unwrap();
    assert_eq!((&whole.0.contents, whole.1), (&states.last().unwrap().contents, Lsn(25)));
    let last_log = files.keys().rfind(|name| name.ends_with(".log")).unwrap();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for (name, class) in classes(&files) {
        let mut damaged = files.clone();
        for (at, class) in class.iter().enumerate() {
            let tally = tallies.entry((*class).to_owned()).or_default();
            for flip in [1 << (at % 8), 0xff] {
                damaged.get_mut(&name).unwrap()[at] ^= flip;
                let may_end = !in_order && name == *last_log;
                judge(&damaged, &whole, &states, may_end, tally, &format!("{name}, byte {at} ^ {flip:#x}"));
                damaged.get_mut(&name).unwrap()[at] ^= flip;
            }
        }
    }
    tallies
}

#[test]
fn every_damaged_byte_of_a_directory_left_in_order_is_refused_or_harmless() {
    let tallies = flip_everything(true);
    print("left in order: each byte with one bit flipped, and with all", &tallies);
    assert_eq!(tallies.values().map(|t| t.torn).sum::<usize>(), 0);
    assert!(tallies.len() >= 7 && tallies["record payload"].refused > 0 && tallies["mark"].harmless > 0);
    assert_eq!(tallies["snapshot: sections"].refused, tallies["snapshot: sections"].tried);
}

#[test]
fn every_damaged_byte_of_a_directory_left_by_a_crash_is_refused_or_takes_the_last_record_at_most() {
    let tallies = flip_everything(false);
    print("left by a crash, with room ahead: each byte with one bit flipped, and with all", &tallies);
    assert!(
        tallies["record header"].torn > 0 && tallies["record header"].refused > tallies["record header"].torn
    );
}

#[test]
fn a_tail_torn_at_any_length_leaves_exactly_the_records_that_are_whole() {
    let (files, states) = directory(false);
    let whole = shown(&files).unwrap();
    let names: Vec<_> = files.keys().cloned().collect();
    let last_log = names.iter().rfind(|name| name.ends_with(".log")).unwrap();
    let disk = MemDisk::default();
    files.iter().for_each(|(name, bytes)| disk.put(name, bytes));
    let mut ends = BTreeMap::new();
    let mut file = String::new();
    wal::list(&disk, Lsn(1), Lsn(u64::MAX), &mut |item| match item {
        Item::Segment { file: name, first, .. } => {
            file = name.to_owned();
            ends.insert((file.clone(), 0), Lsn(first.0 - 1));
        }
        Item::Record { offset, lsn, payload, .. } => {
            ends.insert((file.clone(), offset as usize + 28 + payload.len()), lsn);
        }
        Item::Torn { room, .. } => assert!(room, "the log is whole"),
    })
    .unwrap();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for name in &names {
        let what = match name.rsplit_once('.') {
            Some((_, "snap")) => "snapshot",
            Some((_, "tmp")) => "temporary",
            _ if name == last_log => "last segment",
            _ => "earlier segment",
        };
        let tally = tallies.entry(what.to_owned()).or_default();
        for len in 0..files[name].len() {
            let mut cut = files.clone();
            cut.get_mut(name).unwrap().truncate(len);
            judge(&cut, &whole, &states, name == last_log, tally, &format!("{name} cut to {len}"));
            if name == last_log {
                let (_, expected) = ends.range((name.clone(), 0)..=(name.clone(), len)).next_back().unwrap();
                assert_eq!(shown(&cut).unwrap().1, *expected, "{name} cut to {len}");
            }
        }
    }
    print("each file cut to each length", &tallies);
    let last = tallies["last segment"];
    assert!(last.torn > 0 && last.harmless > 0, "within the records, and within the room");
    assert_eq!((last.torn + last.harmless, last.refused), (last.tried, 0));
    assert_eq!(tallies["snapshot"].refused, tallies["snapshot"].tried);
}
