//! The words of each request: on the wire, and as a line of a plan.
//!
//! A line is the words with spaces between them; a word that would not read back as itself is quoted. Vectors are
//! `[a,b]`, each number the shortest that reads back to the same bits. `MULTI; a; b; EXEC` is a transaction.

use std::fmt;

use engram::resp::client::write_command;

use super::among::{Among, Keys};
use super::op::{Form, Lifetime, Only, Op, Silence, WIDTHS, Word, pack};

/// What switches replies off and on.
const REPLIES: [&str; 2] = ["CLIENT", "REPLY"];
/// Before the words of a request that is refused before it can be queued.
pub(super) const WRONG: &str = "WRONG";
/// Before the words of a request that is refused when it is executed.
pub(super) const UNFIT: &str = "UNFIT";

impl Silence {
    /// Before the request in a plan.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Off => "UNHEARD",
            Self::Skip => "SKIPPED",
        }
    }

    /// Appends what switches replies off.
    fn encode(self, out: &mut Vec<u8>) {
        let how = if self == Self::Off { "OFF" } else { "SKIP" };
        write_command(out, &[REPLIES[0], REPLIES[1], how]);
    }
}

/// Gathers words.
struct Words(Vec<Word>);

impl Words {
    fn new(name: &str) -> Self {
        Self(Vec::new()).and(name)
    }

    fn and(mut self, word: impl ToString) -> Self {
        self.0.push(Word::Text(word.to_string()));
        self
    }

    fn all(self, words: &[String]) -> Self {
        words.iter().fold(self, Self::and)
    }

    fn pairs(self, pairs: &[(String, String)]) -> Self {
        pairs.iter().fold(self, |words, (key, value)| words.and(key).and(value))
    }

    fn vector(mut self, vector: &std::sync::Arc<[f32]>) -> Self {
        self.0.push(Word::Vector(vector.clone()));
        self
    }

    /// The word, if there is to be one.
    fn maybe(self, there: bool, word: &str) -> Self {
        if there { self.and(word) } else { self }
    }

    /// The option and its value, if there is one.
    fn option(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.and(name).and(value),
            None => self,
        }
    }

    fn only(self, only: Option<Only>) -> Self {
        match only {
            Some(only) => self.and(only.word()),
            None => self,
        }
    }

    fn among(self, among: &Among) -> Self {
        let words = self.option("WITHIN", among.within);
        match &among.keys {
            Keys::All => words,
            Keys::Prefix(prefix) => words.and("PREFIX").and(prefix),
            Keys::Match(pattern) => words.and("MATCH").and(pattern),
            Keys::Listed(keys) => words.and("KEYS").and(keys.len()).all(keys),
        }
    }

    fn life(self, life: Lifetime) -> Self {
        match life {
            Lifetime::Plain => self,
            Lifetime::Keep => self.and("KEEPTTL"),
            Lifetime::Persist => self.and("PERSIST"),
            Lifetime::Until(form, time) => self.and(form.option()).and(time),
        }
    }
}

impl Form {
    /// As an option of SET or GETEX.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Ex => "EX",
            Self::Px => "PX",
            Self::ExAt => "EXAT",
            Self::PxAt => "PXAT",
        }
    }

    /// The command that sets an expiry in this form.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Ex => "EXPIRE",
            Self::Px => "PEXPIRE",
            Self::ExAt => "EXPIREAT",
            Self::PxAt => "PEXPIREAT",
        }
    }
}

impl Only {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Nx => "NX",
            Self::Xx => "XX",
            Self::Gt => "GT",
            Self::Lt => "LT",
        }
    }
}

