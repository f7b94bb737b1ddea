//! A client that costs little: closed-loop requests over some connections from one thread, with the time each took.
//!
//! `cargo bench --bench client -- PORT FILE CONNECTIONS SECONDS LINES [PAUSE]`, as the scripts start it. FILE holds whole requests,
//! each behind its length as a little-endian `u32`; every connection sends the next one when its reply is there. A reply
//! is whole after LINES line ends, so nothing in it may hold one besides. SECONDS 0 sends each request of FILE once.
//! With a PAUSE it sleeps for so many microseconds after each reply, which makes sense on one connection.
//! Prints `requests N seconds S per_second R p50_us A p99_us B p999_us C max_us D`; an error reply ends it.

use std::io::{Read as _, Write as _};
#[expect(clippy::disallowed_types, reason = "a client outside the server")]
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_types, reason = "a client outside the server")]
struct Connection {
    stream: TcpStream,
    sent: Instant,
    lines: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let ([port, file, connections, seconds, lines], pause) = (match words.as_slice() {
        [five @ .., pause] if five.len() == 5 => (five, number(pause)),
        words => (words, 0),
    }) else {
        println!("client: needs PORT FILE CONNECTIONS SECONDS LINES [PAUSE]; the scripts run it");
        return;
    };
    let pause = Duration::from_micros(pause as u64);
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let seconds: f64 = seconds.parse().unwrap_or_else(|_| panic!("'{seconds}' is not a number of seconds"));
    let port = number(port) as u16;
    let connections = (0..number(connections)).map(|_| Connection::new(port)).collect();
    let mut load = Load {
        requests: requests(&bytes),
        next: 0,
        once: seconds == 0.0,
        lines: number(lines),
        pause,
        connections,
    };
    let begun = now();
    let mut took = load.run(seconds);
    let spent = begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: f64| took[((took.len() as f64 * part) as usize).min(took.len() - 1)] as f64 / 1000.0;
    print!("requests {} seconds {spent:.3} per_second {:.1} ", took.len(), took.len() as f64 / spent);
    println!("p50_us {:.1} p99_us {:.1} p999_us {:.1} max_us {:.1}", at(0.5), at(0.99), at(0.999), at(1.0));
}

struct Load<'a> {
    requests: Vec<&'a [u8]>,
    next: usize,
    once: bool,
    lines: usize,
    pause: Duration,
    connections: Vec<Connection>,
}

impl Load<'_> {
    /// Runs for so many seconds, or until each request was answered once; the nanoseconds that each took.
    fn run(&mut self, seconds: f64) -> Vec<u64> {
        let (begun, mut took) = (now(), Vec::with_capacity(1 << 20));
        let mut polled: Vec<libc::pollfd> = self.connections.iter().map(Connection::polled).collect();
        let mut busy = (0..polled.len()).filter(|at| self.send(*at)).count();
        let mut buffer = vec![0; 1 << 16];
        while busy > 0 {
            wait(&mut polled);
            for (at, polled) in polled.iter().enumerate() {
                if polled.revents == 0 {
                    continue;
                }
                let Some(spent) = self.connections[at].read(&mut buffer, self.lines) else { continue };
                took.push(spent);
                rest(self.pause);
                let over = !self.once && begun.elapsed().as_secs_f64() >= seconds;
                busy -= usize::from(over || !self.send(at));
            }
        }
        took
    }

    /// Sends the next request on a connection; false when there is none.
    fn send(&mut self, at: usize) -> bool {
        let connection = &mut self.connections[at];
        let one_more = !self.once || self.next < self.requests.len();
        if one_more {
            let request = self.requests[self.next % self.requests.len()];
            self.next += 1;
            connection.sent = now();
            connection.lines = 0;
            connection.stream.write_all(request).unwrap_or_else(|error| panic!("the server: {error}"));
        }
        one_more
    }
}

impl Connection {
    #[expect(clippy::disallowed_types, reason = "a client outside the server")]
    fn new(port: u16) -> Self {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).unwrap_or_else(|error| panic!("{port}: {error}"));
        stream.set_nodelay(true).unwrap_or_else(|error| panic!("nodelay: {error}"));
        Self { stream, sent: now(), lines: 0 }
    }

    fn polled(&self) -> libc::pollfd {
        libc::pollfd { fd: self.stream.as_raw_fd(), events: libc::POLLIN, revents: 0 }
    }

    /// Takes what has come; the nanoseconds since the request when the reply is whole.
    fn read(&mut self, buffer: &mut [u8], lines: usize) -> Option<u64> {
        let got = self.stream.read(buffer).unwrap_or_else(|error| panic!("the server: {error}"));
        assert!(got > 0, "the server closed the connection");
        let got = &buffer[..got];
        assert!(self.lines > 0 || got[0] != b'-', "{}", String::from_utf8_lossy(got));
        self.lines += got.iter().filter(|byte| **byte == b'\n').count();
        assert!(self.lines <= lines, "a reply of more than {lines} lines: {}", String::from_utf8_lossy(got));
        (self.lines == lines).then(|| self.sent.elapsed().as_nanos() as u64)
    }
}

/// Until a connection has something to read.
fn wait(polled: &mut [libc::pollfd]) {
    // One connection: the read itself waits.
    if let [only] = polled {
        only.revents = libc::POLLIN;
        return;
    }
    // SAFETY: the pointer and the count are those of one slice, which is borrowed for the call.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, -1) };
    assert!(ready > 0, "poll without a limit answers when something is ready");
}

fn requests(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut out) = (bytes, Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (request, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        out.push(request);
        rest = behind;
    }
    assert!(!out.is_empty(), "the file holds a request");
    out
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a client outside the server")]
fn rest(pause: Duration) {
    if !pause.is_zero() {
        std::thread::sleep(pause);
    }
}

fn number(word: &str) -> usize {
    word.parse().unwrap_or_else(|_| panic!("'{word}' is not a number"))
}
