//! By what searches of an index go: the form that VNEW gave it, or one that VQUANT has.
//!
//! VQUANT takes place at some moment before its answer, perhaps behind later requests of the same client. So what VINFO
//! shows is a form that was acknowledged before VINFO was asked for, or any that may have come since. What was not
//! acknowledged may come as long as the server lives, or be there after a restart.

/// The form of an index of which VNEW does not say it.
pub(super) const DEFAULT: &str = "int8";

/// A form that an index may have.
#[derive(Clone, Debug, PartialEq)]
struct Form {
    name: &'static str,
    /// When it was acknowledged; the largest number where it was not.
    since: u64,
    /// Until when a change may have been under way before it.
    busy: u64,
}

/// The forms that an index may have, in the order in which they were asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Forms {
    all: Vec<Form>,
    /// Until when a change may have been under way.
    busy: u64,
}

impl Forms {
    /// This one, for certain.
    pub(super) fn of(name: &'static str) -> Self {
        Self { all: vec![Form { name, since: 0, busy: 0 }], busy: 0 }
    }

    /// Any there is.
    pub(super) fn any() -> Self {
        let all = crate::plan::QUANTS.map(|name| Form { name, since: u64::MAX, busy: u64::MAX });
        Self { all: all.to_vec(), busy: u64::MAX }
    }

    /// Whether it is known, and no other was ever asked for in this life.
    pub(super) fn is_the_only_one(&self) -> bool {
        self.busy == 0 && matches!(self.all.as_slice(), [Form { since: 0, .. }])
    }

    /// VQUANT is executed.
    pub(super) fn ask(&mut self, name: &'static str) {
        self.all.push(Form { name, since: u64::MAX, busy: self.busy });
        self.busy = u64::MAX;
    }

    /// The last VQUANT that was asked for was answered by `now`. What was not `certain` to stay may be gone again.
    pub(super) fn answered(&mut self, name: &'static str, ok: bool, (_, now): (u64, u64), certain: bool) {
        let Some(asked) = self.all.pop().filter(|form| form.name == name) else {
            panic!("an answer to what was asked for last")
        };
        // What was refused may have been so because of one that nobody has heard of.
        self.busy = if ok { now } else { asked.busy.max(now) };
        if ok {
            self.all.push(Form { since: if certain { now } else { u64::MAX }, ..asked });
        }
        self.trim();
    }

    /// A change was given up by `now`.
    pub(super) fn tried(&mut self, now: u64) {
        self.busy = self.busy.max(now);
    }

    /// Keeps what may be shown to who asks from now on, and one that was acknowledged before.
    fn trim(&mut self) {
        let Some(last) = self.all.iter().rposition(|form| form.since < u64::MAX) else { return };
        // Who asked before that was acknowledged may be shown the one before.
        let first = self.all[..last].iter().rposition(|form| form.since < u64::MAX).unwrap_or(0);
        self.all.drain(..first);
    }

    /// Whether who asked at `asked` may be shown this one.
    pub(super) fn may_be(&self, name: &str, asked: u64) -> bool {
        let sure = self.all.iter().rposition(|form| form.since < asked).unwrap_or(0);
        self.all[sure..].iter().any(|form| form.name == name)
    }

    /// It was found to be this one, which may become `next` while the server lives.
    pub(super) fn found(&mut self, name: &str, next: &str) {
        let known = |name: &str| crate::plan::QUANTS.into_iter().find(|known| *known == name);
        let Some(form) = known(name) else { return };
        *self = Self::of(form);
        if let Some(next) = known(next) {
            self.ask(next);
        }
    }
}

impl std::fmt::Display for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.all.iter().map(|form| form.name).collect();
        f.write_str(&names.join(" or "))
    }
}
