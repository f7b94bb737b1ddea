"""Clients that write and read the same few keys at once, and keep a history of it for `history.explained`."""

import threading
import time

from engramlib import Client, encode
from history import NEVER, Did

KEYS = ["r:%d" % i for i in range(8)]


class Sharer(threading.Thread):
    """One connection, one command at a time."""

    def __init__(self, number, rng, server, killed):
        super().__init__(daemon=True)
        self.number, self.rng, self.server, self.killed = number, rng, server, killed
        self.did, self.wrong, self.serial = [], [], 0
        self.pause = rng.choice([0.0, 0.0, 0.002])

    def run(self):
        try:
            with Client(self.server.port, timeout=30) as client:
                while not self.killed.wait(self.pause):
                    self.one(client)
        except TimeoutError:
            self.wrong.append("a client that shares keys got no answer within 30 s")
        except OSError:
            pass

    def one(self, client):
        words = self.words()
        start = time.monotonic()
        self.did.append(Did(words, start))
        client.send(encode(*words))
        reply = client.read()
        self.did[-1] = Did(words, start, time.monotonic(), reply)

    def words(self):
        key, self.serial = self.rng.choice(KEYS), self.serial + 1
        name = self.rng.choice(["GET", "GET", "GET", "SET", "SET", "INCR", "APPEND", "GETDEL", "GETSET", "SETNX", "DEL"])
        if name in ("SET", "GETSET", "SETNX"):
            token = b"%d" % (self.number + 10 * self.serial)
            return (name, key, token if self.rng.random() < 0.5 else b"t" + token)
        return (name, key, b"%d" % self.number) if name == "APPEND" else (name, key)

    def since(self, moment):
        """How many operations it had an answer to before then."""
        return sum(did.end < moment for did in self.did if did.end != NEVER)
