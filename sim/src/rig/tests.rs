//! The rig around a toy server: one thread, one log, a handful of commands, and bugs on demand.

use std::collections::BTreeMap;
use std::io;

use engram::base::crc32c::crc32c;
use engram::env::{ConnId, Event, File, Interest, Storage};
use engram::resp::client::write_command;
use engram::resp::{ParseLimits, Parser, Progress};

use super::*;
use crate::plan::{Break, Op, generate};

/// What is wrong with the toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    ForgetsSync,
    ForgetsDirectory,
    ForgetsCut,
    ForgetsDeletes,
    SwapsReplies,
    Stalls,
}

struct Toy {
    machine: Machine,
    log: Box<dyn File>,
    end: u64,
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    conns: BTreeMap<ConnId, Conn>,
    bug: Bug,
}

#[derive(Default)]
struct Conn {
    input: Vec<u8>,
    output: Vec<u8>,
    closing: bool,
}

fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; again(|| file.size())? as usize];
    let mut at = 0;
    while at < bytes.len() {
        at += again(|| file.read_at(&mut bytes[at..], at as u64))?;
    }
    Ok(bytes)
}

fn write_all(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut at = 0;
    while at < bytes.len() {
        at += again(|| file.write_at(&bytes[at..], offset + at as u64))?;
    }
    Ok(())
}

impl Toy {
    fn start(machine: Machine, bug: Bug) -> io::Result<Self> {
        let storage: Arc<dyn Storage> = machine.storage.clone().unwrap();
        let log = match again(|| storage.open("log")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => again(|| storage.create_new("log"))?,
            other => other?,
        };
        if bug != Bug::ForgetsDirectory {
            again(|| storage.sync_dir())?;
        }
        let mut toy = Self { machine, log, end: 0, keys: BTreeMap::new(), conns: BTreeMap::new(), bug };
        let bytes = read_all(&*toy.log)?;
        while let Some(len) = toy.replay(&bytes[toy.end as usize..]) {
            toy.end += len;
        }
        if bug == Bug::ForgetsCut {
            toy.end = bytes.len() as u64;
        } else {
            again(|| toy.log.set_len(toy.end))?;
            again(|| toy.log.sync())?;
        }
        Ok(toy)
    }

