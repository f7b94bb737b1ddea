"""Hostile input against the real server: it must stay alive, answer PING on another connection and keep its memory bounded.

    python3 scripts/hostile.py [--seconds 60] [--seed N] [--only WORD]

Each case is named, with the longest PING of another process meanwhile and the server's memory. A closing line says
`cases=N failed=M`; exit 1 if any failed. The last case fills a small disk (needs root to mount one).
"""

import argparse
import multiprocessing
import os
import random
import resource
import socket
import sys
import threading
import time

import hostiledisk
import hostilevectors
from engramlib import Client, ReplyError, Scratch, Server, die_cleanly, encode

LONGEST_PING = 3.0
"""Seconds; generous, because a busy machine is not the server's fault. The table shows the real ones."""
MIB = 1 << 20


def watch(port, longest, stop):
    """PINGs on its own connection without pause; keeps the longest answer time, or -1 once an answer stayed out."""
    try:
        with Client(port, timeout=20) as client:
            while not stop.is_set():
                begun = time.monotonic()
                if client.call("PING") != "PONG":
                    break
                longest.value = max(longest.value, time.monotonic() - begun)
                time.sleep(0.001)
            else:
                return
    except (OSError, ReplyError):
        pass
    longest.value = -1.0


class Rig:
    """The server, the watcher, the verdicts."""

    def __init__(self, server, args):
        self.server, self.args = server, args
        self.rng = random.Random(args.seed)
        self.longest, self.stop = multiprocessing.Value("d", 0.0), multiprocessing.Event()
        self.watcher = multiprocessing.Process(target=watch, args=(server.port, self.longest, self.stop), daemon=True)
        self.watcher.start()
        self.cases, self.failed = 0, 0
        with self.client() as client:
            client.call("SET", "witness", "untouched")

    def client(self, timeout=30.0):
        return self.server.client(timeout)

    def run(self, name, case, allowance):
        """Runs one case; `allowance` is by how many MiB the server's memory may rise meanwhile."""
        self.server.reset_peak()
        before, _ = self.server.memory()
        self.longest.value, begun, wrong, note = 0.0, time.monotonic(), None, ""
        try:
            note = case(self) or ""
            with self.client() as client:
                assert client.call("GET", "witness") == b"untouched", "another key changed"
        except (AssertionError, OSError, ReplyError, ValueError) as error:
            wrong = f"{type(error).__name__}: {error}"
        if not self.server.is_alive():
            sys.exit(f"{name}: THE SERVER DIED ({self.server.process.returncode})\n{self.server.log_text()[-3000:]}")
        resident, peak = self.server.memory()
        if not wrong and not 0 <= self.longest.value < LONGEST_PING:
            wrong = "PING stayed out" if self.longest.value < 0 else "PING too slow"
        if not wrong and peak > before + allowance:
            wrong = f"memory rose by {peak - before:.0f} MiB, {allowance} allowed"
        self.report(name, time.monotonic() - begun, resident, peak, wrong, note)

    def report(self, name, seconds, resident, peak, wrong, note):
        self.cases, self.failed = self.cases + 1, self.failed + bool(wrong)
        print(
            f"{'FAIL' if wrong else 'ok  '} {name:<46} {seconds:6.1f} s  PING max {self.longest.value * 1000:7.1f} ms  "
            f"VmRSS {resident:6.0f}  VmHWM {peak:6.0f} MiB  {note}",
            flush=True,
        )
        if wrong:
            print(f"     {wrong}", flush=True)

    def refused(self, data, words):
        """Sends bytes on a new connection; expects an error reply with these words, then the end of the connection."""
        with self.client(timeout=10) as client:
            try:
                client.send(data)
                reply = client.read()
            except (BrokenPipeError, ConnectionResetError):
                return  # closed before we had sent or read all: refused as well
            assert isinstance(reply, ReplyError) and words in str(reply), f"{data[:60]!r}: {reply!r}, not {words!r}"
            try:
                client.read()
            except ConnectionError:
                return
            raise AssertionError(f"{data[:60]!r}: the connection stays open")


