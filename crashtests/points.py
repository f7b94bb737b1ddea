"""The places that kills are aimed at: the engine's marks (src/base/mark.rs), and its calls on either side.

Each place belongs to a group, which says what a life must be made to do so that the place is come by, and has a number, since
it is aimed at the n-th time, n up to `most`. What is aimed at next is what was hit least so far. Every mark of snapshots,
the log, recovery and the server's end is aimed at, or stands in `LEFT_OUT` with the reason; `test_points.py` holds that.
"""

from dataclasses import dataclass, field


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


@dataclass(frozen=True)
class Group:
    """What a life does so that it comes by some places: settings of its server with their choices, its tier, how snapshots are
    asked for (`savers.Saver`, or `often`, `maybe`, `never`), how many seconds it lasts, whether it ends in order, how much of what
    its writers write are vectors (None: as they like), and which clients it has besides."""

    points: tuple = ()
    args: dict = field(default_factory=dict)
    tier: str = ""
    saves: str = "maybe"
    span: tuple = (0.4, 1.1)
    orderly: bool = False
    vectors: float | None = None
    clients: tuple = ()


def both(where):
    return [where, f"{where}/after"]


def each(most, *places):
    return [(where, most) for where in places]


SMALL = {"segment-bytes": ["16kb", "64kb"]}
GROUPS = {
    "": Group(),
    "snapshot": Group(
        points=(
            *each(3, "SnapshotBegun", "SnapshotEnded", "SliceEnded", "OlderSnapshotRemoved"), ("SegmentsRemoved", 4), ("ValuePreserved", 1),
            ("serve/create/snapshot.tmp/after", 3), ("serve/write/snapshot.tmp/after", 8), *each(3, *both("serve/sync/snapshot.tmp")),
            ("serve/rename/snapshot.tmp/after", 3), *each(8, *both("serve/sync-dir")), ("serve/remove/snapshot.snap/after", 2),
        ),
        args=SMALL, saves="often",
    ),
    "paced": Group(
        points=(("SnapshotPaced", 6), ("SnapshotAwaited", 1)),
        args=SMALL | {"snapshot-rate": ["256kb", "1mb"]}, saves="often", clients=("saver",),
    ),
    "capture": Group(
        points=each(3, "CaptureLeavesRows", "CaptureUnlinksChild", "CaptureMovesEntry", "CaptureDropsLink"),
        args={"workers": [8]}, saves="often", vectors=1.0, clients=("linker", "linker"), span=(0.6, 1.5),
    ),
    "cleared": Group(points=each(1, "ClearedMeanwhile", "RestWritten"), saves="never", clients=("flusher",), span=(1.5, 2.5)),
    "cleared late": Group(
        points=(("ClearedTooLate", 1),), args={"snapshot-rate": ["64kb"]}, saves="never", clients=("flusher",), span=(1.5, 2.5),
    ),
    "calm": Group(points=(("TailCovered", 1), ("serve/create/wal.log", 1)), args={"segment-bytes": ["64mb"]}, saves="calm"),
    "idle": Group(points=(("LogMarkWritten", 1),), saves="idle", span=(3.6, 4.0), vectors=1.0),
    "unasked": Group(points=(("SnapshotUnasked", 1),), args={"snapshot-log-bytes": ["64kb"]}, saves="never"),
    "switch": Group(
        points=(
            ("SegmentClosed", 8), ("RoomAhead", 4), ("RoomCut", 6), ("SegmentSpared", 3), ("SegmentUsedAgain", 2),
            ("serve/set-len/wal.log/after", 4), *each(2, "serve/write/wal.log.tmp/after", "serve/sync/wal.log.tmp/after"),
            ("serve/rename/wal.log.tmp/after", 2),
        ),
        args=SMALL | {"log-room": ["1mb", "64kb", "64kb"]}, saves="often",
    ),
    "batches": Group(
        points=(*each(80, *both("serve/write/wal.log")), *each(50, *both("serve/sync/wal.log"))),
        args=SMALL | {"log-room": ["1mb", "64kb", "0", "0"]},
    ),
    "new segments": Group(points=(("serve/create/wal.log/after", 4),), args=SMALL | {"log-room": ["0"]}, saves="often"),
    "waiting": Group(points=each(30, "RecordsShareSync", "ReadWaits", "AllReadWaits")),
    "second": Group(
        points=(("SecondIsOver", 1),), args={"segment-bytes": ["64mb"]}, tier="everysec", saves="never", span=(2.2, 3.0),
    ),
    "shutdown": Group(
        points=(
            ("Finishing", 1), ("FinishingWithClients", 3), ("finish/LogMarkWritten", 1), ("finish/write/wal.log/after", 2),
            *each(2, *both("finish/sync/wal.log")), ("finish/set-len/wal.log/after", 1),
        ),
        span=(0.01, 0.3), orderly=True,
    ),
    "shutdown with jobs": Group(
        points=(("FinishingWithJobs", 1),), args={"workers": [1]}, saves="never", span=(0.1, 0.4), orderly=True, vectors=0.0,
        clients=("vanisher",) * 3,
    ),
    "shutdown while saving": Group(
        points=(("SnapshotCancelled", 1), ("PiecesDropped", 1), *each(1, *both("finish/remove/snapshot.tmp"))),
        args={"snapshot-rate": ["32kb"]}, saves="BGSAVE", span=(0.2, 0.5), orderly=True,
    ),
    "shutdown, unread": Group(points=(("GraceOver", 1),), span=(0.1, 0.3), orderly=True, clients=("lazy",)),
    "backup": Group(
        points=(
            ("backup/create/backup.begun/after", 2), ("backup/sync-dir", 3), ("backup/rename/snapshot.tmp/after", 2),
            *each(2, *both("backup/remove/backup.begun")), ("SnapshotFailed", 1),
        ),
        args=SMALL, clients=("backer",),
    ),
    "reclaim": Group(points=(("RowReused", 3), ("SweepInSlices", 1), ("LinkNoLongerKept", 3)), vectors=1.0),
}  # fmt: skip

