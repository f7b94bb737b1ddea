//! Clients of a script: on the simulated wire, and sockets of the standard library.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;

use engram_sim::net::{End, LinkId, Wire};

/// The clients of one machine, by number. What they do is never an error to them.
pub(crate) trait Clients {
    fn dial(&mut self);
    fn send(&mut self, client: usize, bytes: &[u8]);
    /// Sends nothing more.
    fn finish(&mut self, client: usize);
    /// Tears the connection down; the client does nothing after it.
    fn reset(&mut self, client: usize);
    /// Closes the connection; the client does nothing after it.
    fn hang_up(&mut self, client: usize);
    /// Appends what has arrived, and says whether more may come, or how it ended.
    fn receive(&mut self, client: usize, all: &mut Vec<u8>) -> &'static str;
    /// Whose address this is.
    fn number(&self, peer: &str) -> Option<usize>;
}

const OPEN: &str = "perhaps more";
const OVER: &str = "nothing more";
const TORN: &str = "a reset";

/// Clients on the simulated wire.
pub(crate) struct Simulated {
    wire: Wire,
    links: Vec<LinkId>,
}

impl Simulated {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, links: Vec::new() }
    }
}

impl Clients for Simulated {
    fn dial(&mut self) {
        self.links.push(self.wire.connect(|_| ()));
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        self.wire.send(self.links[client], bytes);
    }

    fn finish(&mut self, client: usize) {
        self.wire.finish(self.links[client]);
    }

    fn reset(&mut self, client: usize) {
        self.wire.reset(self.links[client]);
    }

    fn hang_up(&mut self, client: usize) {
        self.wire.hang_up(self.links[client]);
    }

    fn receive(&mut self, client: usize, all: &mut Vec<u8>) -> &'static str {
        let received = self.wire.receive(self.links[client], usize::MAX);
        all.extend(received.bytes);
        match received.end {
            None => OPEN,
            Some(End::Finished) => OVER,
            Some(End::Unread | End::Reset) => TORN,
        }
    }

    /// The first client calls from port 40000, the next from the port after it.
    fn number(&self, peer: &str) -> Option<usize> {
        peer.rsplit_once(':')?.1.parse::<usize>().ok()?.checked_sub(40_000)
    }
}

#[expect(clippy::disallowed_types, reason = "what is tested here is not what it is tested with")]
type Socket = std::net::TcpStream;

/// Sockets over loopback.
pub(crate) struct Real {
    listener: String,
    sockets: Vec<Option<Socket>>,
    peers: Vec<String>,
    /// How it ended: an error is told once, an end again and again.
    ends: Vec<Option<&'static str>>,
    /// Whether sending has met the reset already.
    torn: Vec<bool>,
}

impl Real {
    pub(crate) fn new(listener: String) -> Self {
        Self { listener, sockets: Vec::new(), peers: Vec::new(), ends: Vec::new(), torn: Vec::new() }
    }
}

impl Clients for Real {
    fn dial(&mut self) {
        let socket = Socket::connect(&self.listener).expect("the listener has room");
        // Else a second small packet waits for the answer to the first.
        socket.set_nodelay(true).expect("a fresh socket");
        socket.set_nonblocking(true).expect("a fresh socket");
        self.peers.push(socket.local_addr().expect("a fresh socket").to_string());
        self.sockets.push(Some(socket));
        self.ends.push(None);
        self.torn.push(false);
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        if let Some(socket) = &mut self.sockets[client] {
            // To a server that has closed it, it is an error or lost. A reset is told once, to whoever asks first.
            let result = socket.write_all(bytes);
            self.torn[client] |= result.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
        }
    }

    fn finish(&mut self, client: usize) {
        if let Some(socket) = &self.sockets[client] {
            drop(socket.shutdown(Shutdown::Write));
        }
    }

    fn reset(&mut self, client: usize) {
        if let Some(socket) = self.sockets[client].take() {
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            let (start, len) = ((&raw const linger).cast(), size_of_val(&linger) as libc::socklen_t);
            let fd = socket.as_raw_fd();
            // SAFETY: the option is readable for its length.
            let result = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, start, len) };
            assert_eq!(result, 0, "SO_LINGER");
        }
    }

    fn hang_up(&mut self, client: usize) {
        self.sockets[client] = None;
    }

    fn receive(&mut self, client: usize, all: &mut Vec<u8>) -> &'static str {
        if let Some(end) = self.ends[client] {
            return end;
        }
        let Some(socket) = &mut self.sockets[client] else { return OVER };
        let mut buf = [0; 4_096];
        let end = loop {
            match socket.read(&mut buf) {
                Ok(0) if self.torn[client] => break TORN,
                Ok(0) => break OVER,
                Ok(read) => all.extend_from_slice(&buf[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return OPEN,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break TORN,
                Err(error) => panic!("client {client} receives {error}"),
            }
        };
        self.ends[client] = Some(end);
        end
    }

    fn number(&self, peer: &str) -> Option<usize> {
        self.peers.iter().position(|own| own == peer)
    }
}
