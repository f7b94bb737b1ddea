"""Load on a server, from separate processes so that Python does not become the measure: loading vectors, searching, any commands.

Standard library only. Requests are encoded before the clock starts; a searcher finds the end of a reply by counting its
line ends, so keys must not contain any (these scripts use row numbers).
"""

import itertools
import multiprocessing
import socket
import struct
import subprocess
import sys
import tempfile
import time

from engramlib import Client, ReplyError, encode, progress, quantile

PROCESSES = multiprocessing.get_context("fork")


def _load_part(port, index, rows, first, step, depth, done):
    """Adds rows first, first+step, .. under their numbers, `depth` in flight."""
    with Client(port, timeout=120) as client:
        numbers = range(first, len(rows), step)
        for start in range(0, len(numbers), depth):
            part = numbers[start : start + depth]
            for reply in client.pipeline([("VADD", index, row, rows[row]) for row in part], depth):
                if isinstance(reply, ReplyError):
                    sys.exit(f"VADD: {reply}")
            with done.get_lock():
                done.value += len(part)


def load(port, index, rows, connections=4, depth=64, label="loading"):
    """Adds every row under its number with a progress bar; returns the seconds it took."""
    done, begun = PROCESSES.Value("q", 0), time.monotonic()
    parts = [
        PROCESSES.Process(target=_load_part, args=(port, index, rows, first, connections, depth, done), daemon=True)
        for first in range(connections)
    ]
    for part in parts:
        part.start()
    while any(part.is_alive() for part in parts):
        if done.value < len(rows):
            progress(label, done.value, len(rows), begun)
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    if any(part.exitcode for part in parts):
        sys.exit("loading failed")
    progress(label, len(rows), len(rows), begun)
    return seconds


def search_requests(index, queries, k, ef):
    return [encode("VSEARCH", index, query, k, *(("EF", ef) if ef else ())) for query in queries]


def exchange(sock, request, lines):
    """Sends one request and reads until its reply of so many lines is whole; raises on an error reply."""
    sock.sendall(request)
    data = sock.recv(1 << 16)
    while data.count(b"\r\n") < lines:
        if data[:1] == b"-" and data.endswith(b"\r\n"):
            raise ReplyError(data.decode())
        more = sock.recv(1 << 16)
        if not more:
            raise ConnectionError("the server closed the connection")
        data += more
    if data[:1] == b"-":
        raise ReplyError(data.decode())


def _search(port, requests, lines, first, start, stop, count, times):
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    exchange(sock, requests[first % len(requests)], lines)
    start.wait()
    at, took = first, []
    while not stop.is_set():
        begun = time.perf_counter()
        exchange(sock, requests[at % len(requests)], lines)
        took.append(time.perf_counter() - begun)
        at += 1
        count.value += 1
    times.put(took)


class Searchers:
    """So many connections, each a process, that search without pause from start() to stop()."""

    def __init__(self, port, requests, k, connections):
        self.stopping, self.times = PROCESSES.Event(), PROCESSES.Queue()
        self.start_line = PROCESSES.Barrier(connections + 1, timeout=60)
        self.counts = [PROCESSES.Value("q", 0, lock=False) for _ in range(connections)]
        lines = 1 + 4 * k
        self.processes = [
            PROCESSES.Process(
                target=_search,
                args=(port, requests, lines, 997 * n, self.start_line, self.stopping, self.counts[n], self.times),
                daemon=True,
            )
            for n in range(connections)
        ]

    def start(self):
        for process in self.processes:
            process.start()
        self.start_line.wait()
        self.begun = time.monotonic()
        return self

    def stop(self):
        """Returns (searches a second of all together, the seconds each search took)."""
        rate = sum(count.value for count in self.counts) / (time.monotonic() - self.begun)
        self.stopping.set()
        took = [seconds for _ in self.processes for seconds in self.times.get(timeout=60)]
        for process in self.processes:
            process.join()
        return rate, took


def searches(port, requests, k, connections, seconds):
    """(searches a second, median and p99 in milliseconds) of closed-loop searching."""
    searchers = Searchers(port, requests, k, connections).start()
    time.sleep(seconds)
    rate, took = searchers.stop()
    return rate, quantile(took, 0.5) * 1000, quantile(took, 0.99) * 1000


class Program:
    """benches/client.rs at work: closed-loop requests at a fraction of what Python costs.

    `commands` are sent in turn over all connections, again and again for so many seconds, or once each with seconds 0.
    A reply is whole after so many line ends. With a depth so many commands are sent at once and then waited for together:
    the times are theirs together, the rate is that of commands.
    """

    def __init__(self, program, port, commands, connections, seconds, lines=1, pause_us=0, depth=1):
        self.file, self.depth = tempfile.NamedTemporaryFile(prefix="engram-requests-"), depth
        encoded = (encode(*words) for words in commands)
        while request := b"".join(itertools.islice(encoded, depth)):
            self.file.write(struct.pack("<I", len(request)) + request)
        self.file.flush()
        self.words = [program, port, self.file.name, connections, seconds, lines * depth, *([pause_us] if pause_us else [])]

    def start(self):
        self.process = subprocess.Popen(
            [str(word) for word in self.words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def finish(self):
        """{"requests": .., "seconds": .., "per_second": .., "p50_us": .., "p99_us": .., "p999_us": .., "max_us": ..}"""
        out, err = self.process.communicate()
        self.file.close()
        if self.process.returncode:
            sys.exit(f"the client failed: {err.strip()[-500:]}")
        words = out.split()
        told = {name: float(value) for name, value in zip(words[::2], words[1::2])}
        return told | {name: told[name] * self.depth for name in ("requests", "per_second")}
