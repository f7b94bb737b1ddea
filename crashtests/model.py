"""What a server should hold: the operations the crash tests send, each with its effect on a plain dict.

A model maps ("k", key) -> Value and ("v", index, element) -> packed vector and ("i", index) -> dim. Every operation can be
applied to any model, so the state after any prefix of what one connection sent is well defined. Keys belong to one
connection each, except the shared ones, which the supervisor checks in its own way.
"""

import struct
from dataclasses import dataclass

SLACK = 0.25
"""Seconds by which the server's idea of now may differ from when a command was sent or answered."""

DIMS = {"va": 8, "vb": 48, "vc": 384}
METRICS = {"va": "l2", "vb": "cosine", "vc": "dot"}


@dataclass(frozen=True)
class Value:
    """A string and the wall-clock bounds of its death (None: it does not expire)."""

    data: bytes
    dies_from: float | None = None
    dies_until: float | None = None

    def state_at(self, start, end):
        """'alive', 'dead' or 'either' for a look that happened between two wall-clock times."""
        if self.dies_from is None or end < self.dies_from - SLACK:
            return "alive"
        return "dead" if start > self.dies_until + SLACK else "either"

    def agrees(self, seen):
        """True if a look at the key may have shown this."""
        state = self.state_at(seen.start, seen.end)
        if seen.data is None:
            return state != "alive"
        return state != "dead" and seen.data == self.data and self._agrees_on_death(seen, state)

    def _agrees_on_death(self, seen, state):
        if seen.ttl_ms == -2:
            return state == "either"
        if self.dies_from is None or seen.ttl_ms == -1:
            return self.dies_from is None and seen.ttl_ms == -1
        low, high = seen.start + seen.ttl_ms / 1000, seen.end + seen.ttl_ms / 1000
        return high >= self.dies_from - SLACK and low <= self.dies_until + SLACK


@dataclass(frozen=True)
class Seen:
    """What GET and PTTL said about a key, some time between start and end."""

    data: bytes | None
    ttl_ms: int
    start: float
    end: float


class Op:
    """One operation: `commands` to send, `apply` to change a model, which returns the replies it should get.

    `apply(model, start, end)` gets the wall-clock bounds of when the server may have run it. A reply of ANY is not judged.
    """

    ANY = object()

    def __init__(self, commands, apply, touches):
        self.commands, self.apply, self.touches, self.change = commands, apply, touches, None


def _put(model, name, value):
    if value is None:
        model.pop(name, None)
    else:
        model[name] = value


def _data(model, key):
    value = model.get(("k", key))
    return None if value is None else value.data


def set_(key, data):
    def apply(model, start, end):
        model["k", key] = Value(data)
        return ["OK"]

    return Op([("SET", key, data)], apply, [("k", key)])


def set_px(key, data, ms):
    def apply(model, start, end):
        model["k", key] = Value(data, start + ms / 1000, end + ms / 1000)
        return ["OK"]

    return Op([("SET", key, data, "PX", ms)], apply, [("k", key)])


def set_pxat(key, data, at_ms):
    def apply(model, start, end):
        model["k", key] = Value(data, at_ms / 1000, at_ms / 1000)
        return ["OK"]

    return Op([("SET", key, data, "PXAT", at_ms)], apply, [("k", key)])


def set_then_pexpire(key, data, ms):
    def apply(model, start, end):
        model["k", key] = Value(data, start + ms / 1000, end + ms / 1000)
        return ["OK", "QUEUED", "QUEUED", ["OK", 1]]

    commands = [("MULTI",), ("SET", key, data), ("PEXPIRE", key, ms), ("EXEC",)]
    return Op(commands, apply, [("k", key)])


def persist_fresh(key, data):
    """Leaves a key that lived on borrowed time and does not any more."""

    def apply(model, start, end):
        model["k", key] = Value(data)
        return ["OK", "QUEUED", "QUEUED", ["OK", 1]]

    commands = [("MULTI",), ("SET", key, data, "EX", 100), ("PERSIST", key), ("EXEC",)]
    return Op(commands, apply, [("k", key)])


def setnx(key, data):
    def apply(model, start, end):
        free = ("k", key) not in model
        if free:
            model["k", key] = Value(data)
        return [int(free)]

    return Op([("SETNX", key, data)], apply, [("k", key)])


def incrby(key, by):
    def apply(model, start, end):
        total = int(_data(model, key) or 0) + by
        model["k", key] = Value(b"%d" % total)
        return [total]

    return Op([("INCRBY", key, by)], apply, [("k", key)])


def append(key, data):
    def apply(model, start, end):
        whole = (_data(model, key) or b"") + data
        model["k", key] = Value(whole)
        return [len(whole)]

    return Op([("APPEND", key, data)], apply, [("k", key)])


def setrange(key, offset, data):
    def apply(model, start, end):
        old = _data(model, key) or b""
        whole = old[:offset].ljust(offset, b"\0") + data + old[offset + len(data) :]
        model["k", key] = Value(whole)
        return [len(whole)]

    return Op([("SETRANGE", key, offset, data)], apply, [("k", key)])


