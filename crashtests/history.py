"""What clients that share keys did, with times, and whether any order of it makes sense.

The check is the search of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with a memory of where it has
been, key by key, since keys are independent: one by one it takes an operation that nothing unfinished had to precede, and
compares what a plain register would have answered. An operation without an answer may have happened or not.
"""

from dataclasses import dataclass

NEVER = float("inf")
ANYTHING = object()
NOT_A_NUMBER = "ERR value is not an integer or out of range"


@dataclass(frozen=True)
class Did:
    """One operation of one client on one key: from when to when, and what it was told. `end` is NEVER without an answer."""

    words: tuple
    start: float
    end: float = NEVER
    reply: object = None


def register(value, words):
    """(reply, new value) of one command on a key that holds `value`, bytes or None."""
    name, argument = words[0], words[2] if len(words) > 2 else None
    if name == "SET":
        return "OK", argument
    if name == "GET":
        return value, value
    if name == "SETNX":
        return (1, argument) if value is None else (0, value)
    if name == "GETSET":
        return value, argument
    if name == "GETDEL":
        return value, None
    if name == "DEL":
        return int(value is not None), None
    if name == "APPEND":
        whole = (value or b"") + argument
        return len(whole), whole
    if name == "INCR":
        return increased(value)
    raise ValueError(f"no register has {name}")


def increased(value):
    """INCR: an error where the value is not a number as it would be printed, or the largest there is."""
    text = value or b"0"
    try:
        number = int(text)
    except ValueError:
        return NOT_A_NUMBER, value
    if b"%d" % number != text or not -(1 << 63) <= number < (1 << 63) - 1:
        return NOT_A_NUMBER, value
    return number + 1, b"%d" % (number + 1)


def same_reply(expected, reply):
    return str(reply) == expected if isinstance(reply, Exception) else reply == expected


def explained(clients, initial, final=ANYTHING, required=None):
    """True if some order of what `clients` did (a list of Did each, in order) leads from `initial` to `final`.

    All that was answered has to be in it; with `required`, so many operations of each client, and the rest may be lost.
    """
    answered = [sum(did.end != NEVER for did in client) for client in clients]
    wanted = answered if required is None else required
    todo = [(tuple(0 for _ in clients), initial)]
    seen = set(todo)
    while todo:
        at, value = todo.pop()
        if (final is ANYTHING or value == final) and all(i >= least for i, least in zip(at, wanted)):
            return True
        following = [(c, client[i]) for c, (client, i) in enumerate(zip(clients, at)) if i < len(client)]
        horizon = min((did.end for _, did in following), default=NEVER)
        for c, did in following:
            if did.start > horizon:
                continue
            reply, changed = register(value, did.words)
            if did.end != NEVER and not same_reply(reply, did.reply):
                continue
            step = (at[:c] + (at[c] + 1,) + at[c + 1 :], changed)
            if step not in seen:
                seen.add(step)
                todo.append(step)
    return False


def by_key(histories):
    """{key: what each client did to it} of one list of Did a client."""
    keys = sorted({did.words[1] for history in histories for did in history})
    return {key: [[did for did in history if did.words[1] == key] for history in histories] for key in keys}
