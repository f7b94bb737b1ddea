"""What is looked at after a restart, or of a backup, and compared with what the clients of the last life know.

A life's tier says what may be missing: with `always` nothing that was acknowledged; with `everysec` a suffix, no older than a
window; with `no` a suffix. Whatever the tier, what is there is a prefix of what each connection did, and no half of anything.
A backup holds what had been acknowledged when it was asked for, and nothing that was sent when it had been answered.
"""

import random
import time

import model as m
from engramlib import pairs
from forms import FIRST, possible
from history import explained
from observer import SAME
from savers import Flusher, Linker
from sharer import KEYS

EVERYTHING = 1_000_000


class Verifier:
    """Looks at one server and tells `lost` what is wrong. `facts` count what was looked at."""

    def __init__(self, pools, models, vectors, lost, facts):
        self.pools, self.models, self.vectors, self.facts = pools, models, vectors, facts
        self.tell, self.where = lost, ""
        self.rng = random.Random(len(pools))
        self.base_count, self.shared, self.oldest = 0, dict.fromkeys(KEYS), {}
        self.forms, self.found_forms = {}, {}

    def lost(self, what):
        self.tell(self.where + what)

    def verify(self, server, account):
        """After a life. What is found is the state that the next one begins with."""
        with server.client(timeout=60) as client:
            count, shared = self.compare(client, account)
            self.search_for_themselves(client)
            client.call("DEL", "s:log", "s:lazy", Linker.INDEX)
        self.base_count, self.shared, self.forms = count, shared, self.found_forms

    def verify_backup(self, server, account):
        """A server on a backup made in the life that has ended last and has not been verified yet."""
        self.where = "in a backup: "
        with server.client(timeout=60) as client:
            self.compare(client, account)
        self.where = ""

    def compare(self, client, account):
        """Everything with everything; returns the count and the shared keys that are there."""
        vectors = self.dump_indexes(client) if self.vectors else {}
        self.verify_forms(account)
        for writer in account.writers:
            self.resolve(writer, self.look_at_strings(client, writer.pool), vectors, account)
        self.verify_counts(client, account, vectors)
        return self.verify_notes(client, account), self.verify_histories(client, account)

    def verify_cleared(self, server, flusher, left):
        """After a life in which everything was cleared, again and again, and `left` is what was there before. Returns whether it
        was; then what the other clients have done matters no more, and is forgotten."""
        with server.client(timeout=60) as client:
            values = set(client.call("MGET", *Flusher.FILLERS))
            size = client.call("DBSIZE")
            client.call("DEL", *Flusher.FILLERS)
        for done in range(flusher.answered, len(flusher.did) + 1):
            cleared, filled = None in flusher.did[:done], flusher.did[done - 1] if done else None
            filler = None if filled is None else b"%d" % filled
            keys = len(Flusher.FILLERS) if filler else 0
            if values == {filler} and (size == keys if cleared else size >= keys + left):
                return cleared
        shown = [brief(value) for value in list(values)[:3]]
        self.lost(f"FLUSHALL: of {flusher.did[-4:]} all but the last {len(flusher.did) - flusher.answered} were answered; {size} keys, {shown}")
        return None in flusher.did[: flusher.answered]

    def forget(self):
        """Everything was cleared."""
        for model in self.models:
            model.clear()
        self.base_count, self.shared, self.forms = 0, dict.fromkeys(KEYS), {}

    def dump_indexes(self, client):
        """Every vector of every index, as {("i", index): dim, ("v", index, element): packed vector}."""
        found, self.found_forms = {}, {}
        for index, dim in [*m.DIMS.items(), *((pool.own_index, 8) for pool in self.pools)]:
            info = client.call("VINFO", index)
            if info is None:
                continue
            found["i", index] = int(pairs(info)["vector-dim"])
            self.found_forms[index] = pairs(info)["quant-type"]
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

    def resolve(self, writer, seen, vectors, account):
        """Finds the prefix of what the writer did that the server holds, and leaves the state after it in the model."""
        pool, model, least, todo = writer.pool, writer.model, writer.least, writer.todo

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
        self.facts["pending"] += writer.unanswered
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
                self.give_up(todo[step : len(todo) - writer.unanswered], account)
                return
            if step == least or len(wrong) < len(best):
                best = dict(wrong)
        text = "; ".join(list(best.values())[:5])
        where = f"after {least} of {len(todo)} writes that may be missing" if least else f"of {len(todo)} pending writes"
        self.lost(f"writer {pool.number}: no prefix {where} fits; nearest: {text}")

    def give_up(self, writes, account):
        """Writes that were acknowledged and are gone, as they may be. `oldest` remembers by tier which came closest to what is
        allowed: its age, and what was."""
        if not account.tier:
            return
        self.facts["given up"] += len(writes)
        for _, _, at in writes[:1]:
            age, before = account.ended - at, self.oldest.get(account.tier, (0.0, 1.0))
            if (age / account.window, age) > (before[0] / before[1], before[0]):
                self.oldest[account.tier] = (age, account.window)

    def verify_counts(self, client, account, vectors):
        """VINFO's count is the number of vectors that can be seen, and none belongs to nobody."""
        known = {name for writer in account.writers for name in writer.model if name[0] == "v"}
        for name in vectors:
            if name[0] == "v" and name not in known:
                self.lost(f"{name[1:]} is there and should not be")
        for name in [name for name in vectors if name[0] == "i"]:
            count = int(pairs(client.call("VINFO", name[1]))["size"])
            there = sum(1 for other in vectors if other[0] == "v" and other[1] == name[1])
            if count != there:
                self.lost(f"{name[1]}: VINFO counts {count} vectors, {there} are there")

    def verify_forms(self, account):
        """Each index is searched by a form that some change accounts for."""
        for index, form in self.found_forms.items():
            changes = [change for change in account.changes if change.index == index]
            may = possible(self.forms.get(index, FIRST), changes, account.must_have)
            if form not in may:
                self.lost(f"{index} is searched by {form}, and may be by {sorted(may)}")

    def verify_notes(self, client, account):
        """What all writers wrote to, and what the observer was shown of it; returns the count."""
        count, log, left, right = client.pipeline([("GET", k) for k in ("s:count", "s:log", "s:left", "s:right")])
        same = client.call("MGET", *SAME)
        count, log = int(count or 0), log or b""
        if not self.base_count + account.counted <= count <= self.base_count + account.counting:
            self.lost(f"s:count: {self.base_count} + {account.counted}..{account.counting} became {count}")
        if len(set(account.counts)) != len(account.counts):
            self.lost("s:count: two INCR got the same answer")
        if int(left or 0) + int(right or 0) != 0:
            self.lost(f"half an EXEC: s:left {left} and s:right {right} do not sum to zero")
        if len(set(same)) != 1 or None in same:
            self.lost(f"half a MSET or EXEC: {[brief(value) for value in same]}")
        shown, shown_log = account.shown
        if count < shown:
            self.lost(f"s:count: {shown} was shown, {count} is there")
        if not log.startswith(shown_log):
            self.lost(f"s:log: {len(shown_log)} bytes were shown to a reader and are not there")
        for writer in account.writers:
            self.verify_log(log, writer)
        return count

    def verify_log(self, log, writer):
        """A writer's tokens in s:log are the first so many of those it sent, at least the acknowledged ones."""
        prefix = b"%03d:" % writer.pool.number
        there = [token + b";" for token in log.split(b";") if token.startswith(prefix)]
        if there != writer.tokens[: len(there)] or len(there) < writer.tokens_least:
            self.lost(f"s:log, writer {writer.pool.number}: {writer.tokens_least} safe, {len(there)} there")

    def verify_histories(self, client, account):
        """What the clients that share keys were told can have happened in some order, and what is there is its outcome. Returns
        what is there."""
        now = dict(zip(KEYS, client.call("MGET", *KEYS)))
        for key in KEYS:
            clients = [[did for did in one if did.words[1] == key] for one in account.shared]
            self.facts["shared"] += sum(map(len, clients))
            before, after = self.shared[key], now[key]
            if account.required is None:
                good = explained(clients, before, after)
            else:
                required = [sum(did.words[1] == key for did in one[:least]) for one, least in zip(account.shared, account.required)]
                good = explained(clients, before) and explained(clients, before, after, required)
            if not good:
                told = [(did.words, did.reply) for one in clients for did in one[-3:]]
                self.lost(f"{key}: no order of its history leads from {brief(before)} to {brief(after)}; it ends {told}")
        return now

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