    /// Applies the record at the front of `bytes`, if it is whole.
    fn replay(&mut self, bytes: &[u8]) -> Option<u64> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let body = rest.get(..word(0) as usize)?;
        if crc32c(body) != word(4) || body.is_empty() {
            return None;
        }
        let mut parser = Parser::default();
        assert!(matches!(parser.parse(body, &ParseLimits::default()), Ok(Progress::Command)));
        let args = parser.args(body);
        if &args[0] == b"SET" {
            self.keys.insert(args[1].to_vec(), args[2].to_vec());
        } else {
            self.keys.remove(&args[1]);
        }
        Some(8 + body.len() as u64)
    }

    fn write(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let mut body = Vec::new();
        write_command(&mut body, words);
        let mut record = (body.len() as u32).to_le_bytes().to_vec();
        record.extend(crc32c(&body).to_le_bytes());
        record.extend(body);
        write_all(&*self.log, &record, self.end)?;
        self.replay(&record);
        self.end += record.len() as u64;
        if self.bug == Bug::ForgetsSync { Ok(()) } else { again(|| self.log.sync()) }
    }

    fn command(&mut self, words: &[&[u8]]) -> io::Result<Vec<u8>> {
        let bulk = |bytes: Option<&Vec<u8>>| match bytes {
            None => b"$-1\r\n".to_vec(),
            Some(b) => [format!("${}\r\n", b.len()).as_bytes(), b, b"\r\n"].concat(),
        };
        Ok(match words {
            [b"PING"] => b"+PONG\r\n".to_vec(),
            [b"PING", text] => bulk(Some(&text.to_vec())),
            [b"GET", key] => bulk(self.keys.get(*key)),
            [b"TYPE", key] if self.keys.contains_key(*key) => b"+string\r\n".to_vec(),
            [b"TYPE", _] => b"+none\r\n".to_vec(),
            [b"PTTL", _] => b":-1\r\n".to_vec(),
            [b"KEYS", _] => {
                let names: Vec<u8> = self.keys.keys().flat_map(|name| bulk(Some(name))).collect();
                [format!("*{}\r\n", self.keys.len()).as_bytes(), &names].concat()
            }
            [b"SET", ..] => {
                self.write(words)?;
                b"+OK\r\n".to_vec()
            }
            [b"DEL", key] if !self.keys.contains_key(*key) => b":0\r\n".to_vec(),
            [b"DEL", key] => {
                if self.bug == Bug::ForgetsDeletes {
                    self.keys.remove(*key);
                } else {
                    self.write(words)?;
                }
                b":1\r\n".to_vec()
            }
            _ => b"-ERR unknown command\r\n".to_vec(),
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            let mut events = Vec::new();
            again(|| self.machine.net.wait(None, &mut events))?;
            for event in events {
                match event {
                    Event::Shutdown => {
                        self.conns.keys().for_each(|&conn| self.machine.net.close(conn));
                        return Ok(());
                    }
                    Event::Acceptable => {
                        if let Ok(accepted) = self.machine.net.accept() {
                            let interest = Interest { read: true, write: false };
                            self.machine.net.interest(accepted.conn, interest)?;
                            self.conns.insert(accepted.conn, Conn::default());
                        }
                    }
                    Event::Ready { conn, .. } => self.ready(conn)?,
                    Event::Woken => {}
                }
            }
        }
    }

    fn ready(&mut self, id: ConnId) -> io::Result<()> {
        let Some(mut conn) = self.conns.remove(&id) else { return Ok(()) };
        let mut buf = [0; 512];
        let idle = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        };
        match self.machine.net.read(id, &mut buf) {
            Ok(0) => conn.closing = true,
            Ok(len) if !conn.closing => conn.input.extend(&buf[..len]),
            Err(error) if !idle(&error) => {
                self.machine.net.close(id);
                return Ok(());
            }
            _ => {}
        }
        self.execute(&mut conn)?;
        match self.machine.net.write(id, &conn.output) {
            Ok(len) => drop(conn.output.drain(..len)),
            Err(error) if idle(&error) => {}
            Err(_) => conn = Conn { closing: true, ..Conn::default() },
        }
        if conn.closing && conn.output.is_empty() {
            self.machine.net.close(id);
            return Ok(());
        }
        self.machine.net.interest(id, Interest { read: !conn.closing, write: !conn.output.is_empty() })?;
        self.conns.insert(id, conn);
        Ok(())
    }

    fn execute(&mut self, conn: &mut Conn) -> io::Result<()> {
        if self.bug == Bug::Stalls && self.keys.len() > 3 {
            return Ok(());
        }
        let mut parser = Parser::default();
        let mut replies = Vec::new();
        loop {
            match parser.parse(&conn.input, &ParseLimits::default()) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Skip) => {}
                Ok(Progress::Command) => {
                    let input = conn.input.clone();
                    let words: Vec<&[u8]> = parser.args(&input).iter().collect();
                    replies.push(self.command(&words)?);
                }
                Err(error) => {
                    replies.push(format!("-ERR {error}\r\n").into_bytes());
                    conn.closing = true;
                    conn.input.clear();
                    break;
                }
            }
            conn.input.drain(..parser.consumed());
            parser.reset();
        }
        if self.bug == Bug::SwapsReplies && replies.len() > 1 {
            replies.swap(0, 1);
        }
        conn.output.extend(replies.concat());
        Ok(())
    }
}

fn toy_rig(bug: Bug) -> Rig {
    let run = move |machine: Machine| Toy::start(machine, bug)?.serve();
    Rig::new(Arc::new(move |machine, _: &ServerPlan| {
        run(machine).map_err(|error: io::Error| error.to_string())
    }))
}

