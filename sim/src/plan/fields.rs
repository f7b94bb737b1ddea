//! Settings as `name value` pairs on one line: one list of fields for each struct, for showing and for reading.

use std::fmt::Display;
use std::str::FromStr;

use super::bounds;

/// A value that is one word of text.
pub(super) trait Word {
    fn show(&self) -> String;
    fn read(&mut self, word: &str) -> Result<(), String>;
}

impl<T: Display + FromStr> Word for T {
    fn show(&self) -> String {
        self.to_string()
    }

    fn read(&mut self, word: &str) -> Result<(), String> {
        *self = word.parse().map_err(|_| format!("cannot read `{word}`"))?;
        Ok(())
    }
}

/// Something made of fields.
pub(super) trait Fields {
    /// Hands every field with its name to `each`, always in the same order.
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word));
}

/// ` name value name value`, of the fields that differ from those of `base`.
pub(super) fn show<T: Fields + Clone>(settings: &T, base: &T) -> String {
    let mut usual = Vec::new();
    base.clone().fields(&mut |_, value| usual.push(value.show()));
    let (mut text, mut at) = (String::new(), 0);
    settings.clone().fields(&mut |name, value| {
        let word = value.show();
        if usual.get(at) != Some(&word) {
            text.push_str(&format!(" {name} {word}"));
        }
        at += 1;
    });
    text
}

/// Reads `name value` pairs into `settings`. What cannot be read stays as it was and is told in `remarks`.
pub(super) fn read<T: Fields>(settings: &mut T, words: &[&str], remarks: &mut Vec<String>) {
    let (pairs, rest) = words.as_chunks::<2>();
    remarks.extend(rest.iter().map(|word| format!("`{word}` has no value")));
    for [name, word] in pairs {
        let mut known = false;
        settings.fields(&mut |field, value| {
            if field == *name {
                known = true;
                let read = bounds::setting(name, word).and_then(|()| value.read(word));
                remarks.extend(read.err().map(|what| format!("{name}: {what}")));
            }
        });
        if !known {
            remarks.push(format!("no setting `{name}` here"));
        }
    }
}
