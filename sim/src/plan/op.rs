//! What a client can ask for: as data, and as the words of a command.

use std::sync::Arc;

use engram::resp::client::write_command;

/// One request. Keys are text; times are in milliseconds.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the command of that name")]
pub enum Op {
    Ping(Option<String>),
    Set {
        key: String,
        value: String,
        expire: Option<u64>,
    },
    Get(String),
    Del(Vec<String>),
    Incr(String),
    Append {
        key: String,
        value: String,
    },
    Mset(Vec<(String, String)>),
    Expire {
        key: String,
        after: u64,
    },
    ExpireAt {
        key: String,
        at: u64,
    },
    Pttl(String),
    GetDel(String),
    Rename {
        from: String,
        to: String,
    },
    Exists(Vec<String>),
    Type(String),
    DbSize,
    Keys,
    FlushAll,
    Save,
    NewIndex {
        key: String,
        dim: usize,
        metric: &'static str,
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
    },
    Info(String),
    /// MULTI, these, EXEC.
    Transaction(Vec<Op>),
}

/// A vector as it travels: little-endian `f32`.
#[must_use]
pub fn pack(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

impl Op {
    /// True for what changes data when it succeeds, so that a failed log must refuse it.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Self::Ping(_)
            | Self::Get(_)
            | Self::Pttl(_)
            | Self::Exists(_)
            | Self::Type(_)
            | Self::DbSize
            | Self::Keys
            | Self::Save
            | Self::Search { .. }
            | Self::Info(_) => false,
            Self::Transaction(ops) => ops.iter().any(Self::is_write),
            _ => true,
        }
    }

    /// How many replies it gets.
    #[must_use]
    pub fn replies(&self) -> usize {
        if let Self::Transaction(ops) = self { ops.len() + 2 } else { 1 }
    }

    /// The keys it names.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Ping(_) | Self::DbSize | Self::Keys | Self::FlushAll | Self::Save => Vec::new(),
            Self::Set { key, .. }
            | Self::Get(key)
            | Self::Incr(key)
            | Self::Append { key, .. }
            | Self::Expire { key, .. }
            | Self::ExpireAt { key, .. }
            | Self::Pttl(key)
            | Self::GetDel(key)
            | Self::Type(key)
            | Self::NewIndex { key, .. }
            | Self::Add { key, .. }
            | Self::Remove { key, .. }
            | Self::Search { key, .. }
            | Self::Info(key) => vec![key],
            Self::Del(keys) | Self::Exists(keys) => keys.iter().map(String::as_str).collect(),
            Self::Mset(pairs) => pairs.iter().map(|(key, _)| key.as_str()).collect(),
            Self::Rename { from, to } => vec![from, to],
            Self::Transaction(ops) => ops.iter().flat_map(Self::keys).collect(),
        }
    }

    /// Appends the command, or commands, to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Self::Transaction(ops) = self {
            write_command(out, &["MULTI"]);
            ops.iter().for_each(|op| op.encode(out));
            write_command(out, &["EXEC"]);
        } else {
            write_command(out, &self.words());
        }
    }

    fn words(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Add { key, element, vector } => {
                let mut words = words(&["VADD", key, element]);
                words.push(pack(vector));
                words
            }
            Self::Search { key, query, k, ef, exact, vectors } => {
                let mut words = words(&["VSEARCH", key]);
                words.push(pack(query));
                words.push(k.to_string().into_bytes());
                if let Some(ef) = ef {
                    words.extend([b"EF".to_vec(), ef.to_string().into_bytes()]);
                }
                words.extend(exact.then(|| b"EXACT".to_vec()));
                words.extend(vectors.then(|| b"WITHVECTORS".to_vec()));
                words
            }
            other => words(&other.text().iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }

    /// The words of a command that has only text in it.
    fn text(&self) -> Vec<String> {
        let one = |name: &str, key: &str| vec![name.to_owned(), key.to_owned()];
        let many = |name: &str, keys: &[String]| {
            let mut words = vec![name.to_owned()];
            words.extend(keys.iter().cloned());
            words
        };
        match self {
            Self::Ping(text) => std::iter::once("PING".to_owned()).chain(text.clone()).collect(),
            Self::Set { key, value, expire } => {
                let mut words = vec!["SET".to_owned(), key.clone(), value.clone()];
                words.extend(expire.iter().flat_map(|ms| ["PX".to_owned(), ms.to_string()]));
                words
            }
            Self::Get(key) => one("GET", key),
            Self::Del(keys) => many("DEL", keys),
            Self::Incr(key) => one("INCR", key),
            Self::Append { key, value } => vec!["APPEND".to_owned(), key.clone(), value.clone()],
            Self::Mset(pairs) => {
                let flat: Vec<String> = pairs.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
                many("MSET", &flat)
            }
            Self::Expire { key, after } => vec!["PEXPIRE".to_owned(), key.clone(), after.to_string()],
            Self::ExpireAt { key, at } => vec!["PEXPIREAT".to_owned(), key.clone(), at.to_string()],
            Self::Pttl(key) => one("PTTL", key),
            Self::GetDel(key) => one("GETDEL", key),
            Self::Rename { from, to } => vec!["RENAME".to_owned(), from.clone(), to.clone()],
            Self::Exists(keys) => many("EXISTS", keys),
            Self::Type(key) => one("TYPE", key),
            Self::DbSize => vec!["DBSIZE".to_owned()],
            Self::Keys => one("KEYS", "*"),
            Self::FlushAll => vec!["FLUSHALL".to_owned()],
            Self::Save => vec!["VSAVE".to_owned()],
            Self::NewIndex { key, dim, metric } => {
                let words =
                    ["VNEW", key, &dim.to_string(), "METRIC", metric, "M", "4", "EF_CONSTRUCTION", "20"];
                words.map(str::to_owned).to_vec()
            }
            Self::Remove { key, element } => vec!["VDEL".to_owned(), key.clone(), element.clone()],
            Self::Info(key) => one("VINFO", key),
            Self::Add { .. } | Self::Search { .. } | Self::Transaction(_) => Vec::new(),
        }
    }
}

fn words(text: &[&str]) -> Vec<Vec<u8>> {
    text.iter().map(|word| word.as_bytes().to_vec()).collect()
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let floats = |v: &[f32]| v.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Add { key, element, vector } => write!(f, "VADD {key} {element} [{}]", floats(vector)),
            Self::Search { key, query, k, ef, exact, vectors } => {
                write!(f, "VSEARCH {key} [{}] {k}", floats(query))?;
                if let Some(ef) = ef {
                    write!(f, " EF {ef}")?;
                }
                f.write_str(if *exact { " EXACT" } else { "" })?;
                f.write_str(if *vectors { " WITHVECTORS" } else { "" })
            }
            Self::Transaction(ops) => {
                f.write_str("MULTI")?;
                ops.iter().try_for_each(|op| write!(f, "; {op}"))?;
                f.write_str("; EXEC")
            }
            other => f.write_str(&other.text().join(" ")),
        }
    }
}
