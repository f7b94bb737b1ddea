"""The places that kills are aimed at: the engine's marks (src/base/mark.rs), and its calls on either side.

Each place has a group, which says what a life must be made to do so that it is come by, and how late: it is aimed at the
n-th time, n up to `most`. What is aimed at next is what was hit least so far.
"""

from dataclasses import dataclass


@dataclass
class Point:
    """One place and how often a kill has hit it, or the life has ended without coming by."""

    where: str
    group: str
    most: int = 1
    hits: int = 0
    misses: int = 0

    def aim(self, rng):
        return f"{self.where}/{rng.randint(1, self.most)}"


def both(where):
    return [where, f"{where}/after"]


SNAPSHOT = [
    ("SnapshotBegun", 3), ("SnapshotEnded", 3), ("SegmentsRemoved", 4), ("serve/create/snapshot.tmp/after", 3),
    ("serve/write/snapshot.tmp/after", 8), *[(where, 3) for where in both("serve/sync/snapshot.tmp")],
    ("serve/rename/snapshot.tmp/after", 3), *[(where, 8) for where in both("serve/sync-dir")],
    ("serve/remove/snapshot.snap/after", 2),
]  # fmt: skip
UNASKED = [("SnapshotUnasked", 1)]
SWITCH = [
    ("SegmentClosed", 8), ("RoomAhead", 4), ("RoomCut", 6), ("SegmentSpared", 3), ("serve/create/wal.log/after", 6),
    *[(where, 150) for where in both("serve/write/wal.log")], *[(where, 100) for where in both("serve/sync/wal.log")],
    ("serve/set-len/wal.log/after", 4), ("serve/write/wal.log.tmp/after", 2), ("serve/sync/wal.log.tmp/after", 2),
    ("serve/rename/wal.log.tmp/after", 2),
]  # fmt: skip
SHUTDOWN = [
    ("Finishing", 1), ("finish/LogMarkWritten", 1), ("finish/write/wal.log/after", 2),
    *[(where, 2) for where in both("finish/sync/wal.log")], ("finish/set-len/wal.log/after", 1),
]  # fmt: skip
BACKUP = [
    ("backup/create/backup.begun/after", 2), ("backup/sync-dir", 3), ("backup/rename/snapshot.tmp/after", 2),
    *[(where, 2) for where in both("backup/remove/backup.begun")],
]  # fmt: skip
RECLAIM = [("RowReused", 3), ("SweepInSlices", 1), ("LinkNoLongerKept", 3)]
REPAIR = [
    "TornTailCut", "start/remove/snapshot.tmp/after", *both("start/set-len/wal.log"), *both("start/remove/wal.log.tmp"),
    "start/remove/wal.log/after",
]  # fmt: skip
"""What a start may have to do after a crash; `harm.to_repair` says whether it will."""
BEFORE = {
    "serve/create/wal.log/after": "start/remove/wal.log/after",
    "serve/sync/snapshot.tmp/after": "start/remove/snapshot.tmp/after",
    "serve/write/wal.log.tmp/after": "start/remove/wal.log.tmp",
    "serve/sync/wal.log.tmp/after": "start/remove/wal.log.tmp/after",
    "serve/sync/wal.log": "TornTailCut",
    "serve/write/wal.log/after": "start/set-len/wal.log",
    "serve/write/wal.log": "start/set-len/wal.log/after",
}
"""Deaths that make some work for the start that follows: they are sought for as long as that is."""
RECOVERY = [
    "SnapshotLoaded", "UnsettledSegmentCopied", "RowsLinked", "SecondSegmentReplayed", "Serving",
    "start/map/snapshot.snap",
    *[where for call in ("create", "write", "sync", "rename") for where in both(f"start/{call}/wal.log.tmp")], *both("start/sync/wal.log"), *both("start/sync-dir"),
]  # fmt: skip


def phased(where, group):
    """Marks of a serving life are come by in recoveries as well, which are not meant."""
    return where if "/" in where or group == "shutdown" else f"serve/{where}"


class Points:
    """The table of them."""

    def __init__(self):
        groups = {"snapshot": SNAPSHOT, "unasked": UNASKED, "switch": SWITCH, "shutdown": SHUTDOWN}
        groups |= {"backup": BACKUP, "reclaim": RECLAIM}
        self.all = [Point(phased(where, group), group, most) for group, points in groups.items() for where, most in points]
        self.all += [Point(where, "repair") for where in REPAIR] + [Point(where, "recovery") for where in RECOVERY]

    def next(self, rng, among=None):
        """The place that was hit least, of those called `among` or of all for serving lives; one that is seldom come by gets
        its share of tries."""
        starting, places = ("repair", "recovery"), {point.where: point for point in self.all}

        def share(point):
            behind = places.get(BEFORE.get(point.where), point)
            return min(point.hits, behind.hits) + point.misses / 6

        points = [p for p in self.all if (p.group not in starting if among is None else p.where in among)]
        rng.shuffle(points)
        return min(points, key=share)

    def table(self):
        """The table as lines."""
        lines = [f"{'hits':>5} {'misses':>6}  place"]
        for point in self.all:
            lines.append(f"{point.hits:5} {point.misses:6}  {point.group}: {point.where}")
        least = min(point.hits for point in self.all)
        return [*lines, f"{len(self.all)} places aimed at, each hit at least {least} times"]
