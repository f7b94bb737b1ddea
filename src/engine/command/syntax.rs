//! The little language in which the table writes down a command's words, and what COMMAND DOCS makes of it.
//!
//! `name` or `name:type` is a word the client chooses (`key` is of type key, others are strings), `WORD` is one to be
//! written as it stands, `WORD x` is x behind that word. `[a]` may be left out, `a | b` is one of them (in brackets),
//! `a...` may be repeated, `(a b)` belongs together. The table's texts are right by a test over all of them.

/// A word of a command, or several that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arg<'a> {
    /// What people call it.
    pub(super) name: String,
    /// Its type; `oneof` and `block` have parts.
    pub(super) kind: &'a str,
    /// The word before it.
    pub(super) token: Option<&'a str>,
    /// It may be left out.
    pub(super) optional: bool,
    /// It may be repeated.
    pub(super) multiple: bool,
    /// What it consists of.
    pub(super) parts: Vec<Arg<'a>>,
}

/// The words that `text` describes.
pub(super) fn parse(text: &str) -> Vec<Arg<'_>> {
    let mut parser = Parser { rest: text };
    let args = parser.sequence();
    assert!(parser.rest.trim_start().is_empty(), "too much in {text:?}: {:?}", parser.rest);
    args
}

/// The text without its types, for people.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut pieces = text.split(':');
    shown.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        shown.push_str(piece.trim_start_matches(|c: char| c.is_ascii_lowercase() || c == '-'));
    }
    shown
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// Takes `symbol` if it comes next.
    fn take(&mut self, symbol: &str) -> bool {
        let after = self.rest.trim_start().strip_prefix(symbol);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn sequence(&mut self) -> Vec<Arg<'a>> {
        let mut args = Vec::new();
        loop {
            let mut arg = if self.take("[") {
                Arg { optional: true, ..self.group("]") }
            } else if self.take("(") {
                self.group(")")
            } else if let Some(arg) = self.word() {
                arg
            } else {
                return args;
            };
            arg.multiple |= self.take("...");
            args.push(arg);
        }
    }

    fn group(&mut self, end: &str) -> Arg<'a> {
        let mut choices = vec![together(self.sequence())];
        while self.take("|") {
            choices.push(together(self.sequence()));
        }
        assert!(self.take(end), "no {end} before {:?}", self.rest);
        if choices.len() == 1 { choices.remove(0) } else { compound("oneof", choices) }
    }

    fn word(&mut self) -> Option<Arg<'a>> {
        let rest = self.rest.trim_start();
        let end = rest.find([' ', '[', ']', '(', ')', '|', '.']).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        if word.is_empty() {
            return None;
        }
        self.rest = rest;
        let name = word.to_ascii_lowercase();
        if word.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Some(Arg { name, kind: "pure-token", token: Some(word), ..Arg::default() });
        }
        let plain = if word == "key" { "key" } else { "string" };
        let (name, kind) = word.split_once(':').unwrap_or((word, plain));
        Some(Arg { name: name.to_owned(), kind, ..Arg::default() })
    }
}

/// One argument out of several: the first may be the word before the others.
fn together<'a>(mut args: Vec<Arg<'a>>) -> Arg<'a> {
    assert!(!args.is_empty(), "nothing between brackets");
    if args.len() == 1 {
        return args.remove(0);
    }
    let leads = args.first().is_some_and(|arg| arg.kind == "pure-token" && !arg.optional);
    if !leads {
        return compound("block", args);
    }
    let token = args.remove(0).token;
    let behind = if args.len() == 1 { args.remove(0) } else { compound("block", args) };
    Arg { token, ..behind }
}

fn compound<'a>(kind: &'a str, parts: Vec<Arg<'a>>) -> Arg<'a> {
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    Arg { name: names.join("_"), kind, parts, ..Arg::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes arguments in one line: name:kind, the token before it, `?` for optional, `+` for repeated.
    fn line(args: &[Arg<'_>]) -> String {
        let one = |arg: &Arg<'_>| {
            let token = arg.token.map(|token| format!("{token}>")).unwrap_or_default();
            let flags =
                [(arg.optional, "?"), (arg.multiple, "+")].map(|(on, flag)| if on { flag } else { "" });
            let parts = if arg.parts.is_empty() { String::new() } else { format!("({})", line(&arg.parts)) };
            format!("{token}{}:{}{}{parts}", arg.name, arg.kind, flags.concat())
        };
        args.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_become_arguments() {
        let table = [
            ("", ""),
            ("key value", "key:key value:string"),
            ("newkey:key n:integer", "newkey:key n:integer"),
            ("key...", "key:key+"),
            ("(key value)...", "key_value:block+(key:key value:string)"),
            ("[GET]", "GET>get:pure-token?"),
            ("[NX | XX]", "nx_xx:oneof?(NX>nx:pure-token XX>xx:pure-token)"),
            ("[EX s:integer | PERSIST]", "s_persist:oneof?(EX>s:integer PERSIST>persist:pure-token)"),
            ("[AUTH user password]", "AUTH>user_password:block?(user:string password:string)"),
            ("[a [B c]]", "a_c:block?(a:string B>c:string?)"),
            ("[F (A x | B y)]", "F>x_y:oneof?(A>x:string B>y:string)"),
            ("[ID n:integer...]", "ID>n:integer?+"),
        ];
        for (text, expected) in table {
            assert_eq!(line(&parse(text)), expected, "{text}");
        }
    }

    #[test]
    fn people_see_no_types() {
        assert_eq!(shown("key [COUNT n:integer] [A t:unix-time | B]"), "key [COUNT n] [A t | B]");
    }
}
