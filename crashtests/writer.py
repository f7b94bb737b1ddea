"""A connection that writes without pause until the server is killed, and remembers what was acknowledged.

What it knows afterwards: `model`, the state after every acknowledged operation, and `pending`, the operations sent but not
acknowledged, in order. The server must hold the state after some prefix of `pending`. Where it may lose what it has acknowledged
lately, that is the state after some prefix of `done` and `pending`, from `base` on.
"""

import time
from collections import deque

import model as m
from client import ClientThread
from engramlib import encode
from forms import FIRST, FORMS, Change

KEYS, COUNTERS, TEXTS, EXPIRING, ELEMENTS = 60, 10, 10, 24, 40
LARGEST_TEXT = 40_000
FORM_SHARE = 0.02
"""How many of the operations on vectors change the form of their index."""


class Pool:
    """The names one writer may use. They never end, so a look at all of them finds every ghost."""

    def __init__(self, number):
        self.number = number
        self.keys = [b"k:%d:%d" % (number, i) for i in range(KEYS)]
        self.counters = [b"n:%d:%d" % (number, i) for i in range(COUNTERS)]
        self.texts = [b"t:%d:\r\n\0%d" % (number, i) for i in range(TEXTS)]
        self.expiring = [b"x:%d:%d" % (number, i) for i in range(EXPIRING)]
        self.elements = [b"e:%d:%d" % (number, i) for i in range(ELEMENTS)]
        self.own_index = "own%d" % number

    def strings(self):
        return self.keys + self.counters + self.texts + self.expiring


