//! The two versions of the protocol: every byte of a reply belongs to the one that its client has asked for.

use engram::resp::client::Value;

use crate::plan::Op;

/// The version that a connection begins with.
pub(super) const FIRST: u8 = 2;

/// The version in which a client hears the reply `value` to `op`, if it was `before` until now.
pub(super) fn version(before: u8, op: Option<&Op>, value: &Value) -> u8 {
    match op {
        Some(Op::Hello(version)) if !matches!(value, Value::Error(_)) => *version,
        Some(Op::Reset) if !matches!(value, Value::Error(_)) => FIRST,
        _ => before,
    }
}

/// Checks that a whole reply has nothing in it that is not of this version.
pub(super) fn check(version: u8, op: Option<&Op>, reply: &[u8]) -> Result<(), String> {
    let (mut rest, wrong) = (reply, |what: &str| Err(format!("{what} in version {version} of the protocol")));
    if version == 3
        && matches!(op, Some(Op::Hello(_) | Op::Info(_)))
        && !reply.starts_with(b"%")
        && !reply.starts_with(b"-")
        && !reply.starts_with(b"_")
    {
        return wrong("no map");
    }
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let (line, behind) = (&rest[..end], &rest[end + 2..]);
        let [kind, text @ ..] = line else { return wrong("an empty line") };
        let is_null = text == b"-1" && matches!(kind, b'$' | b'*');
        if version == 2 && b"_,#(%~>=!".contains(kind) {
            return wrong(&format!("`{}`", line.escape_ascii()));
        }
        if version == 3 && is_null {
            return wrong(&format!("`{}`", line.escape_ascii()));
        }
        let counted = matches!(kind, b'$' | b'!' | b'=') && !is_null;
        let len =
            std::str::from_utf8(text).ok().filter(|_| counted).and_then(|text| text.parse::<usize>().ok());
        rest = behind.get(len.map_or(0, |len| len + 2)..).unwrap_or_default();
    }
    Ok(())
}

/// The same value as the older version has it: pairs one behind the other.
pub(super) fn plain(value: Value) -> Value {
    match value {
        Value::Map(pairs) => {
            Value::Array(pairs.into_iter().flat_map(|(key, value)| [plain(key), plain(value)]).collect())
        }
        Value::Set(items) | Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_own_words() {
        let both = ["+OK\r\n", ":1\r\n", "$5\r\n_,#\r\n\r\n", "*2\r\n$1\r\n%\r\n-ERR x\r\n"];
        for reply in both {
            check(2, None, reply.as_bytes()).unwrap();
            check(3, None, reply.as_bytes()).unwrap();
        }
        for reply in ["$-1\r\n", "*-1\r\n", "*2\r\n$1\r\na\r\n$-1\r\n"] {
            check(2, None, reply.as_bytes()).unwrap();
            assert!(check(3, None, reply.as_bytes()).is_err(), "{reply}");
        }
        for reply in ["_\r\n", ",1.5\r\n", "%1\r\n+a\r\n:1\r\n", "*2\r\n$1\r\na\r\n_\r\n"] {
            check(3, None, reply.as_bytes()).unwrap();
            assert!(check(2, None, reply.as_bytes()).is_err(), "{reply}");
        }
        let flat = b"*2\r\n+a\r\n:1\r\n";
        assert!(check(3, Some(&Op::Info("v".to_owned())), flat).is_err());
    }
}
