//! The form by which an index is searched, changed while clients search and write.

use std::sync::atomic::{AtomicBool, Ordering};

use engram::resp::client::Value;

use super::common::{Client, is_error, ok, options, start};

const KEYS: u32 = 400;
const FORMS: [&str; 4] = ["bin", "f32", "int4", "int8"];

fn vector(n: u32) -> Vec<u8> {
    (0..24).flat_map(|i| ((n.wrapping_mul(2_654_435_761) >> (i % 16)) as f32).to_le_bytes()).collect()
}

/// What VINFO says of the index.
fn fact(client: &mut Client, name: &str) -> Value {
    let Value::Array(facts) = client.say("VINFO i") else { panic!("an array") };
    let at = facts.iter().position(|fact| *fact == Value::Simple(name.as_bytes().to_vec())).unwrap();
    facts[at + 1].clone()
}

#[test]
fn a_form_is_changed_while_clients_search_and_write_and_stays_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(Some(dir.path()), options());
    for round in 0..3 {
        let mut client = server.connect();
        if round == 0 {
            client.say("VNEW i 24 METRIC l2 M 4 EF_CONSTRUCTION 20");
            for n in 0..KEYS {
                client.ask(&[b"VADD", b"i", &n.to_string().into_bytes(), &vector(n)]);
            }
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = server.connect();
                while !done.load(Ordering::Acquire) {
                    let query = [&b"VSEARCH"[..], b"i", &vector(1), b"1000", b"EF", b"10000"];
                    let Value::Array(hits) = client.ask(&query) else { panic!("an array") };
                    assert_eq!(hits.len(), 2 * KEYS as usize, "every key is found, by every form");
                }
            });
            scope.spawn(|| {
                let mut client = server.connect();
                for n in 0.. {
                    if done.load(Ordering::Acquire) {
                        break;
                    }
                    client.ask(&[
                        b"VADD",
                        b"i",
                        &(n * 7 % KEYS).to_string().into_bytes(),
                        &vector(n + round),
                    ]);
                }
            });
            for form in FORMS {
                assert_eq!(client.say(&format!("VQUANT i {form}")), ok());
                assert_eq!(fact(&mut client, "quant-type"), Value::Simple(form.as_bytes().to_vec()));
                if form == FORMS[round as usize] {
                    assert_eq!(client.say("VSAVE"), ok());
                }
            }
            assert_eq!(client.say(&format!("VQUANT i {}", FORMS[round as usize])), ok());
            done.store(true, Ordering::Release);
        });
        assert_eq!(server.finish(), Ok(()));
        server = start(Some(dir.path()), options());
        let stays = FORMS[round as usize].as_bytes().to_vec();
        assert_eq!(fact(&mut server.connect(), "quant-type"), Value::Simple(stays));
    }
    assert_eq!(server.finish(), Ok(()));
}

#[test]
fn a_change_of_form_is_refused_where_it_cannot_be() {
    let server = start(None, options());
    let mut client = server.connect();
    client.say("VNEW i 4");
    client.say("SET s 1");
    for (line, code) in
        [("VQUANT none int8", "ERR"), ("VQUANT s int8", "WRONGTYPE"), ("VQUANT i int9", "ERR")]
    {
        assert!(is_error(&client.say(line), code), "{line}");
    }
    assert_eq!(client.say("VQUANT i BIN"), ok());
    assert_eq!(client.say("MULTI"), ok());
    assert!(is_error(&client.say("VQUANT i f32"), "ERR"));
    assert!(is_error(&client.say("EXEC"), "EXECABORT"));
    assert_eq!(fact(&mut client, "quant-type"), Value::Simple(b"bin".to_vec()));
}

#[test]
fn what_is_asked_for_behind_a_change_of_form_on_the_same_connection_waits_for_it() {
    let server = start(None, options());
    let (mut client, mut other) = (server.connect(), server.connect());
    client.say("VNEW i 24 METRIC l2 M 4 EF_CONSTRUCTION 20");
    for n in 0..4 * KEYS {
        client.ask(&[b"VADD", b"i", &n.to_string().into_bytes(), &vector(n)]);
    }
    for form in FORMS.into_iter().chain(FORMS) {
        client.send(&[b"VQUANT", b"i", form.as_bytes()]);
        client.send(&[b"VINFO", b"i"]);
        client.send(&[b"PING"]);
        assert_eq!(other.say("PING"), Value::Simple(b"PONG".to_vec()), "nobody else waits");
        assert_eq!(client.receive(), ok());
        let Value::Array(facts) = client.receive() else { panic!("an array") };
        let name = Value::Simple(b"quant-type".to_vec());
        let at = facts.iter().position(|fact| *fact == name).unwrap();
        assert_eq!(facts[at + 1], Value::Simple(form.as_bytes().to_vec()));
        assert_eq!(client.receive(), Value::Simple(b"PONG".to_vec()));
    }
    // Who does not wait for the answer leaves the change behind, and nothing else.
    client.send(&[b"VQUANT", b"i", b"bin"]);
    client.send(&[b"PING"]);
    drop(client);
    while fact(&mut other, "quant-type") != Value::Simple(b"bin".to_vec()) {
        std::thread::yield_now();
    }
    // Two who ask for the same form wait for the same change, and both are told.
    let mut second = server.connect();
    for form in ["int4", "f32", "int8"] {
        other.send(&[b"VQUANT", b"i", form.as_bytes()]);
        second.send(&[b"VQUANT", b"i", form.as_bytes()]);
        assert_eq!((other.receive(), second.receive()), (ok(), ok()), "{form}");
    }
    assert_eq!(server.finish(), Ok(()));
}
