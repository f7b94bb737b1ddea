//! What a client says on a new connection where there is a password, and what it has to hear.

use engram::resp::client::Value;

use super::Client;

impl Client {
    /// What it says before all else where there is a password, and how the replies have to begin.
    pub(super) fn enter(&self, out: &mut Vec<u8>) -> Vec<&'static str> {
        if self.inner.town.server.password { self.inner.plan.entrance.encode(out) } else { Vec::new() }
    }
}

/// Whether a reply to what is said before the right password, or to that, begins as it has to.
pub(super) fn entered(due: &str, value: &Value) -> Result<(), String> {
    let right = match value {
        Value::Error(text) => due != "OK" && text.starts_with(due.as_bytes()),
        Value::Simple(text) => due == text.escape_ascii().to_string(),
        _ => false,
    };
    if right {
        Ok(())
    } else {
        Err(format!("came in and heard {} instead of {due}", crate::oracle::show(value)))
    }
}
