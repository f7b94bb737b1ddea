//! What a client can ask for, as data. [`super::op_words`] has each one's words, [`super::op_parse`] reads them back.
//!
//! Names are the commands'. Keys and values are text (ASCII, control characters included), so that a part of a value
//! is text as well.

use std::sync::Arc;

use super::among::Among;
use super::tier::Tier;

/// Which unit and which beginning a time has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Seconds from now.
    Ex,
    /// Milliseconds from now.
    Px,
    /// Unix seconds.
    ExAt,
    /// Unix milliseconds.
    PxAt,
}

/// What SET or GETEX does to a key's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Says nothing: SET makes it stay for ever, GETEX leaves it as it is.
    Plain,
    /// KEEPTTL, of SET.
    Keep,
    /// PERSIST, of GETEX.
    Persist,
    /// It ends then.
    Until(Form, i64),
}

/// A condition of SET or EXPIRE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the option of that name")]
pub enum Only {
    Nx,
    Xx,
    Gt,
    Lt,
}

/// How a client keeps the server from answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// CLIENT REPLY OFF before it and CLIENT REPLY ON behind it, which is answered.
    Off,
    /// CLIENT REPLY SKIP before it. What follows is one command.
    Skip,
}

/// A word of a command.
#[derive(Clone, Debug)]
pub enum Word {
    /// Text.
    Text(String),
    /// A vector; on the wire little-endian `f32`.
    Vector(Arc<[f32]>),
}

/// One request. Times are in milliseconds unless they have a [`Form`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the command of that name")]
pub enum Op {
    Ping(Option<String>),
    Set {
        key: String,
        value: String,
        expire: Option<u64>,
    },
    /// SET with other options; what [`Op::Set`] can say is said by that.
    SetWith {
        key: String,
        value: String,
        only: Option<Only>,
        get: bool,
        life: Lifetime,
    },
    /// SETEX, PSETEX.
    SetFor {
        key: String,
        millis: bool,
        after: u64,
        value: String,
    },
    SetNx {
        key: String,
        value: String,
    },
    GetSet {
        key: String,
        value: String,
    },
    GetEx {
        key: String,
        life: Lifetime,
    },
    Get(String),
    Mget(Vec<String>),
    Del(Vec<String>),
    Unlink(Vec<String>),
    Incr(String),
    Decr(String),
    IncrBy {
        key: String,
        by: i64,
    },
    DecrBy {
        key: String,
        by: i64,
    },
    IncrByFloat {
        key: String,
        by: String,
    },
    Append {
        key: String,
        value: String,
    },
    SetRange {
        key: String,
        offset: usize,
        value: String,
    },
    GetRange {
        key: String,
        start: i64,
        end: i64,
    },
    StrLen(String),
    Mset(Vec<(String, String)>),
    MsetNx(Vec<(String, String)>),
    Expire {
        key: String,
        after: u64,
    },
    ExpireAt {
        key: String,
        at: u64,
    },
    /// EXPIRE and its kin with conditions or in seconds; what [`Op::Expire`] and [`Op::ExpireAt`] can say is said by
    /// them.
    ExpireIf {
        key: String,
        form: Form,
        time: i64,
        only: Option<Only>,
    },
    Persist(String),
    Pttl(String),
    Ttl(String),
    ExpireTime(String),
    PexpireTime(String),
    GetDel(String),
    Rename {
        from: String,
        to: String,
    },
    RenameNx {
        from: String,
        to: String,
    },
    Copy {
        from: String,
        to: String,
        replace: bool,
    },
    Exists(Vec<String>),
    Touch(Vec<String>),
    Type(String),
    Encoding(String),
    DbSize,
    RandomKey,
    Keys,
    /// KEYS with a pattern other than `*`.
    KeysLike(String),
    /// SCAN from its beginning to its end: whoever plays it asks again while the reply has a cursor.
    Scan {
        pattern: Option<String>,
        count: Option<u64>,
        /// Only keys that hold this, in letters of either case.
        kind: Option<String>,
    },
    FlushAll,
    FlushDb,
    Save,
    BackgroundSave,
    LastSave,
    /// VBACKUP under this name, which no other request of the plan has.
    Backup(String),
    ConfigSet {
        name: String,
        value: String,
    },
    Watch(Vec<String>),
    Unwatch,
    NewIndex {
        key: String,
        dim: usize,
        metric: &'static str,
        quant: Option<&'static str>,
    },
    Add {
        key: String,
        element: String,
        vector: Arc<[f32]>,
    },
    Remove {
        key: String,
        element: String,
    },
    Search {
        key: String,
        query: Arc<[f32]>,
        k: usize,
        ef: Option<usize>,
        exact: bool,
        vectors: bool,
        among: Among,
    },
    Info(String),
    /// VQUANT, which is answered when others have done it.
    Quant {
        key: String,
        quant: &'static str,
    },
    /// HELLO with this version of the protocol.
    Hello(u8),
    Reset,
    /// MULTI in a transaction, which is refused and changes nothing.
    Nested,
    /// MULTI, these, EXEC.
    Transaction(Vec<Op>),
    /// MULTI, these, DISCARD.
    Discarded(Vec<Op>),
    /// This without a reply, and TYPE of its first key, which waits until what it did is durable.
    Unheard(Silence, Box<Op>),
    /// A command that there is not, or with a wrong number of words: refused before it can be queued.
    Wrong(Vec<Word>),
    /// A command of the right length that is refused whatever the keys hold.
    Unfit(Vec<Word>),
}

