//! Marks: the places where something rare happens, named, so that a campaign can say which of them it has seen.
//!
//! [`reached`] costs one thread-local branch in production, and stands only where the rare thing happens already. A
//! simulation counts the marks and keeps a ledger over all that there are ([`MARKS`]). Each mark stands at exactly one
//! place of the source; a test holds that. Two marks more than rare events: those that bound the phases of a server's
//! life. A mark is no scheduling point and decides nothing.
//! Beside them, [`spent`] tells how much of its bounded work the loop has done, and [`tell`] what has to be in a certain order: who
//! is inside when memory is given back, and whose turn it is.

use super::sync;

/// The calling thread is where `mark` stands.
#[inline]
pub fn reached(mark: Mark) {
    sync::tell(mark);
    #[cfg(feature = "lossy")]
    if let Some(watcher) = WATCHER.get() {
        watcher(mark);
    }
}

/// Who hears of every mark in a build for crash tests.
#[cfg(feature = "lossy")]
pub type Watcher = Box<dyn Fn(Mark) + Send + Sync>;

#[cfg(feature = "lossy")]
static WATCHER: std::sync::OnceLock<Watcher> = std::sync::OnceLock::new();

/// Tells `watcher` of every mark from here on, on the thread that is there. The first stays.
#[cfg(feature = "lossy")]
pub fn watch(watcher: Watcher) {
    drop(WATCHER.set(watcher));
}

/// Work whose amount grows with the data, and which the loop does in bounded parts: so many of these between two looks at
/// its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A key that goes because its time has come, unasked.
    Expired,
    /// An entry that a snapshot's cursor looks at.
    Saved,
    /// A row whose memory is given back; counted for one index at a time.
    Dropped,
}

/// The calling thread has done so much of such work. Costs as much as a mark, and is told once a part.
#[inline]
pub fn spent(work: Work, amount: usize) {
    sync::tell_work(work, amount);
}

/// What a simulation is told where it takes place, so that it can say whether it may. Rooms and things are addresses, to be
/// compared for equality and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Somebody has entered a room by one of its doors, and may come to what is not hidden.
    Entered {
        /// The room.
        room: usize,
        /// The door.
        door: usize,
    },
    /// One of those who had entered by that door has left.
    Left {
        /// The room.
        room: usize,
        /// The door.
        door: usize,
    },
    /// Who enters the room from here on does not come to the thing any more.
    Hidden {
        /// The room.
        room: usize,
        /// The thing.
        thing: usize,
    },
    /// The thing is given back: if it was hidden, nobody may be in its room who was there by then.
    Freed {
        /// The thing.
        thing: usize,
    },
    /// The room is no more: nobody may be in it.
    Closed {
        /// The room.
        room: usize,
    },
    /// A client's job waits in a lane (`server::lanes`).
    Waits {
        /// The lane.
        lane: Lane,
        /// The client; of what nobody waits for, any number.
        client: u64,
    },
    /// A client's job has been taken from its lane.
    Taken {
        /// The lane.
        lane: Lane,
        /// The client.
        client: u64,
        /// It was the lane's turn. Otherwise it was taken out of turn, by the loop.
        in_turn: bool,
    },
    /// All jobs of a client have been taken out of a lane, undone.
    Forgotten {
        /// The lane.
        lane: Lane,
        /// The client.
        client: u64,
    },
    /// A client has been served, once, and so many of its commands have been executed.
    Served {
        /// The client.
        client: u64,
        /// The commands.
        commands: u64,
    },
}

/// What waits for a worker, by who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Nobody.
    Silent,
    /// Clients who have added rows.
    Links,
    /// Clients who search.
    Searches,
}

/// Tells a simulation. Costs as much as a mark.
#[inline]
pub fn tell(told: Told) {
    sync::tell_order(told);
}

macro_rules! marks {
    ($($part:ident { $($mark:ident: $what:literal,)* })*) => {
        /// A place in the engine where something rare happens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Mark {
            $($(#[doc = $what] $mark,)*)*
        }

        /// Every mark, in the order of their numbers.
        pub const MARKS: &[Mark] = &[$($(Mark::$mark,)*)*];

        impl Mark {
            /// The part of the engine it stands in, and what happens there.
            #[must_use]
            pub fn says(self) -> (&'static str, &'static str) {
                match self {
                    $($(Self::$mark => (stringify!($part), $what),)*)*
                }
            }
        }
    };
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (part, what) = self.says();
        write!(f, "{part}: {what}")
    }
}