def lengths(rig):
    for text in (b"-2", b"-1", b"536870913", b"999999999999", b"9223372036854775808", b"18446744073709551617", b"+5", b" 5", b"5 ",
                 b"abc", b"", b"5x", b"0x5", b"1e3", b"-9223372036854775808"):
        rig.refused(b"*2\r\n$4\r\nECHO\r\n$" + text + b"\r\n", "Protocol error: invalid bulk length")
    for text in (b"2147483648", b"9223372036854775807", b"18446744073709551616", b"abc", b"+1", b" 1", b"1x", b"1e9"):
        rig.refused(b"*" + text + b"\r\n", "Protocol error: invalid multibulk length")
    rig.refused(b"*1\r\n+4\r\nPING\r\n", "Protocol error: expected '$', got '+'")
    rig.refused(b"*" + b"1" * 70_000, "Protocol error: too big mbulk count string")
    rig.refused(b"*1\r\n$" + b"1" * 70_000, "Protocol error: too big bulk count string")
    rig.refused(b'SET "unbalanced\r\n', "Protocol error: unbalanced quotes in request")
    for empty in (b"*0\r\n", b"*-1\r\n", b"*-5\r\n", b"\r\n", b"\n"):
        with rig.client() as client:
            client.send(empty * 1000 + encode("PING"))
            assert client.read() == "PONG", f"{empty!r} is not skipped"


