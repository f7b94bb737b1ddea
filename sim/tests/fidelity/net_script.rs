//! Scripts of network calls, of the server and of its clients.

use proptest::prelude::*;

/// Clients that a script may have.
pub(crate) const CLIENTS: usize = 4;

/// One thing that a client does (they are numbered in the order of their calling), or one call of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Dial,
    Send { client: usize, len: usize, fill: u8 },
    Finish(usize),
    Reset(usize),
    HangUp(usize),
    Receive(usize),
    Accept,
    Accepting(bool),
    Read { conn: u64, len: usize },
    Write { conn: u64, len: usize, fill: u8 },
    Interest { conn: u64, read: bool, write: bool },
    Close(u64),
    Wait,
    Wake(usize),
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 1..20_usize, 2 => 1..2_000_usize, 1 => Just(0)]
}

fn call() -> impl Strategy<Value = Call> {
    let (client, conn) = (0..CLIENTS, 1..=CLIENTS as u64);
    prop_oneof![
        5 => Just(Call::Dial),
        8 => (client.clone(), len(), any::<u8>())
            .prop_map(|(client, len, fill)| Call::Send { client, len, fill }),
        2 => client.clone().prop_map(Call::Finish),
        2 => client.clone().prop_map(Call::Reset),
        2 => client.clone().prop_map(Call::HangUp),
        6 => client.prop_map(Call::Receive),
        6 => Just(Call::Accept),
        1 => any::<bool>().prop_map(Call::Accepting),
        8 => (conn.clone(), len()).prop_map(|(conn, len)| Call::Read { conn, len }),
        6 => (conn.clone(), len(), any::<u8>()).prop_map(|(conn, len, fill)| Call::Write { conn, len, fill }),
        6 => (conn.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(conn, read, write)| Call::Interest { conn, read, write }),
        2 => conn.prop_map(Call::Close),
        10 => Just(Call::Wait),
        2 => (1..3_usize).prop_map(Call::Wake),
    ]
}

/// Scripts of up to `most` calls, with somebody there from the beginning.
pub(crate) fn script(most: usize) -> impl Strategy<Value = Vec<Call>> {
    prop::collection::vec(call(), 1..=most).prop_map(|mut calls| {
        calls.splice(0..0, [Call::Dial, Call::Accept, Call::Interest { conn: 1, read: true, write: false }]);
        calls
    })
}
