"""The clients of a life that ask for snapshots and backups, empty the server, make it much work, or leave answers lying."""

import struct
import time
from dataclasses import dataclass

from client import ClientThread
from engramlib import ReplyError, encode


class Saver(ClientThread):
    """Snapshots at random moments. `how` is how: `VSAVE`, `BGSAVE`, or VSAVE while everybody else keeps still (`calm`); or
    only the stillness, for longer than a second (`idle`)."""

    patience = 60.0

    def __init__(self, life, rng, most, how="VSAVE"):
        super().__init__(life)
        self.rng, self.how, self.saves = rng, how, 0
        self.most = min(most, rng.choice([0.0, 0.05, 0.4]))

    def talk(self, client):
        while self.goes_on(self.rng.random() * self.most):
            if self.how == "BGSAVE":
                self.save(client, "BGSAVE", "Background saving started")
                self.life.killed.wait(0.02)
            elif self.how == "VSAVE":
                self.save(client, "VSAVE", "OK")
            else:
                self.life.killed.wait(0.02 + 0.1 * self.rng.random())
                self.keep_still(client)

    def keep_still(self, client):
        self.life.gate.clear()
        try:
            # Keys whose time is short go meanwhile, which the log hears of.
            self.life.killed.wait(2.8 if self.how == "idle" else 0.02 + 0.06 * self.rng.random())
            if self.how == "calm":
                self.save(client, "VSAVE", "OK")
        finally:
            self.life.gate.set()

    def save(self, client, word, expected):
        client.send(encode(word))
        reply = client.read()
        if reply != expected and not self.given_up(reply):
            raise AssertionError(f"{word} answered {reply!r}")
        self.saves += reply == expected


@dataclass
class Made:
    """A backup that was acknowledged: its name, and when it was asked for and answered, by both clocks."""

    name: str
    asked: float
    answered: float
    asked_ticks: float
    answered_ticks: float


class Backer(ClientThread):
    """VBACKUP at random moments. `made` are those that were acknowledged. Now and then it asks for one that there is, which
    must be refused."""

    patience = 60.0

    def __init__(self, life, rng):
        super().__init__(life)
        self.rng, self.made = rng, []

    def talk(self, client):
        while self.goes_on(self.rng.random() * 0.02):
            name, ticks, now = f"b{len(self.made)}", time.monotonic(), time.time()
            client.send(encode("VBACKUP", name))
            reply = client.read()
            if self.given_up(reply):
                return
            if reply != "OK":
                raise AssertionError(f"VBACKUP answered {reply!r}")
            self.made.append(Made(name, now, time.time(), ticks, time.monotonic()))
            if self.rng.random() < 0.5:
                client.send(encode("VBACKUP", name))
                reply = client.read()
                if not isinstance(reply, ReplyError):
                    raise AssertionError(f"VBACKUP of a name that is taken answered {reply!r}")


class Flusher(ClientThread):
    """FLUSHALL while a snapshot is being written, when everybody else has ended. Between two of them it writes many keys with
    one MSET, so that the snapshot's cursor has a way to go."""

    FILLERS = [f"f:{i}" for i in range(20_000)]

    def __init__(self, life, rng):
        super().__init__(life)
        self.rng, self.did, self.answered = rng, [], 0

    def talk(self, client):
        """`did` is what was asked for: a number for an MSET of it to all keys, None for a FLUSHALL."""
        self.life.killed.wait(0.05 + 0.2 * self.rng.random())
        self.life.over.set()
        for thread in self.life.threads:
            if thread is not self:
                thread.join()
        for serial in range(1_000_000):
            if self.life.killed.is_set():
                return
            self.ask(client, serial, encode("MSET", *[word for key in self.FILLERS for word in (key, serial)]))
            # A client's commands have their turns, of 256 each, and between two of them the cursor gets on a little.
            pings = self.rng.choice([256, 1000, 4000, 0])
            client.send(encode("BGSAVE"))
            if not pings:
                self.life.killed.wait(0.02 + 0.1 * self.rng.random())
            self.ask(client, None, encode("PING") * pings + encode("FLUSHALL"), ["Background saving started", *["PONG"] * pings])
            self.life.killed.wait(0.1 * self.rng.random())

    def ask(self, client, what, data, before=()):
        self.did.append(what)
        client.send(data)
        for expected in (*before, "OK"):
            if (reply := client.read()) != expected:
                raise AssertionError(f"{reply!r} instead of {expected}")
        self.answered += 1


class Linker(ClientThread):
    """Vectors whose links take long, so that there are always some that have none yet. Nobody looks at them afterwards. With
    `vanishes` it is gone when the server is told to end, and so nobody waits for its last ones."""

    INDEX, DIM = "s:links", 384

    def __init__(self, life, rng, vanishes=False):
        super().__init__(life)
        self.rng, self.vanishes = rng, vanishes

    def talk(self, client):
        client.pipeline([("VNEW", self.INDEX, self.DIM, "METRIC", "l2", "M", 64, "EF_CONSTRUCTION", 1000)])
        while self.goes_on():
            # In a row: the nearest of each is the one before it, whose links may be under way.
            place = self.rng.randbytes(self.DIM - 1)
            vectors = [struct.pack(f"<{self.DIM}f", n / 8, *place) for n in range(120)]
            client.send(b"".join(encode("VADD", self.INDEX, f"e{n}", vector) for n, vector in enumerate(vectors)))
            for _ in vectors:
                if self.vanishes and self.life.killed.is_set():
                    return
                if (reply := client.read()) not in (0, 1):
                    raise AssertionError(f"VADD answered {reply!r}")


class Lazy(ClientThread):
    """Asks for more than it ever reads, so that an orderly end has to wait for it until it waits no more."""

    def talk(self, client):
        client.call("SET", "s:lazy", bytes(1 << 20))
        client.send(encode("GET", "s:lazy") * 60)
        self.life.killed.wait()
        while self.life.server.is_alive():
            time.sleep(0.01)