marks! {
    recovery {
        SnapshotLoaded: "a snapshot is loaded",
        SnapshotMapLost: "a snapshot cannot be mapped",
        SnapshotHeaderRefused: "a snapshot is refused for its header",
        SnapshotFooterRefused: "a snapshot is refused for its footer",
        SnapshotTableRefused: "a snapshot is refused for its table",
        SnapshotSectionRefused: "a snapshot is refused for a section",
        SnapshotVersionRefused: "a snapshot is refused for its version",
        TemporaryRemoved: "a temporary of an earlier life is removed",
        OlderSnapshotRemoved: "an older snapshot is removed",
        LogEmpty: "there is no log",
        LogBehindSnapshot: "the log ends before the snapshot does",
        SnapshotNamedAnew: "a snapshot's name is written anew, since the log rests on it alone",
        SnapshotFoundMoving: "a snapshot is found on the way from its name to the same name",
        CoveredSegmentSkipped: "a segment that the snapshot covers is not read",
        SecondSegmentReplayed: "more than one segment is replayed",
        WideRecordReplayed: "a record of several operations is replayed",
        LogMarkPassed: "a mark in the log says that all before it was synced",
        TailShort: "the last record is cut short",
        TailHeader: "the last record's header is damaged",
        TailPayload: "the last record's payload is damaged",
        TornTailCut: "a torn tail is cut",
        TornSwitchRemoved: "a segment without a header is removed",
        UnsettledSegmentCopied: "a last segment that may not be on the disk is replaced by a copy",
        NoRoomForCopy: "there is no room for a last segment's copy",
        UnfinishedCopyRemoved: "a copy that an earlier recovery did not finish is removed",
        FrontMissing: "the log is refused: records are missing in front of it",
        GapRefused: "the log is refused: records are missing between two segments",
        OverlapRefused: "the log is refused: two segments hold one record",
        MisnamedRefused: "the log is refused: a segment is not the one its name says",
        VersionRefused: "the log is refused: a segment's version is unknown",
        HeaderRefused: "the log is refused: a segment's header is damaged",
        MiddleRefused: "the log is refused: a record is damaged, and another segment follows",
        ClaimRefused: "the log is refused: a record is damaged, and a later one says that it had been synced",
        OrderRefused: "the log is refused: a record stands in another's place",
        RecordRefused: "the log is refused: a record cannot be applied",
        FileUnreadable: "a file of the log cannot be read",
        ReadInterrupted: "reading a file is interrupted",
        ReadInParts: "a file is read in parts",
        RowsLinked: "rows are linked that no snapshot carries",
        RowsLinkedTogether: "several threads link them",
        OverdueFound: "a key is recovered whose time has come",
        RecoveryGivenUp: "a start is told to finish before it has recovered",
    }
    log {
        SegmentClosed: "a full segment is closed",
        RecordsShareSync: "several records share a batch",
        WriteInParts: "a write is short and goes on",
        WriteInterrupted: "a write is interrupted and goes on",
        DiskFull: "there is no room for the log",
        SegmentGone: "the segment that is written to has no name any more",
        FileMissing: "a file is not there any more that a start would need",
        NothingMissing: "nothing is missing any more that a start would need",
        RoomAgain: "a batch that found no room is written after all",
        NoRoomForMark: "there is no room for a mark in the log",
        RetreatFromSync: "a failed sync takes back what was written since the one before",
        RetreatFromWrite: "a failed write takes back what it may have left",
        RetreatFromSegment: "a segment that could not be begun is removed",
        RetreatFailed: "taking back fails, too",
        AppendRefused: "a command changes memory and the log refuses its record",
        WriteRefused: "a write is refused because the log has failed",
        LogMarkWritten: "an idle second ends with a mark in the log",
        TailCovered: "a snapshot covers the segment at hand, and it is closed",
        SegmentSpared: "a segment that a snapshot covers is kept to be used again",
        SegmentUsedAgain: "a segment is begun in the place of an old one",
        RoomAhead: "zeros are written ahead of the log's end",
        NoRoomAhead: "there is no space for zeros ahead of the log's end",
        RoomCut: "the zeros behind the last record are cut off",
        SegmentsRemoved: "segments that a snapshot covers are removed",
        RemovalFailed: "a covered segment cannot be removed",
        RemovalNotSynced: "the directory cannot be synced after a removal",
        ReadWaits: "a read waits for a record that is not durable",
        AllReadWaits: "a reply about all keys waits for the log",
        SecondIsOver: "what was acknowledged a second ago is synced",
        RoomIsTold: "so much was written at once that the loop is told of the room",
        TierRefused: "another tier is asked for when the log has failed",
        TierTightened: "what counted as durable has yet to be synced, since the tier has changed",
        LostSeen: "a reply would tell of what the log has refused",
        ReplyBecomesError: "a reply that waited for the log becomes an error",
    }
    snapshot {
        SnapshotUnasked: "the log has grown enough for a snapshot",
        SnapshotPaced: "a snapshot waits so as to keep to its rate",
        SnapshotHurries: "a snapshot keeps to no rate any more: the server keeps much for it, or has to wait for it",
        SnapshotTooLarge: "a snapshot that nobody has asked for is given up, since it makes the server keep too much",
        SnapshotRepaced: "a snapshot that is being written gets another rate",
        SnapshotBegun: "a snapshot begins",
        SnapshotEnded: "a snapshot ends",
        SnapshotFailed: "a snapshot fails",
        SnapshotAfterFailure: "a snapshot begins after one that failed",
        SnapshotForbidden: "a snapshot is not begun because the log has failed",
        SnapshotAwaited: "a snapshot is asked for while one is running",
        SnapshotCancelled: "the server finishes while a snapshot is running",
        SliceEnded: "the cursor rests between two slices",
        ValuePreserved: "a value is preserved because it is about to change",
        ClearedMeanwhile: "FLUSHALL comes while the cursor is on its way",
        ClearedTooLate: "FLUSHALL comes when a running snapshot wants nothing more",
        RestWritten: "what FLUSHALL took away is written",
        PiecesDropped: "a snapshot that failed leaves pieces behind",
        TemporaryInTheWay: "a temporary of the same name is in the way",
        SnapshotNotPublished: "a snapshot cannot be finished or renamed, and its temporary goes",
        SnapshotNotSynced: "a snapshot has its name, but the directory cannot be synced",
        MapChanged: "a snapshot is given up because the map that it copies from has changed",
        SweepFailed: "what earlier snapshots left cannot be removed",
        BackupLeft: "a backup begins where an earlier one of its name was not finished",
        BackupRemoved: "what a failed backup has made is removed",
        BackupStays: "what a failed backup has made cannot be removed",
        CaptureLeavesRows: "an index is captured with rows that are not linked",
        CaptureUnlinksChild: "a linked row is captured as unlinked, since its parent is",
        CaptureMovesEntry: "a capture has another entry point than the index",
        CaptureDropsLink: "a link to a row that a capture does not hold is left out",
    }
    server {
        Serving: "the server begins to serve",
        Finishing: "the server begins to finish",
        FinishingWithJobs: "it finishes while jobs are queued",
        FinishingWithClients: "it finishes while clients wait for answers",
        GraceOver: "the time to take answers is over",
        AcceptAborted: "a client is gone before it is accepted",
        AcceptRests: "accepting rests because descriptors have run out",
        AcceptResumes: "accepting goes on",
        TooManyClients: "there are too many clients",
        EventForNobody: "an event comes for a connection that is closed",
        InputEnded: "a client sends nothing more",
        InputEndedEarly: "a client sends nothing more while answers are due",
        InputInterrupted: "a read from a client is interrupted",
        InputFailed: "a read from a client fails",
        OutputInParts: "a client takes a part of what is sent",
        OutputWaits: "a client takes nothing for the moment",
        OutputInterrupted: "a write to a client is interrupted",
        OutputFailed: "a write to a client fails",
        ShareUsedUp: "a client has used up its share of a turn",
        PipelinePaused: "a client's commands wait until it takes its replies, or its jobs are done",
        CommandParked: "a command waits for room among the jobs or in the log",
        JobQueueFull: "the job queue is full",
        JobHeldBack: "a transaction's job waits until earlier ones of its client are done",
        SweepAwaited: "a command waits until dead rows have been swept",
        QueryTooLong: "an unfinished command passes the limit",
        OutputTooLong: "unread replies pass the limit",
        HttpRefused: "a client speaks HTTP",
        CommandUnknown: "a command is unknown",
        ArityWrong: "a command has too few or too many words",
        NotAuthenticated: "a client has not given the password",
        OutOfMemory: "a command is refused for want of memory",
        IdleClosed: "an idle client is closed",
        IdleSlimmed: "an idle client's input gives its memory back",
        ClosedWithJobs: "a connection closes while its jobs are under way",
        SearchesDropped: "searches are dropped whose client has gone",
        ClosedInMulti: "a connection closes inside a transaction",
        AnswerForNobody: "an answer comes for a connection that is closed",
        AnswersMerge: "an answer joins others that the loop has not taken: one wake-up for both",
        LastSearchOver: "a search on the loop is the last to hold its index: a worker drops it",
        HelpEnds: "the loop stops doing jobs though there may be more",
        JobPanicked: "a job panics, and its worker goes on",
        LinkRepeated: "a link that has panicked is tried once more",
        LogReleases: "the log's progress lets replies go",
        GarbageSent: "something costly to drop goes to a worker",
    }
    protocol {
        InvalidMultibulkLength: "a number of words is none",
        InvalidBulkLength: "a length is none",
        ExpectedBulk: "a word does not begin with its length",
        TooBigInline: "an inline command has no end",
        TooBigMultibulkCount: "a number of words has no end",
        TooBigBulkCount: "a length has no end",
        UnbalancedQuotes: "quotes do not close",
        UnauthenticatedMultibulkLength: "too many words come before the password",
        UnauthenticatedBulkLength: "too long a word comes before the password",
    }
    transaction {
        ExecAborted: "EXEC refuses a transaction with a command that was refused",
        ExecWatched: "EXEC refuses because a watched key has changed",
        ExecOutOfMemory: "EXEC refuses for want of memory",
        ExecWithJobs: "EXEC's reply waits for jobs",
        Discarded: "DISCARD drops a transaction",
        QueueTooLong: "a transaction passes the limit",
    }
    index {
        LinkLost: "another thread takes a link's place first",
        LinkThere: "a link that is to be added is there",
        LinkReplaces: "a link takes another's place in a full list",
        LinkRefused: "a full list takes no link",
        LinkResumed: "a link goes on where one has panicked",
        DiedUnlinked: "a row of the log dies before it is linked",
        AdoptedFarAway: "no row nearby has room for a child",
        EntryRaised: "a higher row becomes the entry point",
        RootMade: "the first row becomes the root",
        FreshCompared: "a search compares rows that are not linked yet",
        FreshMet: "a row is linked while a search that had it on its list goes on",
        DeadMet: "a search passes through a dead row",
        NewerPassedOver: "a walk meets a row newer than itself",
        EntryNewer: "the entry point is newer than the search",
        RootNewer: "the root is newer than the search",
        EfRaised: "a search is widened to the hits that are wanted",
        ScanChosen: "a search compares every row because that costs less",
        GraphChosen: "a search walks the graph",
        WalkExhausted: "a walk for a gatherer has followed every link",
        ShareScanned: "a search among some keys compares them all because that costs less",
        ShareWalked: "a search among some keys walks the graph",
        ShareGivenUp: "such a walk has measured too many rows, and all of those keys are compared",
        RangeScanned: "a search within a distance compares every row because that costs less",
        RangeWalked: "a search within a distance walks the graph",
        RangeGivenUp: "such a walk has measured too many rows, and every row is compared",
        ListCompared: "the rows of a list of keys are compared",
        LayersDescended: "a search descends through layers",
        MarksWrapped: "a thread's visited marks begin anew",
        RowReplaced: "an element gets a new vector",
        RowRemoved: "an element is removed",
        RowBehindMapped: "a row is added to an index that a snapshot's map holds",
        QueryCodedAnew: "a search goes by another form than the index had when it was asked for",
        RecodeLeavesRow: "a row's code is left to the writer, since it is newer than the coding in the making",
        CodingInUse: "a coding that was replaced is kept for those who are inside",
        ChangeWaits: "a change of form waits until the one before the last is let go of",
        ChangeWaitsForDrop: "a change of form waits until what was begun before it and given up has been dropped",
        ChangeShared: "a change of form is asked for that is under way",
        ChangeReplaced: "a change of form is given up for another, or for the form there is",
        ChangeTooLarge: "a change of form is refused for want of memory",
        ChangeGivenUp: "a change of form is given up",
        ChangeRenamed: "an index is renamed while its form changes",
        ChangedMeanwhile: "a form is changed while a snapshot is running",
        RowReused: "a row takes the place of one that is gone",
        CrownedOverDead: "a row becomes the root above one that is being swept",
        LinkToCondemned: "a link is to be added to a row that is being swept",
        SweepWaits: "a sweep waits for those who are inside",
        SweepGivenUp: "a slice of a sweep panics, and there will be no more",
        SweepInSlices: "a pass of a sweep takes more than a slice",
        SweptInMap: "a row is swept whose place is in a map",
        RootHandedOn: "a sweep makes another row the root",
        EntryHandedOn: "a sweep makes another row the entry point",
        GraphEmptied: "a sweep finds no row to be the root",
        RehomedFarAway: "a sweep finds no neighbour that has room for a child",
        LinkNoLongerKept: "a sweep lets go of a link that was kept for a child",
        RelinkLost: "another thread takes a link's place before a sweep does",
    }
    keys {
        ExpiredOnRead: "a key is met after its time",
        ExpiredInTime: "a key goes because its time has come",
        ExpiriesBounded: "more keys are due than one turn takes",
        ExpiriesFillRecord: "more keys are due than one record can say",
        ExpiredBehindRecord: "a key whose time has come is only hidden, since the record has no room for its deletion",
        ExpiredMeanwhile: "a key goes while a snapshot is running",
        ExpiredHidden: "a key whose time has come is only hidden, since the log has failed",
        BornExpired: "a value is written whose time has passed",
        TableGrows: "the key table begins to grow",
        TableShrinks: "the key table begins to shrink",
        TableMoved: "a change of the key table's size is done",
        TableWalkedMoving: "the key table is walked while it moves",
    }
}

#[cfg(test)]
mod tests;