def claims(rig):
    """Many clients announce 512 MB and send ten bytes; many announce a million words and send none."""
    held = []
    for _ in range(100):
        for claim in (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n0123456789", b"*1048576\r\n$4\r\nMGET\r\n"):
            client = rig.client()
            client.send(claim)
            held.append(client)
    time.sleep(1.0)
    for client in held:
        client.close()


def million_words(rig):
    notes = []
    words = [b"%d" % n for n in range(999_999)]
    for name, data, expected in (
        ("DEL", encode("DEL", *words), 0),
        ("MSET", encode("MSET", *words[:-1]), "OK"),
        ("UNLINK", encode("UNLINK", *words), 499_999),
    ):
        with rig.client(timeout=60) as client:
            begun, used = time.monotonic(), cpu_seconds(rig.server.process.pid)
            client.send(data)
            reply = client.read()
            seconds, used = time.monotonic() - begun, cpu_seconds(rig.server.process.pid) - used
        assert reply == expected, f"{name}: {reply!r}"
        assert used < 1.0, f"{name} took {used:.2f} s of processor time"
        notes.append(f"{name} {seconds:.2f} s ({used:.2f} of processor)")
    return ", ".join(notes)


def no_newline(rig):
    with rig.client(timeout=20) as client:
        sent = 0
        try:
            while sent < 64 * MIB:
                client.send(b"A" * MIB)
                sent += MIB
        except (BrokenPipeError, ConnectionResetError):
            return f"closed after {sent // MIB} MiB"
        reply = client.read()
        assert "too big inline request" in str(reply), repr(reply)


def half_commands(rig):
    whole = encode("ECHO", "half of it")
    clients = [rig.client() for _ in range(500)]
    for number, client in enumerate(clients):
        client.send(whole[: 1 + number % (len(whole) - 1)])
    time.sleep(0.5)
    for client in clients[::2]:
        client.close()
    for number, client in list(enumerate(clients))[1::2]:
        client.send(whole[1 + number % (len(whole) - 1) :])
        assert client.read() == b"half of it"
        client.close()
    with rig.client() as client:
        for byte in encode("ECHO", "drop by drop") * 3:
            client.send(bytes([byte]))
        assert [client.read() for _ in range(3)] == [b"drop by drop"] * 3


def idle_connections(rig):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = min(10_000, hard - 200)
    held, refused = [], 0
    try:
        while len(held) < wanted:
            held.append(socket.create_connection(("127.0.0.1", rig.server.port), timeout=20))
        for connection in held[::500]:
            connection.sendall(encode("PING"))
            answer = connection.recv(100)
            refused += b"max number of clients" in answer
            assert answer == b"+PONG\r\n" or refused, repr(answer)
    finally:
        for connection in held:
            connection.close()
    served_again(rig.server)
    return f"{wanted} held" if wanted == 10_000 else f"{wanted} held: this machine allows no more files"


def served_again(server):
    """New clients get in within seconds of the others' leaving."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with server.client(timeout=10) as client:
            client.send(encode("PING"))
            try:
                if client.read() == "PONG":
                    return
            except OSError:
                pass
        time.sleep(0.05)
    raise AssertionError("no new client is served after the others left")


def too_many_clients(rig):
    server = Server(args=["--maxclients", "20"]).start()
    try:
        clients = [server.client(timeout=10) for _ in range(20)]
        assert all(client.call("PING") == "PONG" for client in clients)
        try:
            with server.client(timeout=10) as extra:
                reply = extra.read()
                assert "max number of clients reached" in str(reply), repr(reply)
        except ConnectionError:
            pass
        assert all(client.call("PING") == "PONG" for client in clients)
        for client in clients:
            client.close()
        served_again(server)
    finally:
        server.kill()


def descriptors_run_out(rig):
    """A server allowed 60 files: the clients it has are served, the processor rests, later clients come in."""
    server = Server(limits=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))).start()
    try:
        with server.client() as first:
            assert first.call("PING") == "PONG"
            held = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(100)]
            time.sleep(0.3)
            used = cpu_seconds(server.process.pid)
            for _ in range(100):
                assert first.call("PING") == "PONG"
                time.sleep(0.01)
            used = cpu_seconds(server.process.pid) - used
            for connection in held:
                connection.close()
        served_again(server)
        assert used < 0.5, f"{used:.2f} s of processor time in a second of waiting"
        return f"{used:.2f} s of processor in 1 s"
    finally:
        server.kill()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sleeping_readers(rig):
    """Readers of 16 MB replies that sleep. One wakes up and must find every answer whole."""
    size = 16 * 10**6
    with rig.client() as client:
        client.call("SET", "large", os.urandom(1) * size)
        large = client.call("GET", "large")
    sleepers = [rig.client() for _ in range(4)]
    for sleeper in sleepers:
        sleeper.send(encode("GET", "large") * 50)
    with rig.client(timeout=60) as late:
        late.send(encode("GET", "large") * 5 + encode("ECHO", "end"))
        time.sleep(2.0)
        assert all(late.read() == large for _ in range(5)), "a reply came broken"
        assert late.read() == b"end"
    for sleeper in sleepers:
        sleeper.close()
    with rig.client() as client:
        client.call("DEL", "large")


def hung_up(rig):
    """Clients that send a pipeline and shut their side: every command is executed, every reply comes."""
    with rig.client() as client:
        client.call("SET", "large", bytes(4 * 10**6))
    for data, count in ((encode("PING") * 100_000, 100_000), (encode("GET", "large") * 5, 5), (b"ECHO x\r\n" * 999, 999)):
        with rig.client() as client:
            client.send(data)
            client.sock.shutdown(socket.SHUT_WR)
            for at in range(count):
                assert not isinstance(client.read(), ReplyError), f"reply {at} of {count}"
            try:
                client.read()
            except ConnectionError:
                continue
            raise AssertionError("the connection stays open")


def eager_reader(rig):
    """A pipeline of 4 MB replies, read as fast as they come: the server may not forget it between two of them."""
    with rig.client(timeout=10) as client:
        client.send(encode("GET", "large") * 30 + encode("DEL", "large"))
        assert all(len(client.read()) == 4 * 10**6 for _ in range(30))
        assert client.read() == 1


def deep_pipeline(rig):
    count = 300_000
    with rig.client(timeout=60) as client:
        client.call("DEL", "deep")
        data = encode("INCR", "deep") * count
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        for expected in range(1, count + 1):
            assert client.read() == expected, "replies out of order"
        sender.join()
        client.call("DEL", "deep")


def large_keys(rig):
    key = os.urandom(10 * 10**6)
    with rig.client(timeout=60) as client:
        assert client.call("SET", key, "v") == "OK"
        assert client.call("GET", key) == b"v"
        assert client.call("RENAME", key, key + b"2") == "OK"
        assert client.call("EXISTS", key) == 0
        assert client.call("DEL", key + b"2") == 1
        reply = client.pipeline([(key,)])[0]
        assert isinstance(reply, ReplyError) and len(str(reply)) < 1000, "an error repeats the whole command"
        reply = client.pipeline([("CONFIG", key)])[0]
        assert isinstance(reply, ReplyError) and len(str(reply)) < 1000, "an error repeats the whole word"


def garbage(rig):
    """Random bytes, and commands with random changes, from several connections for a while."""
    until, sent = time.monotonic() + rig.args.seconds, 0
    samples = [
        encode("SET", "g", "value", "PX", 1000), encode("MGET", "a", "b", "c"), encode("SCAN", 0, "COUNT", 10), b"PING\r\n",
        encode("VNEW", "gv", 4), encode("VADD", "gv", "e", bytes(16)), encode("VSEARCH", "gv", bytes(16), 3, "EF", 10),
        encode("MULTI"), encode("EXEC"), encode("HELLO", 3), encode("CLIENT", "LIST"), encode("INFO"), encode("VINFO", "gv"),
    ]
    while time.monotonic() < until:
        clients = [rig.client() for _ in range(8)]
        for client in clients:
            client.sock.setblocking(False)
            for _ in range(rig.rng.randint(1, 20)):
                sent += offer(client.sock, mutated(rig.rng, samples))
        time.sleep(0.005)
        for client in clients:
            client.close()
    return f"{sent / MIB:.0f} MiB, seed {rig.args.seed}"


def mutated(rng, samples):
    if rng.random() < 0.3:
        return rng.randbytes(rng.choice([1, 10, 1000, 20_000]))
    data = bytearray(b"".join(rng.choices(samples, k=rng.randint(1, 10))))
    for _ in range(rng.choice([0, 1, 1, 3, 20])):
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] = rng.choice(b"\r\n*$-0123456789\0\xff") if rng.random() < 0.5 else rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.choice([b"\r\n", b"*3\r\n", b"$-1\r\n", b"99999999999", rng.randbytes(5)])
        elif len(data) > 2:
            del data[at : at + rng.randint(1, 5)]
            data = data or bytearray(b"\n")
    return bytes(data)


def offer(sock, data):
    try:
        return sock.send(data)
    except (BlockingIOError, ConnectionError):
        return 0


CASES = [
    ("bulk and array lengths, malformed", lengths, 16),
    ("lengths claimed and not sent, 200 clients", claims, 64),
    ("1,000,000-word commands", million_words, 400),
    ("64 MB without a newline", no_newline, 16),
    ("500 half commands, and one drop by drop", half_commands, 32),
    ("10,000 idle connections", idle_connections, 300),
    ("more clients than maxclients", too_many_clients, 16),
    ("descriptors run out and come back", descriptors_run_out, 16),
    ("readers of 16 MB replies that sleep", sleeping_readers, 300),
    ("clients that hang up behind a pipeline", hung_up, 64),
    ("a pipeline of 4 MB replies, read eagerly", eager_reader, 64),
    ("300,000 pipelined commands", deep_pipeline, 100),
    ("wrong vectors, dimensions, k and EF", hostilevectors.vectors, 64),
    ("huge vectors and indexes that are not there", hostilevectors.extremes, 256),
    ("searches that want everything", hostilevectors.everything, 256),
    ("clients that leave while they are searched for", hostilevectors.leavers, 128),
    ("keys of 10 MB", large_keys, 200),
    ("random bytes", garbage, 300),
]


def main():
    parser = argparse.ArgumentParser(description="Hostile input against the real server.")
    parser.add_argument("--seconds", type=float, default=60, help="how long random bytes are sent (60)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", help="only cases with this in their name")
    args = parser.parse_args()
    args.seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    die_cleanly()
    with Scratch("engram-hostile-") as scratch:
        server = Server(os.path.join(scratch.path, "data"), args=["--fsync", "everysec"]).start()
        rig = Rig(server, args)
        for name, case, allowance in CASES:
            if args.only in name:
                rig.run(name, case, allowance)
        rig.stop.set()
        server.kill()
        if args.only in hostiledisk.NAME:
            hostiledisk.run(rig)
    print(f"cases={rig.cases} failed={rig.failed} seed={args.seed}")
    sys.exit(1 if rig.failed else 0)


if __name__ == "__main__":
    main()
