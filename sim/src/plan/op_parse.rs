//! Reading a request back from a line of a plan.

use std::str::FromStr;
use std::sync::Arc;

use super::among::{Among, Keys};
use super::op::{Form, Lifetime, Only, Op, Silence, Word};
use super::op_words::{UNFIT, WRONG};

const FORMS: [Form; 4] = [Form::Ex, Form::Px, Form::ExAt, Form::PxAt];
const CONDITIONS: [Only; 4] = [Only::Nx, Only::Xx, Only::Gt, Only::Lt];
/// Metrics that plans know.
const METRICS: [&str; 3] = ["l2", "cosine", "dot"];
/// Forms of compressed vectors that plans know.
pub(crate) const QUANTS: [&str; 4] = ["f32", "int8", "int4", "bin"];

impl FromStr for Op {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        for silence in [Silence::Off, Silence::Skip] {
            let rest = line.trim().strip_prefix(silence.word()).filter(|rest| rest.starts_with(' '));
            let Some(rest) = rest else { continue };
            let op: Self = rest.parse()?;
            if silence == Silence::Skip && op.replies() != 1 {
                return Err(format!("only one command is skipped: `{line}`"));
            }
            return Ok(Self::Unheard(silence, Box::new(op)));
        }
        let commands = split(line).map_err(|what| format!("{what} in `{line}`"))?;
        let (first, rest) = commands.split_first().ok_or("no command")?;
        if !matches!(first.as_slice(), [Word::Text(name)] if name == "MULTI") {
            return if rest.is_empty() {
                command(first)
            } else {
                Err(format!("more than a command: `{line}`"))
            };
        }
        let (last, inner) = rest.split_last().ok_or("MULTI without EXEC")?;
        let ops = inner.iter().map(|words| command(words)).collect::<Result<Vec<_>, _>>()?;
        match last.as_slice() {
            [Word::Text(end)] if end == "EXEC" => Ok(Self::Transaction(ops)),
            [Word::Text(end)] if end == "DISCARD" => Ok(Self::Discarded(ops)),
            _ => Err(format!("MULTI without EXEC: `{line}`")),
        }
    }
}

/// The commands of a line, each as its words.
fn split(line: &str) -> Result<Vec<Vec<Word>>, String> {
    let mut commands = vec![Vec::new()];
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let word;
        (word, rest) = match first {
            ';' => {
                commands.push(Vec::new());
                rest = rest[1..].trim_start();
                continue;
            }
            '"' => quoted(&rest[1..])?,
            '[' => vector(&rest[1..])?,
            _ => {
                let end = rest.find([' ', ';']).unwrap_or(rest.len());
                (Word::Text(rest[..end].to_owned()), &rest[end..])
            }
        };
        if let Some(command) = commands.last_mut() {
            command.push(word);
        }
        rest = rest.trim_start();
    }
    Ok(commands)
}