impl Op {
    /// Appends the command, or commands, to `out`. A SCAN begins at its beginning.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Transaction(ops) | Self::Discarded(ops) => {
                write_command(out, &["MULTI"]);
                ops.iter().for_each(|op| op.encode(out));
                write_command(out, &[self.end()]);
            }
            Self::Unheard(silence, op) => {
                silence.encode(out);
                op.encode(out);
                if *silence == Silence::Off {
                    write_command(out, &[REPLIES[0], REPLIES[1], "ON"]);
                }
                write_command(out, &["TYPE", op.keys().first().copied().unwrap_or_default()]);
            }
            _ => {
                let bytes = |word: &Word| match word {
                    Word::Text(text) => text.as_bytes().to_vec(),
                    Word::Vector(vector) => pack(vector),
                };
                write_command(out, &self.words().iter().map(bytes).collect::<Vec<_>>());
            }
        }
    }

    /// Appends the command without which the others have no effect, as far as one can tell: all of them, or the first of
    /// those whose replies are switched off.
    pub fn encode_first(&self, out: &mut Vec<u8>) {
        if let Self::Unheard(silence, _) = self { silence.encode(out) } else { self.encode(out) }
    }

    /// Appends the SCAN that goes on at `cursor`.
    pub fn encode_scan(&self, cursor: &str, out: &mut Vec<u8>) {
        let mut words = self.words();
        if let Some(word) = words.get_mut(1) {
            *word = Word::Text(cursor.to_owned());
        }
        let text = |word: &Word| if let Word::Text(text) = word { text.clone() } else { String::new() };
        write_command(out, &words.iter().map(text).collect::<Vec<_>>());
    }

    /// The word that ends a transaction.
    fn end(&self) -> &'static str {
        if matches!(self, Self::Discarded(_)) { "DISCARD" } else { "EXEC" }
    }

    /// The words of the command; none for a transaction, which is several.
    fn words(&self) -> Vec<Word> {
        let words = self.string_words().or_else(|| self.key_words()).or_else(|| self.vector_words());
        match (self, words) {
            (_, Some(words)) => words.0,
            (Self::Wrong(words) | Self::Unfit(words), None) => words.clone(),
            (_, None) => self.server_words().0,
        }
    }

    fn string_words(&self) -> Option<Words> {
        let on = |name: &str, key: &str| Words::new(name).and(key);
        Some(match self {
            Self::Set { key, value, expire } => on("SET", key).and(value).option("PX", *expire),
            Self::SetWith { key, value, only, get, life } => {
                on("SET", key).and(value).only(*only).maybe(*get, "GET").life(*life)
            }
            Self::SetFor { key, millis, after, value } => {
                on(if *millis { "PSETEX" } else { "SETEX" }, key).and(after).and(value)
            }
            Self::SetNx { key, value } => on("SETNX", key).and(value),
            Self::GetSet { key, value } => on("GETSET", key).and(value),
            Self::GetEx { key, life } => on("GETEX", key).life(*life),
            Self::Get(key) => on("GET", key),
            Self::Mget(keys) => Words::new("MGET").all(keys),
            Self::Incr(key) => on("INCR", key),
            Self::Decr(key) => on("DECR", key),
            Self::IncrBy { key, by } => on("INCRBY", key).and(by),
            Self::DecrBy { key, by } => on("DECRBY", key).and(by),
            Self::IncrByFloat { key, by } => on("INCRBYFLOAT", key).and(by),
            Self::Append { key, value } => on("APPEND", key).and(value),
            Self::SetRange { key, offset, value } => on("SETRANGE", key).and(offset).and(value),
            Self::GetRange { key, start, end } => on("GETRANGE", key).and(start).and(end),
            Self::StrLen(key) => on("STRLEN", key),
            Self::Mset(pairs) => Words::new("MSET").pairs(pairs),
            Self::MsetNx(pairs) => Words::new("MSETNX").pairs(pairs),
            Self::GetDel(key) => on("GETDEL", key),
            _ => return None,
        })
    }

    fn key_words(&self) -> Option<Words> {
        let on = |name: &str, key: &str| Words::new(name).and(key);
        Some(match self {
            Self::Del(keys) => Words::new("DEL").all(keys),
            Self::Unlink(keys) => Words::new("UNLINK").all(keys),
            Self::Expire { key, after } => on("PEXPIRE", key).and(after),
            Self::ExpireAt { key, at } => on("PEXPIREAT", key).and(at),
            Self::ExpireIf { key, form, time, only } => on(form.command(), key).and(time).only(*only),
            Self::Persist(key) => on("PERSIST", key),
            Self::Pttl(key) => on("PTTL", key),
            Self::Ttl(key) => on("TTL", key),
            Self::ExpireTime(key) => on("EXPIRETIME", key),
            Self::PexpireTime(key) => on("PEXPIRETIME", key),
            Self::Rename { from, to } => on("RENAME", from).and(to),
            Self::RenameNx { from, to } => on("RENAMENX", from).and(to),
            Self::Copy { from, to, replace } => on("COPY", from).and(to).maybe(*replace, "REPLACE"),
            Self::Exists(keys) => Words::new("EXISTS").all(keys),
            Self::Touch(keys) => Words::new("TOUCH").all(keys),
            Self::Type(key) => on("TYPE", key),
            Self::Encoding(key) => Words::new("OBJECT").and("ENCODING").and(key),
            Self::Watch(keys) => Words::new("WATCH").all(keys),
            Self::Keys => on("KEYS", "*"),
            Self::KeysLike(pattern) => on("KEYS", pattern),
            Self::Scan { pattern, count, kind } => {
                let words = on("SCAN", "0").option("MATCH", pattern.as_ref()).option("COUNT", *count);
                words.option("TYPE", kind.as_ref())
            }
            _ => return None,
        })
    }

    fn vector_words(&self) -> Option<Words> {
        let on = |name: &str, key: &str| Words::new(name).and(key);
        Some(match self {
            Self::NewIndex { key, dim, metric, quant } => {
                let words = on("VNEW", key).and(dim).and("METRIC").and(metric).option("QUANT", *quant);
                words.option("M", Some(WIDTHS.0)).option("EF_CONSTRUCTION", Some(WIDTHS.1))
            }
            Self::Add { key, element, vector } => on("VADD", key).and(element).vector(vector),
            Self::Remove { key, element } => on("VDEL", key).and(element),
            Self::Search { key, query, k, ef, exact, vectors, among } => {
                let words = on("VSEARCH", key).vector(query).and(k).option("EF", *ef).among(among);
                words.maybe(*exact, "EXACT").maybe(*vectors, "WITHVECTORS")
            }
            Self::Info(key) => on("VINFO", key),
            Self::Quant { key, quant } => on("VQUANT", key).and(quant),
            _ => return None,
        })
    }

    fn server_words(&self) -> Words {
        match self {
            Self::Ping(text) => text.iter().fold(Words::new("PING"), Words::and),
            Self::DbSize => Words::new("DBSIZE"),
            Self::RandomKey => Words::new("RANDOMKEY"),
            Self::FlushAll => Words::new("FLUSHALL"),
            Self::FlushDb => Words::new("FLUSHDB"),
            Self::Save => Words::new("VSAVE"),
            Self::Backup(name) => Words::new("VBACKUP").and(name),
            Self::BackgroundSave => Words::new("BGSAVE"),
            Self::LastSave => Words::new("LASTSAVE"),
            Self::ConfigSet { name, value } => Words::new("CONFIG").and("SET").and(name).and(value),
            Self::Unwatch => Words::new("UNWATCH"),
            Self::Hello(version) => Words::new("HELLO").and(version),
            Self::Reset => Words::new("RESET"),
            Self::Nested => Words::new("MULTI"),
            _ => Words(Vec::new()),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction(ops) | Self::Discarded(ops) => {
                f.write_str("MULTI")?;
                ops.iter().try_for_each(|op| write!(f, "; {op}"))?;
                return write!(f, "; {}", self.end());
            }
            Self::Unheard(silence, op) => return write!(f, "{} {op}", silence.word()),
            Self::Wrong(_) => write!(f, "{WRONG} ")?,
            Self::Unfit(_) => write!(f, "{UNFIT} ")?,
            _ => {}
        }
        for (number, word) in self.words().iter().enumerate() {
            write!(f, "{}{word}", if number > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vector(vector) => {
                write!(f, "[{}]", vector.iter().map(f32::to_string).collect::<Vec<_>>().join(","))
            }
            Self::Text(text) if text.bytes().all(is_plain) && !text.is_empty() => f.write_str(text),
            Self::Text(text) => {
                f.write_str("\"")?;
                for c in text.chars() {
                    match c {
                        '"' | '\\' => write!(f, "\\{c}")?,
                        ' '..='~' => write!(f, "{c}")?,
                        _ => c.to_string().bytes().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?,
                    }
                }
                f.write_str("\"")
            }
        }
    }
}

/// True for a byte that needs no quotes.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b';' | b'[' | b']' | b'#')
}