/// M and EF_CONSTRUCTION of every index that a plan makes.
pub const WIDTHS: (usize, usize) = (4, 20);

/// A vector as it travels: little-endian `f32`.
#[must_use]
pub fn pack(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The same request, to the last bit of its vectors.
impl PartialEq for Op {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Op {
    /// True for what changes data when it succeeds, so that a failed log must refuse it. VQUANT does not, and takes place
    /// when others have come to it.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Self::Ping(_)
            | Self::Get(_)
            | Self::Mget(_)
            | Self::GetRange { .. }
            | Self::StrLen(_)
            | Self::Pttl(_)
            | Self::Ttl(_)
            | Self::ExpireTime(_)
            | Self::PexpireTime(_)
            | Self::Exists(_)
            | Self::Touch(_)
            | Self::Type(_)
            | Self::Encoding(_)
            | Self::DbSize
            | Self::RandomKey
            | Self::Keys
            | Self::KeysLike(_)
            | Self::Scan { .. }
            | Self::Save
            | Self::BackgroundSave
            | Self::LastSave
            | Self::Backup(_)
            | Self::ConfigSet { .. }
            | Self::Watch(_)
            | Self::Unwatch
            | Self::Hello(_)
            | Self::Reset
            | Self::Nested
            | Self::Search { .. }
            | Self::Info(_)
            | Self::Quant { .. }
            | Self::Discarded(_)
            | Self::Wrong(_)
            | Self::Unfit(_) => false,
            Self::Transaction(ops) => !self.is_aborted() && ops.iter().any(Self::is_write),
            Self::Unheard(_, op) => op.is_write(),
            _ => true,
        }
    }

    /// True for a transaction that is refused because of a command in it.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        matches!(self, Self::Transaction(ops) if ops.iter().any(|op| matches!(op, Self::Wrong(_))))
    }

    /// The tiers that it orders.
    #[must_use]
    pub fn tiers(&self) -> Vec<Tier> {
        match self {
            Self::Transaction(ops) | Self::Discarded(ops) => ops.iter().flat_map(Self::tiers).collect(),
            Self::Unheard(_, op) => op.tiers(),
            op => Tier::ordered(op).into_iter().collect(),
        }
    }

    /// How many replies it gets.
    #[must_use]
    pub fn replies(&self) -> usize {
        match self {
            Self::Transaction(ops) | Self::Discarded(ops) => ops.len() + 2,
            Self::Unheard(Silence::Off, _) => 2,
            _ => 1,
        }
    }

    /// The keys it names.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Del(keys)
            | Self::Unlink(keys)
            | Self::Exists(keys)
            | Self::Touch(keys)
            | Self::Mget(keys)
            | Self::Watch(keys) => keys.iter().map(String::as_str).collect(),
            Self::Mset(pairs) | Self::MsetNx(pairs) => pairs.iter().map(|(key, _)| key.as_str()).collect(),
            Self::Rename { from, to } | Self::RenameNx { from, to } | Self::Copy { from, to, .. } => {
                vec![from, to]
            }
            Self::Transaction(ops) | Self::Discarded(ops) => ops.iter().flat_map(Self::keys).collect(),
            Self::Unheard(_, op) => op.keys(),
            other => other.key().into_iter().collect(),
        }
    }

    /// The key of a command that takes one.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Set { key, .. }
            | Self::SetWith { key, .. }
            | Self::SetFor { key, .. }
            | Self::SetNx { key, .. }
            | Self::GetSet { key, .. }
            | Self::GetEx { key, .. }
            | Self::Get(key)
            | Self::Incr(key)
            | Self::Decr(key)
            | Self::IncrBy { key, .. }
            | Self::DecrBy { key, .. }
            | Self::IncrByFloat { key, .. }
            | Self::Append { key, .. }
            | Self::SetRange { key, .. }
            | Self::GetRange { key, .. }
            | Self::StrLen(key)
            | Self::Expire { key, .. }
            | Self::ExpireAt { key, .. }
            | Self::ExpireIf { key, .. }
            | Self::Persist(key)
            | Self::Pttl(key)
            | Self::Ttl(key)
            | Self::ExpireTime(key)
            | Self::PexpireTime(key)
            | Self::GetDel(key)
            | Self::Type(key)
            | Self::Encoding(key)
            | Self::NewIndex { key, .. }
            | Self::Add { key, .. }
            | Self::Remove { key, .. }
            | Self::Search { key, .. }
            | Self::Quant { key, .. }
            | Self::Info(key) => Some(key),
            _ => None,
        }
    }
}
