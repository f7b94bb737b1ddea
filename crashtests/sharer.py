"""Clients that write and read the same few keys at once, and keep a history of it for `history.explained`."""

import time

from client import ClientThread
from engramlib import encode
from history import Did

KEYS = ["r:%d" % i for i in range(8)]


class Sharer(ClientThread):
    """One connection, one command at a time."""

    def __init__(self, life, number, rng):
        super().__init__(life)
        self.number, self.rng = number, rng
        self.did, self.serial = [], 0
        self.pause = rng.choice([0.0, 0.0, 0.002])

    def talk(self, client):
        while self.goes_on(self.pause):
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