/// A word whose opening quote has been taken, and what follows it.
fn quoted(text: &str) -> Result<(Word, &str), String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Err("a quote that is not closed".to_owned()),
            [b'"', rest @ ..] => {
                let word = String::from_utf8(bytes).map_err(|_| "a word that is no text".to_owned())?;
                return Ok((Word::Text(word), &text[text.len() - rest.len()..]));
            }
            [b'\\', b'x', high, low, rest @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let byte = digit(*high).zip(digit(*low)).map(|(high, low)| (high * 16 + low) as u8);
                bytes.push(byte.ok_or("\\x without two digits")?);
                rest
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

/// A vector whose opening bracket has been taken, and what follows it.
fn vector(text: &str) -> Result<(Word, &str), String> {
    let (inside, rest) = text.split_once(']').ok_or("a vector that is not closed")?;
    let number = |word: &str| word.trim().parse::<f32>().map_err(|_| format!("no number: `{word}`"));
    let numbers =
        if inside.trim().is_empty() { Ok(Vec::new()) } else { inside.split(',').map(number).collect() };
    Ok((Word::Vector(Arc::from(numbers?)), rest))
}

/// One command from its words.
fn command(words: &[Word]) -> Result<Op, String> {
    let mut reader = Reader { words, all: words };
    let name = reader.text()?;
    match name.as_str() {
        WRONG => return Ok(Op::Wrong(reader.words.to_vec())),
        UNFIT => return Ok(Op::Unfit(reader.words.to_vec())),
        _ => {}
    }
    let mut found = None;
    for family in [strings, keys, vectors, server] {
        if found.is_none() {
            found = family(&name, &mut reader)?;
        }
    }
    match found {
        Some(op) if reader.words.is_empty() => Ok(op),
        Some(_) => Err(reader.wrong("has more words than it should")),
        None => Err(reader.wrong("is no command that plans know")),
    }
}

/// Takes words from the front.
struct Reader<'a> {
    words: &'a [Word],
    all: &'a [Word],
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        let shown: Vec<String> = self.all.iter().map(Word::to_string).collect();
        format!("`{}` {what}", shown.join(" "))
    }

    fn word(&mut self) -> Result<Word, String> {
        let (first, rest) = self.words.split_first().ok_or_else(|| self.wrong("lacks a word"))?;
        self.words = rest;
        Ok(first.clone())
    }

    fn text(&mut self) -> Result<String, String> {
        match self.word()? {
            Word::Text(text) => Ok(text),
            Word::Vector(_) => Err(self.wrong("has a vector where a word should be")),
        }
    }

    fn vector(&mut self) -> Result<Arc<[f32]>, String> {
        match self.word()? {
            Word::Vector(vector) => Ok(vector),
            Word::Text(_) => Err(self.wrong("has a word where a vector should be")),
        }
    }

    fn number<T: FromStr>(&mut self) -> Result<T, String> {
        self.text()?.parse().map_err(|_| self.wrong("has a word where a number should be"))
    }

    fn rest(&mut self) -> Result<Vec<String>, String> {
        std::iter::from_fn(|| (!self.words.is_empty()).then(|| self.text())).collect()
    }

    fn pairs(&mut self) -> Result<Vec<(String, String)>, String> {
        std::iter::from_fn(|| (!self.words.is_empty()).then(|| Ok((self.text()?, self.text()?)))).collect()
    }

    /// True, and takes it, if `word` comes next.
    fn takes(&mut self, word: &str) -> bool {
        let next = matches!(self.words.first(), Some(Word::Text(text)) if text == word);
        self.words = &self.words[usize::from(next)..];
        next
    }

    fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        if self.takes(name) { self.number().map(Some) } else { Ok(None) }
    }

    fn only(&mut self) -> Option<Only> {
        CONDITIONS.into_iter().find(|only| self.takes(only.word()))
    }

    fn among(&mut self) -> Result<Among, String> {
        let within = self.option("WITHIN")?;
        let keys = if self.takes("PREFIX") {
            Keys::Prefix(self.text()?)
        } else if self.takes("MATCH") {
            Keys::Match(self.text()?)
        } else if self.takes("KEYS") {
            let count: usize = self.number()?;
            Keys::Listed((0..count).map(|_| self.text()).collect::<Result<_, _>>()?)
        } else {
            Keys::All
        };
        Ok(Among { within, keys })
    }

    fn life(&mut self) -> Result<Lifetime, String> {
        if self.takes("KEEPTTL") {
            return Ok(Lifetime::Keep);
        }
        if self.takes("PERSIST") {
            return Ok(Lifetime::Persist);
        }
        match FORMS.into_iter().find(|form| self.takes(form.option())) {
            Some(form) => Ok(Lifetime::Until(form, self.number()?)),
            None => Ok(Lifetime::Plain),
        }
    }
}

fn strings(name: &str, r: &mut Reader<'_>) -> Result<Option<Op>, String> {
    Ok(Some(match name {
        "SET" => set(r)?,
        "SETEX" | "PSETEX" => {
            Op::SetFor { key: r.text()?, millis: name == "PSETEX", after: r.number()?, value: r.text()? }
        }
        "SETNX" => Op::SetNx { key: r.text()?, value: r.text()? },
        "GETSET" => Op::GetSet { key: r.text()?, value: r.text()? },
        "GETEX" => Op::GetEx { key: r.text()?, life: r.life()? },
        "GET" => Op::Get(r.text()?),
        "MGET" => Op::Mget(r.rest()?),
        "INCR" => Op::Incr(r.text()?),
        "DECR" => Op::Decr(r.text()?),
        "INCRBY" => Op::IncrBy { key: r.text()?, by: r.number()? },
        "DECRBY" => Op::DecrBy { key: r.text()?, by: r.number()? },
        "INCRBYFLOAT" => Op::IncrByFloat { key: r.text()?, by: r.text()? },
        "APPEND" => Op::Append { key: r.text()?, value: r.text()? },
        "SETRANGE" => Op::SetRange { key: r.text()?, offset: r.number()?, value: r.text()? },
        "GETRANGE" => Op::GetRange { key: r.text()?, start: r.number()?, end: r.number()? },
        "STRLEN" => Op::StrLen(r.text()?),
        "MSET" => Op::Mset(r.pairs()?),
        "MSETNX" => Op::MsetNx(r.pairs()?),
        "GETDEL" => Op::GetDel(r.text()?),
        _ => return Ok(None),
    }))
}

