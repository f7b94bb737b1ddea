"""The checker of histories is shown failing before it is trusted: `crashtests/loop.sh --self-test`."""

import random
import unittest

from history import ANYTHING, NEVER, Did, by_key, explained, register


def did(start, end, reply, *words):
    return Did(words, start, end, reply)


class Explained(unittest.TestCase):
    def test_what_overlaps_may_have_happened_in_either_order(self):
        writer = [did(0, 5, "OK", "SET", "k", b"a")]
        for seen in (None, b"a"):
            self.assertTrue(explained([writer, [did(1, 4, seen, "GET", "k")]], None))

    def test_a_stale_read_is_found(self):
        writer = [did(0, 1, "OK", "SET", "k", b"a")]
        self.assertFalse(explained([writer, [did(2, 3, None, "GET", "k")]], None))

    def test_a_read_that_goes_back_is_found(self):
        writer = [did(0, 9, "OK", "SET", "k", b"a")]
        reader = [did(1, 2, b"a", "GET", "k"), did(3, 4, None, "GET", "k")]
        self.assertFalse(explained([writer, reader], None))

    def test_an_acknowledged_write_that_is_lost_is_found(self):
        writer = [did(0, 1, "OK", "SET", "k", b"a")]
        self.assertTrue(explained([writer], None, b"a"))
        self.assertFalse(explained([writer], None, None))

    def test_a_write_without_an_answer_may_be_there_or_not(self):
        writer = [did(0, NEVER, None, "SET", "k", b"a")]
        self.assertTrue(explained([writer], None, b"a"))
        self.assertTrue(explained([writer], None, None))
        self.assertFalse(explained([writer], None, b"b"))

    def test_what_was_shown_and_then_lost_is_found(self):
        writer, reader = [did(0, NEVER, None, "SET", "k", b"a")], [did(1, 2, b"a", "GET", "k")]
        self.assertTrue(explained([writer, reader], None, b"a"))
        self.assertFalse(explained([writer, reader], None, None))

    def test_an_append_that_happened_twice_is_found(self):
        clients = [[did(0, NEVER, None, "APPEND", "k", b"x")], [did(0, NEVER, None, "APPEND", "k", b"y")]]
        self.assertTrue(explained(clients, b"", b"yx"))
        self.assertFalse(explained(clients, b"", b"xx"))

    def test_two_increments_with_one_answer_are_found(self):
        clients = [[did(0, 2, 1, "INCR", "k")], [did(1, 3, 1, "INCR", "k")]]
        self.assertFalse(explained(clients, None))

    def test_only_the_end_may_be_lost_where_losing_is_allowed(self):
        writer = [did(0, 1, "OK", "SET", "k", b"a"), did(2, 3, "OK", "SET", "k", b"b")]
        self.assertTrue(explained([writer], None, b"a", required=[1]))
        self.assertFalse(explained([writer], None, b"a", required=[2]))
        self.assertFalse(explained([writer], None, None, required=[1]))

    def test_random_histories_are_explained_and_a_wrong_reply_in_them_is_not(self):
        wrong = 0
        for seed in range(300):
            clients, final = invented(random.Random(seed))
            self.assertTrue(explained(clients, None, final), seed)
            self.assertFalse(explained(clients, None, b"never written"), seed)
            reads = [(c, i) for c, client in enumerate(clients) for i, d in enumerate(client) if d.words[0] == "GET"]
            if reads:
                c, i = random.Random(seed).choice(reads)
                read = clients[c][i]
                clients[c][i] = Did(read.words, read.start, 1e6 if read.end == NEVER else read.end, b"never written")
                wrong += 1
                self.assertFalse(explained(clients, None), seed)
        self.assertGreater(wrong, 200)

    def test_keys_are_parted(self):
        one, two = did(0, 1, "OK", "SET", "a", b"1"), did(2, 3, None, "GET", "b")
        self.assertEqual(by_key([[one, two], [two]]), {"a": [[one], []], "b": [[two], [two]]})
        self.assertTrue(explained([[two]], None, ANYTHING))


def invented(rng):
    """Histories that a register did answer, each operation at some moment between its start and its end."""
    moments, clients = [], [[] for _ in range(3)]
    for c, client in enumerate(clients):
        at = 0.0
        for number in range(rng.randint(1, 8)):
            start = at + rng.random()
            end = start + 3 * rng.random()
            token = b"%d.%d" % (c, number)
            name = rng.choice(["SET", "GET", "APPEND", "GETDEL", "SETNX"])
            words = (name, "k", token) if name in ("SET", "APPEND", "SETNX") else (name, "k")
            moments.append((rng.uniform(start, end), client, words, start, end))
            at = end
    value = None
    for _, client, words, start, end in sorted(moments, key=lambda moment: moment[0]):
        reply, value = register(value, words)
        client.append(Did(words, start, end, reply))
    return clients, value


if __name__ == "__main__":
    unittest.main()
