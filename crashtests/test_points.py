"""The table of places is whole, and says so where one is never hit; what a start will come by is foreseen."""

import os
import random
import re
import struct
import tempfile
import unittest

from foresee import foresee
from harm import tear_tail
from points import BEHIND, ENOUGH, GROUPS, LEFT_OUT, RECOVERY, REPAIR, Points
from segment import RECORD, Segment, crc32c

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src", "base", "mark.rs")
OF_THE_END = r"Serving|Finishing\w*|GraceOver"


def marks(part):
    with open(SOURCE) as file:
        body = re.search(rf"^    {part} {{\n(.*?)^    }}", file.read(), re.M | re.S).group(1)
    return set(re.findall(r"^        (\w+):", body, re.M))


class Table(unittest.TestCase):
    def test_every_mark_of_snapshots_log_recovery_and_end_is_aimed_at_or_left_out_with_a_reason(self):
        there = marks("recovery") | marks("log") | marks("snapshot")
        there |= {mark for mark in marks("server") if re.fullmatch(OF_THE_END, mark)}
        aimed = {word for point in Points(power=True).all for word in point.where.split("/")}
        left_out = [mark for names in LEFT_OUT.values() for mark in names.split()]
        self.assertEqual(set(), there - aimed - set(left_out))
        self.assertEqual(set(), set(left_out) - there)
        self.assertEqual(set(), set(left_out) & aimed)
        self.assertEqual(len(left_out), len(set(left_out)))

    def test_a_place_that_is_never_hit_fails_a_long_run_and_no_short_one(self):
        for power in (False, True):
            points = Points(power)
            never, seldom, *others = points.all
            for point in others:
                point.hits = 20
            seldom.hits = 19
            self.assertEqual([], points.unhit(8 * len(points.all) - 1))
            for rounds in (8 * len(points.all), 24 * len(points.all) - 1):
                (what,) = points.unhit(rounds)
                self.assertIn(f"0 kills of 1 have hit {never.where} ", what)
            first, second = points.unhit(24 * len(points.all))
            self.assertIn(f"0 kills of 20 have hit {never.where} ", first)
            self.assertIn(f"19 kills of 20 have hit {seldom.where} ", second)
            seldom.hits = never.hits = 20
            self.assertEqual([], points.unhit(24 * len(points.all)))

    def test_the_commands_of_the_readme_are_long_enough(self):
        with open(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.md")) as file:
            commands = re.findall(r"crashtests/loop.sh (\d+) --(aimed|power)", file.read())
        self.assertEqual({"aimed", "power"}, {how for _, how in commands})
        for rounds, how in commands:
            self.assertGreaterEqual(int(rounds), ENOUGH[0][0] * len(Points(how == "power").all))

    def test_tries_go_to_what_is_hit_least(self):
        """Even where one place is hit by one try in ten, and one never, all others get their hits."""
        points, rng = Points(power=True), random.Random(1)
        for place in BEHIND:
            self.assertIn(place, points.called)
        for point in points.all:
            point.hits = 0 if point.group in GROUPS else 50
        for _ in range(2000):
            point = points.next(rng)
            chance = {"serve/CaptureUnlinksChild": 0.1, "serve/SnapshotFailed": 0.0}.get(point.where, 0.9)
            hit = rng.random() < chance
            point.hits, point.misses = point.hits + hit, point.misses + (not hit)
        serving = [point for point in points.all if point.group in GROUPS]
        low = sorted(serving, key=lambda point: point.hits)[:3]
        self.assertEqual("serve/SnapshotFailed", low[0].where)
        self.assertGreaterEqual(low[2].hits, 20, low)


def segment(directory, first, payloads, mark=False, name=None):
    """A segment of the log, as the server writes it."""
    salt = b"saltsalt"
    head = b"engramwl" + struct.pack("<I", 1)
    rest = struct.pack("<Q", first) + salt
    data = head + struct.pack("<I", crc32c(head + rest)) + rest

    def record(payload, number, durable):
        body = struct.pack("<IIQQ", crc32c(payload), len(payload), number, durable)
        return struct.pack("<I", crc32c(salt + body)) + body + payload

    for number, payload in enumerate(payloads, first):
        data += record(payload, number, 0)
    if mark:
        data += record(b"", first + len(payloads) - 1, first + len(payloads) - 1)
    path = os.path.join(directory, name or f"wal-{first:020}.log")
    with open(path, "wb") as file:
        file.write(data)
    return path


class Foreseen(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.at = self.scratch.name

    def tearDown(self):
        self.scratch.cleanup()

    def snapshot(self, lsn, suffix="snap"):
        open(os.path.join(self.at, f"snapshot-{lsn:020}.{suffix}"), "w").close()

    def append(self, path, data):
        with open(path, "ab") as file:
            file.write(data)

    def test_only_known_places(self):
        self.assertEqual(["LogEmpty"], foresee(self.at))
        self.snapshot(5)
        self.assertTrue(set(foresee(self.at)) <= set(REPAIR + RECOVERY))

    def test_a_log_in_order_needs_nothing(self):
        segment(self.at, 1, [b"a", b"bc"])
        self.assertEqual([], foresee(self.at))

    def test_a_mark(self):
        path = segment(self.at, 1, [b"a"], mark=True)
        self.assertEqual((1, True, None), (Segment(path).last, Segment(path).marked, Segment(path).fault))
        self.assertEqual(["LogMarkPassed", "start/write/wal.log", "start/write/wal.log/after"], foresee(self.at))

    def test_torn_tails_by_what_is_torn(self):
        for junk, mark in [(bytes(400), "TailHeader"), (b"\7" * 50, "TailHeader"), (b"\7" * (RECORD - 1), "TailShort")]:
            self.append(segment(self.at, 1, [b"a", b"bc"]), junk)
            self.assertIn(mark, foresee(self.at))
            self.assertIn("TornTailCut", foresee(self.at))
        for cut, mark in [(0, "TailShort"), (3, "TailShort"), (6, "TailPayload")]:
            path = segment(self.at, 1, [b"a", b"bc"])
            self.append(path, Segment(path).torn_record(b"abcdef", cut))
            self.assertIn(mark, foresee(self.at))

    def test_tails_that_are_torn_on_purpose_leave_every_record(self):
        kinds = set()
        for seed in range(60):
            path = segment(self.at, 1, [b"a", b"bc"])
            self.assertTrue(tear_tail(self.at, random.Random(seed)))
            self.assertEqual(2, Segment(path).last)
            kinds.add(Segment(path).fault)
        self.assertTrue({"room", "short", "header", "payload"} <= kinds, kinds)

    def test_a_segment_without_a_header(self):
        self.append(segment(self.at, 1, [b"a"], name="wal-00000000000000000002.log"), b"")
        os.truncate(os.path.join(self.at, "wal-00000000000000000002.log"), 20)
        self.assertIn("TornSwitchRemoved", foresee(self.at))
        self.assertNotIn("SnapshotNamedAnew", foresee(self.at))
        self.snapshot(1)
        self.assertIn("SnapshotNamedAnew", foresee(self.at))

    def test_a_snapshot_before_between_and_behind(self):
        segment(self.at, 1, [b"a"])
        segment(self.at, 2, [b"a", b"b"])
        self.snapshot(1)
        self.assertEqual(["CoveredSegmentSkipped"], foresee(self.at))
        segment(self.at, 4, [b"a"])
        self.assertEqual(["CoveredSegmentSkipped", "SecondSegmentReplayed"], foresee(self.at))
        self.snapshot(9)
        self.assertIn("LogBehindSnapshot", foresee(self.at))
        self.assertNotIn("LogBehindSnapshot", Points().known(foresee(self.at)))
        self.assertIn("LogBehindSnapshot", Points(power=True).known(foresee(self.at)))
        self.assertIn("start/rename/snapshot.snap", foresee(self.at))
        os.rename(os.path.join(self.at, f"snapshot-{9:020}.snap"), os.path.join(self.at, f"snapshot-{9:020}.moving.snap"))
        self.assertIn("SnapshotFoundMoving", foresee(self.at))


if __name__ == "__main__":
    unittest.main()
