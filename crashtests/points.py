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
    ("SnapshotBegun", 3), ("SnapshotEnded", 3), ("TailCovered", 3), ("SegmentsRemoved", 4), ("SnapshotUnasked", 2),
    ("serve/create/snapshot.tmp/after", 3), *[(where, 8) for where in both("serve/write/snapshot.tmp")],
    *[(where, 3) for call in ("sync", "rename") for where in both(f"serve/{call}/snapshot.tmp")],
    *[(where, 8) for where in both("serve/sync-dir")], *[(where, 2) for where in both("serve/remove/snapshot.snap")],
    ("serve/remove/wal.log/after", 2),
]  # fmt: skip
SWITCH = [
    ("SegmentClosed", 8), ("RoomAhead", 8), ("RoomCut", 6), ("SegmentSpared", 3), ("SegmentUsedAgain", 3),
    *[(where, 6) for where in both("serve/create/wal.log")], *[(where, 200) for where in both("serve/write/wal.log")],
    *[(where, 100) for where in both("serve/sync/wal.log")], *[(where, 4) for where in both("serve/set-len/wal.log")],
    *[(where, 2) for call in ("write", "sync", "rename") for where in both(f"serve/{call}/wal.log.tmp")],
]  # fmt: skip
SHUTDOWN = [
    ("Finishing", 1), ("finish/LogMarkWritten", 1), *[(where, 2) for where in both("finish/write/wal.log")],
    *[(where, 2) for where in both("finish/sync/wal.log")], *[(where, 1) for where in both("finish/set-len/wal.log")],
]  # fmt: skip
BACKUP = [
    ("backup/create/backup.begun/after", 2), *[(where, 3) for where in both("backup/sync-dir")],
    *[(where, 2) for where in both("backup/rename/snapshot.tmp")],
    *[(where, 2) for where in both("backup/remove/backup.begun")],
]  # fmt: skip
RECLAIM = [("RowReused", 3), ("SweepInSlices", 1), ("SweepWaits", 3), ("LinkNoLongerKept", 3)]
RECOVERY = [
    "SnapshotLoaded", "TornTailCut", "UnsettledSegmentCopied", "RowsLinked", "SecondSegmentReplayed", "Serving",
    "start/map/snapshot.snap", "start/remove/snapshot.tmp/after", *both("start/set-len/wal.log"),
    *[where for call in ("create", "write", "sync", "rename") for where in both(f"start/{call}/wal.log.tmp")],
    *both("start/remove/wal.log.tmp"), "start/remove/wal.log/after", *both("start/sync/wal.log"), *both("start/sync-dir"),
]  # fmt: skip


def phased(where, group):
    """Marks of a serving life are come by in recoveries as well, which are not meant."""
    return where if "/" in where or group == "shutdown" else f"serve/{where}"


class Points:
    """The table of them."""

    def __init__(self):
        groups = {"snapshot": SNAPSHOT, "switch": SWITCH, "shutdown": SHUTDOWN, "backup": BACKUP, "reclaim": RECLAIM}
        self.all = [Point(phased(where, group), group, most) for group, points in groups.items() for where, most in points]
        self.all += [Point(where, "recovery") for where in RECOVERY]

    def next(self, rng, recovery):
        """The place that was hit least, of recovery or of the rest; one that is seldom come by gets its share of tries."""
        points = [point for point in self.all if (point.group == "recovery") == recovery]
        rng.shuffle(points)
        return min(points, key=lambda point: point.hits + point.misses / 6)

    def table(self):
        """The table as lines."""
        lines = [f"{'hits':>5} {'misses':>6}  place"]
        for point in self.all:
            lines.append(f"{point.hits:5} {point.misses:6}  {point.group}: {point.where}")
        least = min(point.hits for point in self.all)
        return [*lines, f"{len(self.all)} places aimed at, each hit at least {least} times"]
