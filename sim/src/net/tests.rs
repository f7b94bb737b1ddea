//! The network under a toy echo server.

use std::io;

use engram::base::time::Mono;
use engram::env::{Event, Interest, Net};

use super::*;
use crate::faults::{Call, Fault, Planned};
use crate::scheduler::{Ended, Outcome, Pool, Scheduler, Settings as Threads};
use crate::trace::Trace;

/// Echoes until a client that said goodbye has been heard and everyone is gone, or shutdown.
fn echo(net: &mut SimNet) -> io::Result<()> {
    let mut pending: BTreeMap<ConnId, Vec<u8>> = BTreeMap::new();
    loop {
        let mut events = Vec::new();
        net.wait(Some(Mono(u64::MAX)), &mut events)?;
        for event in events {
            match event {
                Event::Shutdown => return Ok(()),
                Event::Woken => {}
                Event::Acceptable => {
                    if let Ok(accepted) = net.accept() {
                        net.interest(accepted.conn, Interest { read: true, write: false })?;
                        pending.insert(accepted.conn, Vec::new());
                    }
                }
                Event::Ready { conn, .. } => turn(net, conn, &mut pending)?,
            }
        }
    }
}

fn turn(net: &mut SimNet, conn: ConnId, pending: &mut BTreeMap<ConnId, Vec<u8>>) -> io::Result<()> {
    let Some(out) = pending.get_mut(&conn) else { return Ok(()) };
    let mut buf = [0; 64];
    let blocks = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
    let read = match net.read(conn, &mut buf) {
        Ok(read) => {
            out.extend(&buf[..read]);
            Some(read)
        }
        Err(error) if blocks(&error) => None,
        Err(_) => Some(0),
    };
    match net.write(conn, out) {
        Ok(written) => drop(out.drain(..written)),
        Err(error) if blocks(&error) => {}
        Err(_) => out.clear(),
    }
    if read == Some(0) && out.is_empty() {
        net.close(conn);
        pending.remove(&conn);
        return Ok(());
    }
    net.interest(conn, Interest { read: true, write: !out.is_empty() })
}

type Heard = Arc<Shared<(Vec<u8>, Option<End>)>>;

/// One client sends `sent` and half-closes; gives back what it heard.
fn converse(settings: Settings, planned: &[Planned], seed: u64, sent: &[u8]) -> (Heard, Ended) {
    let pool = Arc::new(Pool::default());
    let scheduler = Scheduler::new(Threads::default(), Rng::new(seed), Trace::new(true), 0, &pool);
    let faults = Arc::new(Shared::new(Faults::new(planned)));
    let (mut net, wire) = network(
        settings,
        &scheduler,
        &faults,
        (Sabotage::default(), &clock::Settings::default()),
        Rng::new(seed),
    );
    let heard: Heard = Arc::default();
    let (hearing, sent, client) = (Arc::clone(&heard), sent.to_vec(), wire.clone());
    let ended = scheduler.run(move || {
        let listening = client.clone();
        let id = client.connect(move |id| {
            let received = listening.receive(id, 10_000);
            let mut heard = hearing.lock();
            heard.0.extend(received.bytes);
            heard.1 = heard.1.or(received.end);
            if received.end.is_some() {
                listening.shutdown();
            }
        });
        client.send(id, &sent);
        client.finish(id);
        echo(&mut net).unwrap();
    });
    wire.clear();
    (heard, ended)
}

fn rough() -> Settings {
    Settings {
        reads: Cut::Some,
        writes: Cut::Single,
        capacity: 7,
        would_block_one_in: 3,
        spurious_one_in: 3,
        batch: 1,
        ..Settings::default()
    }
}

#[test]
fn bytes_keep_their_order_however_they_are_cut() {
    let sent: Vec<u8> = (0..500).map(|i| (i % 251) as u8).collect();
    for seed in 0..20 {
        let (heard, ended) = converse(rough(), &[], seed, &sent);
        assert_eq!(ended.outcome, Outcome::Returned);
        assert_eq!(*heard.lock(), (sent.clone(), Some(End::Finished)));
        let (_, again) = converse(rough(), &[], seed, &sent);
        assert_eq!(crate::trace::first_difference(&ended.trace, &again.trace), None);
    }
}

#[test]
fn planned_faults_show_at_the_door() {
    let reset = Planned::new(Call::Read, 1, Fault::Reset);
    let (heard, ended) = converse(Settings::default(), &[reset], 1, b"hello");
    assert_eq!(ended.outcome, Outcome::Returned);
    assert_eq!(*heard.lock(), (vec![], Some(End::Reset)));
    let aborted = Planned::new(Call::Accept, 1, Fault::Aborted);
    assert_eq!(*converse(Settings::default(), &[aborted], 1, b"hello").0.lock(), (vec![], Some(End::Reset)));
    let scarce = Planned::new(Call::Accept, 1, Fault::NoDescriptors);
    let (heard, _) = converse(Settings::default(), &[scarce], 1, b"hello");
    assert_eq!(*heard.lock(), (b"hello".to_vec(), Some(End::Finished)));
}

#[test]
fn a_waker_ends_the_wait_of_another_thread_however_late() {
    for wake_delay in [0, 1_000_000] {
        let pool = Arc::new(Pool::default());
        let scheduler = Scheduler::new(Threads::default(), Rng::new(1), Trace::new(true), 0, &pool);
        let faults = Arc::new(Shared::new(Faults::default()));
        let settings = Settings { wake_delay, ..Settings::default() };
        let (mut net, _wire) = network(
            settings,
            &scheduler,
            &faults,
            (Sabotage::default(), &clock::Settings::default()),
            Rng::new(1),
        );
        let ended = scheduler.run(move || {
            let waker = net.waker();
            let other =
                engram::base::sync::spawn("waker", move || (0..3).for_each(|_| waker.wake())).unwrap();
            let mut events = Vec::new();
            net.wait(None, &mut events).unwrap();
            assert_eq!(events, [Event::Woken]);
            other.join().unwrap();
        });
        assert_eq!(ended.outcome, Outcome::Returned);
    }
}
