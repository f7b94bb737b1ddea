//! VQUANT in an engine without a server: what goes on beside it, what ends it, what a restart finds.

use std::sync::Arc;

use super::{SetClock, await_durable};
use crate::base::sync::AtomicU64;
use crate::engine::command::{Handler, lookup};
use crate::engine::value::Value;
use crate::engine::{Call, Engine, Outcome, SnapshotPlan};
use crate::index::{Quant, Scratch};
use crate::resp::{OwnedArgs, Protocol};
use crate::wal::Lsn;
use crate::wal::tests::disk::MemDisk;

fn engine(disk: &MemDisk) -> Engine {
    Engine::on(Some(disk.arc()), Arc::new(SetClock(AtomicU64::new(1_700_000_000_000))))
}

/// Runs a command to its end, its job included, but for VQUANT's work; its reply, or the number of a change.
fn ask(engine: &mut Engine, words: &[&[u8]]) -> Result<String, u64> {
    let owned = OwnedArgs::from_words(words.iter().copied());
    let mut out = Vec::new();
    let mut call = Call::new(owned.args(), Protocol::Resp2, &mut out);
    let outcome = match lookup(words[0]).unwrap().handler {
        Handler::Engine(handler) => engine.execute(handler, &mut call),
        Handler::Server(_) => {
            engine.execute(|engine, call| engine.change_quant(call, Some(1 << 20)), &mut call)
        }
    };
    match outcome {
        Outcome::Job(mut job) => drop(job.run(&mut Scratch::new())),
        Outcome::Change(number) => return Err(number),
        _ => {}
    }
    Ok(out.escape_ascii().to_string())
}

