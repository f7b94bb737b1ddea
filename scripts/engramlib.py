"""Shared by the Python scripts: a small RESP client, a server under control, packed f32 files.

Standard library only. The client speaks RESP2 unless HELLO 3 is sent, and reads both. It is exact rather than
complete: an error reply is a value of type ReplyError, raised by call() and returned by read() and pipeline().
"""

import atexit
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class ReplyError(Exception):
    """An error reply; str() is its text without the leading '-'."""


def encode(*words):
    """One command as RESP bytes. Words are bytes, str or int."""
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        if not isinstance(word, (bytes, bytearray, memoryview)):
            word = str(word).encode()
        out.append(b"$%d\r\n" % len(word))
        out.append(word)
        out.append(b"\r\n")
    return b"".join(out)


class Client:
    """One connection. Not thread-safe. Raises ConnectionError when the server goes away, TimeoutError when silent."""

    def __init__(self, port, host="127.0.0.1", timeout=30.0):
        self.sock = socket.create_connection((host, port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.at = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def call(self, *words):
        """Sends one command and returns its reply; raises ReplyError on an error reply."""
        self.send(encode(*words))
        reply = self.read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def pipeline(self, commands, depth=512):
        """Sends many commands, `depth` in flight, and returns their replies, errors as values."""
        replies = []
        for start in range(0, len(commands), depth):
            batch = commands[start : start + depth]
            self.send(b"".join(encode(*words) for words in batch))
            replies.extend(self.read() for _ in batch)
        return replies

    def read(self):
        """One whole reply: int, bytes, str (simple string), float, bool, None, list, dict or ReplyError."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"*" or kind == b"~" or kind == b">":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return {_hashable(self.read()): self.read() for _ in range(int(rest))}
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode("utf-8", "replace"))
        if kind == b",":
            return float(rest)
        if kind == b"#":
            return rest == b"t"
        if kind == b"_":
            return None
        if kind == b"(":
            return int(rest)
        if kind == b"=":
            return self._bulk(int(rest))[4:]
        raise ValueError(f"not RESP: {bytes(line[:60])!r}")

    def _bulk(self, size):
        if size < 0:
            return None
        self._need(size + 2)
        data = bytes(self.buffer[self.at : self.at + size])
        self.at += size + 2
        return data

    def _line(self):
        start = self.at
        while (end := self.buffer.find(b"\r\n", start)) < 0:
            start = max(self.at, len(self.buffer) - 1)
            start -= self._fill()
        line = bytes(self.buffer[self.at : end])
        self.at = end + 2
        return line

    def _need(self, size):
        while len(self.buffer) - self.at < size:
            self._fill()

    def _fill(self):
        """Reads more; returns by how much what was there moved to the front."""
        moved = self.at
        if moved:
            del self.buffer[:moved]
            self.at = 0
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data
        return moved


def _hashable(key):
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key


def pairs(reply):
    """A flat array of pairs (RESP2) or a map (RESP3) as a dict with str keys."""
    if isinstance(reply, dict):
        return reply
    return {_hashable(key): value for key, value in zip(reply[::2], reply[1::2])}


def vinfo(client, index):
    """VINFO as a dict, or None where there is no such index."""
    reply = client.call("VINFO", index)
    return None if reply is None else pairs(reply)


def free_port():
    """A free port below the range that outgoing connections take theirs from."""
    while True:
        with socket.socket() as probe:
            port = random.SystemRandom().randrange(20_000, 32_000)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def binary_path():
    """The server under test: $ENGRAM, or the release build of this repository."""
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    path = os.environ.get("ENGRAM") or os.path.join(target, "release", "engram")
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there: cargo build --release, or set ENGRAM")
    return path


class Server:
    """The real binary on a free port of 127.0.0.1. Every server still alive is killed when this process ends.

    `redis=True` starts a redis-server instead (a peer, or a control for a checker): append-only file in `directory`,
    synced always; without a directory nothing is kept.
    """

    alive = set()

    def __init__(self, directory=None, args=(), redis=False, ready_within=120.0, limits=None, program=None):
        self.directory, self.args, self.redis, self.program = directory, list(args), redis, program
        self.ready_within, self.limits = ready_within, limits
        self.port, self.process, self.log = 0, None, None
        self.seconds_to_ready = 0.0

    def start(self, wait=True):
        self.port = free_port()
        self.log = tempfile.NamedTemporaryFile(prefix="engram-", suffix=".log")
        begun = time.monotonic()
        self.process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            preexec_fn=self.limits,
        )
        Server.alive.add(self)
        if wait:
            self.wait_ready(begun)
        return self

    def _command(self):
        if not self.redis:
            where = ["--dir", self.directory] if self.directory else []
            return [self.program or binary_path(), "--port", str(self.port), *where, *self.args]
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if self.directory else ["--appendonly", "no"]
        where = ["--dir", self.directory or tempfile.gettempdir(), "--save", ""]
        return [self.program or "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", *keep, *where, *self.args]

    def wait_ready(self, begun=None):
        begun = begun or time.monotonic()
        sign = "Ready to accept connections" if self.redis else f"ready on 127.0.0.1:{self.port}"
        while sign not in self.log_text():
            if self.process.poll() is not None:
                Server.alive.discard(self)
                raise RuntimeError(f"ended with {self.process.returncode} while starting:\n{self.log_text()[-3000:]}")
            if time.monotonic() - begun > self.ready_within:
                raise RuntimeError(f"not ready in {self.ready_within:.0f} s:\n{self.log_text()[-3000:]}")
            time.sleep(0.001)
        self.seconds_to_ready = time.monotonic() - begun

    def log_text(self):
        with open(self.log.name, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def client(self, timeout=30.0):
        return Client(self.port, timeout=timeout)

    def kill(self):
        """kill -9; returns when the process is gone."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        Server.alive.discard(self)

    def terminate(self, within=30.0):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        code = self.process.wait(within)
        Server.alive.discard(self)
        return code

    def is_alive(self):
        return self.process.poll() is None

    def memory(self):
        """(resident now, highest resident since start or reset) in MiB."""
        fields = {}
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                name, _, value = line.partition(":")
                fields[name] = value.split()
        return int(fields["VmRSS"][0]) / 1024, int(fields["VmHWM"][0]) / 1024

    def reset_peak(self):
        """Starts the highest resident size afresh."""
        try:
            with open(f"/proc/{self.process.pid}/clear_refs", "w") as clear:
                clear.write("5")
        except OSError:
            pass


def _end_all():
    for server in list(Server.alive):
        server.kill()


def die_cleanly():
    """Ends the servers on exit, on SIGTERM and SIGHUP as well."""
    atexit.register(_end_all)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


class Scratch:
    """A new directory, removed on exit unless keep is set."""

    def __init__(self, prefix="engram-"):
        self.path, self.keep = tempfile.mkdtemp(prefix=prefix), False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.keep:
            shutil.rmtree(self.path, ignore_errors=True)


class Rows:
    """A packed little-endian f32 file as rows of bytes."""

    def __init__(self, path, dim):
        with open(path, "rb") as file:
            self.data = file.read()
        self.stride = 4 * dim
        if not self.data or len(self.data) % self.stride:
            sys.exit(f"{path}: {len(self.data)} bytes are not whole rows of {dim} f32")

    def __len__(self):
        return len(self.data) // self.stride

    def __getitem__(self, row):
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self.data[row * self.stride : (row + 1) * self.stride]


class Spliced:
    """So many rows made of a file's: the first are those of the file, each of the others begins as one and ends as another."""

    def __init__(self, rows, count):
        self.rows, self.count = rows, count

    def __len__(self):
        return self.count

    def __getitem__(self, row):
        if not 0 <= row < self.count:
            raise IndexError(row)
        turn, at = divmod(row, len(self.rows))
        first = self.rows[at]
        if not turn:
            return first
        cut = len(first) * (1 + turn % 15) // 16 & ~3
        return first[:cut] + self.rows[(at + 7919 * turn) % len(self.rows)][cut:]


def pack(values):
    return struct.pack(f"<{len(values)}f", *values)


def quantile(values, q):
    """The q-quantile (0..1) of a list, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def progress(label, done, total, begun, unit="vectors"):
    """A progress bar on a terminal; elsewhere a line at the end only."""
    rate = done / max(time.monotonic() - begun, 1e-9)
    if sys.stderr.isatty():
        filled = int(30 * done / total)
        bar = "#" * filled + "." * (30 - filled)
        end = "\n" if done == total else ""
        print(f"\r{label} [{bar}] {done}/{total}  {rate:,.0f} {unit}/s ", end=end, file=sys.stderr, flush=True)
    elif done == total:
        print(f"{label} {done}/{total}  {rate:,.0f} {unit}/s", file=sys.stderr, flush=True)