TORN = ["TornTailCut", "TailHeader", *both("start/set-len/wal.log")]
HEADLESS = ["TornSwitchRemoved", *both("start/remove/wal.log")]
LEFT_COPY = ["UnfinishedCopyRemoved", *both("start/remove/wal.log.tmp")]
LEFT_SNAPSHOT = ["TemporaryRemoved", *both("start/remove/snapshot.tmp")]
RESTING = ["SnapshotNamedAnew", *both("start/rename/snapshot.snap"), *both("start/rename/snapshot.moving.snap")]
REPAIR = [
    *TORN, "TailShort", "TailPayload", *HEADLESS, *LEFT_COPY, *LEFT_SNAPSHOT, *RESTING, "SnapshotFoundMoving", "LogEmpty",
    "CoveredSegmentSkipped", "SecondSegmentReplayed", "LogMarkPassed", *both("start/write/wal.log"),
]  # fmt: skip
"""What a start has to do where there is something to repair; `foresee.foresee` says of a directory what its next start will."""
POWER = ["LogBehindSnapshot"]
"""And what a power loss leaves, and a killed process hardly ever."""
RECOVERY = [
    "SnapshotLoaded", "UnsettledSegmentCopied", "RowsLinked", "RowsLinkedTogether", "WideRecordReplayed", "OverdueFound",
    "Serving", "start/map/snapshot.snap",
    *[where for call in ("create", "write", "sync", "rename") for where in both(f"start/{call}/wal.log.tmp")], *both("start/sync/wal.log"), *both("start/sync-dir"),
]  # fmt: skip
"""What most starts do."""

BEHIND = {
    "serve/create/wal.log/after": HEADLESS,
    "serve/sync/snapshot.tmp/after": LEFT_SNAPSHOT,
    "serve/write/wal.log.tmp/after": LEFT_COPY,
    "serve/sync/wal.log": ["TornTailCut", "TailShort", "TailPayload"],
    "serve/write/wal.log/after": [*both("start/set-len/wal.log"), "TailHeader"],
    "serve/create/wal.log": [*RESTING, "SnapshotFoundMoving", "LogEmpty"],
    "serve/rename/snapshot.tmp/after": ["CoveredSegmentSkipped", *POWER],
    "finish/sync/wal.log/after": ["LogMarkPassed", *both("start/write/wal.log")],
}
"""Deaths that make some work for the start that follows: they are sought for as long as that is."""