class Writer(ClientThread):
    """One seeded writer for one life of the server. `vectors` is whether it may write them, `share` how much of what it writes."""

    def __init__(self, life, pool, model, rng, vectors, share=None):
        super().__init__(life)
        self.pool, self.model, self.rng = pool, model, rng
        self.depth = rng.choice([1, 1, 1, 4, 16, 64])
        self.vector_share = rng.choice([0.0, 0.2, 0.5, 1.0]) if vectors else 0.0
        if share is not None and vectors:
            self.vector_share = share
        self.large_share = rng.choice([0.0, 0.0, 0.02])
        self.base, self.done = dict(model), []
        self.pending = deque()
        self.acknowledged, self.forms = 0, 0
        self.notes_sent, self.notes_acknowledged = [], []
        self.changes = []
        self.serial = 0

    def talk(self, client):
        while self.goes_on():
            self.write_batch(client)

    def write_batch(self, client):
        batch = [self.next_op() for _ in range(self.rng.randint(1, self.depth))]
        data = b"".join(encode(*command) for op, _ in batch for command in op.commands)
        start = time.time()
        for op, note in batch:
            self.pending.append((op, start))
            self.expect_form(op, start)
            if note:
                self.notes_sent.append((note, start))
        client.send(data)
        for op, note in batch:
            replies = [client.read() for _ in op.commands]
            self.acknowledge(op, note, start, replies)

    def acknowledge(self, op, note, start, replies):
        now = time.time()
        expected = op.apply(self.model, start, now)
        self.pending.popleft()
        self.done.append((op, start, now))
        self.acknowledged += 1
        self.note_form(op, replies, now)
        if note:
            self.notes_acknowledged.append((note, replies, now))
        if len(expected) != len(replies) or not all(map(m.reply_agrees, expected, replies)):
            shown = [tuple(w if isinstance(w, (str, int)) else w[:40] for w in c) for c in op.commands]
            self.wrong.append(f"{shown} answered {str(replies)[:300]}, not {str(expected)[:300]}")

    def expect_form(self, op, sent):
        """What an operation that changes a form may leave from now on, unless it is refused."""
        word, *rest = op.commands[0]
        if word in ("VNEW", "VQUANT"):
            op.change = Change(rest[0], rest[1] if word == "VQUANT" else FIRST, sent)
            self.changes.append(op.change)

    def note_form(self, op, replies, now):
        if not op.change:
            return
        if replies == ["OK"]:
            op.change.answered = now
            self.forms += op.commands[0][0] == "VQUANT"
            return
        self.changes = [change for change in self.changes if change is not op.change]
        if "the server is shutting down" in str(replies) and not self.given_up(replies[0]):
            self.wrong.append(f"{op.commands[0]} answered {replies} though nobody had told the server to finish")

    def next_op(self):
        """(operation, note): a note marks a write to the names that all writers share."""
        roll = self.rng.random()
        if roll < 0.12:
            return self.shared_op()
        if self.rng.random() < self.vector_share:
            return self.vector_op(), None
        if roll < 0.24:
            return self.expiring_op(), None
        if roll < 0.34:
            ops = [self.string_op() for _ in range(self.rng.randint(1, 5))]
            return (m.discarded(ops) if self.rng.random() < 0.1 else m.transaction(ops)), None
        return self.string_op(), None

    def shared_op(self):
        rng, self.serial = self.rng, self.serial + 1
        kind = rng.choice(["count", "balance", "log", "same", "same in exec"])
        if kind == "count":
            return m.silent("INCR", "s:count"), "count"
        if kind == "balance":
            by = rng.randint(1, 1000)
            ops = [m.silent("INCRBY", "s:left", -by), m.silent("INCRBY", "s:right", by)]
            return m.transaction(ops), None
        if kind == "log":
            token = b"%03d:%08d;" % (self.pool.number, self.serial)
            return m.silent("APPEND", "s:log", token), token
        value = b"%d:%d:" % (self.pool.number, self.serial) + rng.randbytes(rng.randint(0, 300))
        if kind == "same":
            return m.silent("MSET", *[word for i in range(4) for word in (f"s:same:{i}", value)]), None
        return m.transaction([m.silent("SET", f"s:same:{i}", value) for i in range(4)]), None

    def value(self):
        self.serial += 1
        size = self.rng.choice([0, 5, 30, 200, 600, 5000])
        if self.rng.random() < self.large_share:
            size = self.rng.randint(50_000, 400_000)
        return b"%d:%d:" % (self.pool.number, self.serial) + self.rng.randbytes(size)

    def string_op(self):
        rng, pool, kind = self.rng, self.pool, self.rng.randrange(12)
        key = rng.choice(pool.keys)
        if kind <= 2:
            return m.set_(key, self.value())
        if kind == 3:
            return m.incrby(rng.choice(pool.counters), rng.randint(-(10**9), 10**9))
        if kind == 4:
            return self.text_op()
        if kind == 5:
            return m.delete(rng.sample(pool.keys, rng.randint(1, 4)))
        if kind == 6:
            return m.mset({k: self.value() for k in rng.sample(pool.keys, rng.randint(2, 8))})
        if kind == 7:
            return m.msetnx({k: self.value() for k in rng.sample(pool.keys, 2)})
        if kind == 8:
            return m.setnx(key, self.value())
        if kind == 9:
            return m.getdel(key)
        if kind == 10:
            return m.rename(*rng.sample(pool.keys, 2))
        return m.delete([rng.choice(pool.counters)])

    def text_op(self):
        rng, key = self.rng, self.rng.choice(self.pool.texts)
        kind = rng.randrange(5)
        if kind == 0:
            return m.set_(key, self.value()[:LARGEST_TEXT])
        if kind == 1:
            return m.setrange(key, rng.randrange(LARGEST_TEXT), rng.randbytes(rng.randint(1, 100)))
        if kind == 2:
            return m.delete([key])
        return m.append(key, rng.randbytes(rng.randint(1, 200)))

    def expiring_op(self):
        rng, key = self.rng, self.rng.choice(self.pool.expiring)
        ms = rng.choice([rng.randint(1, 80), rng.randint(100, 3000), 3_600_000])
        kind = rng.randrange(6)
        if kind == 0:
            return m.set_(key, self.value())
        if kind == 1:
            return m.set_pxat(key, self.value(), int(time.time() * 1000) + ms)
        if kind == 2:
            return m.set_then_pexpire(key, self.value(), ms)
        if kind == 3:
            return m.persist_fresh(key, self.value())
        if kind == 4:
            return m.delete_expiring(key)
        return m.set_px(key, self.value(), ms)

    def vector_op(self):
        rng, pool = self.rng, self.pool
        element = rng.choice(pool.elements)
        index = rng.choice([*m.DIMS, pool.own_index])
        if rng.random() < FORM_SHARE:
            return m.vquant(index, rng.choice(FORMS))
        if index == pool.own_index and rng.random() < 0.08:
            return m.vnew(index, 8) if rng.random() < 0.7 else m.vdrop(index, pool.elements)
        if rng.random() < 0.25:
            return m.vdel(index, element)
        return m.vadd(index, element, m.vector(rng, m.DIMS.get(index, 8)))
