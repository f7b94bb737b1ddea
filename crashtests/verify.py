"""What is looked at after a restart, and compared with what the clients of the last life know.

A life's tier says what may be missing: with `always` nothing that was acknowledged; with `everysec` a suffix, no older than a
window; with `no` a suffix. Whatever the tier, what is there is a prefix of what each connection did, and no half of anything.
"""

import random
import time

import model as m
from engramlib import pairs
from history import by_key, explained
from sharer import KEYS
from writer import SAME

EVERYTHING = 1_000_000


class Verifier:
    """Looks at one server and tells `lost` what is wrong. `facts` count what was looked at."""

    def __init__(self, pools, models, vectors, lost, facts):
        self.pools, self.models, self.vectors, self.lost, self.facts = pools, models, vectors, lost, facts
        self.rng = random.Random(len(pools))
        self.base_count, self.shared = 0, dict.fromkeys(KEYS)

    def verify(self, server, life):
        """`life` is what has ended: its clients, when it did, and its window."""
        with server.client(timeout=60) as client:
            vectors = self.dump_indexes(client) if self.vectors else {}
            for writer in life.writers:
                self.resolve(writer, self.look_at_strings(client, writer.pool), vectors, life)
            self.verify_counts(client, vectors)
            self.verify_notes(client, life)
            self.verify_histories(client, life)
            self.search_for_themselves(client)

    def dump_indexes(self, client):
        """Every vector of every index, as {("i", index): dim, ("v", index, element): packed vector}."""
        found = {}
        for index, dim in [*m.DIMS.items(), *((pool.own_index, 8) for pool in self.pools)]:
            info = client.call("VINFO", index)
            if info is None:
                continue
            found["i", index] = int(pairs(info)["vector-dim"])
            probe = m.vector(random.Random(1), dim)
            flat = client.call("VSEARCH", index, probe, EVERYTHING, "EXACT", "WITHVECTORS")
            for element, vector in zip(flat[::3], flat[2::3]):
                if ("v", index, element) in found:
                    self.lost(f"{index} shows {element} twice")
                found["v", index, element] = vector
        return found

    def look_at_strings(self, client, pool):
        """{("k", key): Seen} of every key this writer may have written."""
        seen, names = {}, pool.strings()
        for at in range(0, len(names), 40):
            part = names[at : at + 40]
            start = time.time()
            replies = client.pipeline([words for key in part for words in (("GET", key), ("PTTL", key))])
            end = time.time()
            for key, data, ttl in zip(part, replies[::2], replies[1::2]):
                seen["k", key] = m.Seen(data, ttl, start, end)
        return seen

    def resolve(self, writer, seen, vectors, life):
        """Finds the prefix of what the writer did that the server holds, and takes it over as the model."""
        pool, model, unanswered = writer.pool, writer.model, [(op, sent, life.ended) for op, sent in writer.pending]
        least, todo = 0, unanswered
        if life.window is not None:
            model.clear()
            model.update(writer.base)
            least, todo = life.safe(at for _, _, at in writer.done), writer.done + unanswered

        def difference(name):
            if name[0] == "k":
                value, look = model.get(name), seen[name]
                if value.agrees(look) if value else look.data is None:
                    return None
                return f"{name[1]}: should be {brief(value and value.data)}, is {brief(look.data)} (PTTL {look.ttl_ms})"
            if model.get(name) == vectors.get(name):
                return None
            return f"{name[1:]}: should be {brief(model.get(name))}, is {brief(vectors.get(name))}"

        names = list(seen)
        if self.vectors:
            indexes = [*m.DIMS, pool.own_index]
            names += [("i", pool.own_index)]
            names += [("v", index, element) for index in indexes for element in pool.elements]
        self.facts["pending"] += len(writer.pending)
        wrong = {name: what for name in names if (what := difference(name))}
        best = dict(wrong)
        for step, (op, sent, answered) in enumerate([(None, 0, 0), *todo]):
            if op:
                op.apply(model, sent, answered)
                for name in op.touches:
                    if what := difference(name):
                        wrong[name] = what
                    else:
                        wrong.pop(name, None)
            if step >= least and not wrong:
                self.facts["given up"] += max(0, len(todo) - len(unanswered) - step)
                return
            if step == least or len(wrong) < len(best):
                best = dict(wrong)
        text = "; ".join(list(best.values())[:5])
        where = f"after {least} of {len(todo)} writes that may be missing" if least else f"of {len(todo)} pending writes"
        self.lost(f"writer {pool.number}: no prefix {where} fits; nearest: {text}")

    def verify_counts(self, client, vectors):
        """VINFO's count is the number of vectors that can be seen, and none belongs to nobody."""
        known = {name for model in self.models for name in model if name[0] == "v"}
        for name in vectors:
            if name[0] == "v" and name not in known:
                self.lost(f"{name[1:]} is there and should not be")
        for name in [name for name in vectors if name[0] == "i"]:
            count = int(pairs(client.call("VINFO", name[1]))["size"])
            there = sum(1 for other in vectors if other[0] == "v" and other[1] == name[1])
            if count != there:
                self.lost(f"{name[1]}: VINFO counts {count} vectors, {there} are there")

    def verify_notes(self, client, life):
        """What all writers wrote to, and what the observer was shown of it."""
        count, log, left, right = client.pipeline([("GET", k) for k in ("s:count", "s:log", "s:left", "s:right")])
        same = client.call("MGET", *SAME)
        count, log = int(count or 0), log or b""
        notes = [(note, replies[0], at) for writer in life.writers for note, replies, at in writer.notes_acknowledged]
        counts = [reply for note, reply, _ in notes if note == "count"]
        safe = life.safe(at for note, _, at in notes if note == "count")
        sent = sum(1 for writer in life.writers for note in writer.notes_sent if note == "count")
        if not self.base_count + safe <= count <= self.base_count + sent:
            self.lost(f"s:count: {self.base_count} + {safe}..{sent} became {count}")
        if len(set(counts)) != len(counts):
            self.lost("s:count: two INCR got the same answer")
        if int(left or 0) + int(right or 0) != 0:
            self.lost(f"half an EXEC: s:left {left} and s:right {right} do not sum to zero")
        if len(set(same)) != 1:
            self.lost(f"half a MSET or EXEC: {[brief(value) for value in same]}")
        if life.window is None:
            shown = max([life.observer.count, *counts])
            if count < shown:
                self.lost(f"s:count: {shown} was shown, {count} is there")
            if not log.startswith(life.observer.log):
                self.lost(f"s:log: {len(life.observer.log)} bytes were shown to a reader and are not there")
        for writer in life.writers:
            self.verify_log(log, writer, life)
        self.base_count = count
        client.call("DEL", "s:log")

    def verify_log(self, log, writer, life):
        """A writer's tokens in s:log are the first so many of those it sent, at least the acknowledged ones."""
        prefix = b"%03d:" % writer.pool.number
        there = [token + b";" for token in log.split(b";") if token.startswith(prefix)]
        sent = [note for note in writer.notes_sent if note != "count"]
        safe = life.safe(at for note, _, at in writer.notes_acknowledged if note != "count")
        if there != sent[: len(there)] or len(there) < safe:
            self.lost(f"s:log, writer {writer.pool.number}: {safe} safe, {len(there)} there")

    def verify_histories(self, client, life):
        """What the clients that share keys were told can have happened in some order, and what is there is its outcome."""
        now = dict(zip(KEYS, client.call("MGET", *KEYS)))
        histories = by_key([sharer.did for sharer in life.sharers])
        for key in KEYS:
            clients = histories.get(key, [])
            self.facts["shared"] += sum(map(len, clients))
            before, after = self.shared[key], now[key]
            if life.window is None:
                good = explained(clients, before, after)
            else:
                required = [life.safe_ticks(did.end for did in one) for one in clients]
                good = explained(clients, before) and explained(clients, before, after, required)
            if not good:
                told = [(did.words, did.reply) for one in clients for did in one[-3:]]
                self.lost(f"{key}: no order of its history leads from {brief(before)} to {brief(after)}; it ends {told}")
        self.shared = now

    def search_for_themselves(self, client):
        """A sample of vectors is looked up through the graph. A miss is counted; another vector under the key is a loss."""
        every = [name for model in self.models for name in model if name[0] == "v" and m.METRICS.get(name[1]) != "dot"]
        for name in self.rng.sample(every, min(60, len(every))):
            _, index, element = name
            vector = next(model[name] for model in self.models if name in model)
            reply = client.call("VSEARCH", index, vector, 1, "WITHVECTORS")
            self.facts["self-searches"] += 1
            if not reply or reply[0] != element:
                self.facts["unfound"] += 1
            elif reply[2] != vector:
                self.lost(f"{index} {element}: a search shows other bits than were stored")


def brief(data):
    if isinstance(data, bytes):
        return f"{data[:24]!r}.. ({len(data)} bytes)" if len(data) > 24 else repr(data)
    return "nothing" if data is None else repr(data)