DISK = "a disk that fails or lies, or damage: no crash makes it. Simulated, and on the real binary in scripts/baddisk.py"
FULL = "a full disk: scripts/baddisk.py"
LEFT_OUT = {
    DISK: """SnapshotMapLost SnapshotHeaderRefused SnapshotFooterRefused SnapshotTableRefused SnapshotSectionRefused
        SnapshotVersionRefused FrontMissing GapRefused OverlapRefused MisnamedRefused VersionRefused HeaderRefused MiddleRefused
        ClaimRefused OrderRefused RecordRefused FileUnreadable RetreatFromSync RetreatFromWrite RetreatFromSegment RetreatFailed
        AppendRefused WriteRefused RemovalFailed RemovalNotSynced LostSeen ReplyBecomesError SnapshotForbidden
        SnapshotAfterFailure SnapshotNotPublished SnapshotNotSynced SweepFailed MapChanged""",
    FULL: "DiskFull RoomAgain NoRoomForMark NoRoomAhead NoRoomForCopy",
    "a call that is cut short or interrupted, which a real file's is not": "WriteInParts WriteInterrupted ReadInterrupted ReadInParts",
    "32 MiB that wait for the log": "RoomIsTold",
    "files that somebody removes under the server: scripts/baddisk.py": "SegmentGone FileMissing NothingMissing",
    "a server that is told to finish while it starts: simulated, and in scripts/baddisk.py": "RecoveryGivenUp",
    "a backup that fails: simulated, and in scripts/baddisk.py": "BackupLeft BackupRemoved BackupStays",
    "a snapshot that makes the server keep much: simulated": "SnapshotHurries SnapshotTooLarge SnapshotRepaced",
    "a setting that changes, which it does in no life": "TierTightened TierRefused",
    "a start has removed what would be in the way": "TemporaryInTheWay",
}
"""Marks of those parts of the engine that are not aimed at, by reason."""

ENOUGH = ((24, 20), (8, 1))
"""A run of so many rounds a place has to have hit each of them so often; the first that it is long enough for counts."""


def phased(where, group):
    """Marks of a serving life are come by in recoveries as well, and those of its end in its middle, which are not meant."""
    if "/" in where:
        return where
    return f"finish/{where}" if GROUPS[group].orderly else f"serve/{where}"


class Points:
    """The table of them; with `power` come those that hardly anything but a power loss makes. Lives are aimed at those with `only` in them."""

    def __init__(self, power=False, only=""):
        self.all = [Point(phased(where, name), name, most) for name, group in GROUPS.items() for where, most in group.points]
        self.all += [Point(where, "repair") for where in REPAIR + (POWER if power else [])]
        self.all += [Point(where, "recovery") for where in RECOVERY]
        self.called = {point.where: point for point in self.all}
        self.only = only
        assert len(self.called) == len(self.all), "each place stands in the table once"

    def next(self, rng, among=None):
        """The place that was hit least, of those called `among` or of all for serving lives; one that is seldom come by gets
        its share of tries. None where there is none."""

        def share(point):
            behind = [self.called[where].hits for where in BEHIND.get(point.where, []) if where in self.called]
            hits = max(min(point.hits, *behind), point.hits / 3) if behind else point.hits
            return hits + point.misses / 8

        among = [p for p in self.all if (p.group in GROUPS and self.only in p.where if among is None else p.where in among)]
        rng.shuffle(among)
        return min(among, key=share, default=None)

    def known(self, places):
        """Those of some places that stand in this table."""
        return [where for where in places if where in self.called]

    def lag(self, among):
        """Whether one of those called `among` was hit less often than most places."""
        hits = sorted(point.hits for point in self.all)
        return min(self.called[where].hits for where in among) < max(1, hits[len(hits) // 2])

    def unhit(self, rounds):
        """Sentences on the places that so many rounds should have hit."""
        least = 0 if self.only else next((least for each, least in ENOUGH if rounds >= each * len(self.all)), 0)
        return [
            f"{point.hits} kills of {least} have hit {point.where} ({point.group}), and {point.misses} tries have not"
            for point in self.all
            if point.hits < least
        ]

    def table(self):
        """The table as lines."""
        lines = [f"{'hits':>5} {'misses':>6}  place"]
        for point in self.all:
            lines.append(f"{point.hits:5} {point.misses:6}  {point.group}: {point.where}")
        for reason, marks in LEFT_OUT.items():
            lines.append(f"{'-':>5} {'-':>6}  left out, {reason}: {', '.join(marks.split())}")
        least = min(point.hits for point in self.all)
        return [*lines, f"{len(self.all)} places aimed at, each hit at least {least} times"]