fn set(r: &mut Reader<'_>) -> Result<Op, String> {
    let (key, value) = (r.text()?, r.text()?);
    let (only, get, life) = (r.only(), r.takes("GET"), r.life()?);
    let expire = match life {
        Lifetime::Plain => Some(None),
        Lifetime::Until(Form::Px, after) => u64::try_from(after).ok().map(Some),
        _ => None,
    };
    Ok(match expire.filter(|_| only.is_none() && !get) {
        Some(expire) => Op::Set { key, value, expire },
        None => Op::SetWith { key, value, only, get, life },
    })
}

fn expire(name: &str, r: &mut Reader<'_>) -> Result<Op, String> {
    let (key, time) = (r.text()?, r.number::<i64>()?);
    let only = r.only();
    let form = FORMS.into_iter().find(|form| form.command() == name).ok_or("no expiry")?;
    Ok(match (form, only, u64::try_from(time)) {
        (Form::Px, None, Ok(after)) => Op::Expire { key, after },
        (Form::PxAt, None, Ok(at)) => Op::ExpireAt { key, at },
        _ => Op::ExpireIf { key, form, time, only },
    })
}

fn keys(name: &str, r: &mut Reader<'_>) -> Result<Option<Op>, String> {
    Ok(Some(match name {
        "DEL" => Op::Del(r.rest()?),
        "UNLINK" => Op::Unlink(r.rest()?),
        "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" => expire(name, r)?,
        "PERSIST" => Op::Persist(r.text()?),
        "PTTL" => Op::Pttl(r.text()?),
        "TTL" => Op::Ttl(r.text()?),
        "EXPIRETIME" => Op::ExpireTime(r.text()?),
        "PEXPIRETIME" => Op::PexpireTime(r.text()?),
        "RENAME" => Op::Rename { from: r.text()?, to: r.text()? },
        "RENAMENX" => Op::RenameNx { from: r.text()?, to: r.text()? },
        "COPY" => Op::Copy { from: r.text()?, to: r.text()?, replace: r.takes("REPLACE") },
        "EXISTS" => Op::Exists(r.rest()?),
        "TOUCH" => Op::Touch(r.rest()?),
        "TYPE" => Op::Type(r.text()?),
        "OBJECT" if r.takes("ENCODING") => Op::Encoding(r.text()?),
        "WATCH" => Op::Watch(r.rest()?),
        "KEYS" if r.takes("*") => Op::Keys,
        "KEYS" => Op::KeysLike(r.text()?),
        "SCAN" if r.takes("0") => {
            Op::Scan { pattern: r.option("MATCH")?, count: r.option("COUNT")?, kind: r.option("TYPE")? }
        }
        _ => return Ok(None),
    }))
}

fn vectors(name: &str, r: &mut Reader<'_>) -> Result<Option<Op>, String> {
    Ok(Some(match name {
        "VNEW" => {
            let (key, dim) = (r.text()?, r.number()?);
            let metric = r.option::<String>("METRIC")?.unwrap_or_default();
            let metric = METRICS.into_iter().find(|known| *known == metric);
            let quant = r.option::<String>("QUANT")?.map(|quant| known(quant, r)).transpose()?;
            let (m, width) = (r.option::<usize>("M")?, r.option::<usize>("EF_CONSTRUCTION")?);
            if (m, width) != (Some(4), Some(20)) {
                return Err(r.wrong("is not made with M 4 EF_CONSTRUCTION 20"));
            }
            Op::NewIndex { key, dim, metric: metric.ok_or_else(|| r.wrong("has no metric"))?, quant }
        }
        "VADD" => Op::Add { key: r.text()?, element: r.text()?, vector: r.vector()? },
        "VDEL" => Op::Remove { key: r.text()?, element: r.text()? },
        "VSEARCH" => Op::Search {
            key: r.text()?,
            query: r.vector()?,
            k: r.number()?,
            ef: r.option("EF")?,
            among: r.among()?,
            exact: r.takes("EXACT"),
            vectors: r.takes("WITHVECTORS"),
        },
        "VINFO" => Op::Info(r.text()?),
        "VQUANT" => {
            let (key, quant) = (r.text()?, r.text()?);
            Op::Quant { key, quant: known(quant, r)? }
        }
        _ => return Ok(None),
    }))
}

