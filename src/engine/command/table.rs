//! Every command there is: its name, how many words it takes, what it may do, where its keys are, and what runs it.
//!
//! The rows are in the files below, a family each. Looking a command up costs one short hash and no allocation. A row
//! promises what COMMAND tells clients; the dispatcher holds commands to their arity and flags.

mod connection;
mod keys;
mod server;
mod strings;
mod vectors;

use super::super::{Handler as EngineHandler, Refusal};
use super::wrong_arity;
use crate::resp::{Args, eq_ignore_case};

/// A command.
#[derive(Debug)]
pub struct Command {
    /// Its name, in lower case.
    pub name: &'static str,
    /// How many words it takes, the name included; a negative number says at least so many.
    pub arity: i32,
    /// What it may do and where it may run.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: Keys,
    /// Its family.
    pub group: Group,
    /// What runs it.
    pub handler: Handler,
    /// The first Redis version that had it (engram's, for its own).
    pub since: &'static str,
    /// Its words behind the name, as in `key [NX | XX]`; see [`super::syntax`].
    pub syntax: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// What its second word may be, if that decides what it does.
    pub subcommands: &'static [Subcommand],
}

/// A command's second word that decides what it does.
#[derive(Debug)]
pub struct Subcommand {
    /// Its name, in lower case.
    pub name: &'static str,
    /// How many words it takes, both names included; a negative number says at least so many.
    pub arity: i32,
    /// What it may do.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: Keys,
    /// The first Redis version that had it.
    pub since: &'static str,
    /// Its words behind the names.
    pub syntax: &'static str,
    /// One line for people.
    pub summary: &'static str,
}

/// What runs a command.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// The engine.
    Engine(EngineHandler),
    /// The server, which knows connections, options and statistics.
    Server(ServerCommand),
}

/// The commands that the server runs.
#[expect(missing_docs, reason = "each is the command of its name")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCommand {
    Auth,
    Backup,
    Bgsave,
    Client,
    Command,
    Config,
    Discard,
    Echo,
    Exec,
    Hello,
    Info,
    Lastsave,
    Latency,
    Memory,
    Multi,
    Ping,
    Quant,
    Quit,
    Reset,
    Role,
    Save,
    Select,
    Shutdown,
    Slowlog,
    Time,
    Unwatch,
    Wait,
    Watch,
}

/// A family of commands.
#[expect(missing_docs, reason = "the names speak")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Connection,
    Generic,
    Server,
    String,
    Transactions,
    Vector,
}

impl Group {
    /// What COMMAND DOCS calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Generic => "generic",
            Self::Server => "server",
            Self::String => "string",
            Self::Transactions => "transactions",
            Self::Vector => "vector",
        }
    }
}

/// Where a command's keys are among its words: every `step`th from `first` to `last`, negative counting from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The first key's place; zero where there are no keys.
    pub first: i32,
    /// The last key's place.
    pub last: i32,
    /// From one key to the next.
    pub step: i32,
}

impl Keys {
    const NONE: Self = Self { first: 0, last: 0, step: 0 };
    const ONE: Self = Self { first: 1, last: 1, step: 1 };
    const TWO: Self = Self { first: 1, last: 2, step: 1 };
    const ALL: Self = Self { first: 1, last: -1, step: 1 };
    const PAIRS: Self = Self { first: 1, last: -1, step: 2 };
    const THIRD_WORD: Self = Self { first: 2, last: 2, step: 1 };

    /// The keys among these words.
    pub fn of<'a>(self, args: Args<'a>) -> impl Iterator<Item = &'a [u8]> {
        let words = args.len();
        let place = |at: i32| usize::try_from(at).unwrap_or((words as i64 + i64::from(at)).max(0) as usize);
        let (first, last) = (place(self.first), place(self.last).min(words.saturating_sub(1)));
        let end = if self.first == 0 { first } else { last + 1 };
        (first..end.max(first)).step_by(self.step.max(1) as usize).filter_map(move |at| args.get(at))
    }
}