def getdel(key):
    def apply(model, start, end):
        old = _data(model, key)
        model.pop(("k", key), None)
        return [old]

    return Op([("GETDEL", key)], apply, [("k", key)])


def delete(keys):
    def apply(model, start, end):
        return [sum(model.pop(("k", key), None) is not None for key in keys)]

    return Op([("DEL", *keys)], apply, [("k", key) for key in keys])


def delete_expiring(key):
    def apply(model, start, end):
        model.pop(("k", key), None)
        return [Op.ANY]

    return Op([("DEL", key)], apply, [("k", key)])


def rename(old, new):
    def apply(model, start, end):
        value = model.pop(("k", old), None)
        if value is None:
            return ["ERR no such key"]
        model["k", new] = value
        return ["OK"]

    return Op([("RENAME", old, new)], apply, [("k", old), ("k", new)])


def mset(values):
    def apply(model, start, end):
        for key, data in values.items():
            model["k", key] = Value(data)
        return ["OK"]

    words = [word for pair in values.items() for word in pair]
    return Op([("MSET", *words)], apply, [("k", key) for key in values])


def msetnx(values):
    def apply(model, start, end):
        free = not any(("k", key) in model for key in values)
        if free:
            for key, data in values.items():
                model["k", key] = Value(data)
        return [int(free)]

    words = [word for pair in values.items() for word in pair]
    return Op([("MSETNX", *words)], apply, [("k", key) for key in values])


def transaction(ops):
    """MULTI, the single commands of `ops`, EXEC: all or nothing."""
    commands = [("MULTI",), *(command for op in ops for command in op.commands), ("EXEC",)]

    def apply(model, start, end):
        answers = [answer for op in ops for answer in op.apply(model, start, end)]
        return ["OK", *["QUEUED"] * len(answers), answers]

    return Op(commands, apply, [name for op in ops for name in op.touches])


def discarded(ops):
    """MULTI, commands, DISCARD: nothing happens."""
    commands = [("MULTI",), *(command for op in ops for command in op.commands), ("DISCARD",)]

    def apply(model, start, end):
        return ["OK", *["QUEUED"] * (len(commands) - 2), "OK"]

    return Op(commands, apply, [])


def vnew(index, dim):
    def apply(model, start, end):
        if ("i", index) in model:
            return [ANY_ERROR]
        model["i", index] = dim
        return ["OK"]

    return Op([("VNEW", index, dim, "METRIC", "l2", "M", 8, "EF_CONSTRUCTION", 40)], apply, [("i", index)])


def vquant(index, form):
    """Nothing that is compared by prefixes: forms.py knows what may have become of it."""

    def apply(model, start, end):
        return [FORMED if ("i", index) in model else ANY_ERROR]

    return Op([("VQUANT", index, form)], apply, [])


def vdrop(index, elements):
    """DEL of a whole index whose elements come from `elements`."""

    def apply(model, start, end):
        for element in elements:
            model.pop(("v", index, element), None)
        return [int(model.pop(("i", index), None) is not None)]

    return Op([("DEL", index)], apply, [("i", index)] + [("v", index, element) for element in elements])


def vadd(index, element, blob):
    def apply(model, start, end):
        if ("i", index) not in model:
            return [ANY_ERROR]
        new = ("v", index, element) not in model
        model["v", index, element] = blob
        return [int(new)]

    return Op([("VADD", index, element, blob)], apply, [("v", index, element)])


def vdel(index, element):
    def apply(model, start, end):
        if ("i", index) not in model:
            return [ANY_ERROR]
        return [int(model.pop(("v", index, element), None) is not None)]

    return Op([("VDEL", index, element)], apply, [("v", index, element)])


def silent(*command):
    """A command whose effect is judged elsewhere; its reply must only not be an error."""
    return Op([command], lambda model, start, end: [Op.ANY], [])


class _AnyError:
    def __repr__(self):
        return "any error"


ANY_ERROR = _AnyError()


class _Formed:
    REFUSALS = ("ERR the change to QUANT ", "ERR the index is gone", "ERR the server is shutting down")

    def agrees(self, reply):
        return str(reply).startswith(self.REFUSALS) if isinstance(reply, Exception) else reply == "OK"

    def __repr__(self):
        return "a change of form, or a refusal of one"


FORMED = _Formed()
"""Others may change the index too, or it may go."""


def reply_agrees(expected, reply):
    """True if `reply` (errors as values) is what was expected."""
    failed = isinstance(reply, Exception)
    if expected is ANY_ERROR:
        return failed
    if expected is FORMED:
        return FORMED.agrees(reply)
    if expected is Op.ANY:
        return not failed
    if isinstance(expected, list):
        return isinstance(reply, list) and len(reply) == len(expected) and all(map(reply_agrees, expected, reply))
    if failed:
        return isinstance(expected, str) and str(reply) == expected
    return reply == expected


def vector(rng, dim):
    """A random packed vector, exactly representable and never zero."""
    values = [rng.gauss(0, 1) for _ in range(dim)]
    values[0] += 0.5 if values[0] >= 0 else -0.5
    return struct.pack(f"<{dim}f", *values)