/// The form of this name.
fn known(quant: String, r: &Reader<'_>) -> Result<&'static str, String> {
    let known = QUANTS.into_iter().find(|known| *known == quant);
    known.ok_or_else(|| r.wrong("has a QUANT that plans do not know"))
}

fn server(name: &str, r: &mut Reader<'_>) -> Result<Option<Op>, String> {
    Ok(Some(match name {
        "PING" => Op::Ping(if r.words.is_empty() { None } else { Some(r.text()?) }),
        "DBSIZE" => Op::DbSize,
        "RANDOMKEY" => Op::RandomKey,
        "FLUSHALL" => Op::FlushAll,
        "FLUSHDB" => Op::FlushDb,
        "VSAVE" => Op::Save,
        "VBACKUP" => Op::Backup(r.text()?),
        "BGSAVE" => Op::BackgroundSave,
        "LASTSAVE" => Op::LastSave,
        "CONFIG" if r.takes("SET") => Op::ConfigSet { name: r.text()?, value: r.text()? },
        "UNWATCH" => Op::Unwatch,
        "HELLO" => Op::Hello(r.number()?),
        "RESET" => Op::Reset,
        "MULTI" => Op::Nested,
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::generate;

    #[test]
    fn every_request_of_generated_plans_reads_back_as_itself() {
        for seed in 0..300 {
            let lives = generate(seed).lives;
            for op in lives.iter().flat_map(|life| &life.clients).flat_map(|client| &client.ops) {
                let line = op.to_string();
                let back: Op = line.parse().unwrap_or_else(|what| panic!("seed {seed}: {what}: {line}"));
                assert_eq!(back.to_string(), line, "seed {seed}");
                let bytes = |op: &Op| {
                    let mut out = Vec::new();
                    op.encode(&mut out);
                    out
                };
                assert!(bytes(&back) == bytes(op), "seed {seed}: {line}");
            }
        }
    }

    #[test]
    fn odd_words_are_quoted() {
        let op = Op::Set { key: String::new(), value: "a\"\\ ;\r\n\0[x] é".to_owned(), expire: Some(5) };
        let line = op.to_string();
        assert_eq!(line, r#"SET "" "a\"\\ ;\x0d\x0a\x00[x] \xc3\xa9" PX 5"#);
        assert_eq!(line.parse::<Op>().unwrap(), op);
        let unheard = "UNHEARD MULTI; SET a b; EXEC".parse::<Op>().unwrap();
        assert!(matches!(&unheard, Op::Unheard(Silence::Off, op) if matches!(**op, Op::Transaction(_))));
        assert_eq!(unheard.to_string().parse::<Op>().unwrap(), unheard);
        let skipped = "SKIPPED SET a b".parse::<Op>().unwrap();
        assert_eq!((skipped.replies(), skipped.to_string().as_str()), (1, "SKIPPED SET a b"));
        assert!("SKIPPED MULTI; SET a b; EXEC".parse::<Op>().is_err());
        let several = "MULTI; SET a \";\"; VADD v e [1,-0,NaN,inf,1e-45]; EXEC".parse::<Op>().unwrap();
        assert!(matches!(&several, Op::Transaction(ops) if ops.len() == 2));
    }

    #[test]
    fn what_is_no_request_is_refused_with_a_reason() {
        for line in
            ["", "SET a", "GET a b", "MULTI; GET a", "NOPE", "VADD v e x", "SET a \"b", "GET a; GET b"]
        {
            assert!(line.parse::<Op>().is_err(), "{line}");
        }
    }
}