/// A seed's plan without what the toy cannot do.
fn toy_plan(seed: u64) -> Plan {
    let mut plan = generate(seed);
    plan.server.fsync = crate::plan::Tier::Always;
    (plan.server.password, plan.server.operator) = (false, false);
    for life in &mut plan.lives {
        life.visitors.clear();
        life.rest.clear();
        life.faults.retain(|planned| {
            !planned.harms_storage()
                && !planned.fault.harms_medium()
                && planned.fault != crate::faults::Fault::NoMemory
        });
        for client in &mut life.clients {
            client.breaks.retain(|(_, broken)| !matches!(broken, Break::Order(_) | Break::Quit));
            client.ops.retain(|op| match op {
                Op::Del(keys) => keys.len() == 1,
                Op::Set { expire, .. } => expire.is_none(),
                Op::Get(_) | Op::Ping(_) | Op::Type(_) => true,
                _ => false,
            });
        }
    }
    plan
}

#[test]
fn an_honest_toy_passes_and_every_seed_repeats() {
    let rig = toy_rig(Bug::None);
    for seed in 0..150 {
        let plan = toy_plan(seed);
        let first = rig.run(&plan, true);
        assert_eq!(first.failure, None, "seed {seed}");
        let second = rig.run(&plan, true);
        assert_eq!(crate::trace::first_difference(&first.trace, &second.trace), None, "seed {seed}");
        assert_eq!(first.trace.hash(), second.trace.hash());
    }
}

#[test]
fn every_bug_of_the_toy_is_found() {
    for bug in [
        Bug::ForgetsSync,
        Bug::ForgetsDirectory,
        Bug::ForgetsCut,
        Bug::ForgetsDeletes,
        Bug::SwapsReplies,
        Bug::Stalls,
    ] {
        let rig = toy_rig(bug);
        let found = (0..1_000).find_map(|seed| Some((seed, rig.run(&toy_plan(seed), false).failure?)));
        let Some((seed, what)) = found else { panic!("{bug:?} was never found") };
        println!("{bug:?}: seed {seed}: {what}");
    }
}

#[test]
fn a_lying_disk_is_found_under_an_honest_toy() {
    let lies = [
        Sabotage { skip_sync: true, ..Sabotage::default() },
        Sabotage { skip_sync_dir: true, ..Sabotage::default() },
        Sabotage { late_sync: true, ..Sabotage::default() },
    ];
    for lie in lies {
        let rig = toy_rig(Bug::None).sabotaged(lie);
        let found = (0..300).find(|&seed| rig.run(&toy_plan(seed), false).failure.is_some());
        assert!(found.is_some(), "{lie:?}");
    }
}

#[test]
fn a_server_that_does_not_repeat_itself_is_found() {
    let runs = std::sync::atomic::AtomicU64::new(0);
    let rig = Rig::new(Arc::new(move |machine: Machine, _: &ServerPlan| {
        let run = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        machine.console.line(engram::env::Level::Notice, &format!("run {run}"));
        Toy::start(machine, Bug::None).and_then(|mut toy| toy.serve()).map_err(|error| error.to_string())
    }));
    let report = crate::campaign::judge(&rig, &toy_plan(0), true);
    let what = report.failure.unwrap_or_default();
    assert!(what.starts_with("two runs of the same plan differ: ") && what.contains("run "), "{what}");
}

#[test]
fn a_refusal_names_a_file_and_changes_none() {
    let before = BTreeMap::from([("wal-1.log".to_owned(), vec![1, 2])]);
    let judged = |why: &str, faultless| refusal(why, &before, &mut Disk::default(), faultless);
    assert!(judged("something is damaged", false).unwrap_err().contains("no file is named"));
    assert!(judged("wal-1.log is damaged", true).unwrap_err().contains("files were changed"));
    judged("wal-1.log is damaged", false).unwrap();
    refusal("wal-1.log is damaged", &BTreeMap::new(), &mut Disk::default(), true).unwrap_err();
}