fn say(engine: &mut Engine, line: &str) -> Result<String, u64> {
    ask(engine, &line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

fn add(engine: &mut Engine, key: &str, n: u32) {
    let vector: Vec<u8> = (0..4).flat_map(|i| (((n * 7 + i * n * n) % 11) as f32).to_le_bytes()).collect();
    ask(engine, &[b"VADD", key.as_bytes(), format!("e{n}").as_bytes(), &vector]).unwrap();
}

/// An index `i` of so many rows, by int4.
fn filled(disk: &MemDisk, rows: u32) -> Engine {
    let mut engine = engine(disk);
    say(&mut engine, "VNEW i 4 METRIC l2 M 4 QUANT int4").unwrap();
    (0..rows).for_each(|n| add(&mut engine, "i", n));
    engine
}

/// A turn of the loop and one slice.
fn turn(engine: &mut Engine) {
    engine.tick();
    if let Some(mut job) = engine.take_garbage() {
        job.run(&mut Scratch::new());
    }
    if let Some(mut job) = engine.take_sweep() {
        job.run(&mut Scratch::new());
    }
    if let Some(mut job) = engine.take_recoding() {
        job.run(&mut Scratch::new());
    }
}

/// Takes turns until a change has come to its end.
fn changed(engine: &mut Engine) -> (u64, Result<Lsn, String>) {
    loop {
        turn(engine);
        if let Some(changed) = engine.take_changed() {
            return (changed.number, changed.result);
        }
    }
}

/// Waits until all that was logged is durable.
fn sync(engine: &mut Engine) {
    let last = Lsn(engine.next_lsn().0 - 1);
    await_durable(engine, last);
}

fn quant(engine: &Engine, key: &str) -> Quant {
    let Some(Value::Vectors(set)) = engine.store.keyspace.get(key.as_bytes()).map(|entry| &entry.value)
    else {
        panic!("{key} is an index");
    };
    set.writer.quant()
}

#[test]
fn a_change_goes_on_beside_writes_and_survives_a_restart() {
    let disk = MemDisk::default();
    let mut engine = filled(&disk, 60);
    assert_eq!(say(&mut engine, "VQUANT i bin"), Err(1));
    assert_eq!(say(&mut engine, "VQUANT i bin"), Err(1), "whoever asks for the same waits for the same");
    for n in 0..5 {
        turn(&mut engine);
        add(&mut engine, "i", 55 + n);
        say(&mut engine, &format!("VDEL i e{n}")).unwrap();
        engine.validate().unwrap();
    }
    let info = say(&mut engine, "VINFO i").unwrap();
    assert!(info.contains("+quant-type\\r\\n+int4") && info.contains("+quant-change\\r\\n+bin"), "{info}");
    let (number, result) = changed(&mut engine);
    let lsn = result.unwrap();
    assert_eq!((number, quant(&engine, "i")), (1, Quant::Bin));
    engine.validate().unwrap();
    let info = say(&mut engine, "VINFO i").unwrap();
    assert!(info.contains("+quant-type\\r\\n+bin") && info.contains("+quant-change\\r\\n+none"), "{info}");
    assert_eq!(say(&mut engine, "VQUANT i bin"), Ok("+OK\\r\\n".to_owned()), "it is so already");
    add(&mut engine, "i", 70);
    sync(&mut engine);
    assert!(engine.durable() >= lsn);
    let killed = disk.after_kill();
    engine.close().unwrap();
    let engine = self::engine(&killed);
    assert_eq!(quant(&engine, "i"), Quant::Bin);
    engine.validate().unwrap();
}

#[test]
fn a_change_ends_where_another_is_asked_for_or_the_form_that_is_there() {
    for waits in [false, true] {
        let disk = MemDisk::default();
        let mut engine = filled(&disk, 60);
        let Some(Value::Vectors(set)) = engine.store.keyspace.get(b"i").map(|entry| &entry.value) else {
            panic!("i is an index");
        };
        let pin = waits.then(|| set.writer.index().pin());
        let (first, there) = if waits { ("int8", Quant::Int8) } else { ("int4", Quant::Int4) };
        if waits {
            // Until everyone has left who reads by int4 the next one waits.
            say(&mut engine, "VQUANT i int8").unwrap_err();
            changed(&mut engine).1.unwrap();
        }
        let number = say(&mut engine, "VQUANT i bin").unwrap_err();
        // One slice is done, and one is on its way.
        turn(&mut engine);
        engine.tick();
        let slice = engine.take_recoding();
        assert_eq!(slice.is_none(), waits);
        assert_eq!(say(&mut engine, &format!("VQUANT i {first}")), Ok("+OK\\r\\n".to_owned()));
        let given_up = engine.take_changed().unwrap();
        assert_eq!(given_up.number, number);
        let why = given_up.result.unwrap_err();
        assert_eq!(why, format!("ERR the change to QUANT bin is given up: QUANT {first} was asked for"));
        let info = say(&mut engine, "VINFO i").unwrap();
        assert!(info.contains("+quant-change\\r\\n+none"), "{info}");
        assert_eq!(quant(&engine, "i"), there);
        let second = say(&mut engine, "VQUANT i bin").unwrap_err();
        let third = say(&mut engine, "VQUANT i f32").unwrap_err();
        assert!(engine.take_changed().is_some_and(|it| it.number == second && it.result.is_err()));
        add(&mut engine, "i", 7);
        slice.into_iter().for_each(|mut job| drop(job.run(&mut Scratch::new())));
        drop(pin);
        let (number, result) = changed(&mut engine);
        assert_eq!((number, quant(&engine, "i")), (third, Quant::F32));
        result.unwrap();
        engine.validate().unwrap();
        sync(&mut engine);
        let engine = self::engine(&disk.after_kill());
        assert_eq!(quant(&engine, "i"), Quant::F32);
        engine.validate().unwrap();
    }
}

#[test]
fn a_crash_before_the_record_leaves_the_old_form() {
    let disk = MemDisk::default();
    let mut engine = filled(&disk, 40);
    assert_eq!(say(&mut engine, "VQUANT i f32"), Err(1));
    turn(&mut engine);
    sync(&mut engine);
    let engine = self::engine(&disk.after_kill());
    assert_eq!(quant(&engine, "i"), Quant::Int4);
    engine.validate().unwrap();
}

#[test]
fn a_snapshot_holds_the_form_of_its_moment_and_the_log_behind_it_the_change() {
    for form in ["f32", "int8"] {
        let disk = MemDisk::default();
        let mut engine = filled(&disk, 60);
        say(&mut engine, &format!("VQUANT i {form}")).unwrap_err();
        turn(&mut engine);
        engine.request_snapshot().unwrap();
        changed(&mut engine).1.unwrap();
        while engine.take_saved().is_none() {
            turn(&mut engine);
        }
        sync(&mut engine);
        let engine = self::engine(&disk.after_kill());
        assert_eq!(quant(&engine, "i").name(), form);
        engine.validate().unwrap();
        // And from a snapshot behind the change, whose codes lie in its map, to another form.
        let mut engine = engine;
        engine.request_snapshot().unwrap();
        while engine.take_saved().is_none() {
            turn(&mut engine);
        }
        let mut engine = self::engine(&disk.after_kill());
        engine.validate().unwrap();
        say(&mut engine, "VQUANT i bin").unwrap_err();
        add(&mut engine, "i", 3);
        changed(&mut engine).1.unwrap();
        engine.validate().unwrap();
        assert_eq!(quant(&engine, "i"), Quant::Bin);
    }
}

#[test]
fn an_index_that_is_renamed_is_changed_and_one_that_goes_is_not() {
    let disk = MemDisk::default();
    let mut engine = filled(&disk, 60);
    say(&mut engine, "VQUANT i int8").unwrap_err();
    turn(&mut engine);
    say(&mut engine, "RENAME i j").unwrap();
    changed(&mut engine).1.unwrap();
    assert_eq!(quant(&engine, "j"), Quant::Int8);
    for ends in ["DEL j", "FLUSHALL", "SET j 1", "PEXPIRE j -1"] {
        if say(&mut engine, "EXISTS j") == Ok(":0\\r\\n".to_owned()) || ends == "PEXPIRE j -1" {
            say(&mut engine, "DEL j").unwrap();
            say(&mut engine, "VNEW j 4 QUANT int8").unwrap();
            (0..30).for_each(|n| add(&mut engine, "j", n));
        }
        say(&mut engine, "VQUANT j f32").unwrap_err();
        turn(&mut engine);
        say(&mut engine, ends).unwrap();
        assert!(changed(&mut engine).1.unwrap_err().starts_with("ERR the index is gone"), "{ends}");
        engine.validate().unwrap();
    }
    sync(&mut engine);
    self::engine(&disk.after_kill()).validate().unwrap();
}

#[test]
fn what_cannot_be_changed_is_refused_and_the_end_of_the_server_ends_a_change() {
    let disk = MemDisk::default();
    let mut engine = filled(&disk, 40);
    say(&mut engine, "SET s 1").unwrap();
    for (line, says) in [
        ("VQUANT none int8", "-ERR no index 'none'"),
        ("VQUANT s int8", "-WRONGTYPE"),
        ("VQUANT i int7", "-ERR unknown QUANT 'int7'"),
    ] {
        let reply = say(&mut engine, line).unwrap().replace("\\'", "'");
        assert!(reply.starts_with(says), "{line}: {reply}");
    }
    let words = OwnedArgs::from_words([&b"VQUANT"[..], b"i", b"f32"]);
    let mut out = Vec::new();
    let mut call = Call::new(words.args(), Protocol::Resp2, &mut out);
    engine.execute(|engine, call| engine.change_quant(call, Some(100)), &mut call);
    assert!(out.starts_with(b"-OOM "), "{}", out.escape_ascii());
    let before = engine.used_memory();
    say(&mut engine, "VQUANT i int8").unwrap_err();
    assert!(engine.used_memory() > before, "what is made is weighed");
    engine.give_up_changes();
    assert!(engine.used_memory() > before, "what was begun and given up is there until it has been dropped");
    drop(engine.take_garbage());
    assert_eq!(engine.used_memory(), before);
    assert!(engine.take_changed().unwrap().result.unwrap_err().contains("shutting down"));
    assert_eq!(quant(&engine, "i"), Quant::Int4);
    engine.validate().unwrap();
}

#[test]
fn a_further_change_waits_for_who_still_reads_by_the_form_before() {
    let disk = MemDisk::default();
    let mut engine = filled(&disk, 40);
    let Some(Value::Vectors(set)) = engine.store.keyspace.get(b"i").map(|entry| &entry.value) else {
        panic!("i is an index");
    };
    let pin = set.writer.index().pin();
    say(&mut engine, "VQUANT i int8").unwrap_err();
    changed(&mut engine).1.unwrap();
    let (two, before) = (say(&mut engine, "VQUANT i f32"), engine.used_memory());
    assert_eq!(two, Err(2));
    (0..20).for_each(|_| turn(&mut engine));
    assert!(engine.take_changed().is_none() && engine.used_memory() == before);
    add(&mut engine, "i", 50);
    drop(pin);
    assert_eq!(changed(&mut engine).0, 2);
    assert_eq!(quant(&engine, "i"), Quant::F32);
    engine.validate().unwrap();
}

#[test]
fn changes_that_replace_each_other_leave_one_coding_too_many_which_counts() {
    let disk = MemDisk::default();
    let mut engine = filled(&disk, 60);
    let before = engine.used_memory();
    say(&mut engine, "VQUANT i int8").unwrap_err();
    let one = engine.used_memory() - before;
    assert!(one > 0, "what is made is weighed");
    // As many clients as ask in one turn, and then turns in which the worker that would drop what was begun does something else.
    for n in 0..100 {
        say(&mut engine, ["VQUANT i bin", "VQUANT i int8"][n % 2]).unwrap_err();
        if n % 2 == 0 {
            engine.tick();
        }
        assert!(engine.take_recoding().is_none(), "none begins before it");
        assert!(engine.take_changed().is_some_and(|it| it.result.is_err()));
        assert_eq!(
            engine.used_memory(),
            before + one,
            "what was given up counts, and nothing else has been begun"
        );
    }
    let mut drops = engine.take_garbage().unwrap();
    engine.tick();
    assert_eq!(engine.used_memory(), before + one, "it is with a worker");
    drops.run(&mut Scratch::new());
    assert_eq!(engine.used_memory(), before);
    assert_eq!(changed(&mut engine).0, 101);
    assert_eq!(quant(&engine, "i"), Quant::Int8);
    engine.validate().unwrap();
}

#[test]
fn what_waits_to_begin_has_its_memory_promised() {
    let disk = MemDisk::default();
    let mut engine = filled(&disk, 60);
    say(&mut engine, "VNEW j 4 METRIC l2 M 4 QUANT int4").unwrap();
    (0..60).for_each(|n| add(&mut engine, "j", n));
    let Some(Value::Vectors(set)) = engine.store.keyspace.get(b"i").map(|entry| &entry.value) else {
        panic!("i is an index");
    };
    let needed = set.writer.bytes_of(Quant::Int8);
    let begun = say(&mut engine, "VQUANT i int8").unwrap_err();
    assert!(say(&mut engine, "VQUANT i bin").unwrap_err() > begun, "it waits for what was begun");
    let room = |engine: &mut Engine, room| {
        let words = OwnedArgs::from_words([&b"VQUANT"[..], b"j", b"int8"]);
        let mut out = Vec::new();
        let mut call = Call::new(words.args(), Protocol::Resp2, &mut out);
        engine.execute(|engine, call| engine.change_quant(call, Some(room)), &mut call);
        out.starts_with(b"-OOM ")
    };
    assert!(room(&mut engine, needed) && !room(&mut engine, 2 * needed));
}

/// Overwrites every row of an index `i` of so many rows, so many times, with turns after each.
fn overwrite(engine: &mut Engine, rows: u32, times: u32) {
    for n in (0..times).flat_map(|_| 0..rows) {
        add(engine, "i", n);
        (0..8).for_each(|_| turn(engine));
    }
}

#[test]
fn rows_and_codes_that_a_snapshot_holds_stay_until_it_has_written_their_index_and_count() {
    const ROWS: u32 = 64;
    let disk = MemDisk::default();
    let mut engine = filled(&disk, ROWS);
    let own = |engine: &Engine| match engine.store.keyspace.get(b"i").map(|entry| &entry.value) {
        Some(Value::Vectors(set)) => set.writer.index().bytes(),
        _ => panic!("i is an index"),
    };
    overwrite(&mut engine, ROWS, 150);
    let before = own(&engine);
    overwrite(&mut engine, ROWS, 100);
    let reused = own(&engine).saturating_sub(before);
    engine.plan_snapshots(SnapshotPlan { rate: 1, ..SnapshotPlan::default() });
    engine.request_snapshot().unwrap();
    turn(&mut engine);
    assert!(engine.is_saving());
    let (before, used) = (own(&engine), engine.used_memory());
    overwrite(&mut engine, ROWS, 100);
    let kept = own(&engine) - before;
    let vectors = 100 * ROWS as usize * 16;
    assert!(reused < vectors && vectors < kept, "{reused} bytes without a snapshot, {kept} beside one");
    assert!(engine.used_memory() - used >= kept, "it counts");
    assert_eq!(say(&mut engine, "VQUANT i int8"), Err(1));
    changed(&mut engine).1.unwrap();
    assert_eq!(say(&mut engine, "VQUANT i f32"), Err(2));
    (0..20).for_each(|_| turn(&mut engine));
    assert!(engine.take_changed().is_none(), "the snapshot may read by int4 still");
    engine.store.saving.cancel();
    assert_eq!(changed(&mut engine).0, 2);
    engine.validate().unwrap();
}

#[test]
fn what_a_snapshot_held_of_dead_rows_is_swept_after_a_start_though_nobody_writes() {
    const ROWS: u32 = 200;
    let disk = MemDisk::default();
    let mut engine = filled(&disk, ROWS);
    (0..ROWS / 2).for_each(|n| drop(say(&mut engine, &format!("VDEL i e{n}")).unwrap()));
    engine.request_snapshot().unwrap();
    while engine.take_saved().is_none() {
        engine.tick();
    }
    sync(&mut engine);
    let mut engine = self::engine(&disk.after_kill());
    let dead = |engine: &Engine| match engine.store.keyspace.get(b"i").map(|entry| &entry.value) {
        Some(Value::Vectors(set)) => set.writer.index().stats().tombstones,
        _ => panic!("i is an index"),
    };
    assert_eq!(dead(&engine), ROWS as usize / 2);
    for n in 0.. {
        turn(&mut engine);
        if dead(&engine) == 0 {
            break;
        }
        assert!(n < 10_000, "{} are dead", dead(&engine));
    }
    engine.validate().unwrap();
}
