//! A real server on a thread, and a client that knows nothing but the protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use engram::base::time::Mono;
use engram::env::{Accepted, Backups, ConnId};
use engram::env::{Console, Event, Interest, Level, Machine, Net, Storage, Waker};
use engram::os;
use engram::resp::client::{Value, parse_reply, write_command};
use engram::server::{Options, Server};

/// How long a reply may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Running {
    pub(crate) address: String,
    stop: Arc<AtomicBool>,
    waker: Arc<dyn Waker>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

/// Options for tests: a free port, two workers, graphs even where few rows would do without.
pub(crate) fn options() -> Options {
    Options { port: 0, workers: 2, exact_below: 0, ..Options::default() }
}

/// Starts a server that keeps its data in `dir`, if there is one.
pub(crate) fn start(dir: Option<&Path>, options: Options) -> Running {
    start_on(dir, options, |storage| storage)
}

/// As [`start`], on what `wrap` makes of the directory.
pub(crate) fn start_on(
    dir: Option<&Path>,
    options: Options,
    wrap: impl FnOnce(Arc<dyn Storage>) -> Arc<dyn Storage>,
) -> Running {
    let (machine, stop) = machine(dir, &options, wrap);
    let (address, waker) = (machine.net.local(), machine.net.waker());
    let server = Server::start(machine, options).unwrap().unwrap();
    let thread = std::thread::spawn(move || server.run().map_err(|e| e.to_string()));
    Running { address, stop, waker, thread: Some(thread) }
}

/// A machine for a server, and what tells that server to finish as a signal does.
pub(crate) fn machine(
    dir: Option<&Path>,
    options: &Options,
    wrap: impl FnOnce(Arc<dyn Storage>) -> Arc<dyn Storage>,
) -> (Machine, Arc<AtomicBool>) {
    let storage = dir.map(|dir| wrap(Arc::new(os::Directory::open(dir).unwrap())));
    let net = os::Sockets::listen(&options.bind, options.port, options.tcp_keepalive).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let machine = Machine {
        storage,
        backups: options
            .backup_dir
            .as_ref()
            .map(|root| Arc::new(os::BackupRoot::new(root.into(), None).unwrap()) as Arc<dyn Backups>),
        net: Box::new(Stoppable { net, stop: Arc::clone(&stop) }),
        clock: Arc::new(os::SystemClock),
        console: Arc::new(Silent),
        host: Box::new(os::Process),
        seed: os::entropy().unwrap(),
    };
    (machine, stop)
}

/// The binary.
pub(crate) fn engram() -> Command {
    Command::new(env!("CARGO_BIN_EXE_engram"))
}

/// What a command says, and its exit code.
pub(crate) fn said(command: &mut Command) -> (String, i32) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code().unwrap())
}

impl Running {
    /// A new client.
    pub(crate) fn connect(&self) -> Client {
        Client::to(&self.address)
    }

    /// Asks the server to finish, as a signal does.
    pub(crate) fn ask_to_finish(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    /// Waits until the server has finished.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap())
    }

    /// Finishes the server in order.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        self.ask_to_finish();
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask_to_finish();
        // A test that has failed may have left the server's disk stuck.
        if let Some(thread) = self.thread.take().filter(|_| !std::thread::panicking()) {
            assert!(thread.join().is_ok(), "the server panicked");
        }
    }
}

struct Silent;

impl Console for Silent {
    fn line(&self, _: Level, _: &str) {}
    fn threshold(&self, _: Level) {}
}

/// The real network, with a signal that a test can give to one server of many in the process.
struct Stoppable {
    net: os::Sockets,
    stop: Arc<AtomicBool>,
}

impl Net for Stoppable {
    fn accept(&mut self) -> std::io::Result<Accepted> {
        self.net.accept()
    }

    fn accepting(&mut self, on: bool) -> std::io::Result<()> {
        self.net.accepting(on)
    }

    fn read(&mut self, conn: ConnId, buf: &mut [u8]) -> std::io::Result<usize> {
        self.net.read(conn, buf)
    }

    fn write(&mut self, conn: ConnId, buf: &[u8]) -> std::io::Result<usize> {
        self.net.write(conn, buf)
    }

    fn interest(&mut self, conn: ConnId, interest: Interest) -> std::io::Result<()> {
        self.net.interest(conn, interest)
    }

    fn close(&mut self, conn: ConnId) {
        self.net.close(conn);
    }

    fn wait(&mut self, until: Option<Mono>, events: &mut Vec<Event>) -> std::io::Result<()> {
        self.net.wait(until, events)?;
        if self.stop.swap(false, Ordering::SeqCst) {
            events.push(Event::Shutdown);
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Waker> {
        self.net.waker()
    }

    fn local(&self) -> String {
        self.net.local()
    }
}

/// A client.
pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new() }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// [`Client::send_raw`] to a server that may close; false when it has.
    pub(crate) fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends one command.
    pub(crate) fn send(&mut self, words: &[&[u8]]) {
        let mut bytes = Vec::new();
        write_command(&mut bytes, words);
        self.send_raw(&bytes);
    }

    /// The next reply; none when the server has closed the connection.
    pub(crate) fn try_receive(&mut self) -> Option<Value> {
        let mut piece = vec![0; 64 << 10];
        loop {
            if let Some((value, used)) = parse_reply(&self.input).unwrap() {
                self.input.drain(..used);
                return Some(value);
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(n) => self.input.extend_from_slice(&piece[..n]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("no reply: {e}"),
            }
        }
    }

    /// The next reply.
    pub(crate) fn receive(&mut self) -> Value {
        self.try_receive().expect("the server has closed the connection")
    }

    /// True when there is no reply yet.
    pub(crate) fn hears_nothing_for(&mut self, time: Duration) -> bool {
        assert!(self.input.is_empty());
        self.stream.set_read_timeout(Some(time)).unwrap();
        let heard = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        heard.is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Sends a command and returns its reply.
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Value {
        self.send(words);
        self.receive()
    }

    /// [`Client::ask`] with words that are parted by spaces.
    pub(crate) fn say(&mut self, line: &str) -> Value {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.ask(&words)
    }

    /// Nothing more is sent.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// `OK`.
pub(crate) fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

/// A byte string.
pub(crate) fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

/// True for an error that begins so.
pub(crate) fn is_error(value: &Value, head: &str) -> bool {
    matches!(value, Value::Error(text) if text.starts_with(head.as_bytes()))
}

/// A vector as it travels.
pub(crate) fn packed(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}