/// A set of properties of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// Nothing of note.
    pub const NONE: Self = Self(0);
    /// It may change the data.
    pub const WRITE: Self = Self(1);
    /// It only reads data.
    pub const READ_ONLY: Self = Self(1 << 1);
    /// It may take memory, and is refused when there is none.
    pub const DENY_OOM: Self = Self(1 << 2);
    /// It is for operators.
    pub const ADMIN: Self = Self(1 << 3);
    /// It is not for scripts.
    pub const NO_SCRIPT: Self = Self(1 << 4);
    /// It works while data are being loaded.
    pub const LOADING: Self = Self(1 << 5);
    /// It works whatever state the data are in.
    pub const STALE: Self = Self(1 << 6);
    /// It takes constant or logarithmic time.
    pub const FAST: Self = Self(1 << 7);
    /// It works before AUTH.
    pub const NO_AUTH: Self = Self(1 << 8);
    /// It is refused inside MULTI.
    pub const NOT_IN_MULTI: Self = Self(1 << 9);
    /// Inside MULTI it runs at once instead of being queued. Clients are not told.
    pub const UNQUEUED: Self = Self(1 << 10);
    /// An ACL would call it dangerous. Clients are told by its categories only, as with the next two.
    pub const DANGEROUS: Self = Self(1 << 11);
    /// An ACL would count it to the keyspace commands, whatever its group.
    pub const KEYSPACE: Self = Self(1 << 12);
    /// An ACL would count it to the connection commands, whatever its group.
    pub const CONNECTION: Self = Self(1 << 13);

    /// The names of the flags that clients are told.
    const NAMES: [(Self, &'static str); 10] = [
        (Self::WRITE, "write"),
        (Self::READ_ONLY, "readonly"),
        (Self::DENY_OOM, "denyoom"),
        (Self::ADMIN, "admin"),
        (Self::NO_SCRIPT, "noscript"),
        (Self::LOADING, "loading"),
        (Self::STALE, "stale"),
        (Self::FAST, "fast"),
        (Self::NO_AUTH, "no_auth"),
        (Self::NOT_IN_MULTI, "no_multi"),
    ];

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if all of `other` are in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of those that clients are told.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

/// Begins a row; [`Command::docs`] completes it.
const fn command(
    group: Group,
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    handler: Handler,
) -> Command {
    Command { name, arity, flags, keys, group, handler, since: "", syntax: "", summary: "", subcommands: &[] }
}

/// Begins the row of a subcommand without keys; [`Subcommand::docs`] completes it.
const fn sub(name: &'static str, arity: i32, flags: Flags) -> Subcommand {
    Subcommand { name, arity, flags, keys: Keys::NONE, since: "", syntax: "", summary: "" }
}

impl Command {
    const fn docs(mut self, since: &'static str, syntax: &'static str, summary: &'static str) -> Self {
        self.since = since;
        self.syntax = syntax;
        self.summary = summary;
        self
    }

    const fn with(mut self, subcommands: &'static [Subcommand]) -> Self {
        self.subcommands = subcommands;
        self
    }
}

impl Subcommand {
    const fn docs(mut self, since: &'static str, syntax: &'static str, summary: &'static str) -> Self {
        self.since = since;
        self.syntax = syntax;
        self.summary = summary;
        self
    }

    const fn key(mut self) -> Self {
        self.keys = Keys::THIRD_WORD;
        self
    }
}

static FAMILIES: [&[Command]; 5] =
    [&strings::COMMANDS, &keys::COMMANDS, &vectors::COMMANDS, &connection::COMMANDS, &server::COMMANDS];

/// Every command, a family after the other.
pub fn all() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().copied().flatten()
}

/// The place of a command among [`all`].
#[must_use]
pub fn number(command: &Command) -> usize {
    let Some((family, row)) = locate(command.name.as_bytes()) else {
        unreachable!("{} is in the table", command.name)
    };
    FAMILIES.iter().take(family).map(|rows| rows.len()).sum::<usize>() + row
}

/// Places in the hash table of names; a power of two, far more than there are commands.
const PLACES: usize = 512;
/// Longest name.
const LONGEST: usize = 16;

/// By hash of the name: the family and the place in it, plus one; zero for nobody. Collisions go to the next place.
static INDEX: [u16; PLACES] = index();

const fn index() -> [u16; PLACES] {
    let mut table = [0; PLACES];
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            let name = FAMILIES[family][row].name.as_bytes();
            assert!(name.len() <= LONGEST);
            let mut place = hash(name);
            while table[place] != 0 {
                place = (place + 1) % PLACES;
            }
            table[place] = (family * 256 + row + 1) as u16;
            row += 1;
        }
        family += 1;
    }
    table
}

/// FNV-1a, the same for letters of either case.
const fn hash(name: &[u8]) -> usize {
    let mut h = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < name.len() {
        h = (h ^ (name[at] | 0x20) as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (h ^ (h >> 16)) as usize % PLACES
}

/// The command of this name, in upper or lower case.
#[must_use]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let (family, row) = locate(name)?;
    FAMILIES.get(family)?.get(row)
}

/// The family of the command of this name, and its place there.
fn locate(name: &[u8]) -> Option<(usize, usize)> {
    if name.len() > LONGEST {
        return None;
    }
    let mut place = hash(name);
    loop {
        let number = usize::from(INDEX[place].checked_sub(1)?);
        let (family, row) = (number / 256, number % 256);
        if eq_ignore_case(name, FAMILIES[family][row].name.as_bytes()) {
            return Some((family, row));
        }
        place = (place + 1) % PLACES;
    }
}

/// The subcommand that these words name and are enough for; the refusal that Redis has otherwise.
pub fn subcommand(args: Args<'_>) -> Result<&'static Subcommand, Refusal> {
    let name = args.get(0).unwrap_or_default();
    let Some(command) = lookup(name) else {
        return Err(Refusal::err(format_args!("unknown command '{}'", name.escape_ascii())));
    };
    let word = args.get(1).ok_or_else(|| wrong_arity(command.name))?;
    let Some(sub) = command.subcommands.iter().find(|sub| eq_ignore_case(word, sub.name.as_bytes())) else {
        let shown = word.get(..128).unwrap_or(word);
        return Err(Refusal::err(format_args!(
            "unknown subcommand '{}'. Try {} HELP.",
            String::from_utf8_lossy(shown),
            command.name.to_ascii_uppercase()
        )));
    };
    if fits(sub.arity, args.len()) {
        return Ok(sub);
    }
    Err(wrong_arity(&format!("{}|{}", command.name, sub.name)))
}

/// Whether a command of this arity takes so many words.
pub(super) fn fits(arity: i32, words: usize) -> bool {
    let bound = arity.unsigned_abs() as usize;
    if arity < 0 { words >= bound } else { words == bound }
}

impl Command {
    /// Whether it takes so many words, its name included.
    #[must_use]
    pub fn takes(&self, words: usize) -> bool {
        fits(self.arity, words)
    }
}
