//! An error that a door of the data directory has told, and whether a text gives it as its reason.
//!
//! Who gives up has to say what has failed: the error as it was told, and no file that it is not about.

use std::io;

use super::Kind;
use crate::faults::Call;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    call: Call,
    /// The files that it is about.
    names: Vec<String>,
    /// What was told.
    text: String,
    /// It is about a file that was put aside for a segment to come, which may have that one's name by now.
    spare: bool,
}

impl Failure {
    /// The error of a call about these files; none for the directory.
    pub(super) fn new(call: Call, names: &[&str], error: &io::Error) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { call, names, text: error.to_string(), spare: false }
    }

    /// The file has no name any more, for which a door has no words.
    pub(super) fn nameless(name: &str) -> Self {
        let text = "somebody has removed or moved it".to_owned();
        Self { call: Call::Sync, names: vec![name.to_owned()], text, spare: false }
    }

    /// The same, where the log may use a file under another name than the one that it was opened by.
    pub(super) fn of_the_log(self, of: Kind) -> Self {
        Self { spare: of == Kind::Copy, ..self }
    }

    /// Whether `what` gives it as the reason.
    pub(super) fn is_told_by(&self, what: &str) -> bool {
        what.contains(&self.text) && files_in(what).all(|file| self.is_about(file))
    }

    /// Whether it may be told with this file: one of its own, the segment that a copy is for, or the snapshot whose name was
    /// to be made safe.
    fn is_about(&self, file: &str) -> bool {
        let own = |name: &String| name == file || name.strip_suffix(".tmp") == Some(file);
        let of = Kind::of(file);
        let named = self.call == Call::SyncDir && of == Kind::Snapshot;
        self.names.iter().any(own) || named || (self.spare && of == Kind::Log)
    }
}

/// The files of the data directory that a text names.
fn files_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    words.map(|word| word.trim_matches('.')).filter(|word| Kind::of(word) != Kind::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "wal-00000000000000000001.log";
    const COPY: &str = "wal-00000000000000000001.log.tmp";
    const SNAPSHOT: &str = "snapshot-00000000000000000007.snap";

    fn failed(call: Call, names: &[&str]) -> Failure {
        Failure::new(call, names, &io::Error::other("no luck"))
    }

    #[test]
    fn who_gives_up_says_why_and_names_no_other_file() {
        let read = failed(Call::ReadAt, &[LOG]);
        assert!(read.is_told_by(&format!("start: cannot read {LOG}: no luck")));
        assert!(!read.is_told_by(&format!("start: cannot read {LOG}: it is corrupt")));
        assert!(!read.is_told_by(&format!("start: cannot read {SNAPSHOT}: no luck")));
        assert!(!read.is_told_by(&format!("start: {SNAPSHOT}, or {LOG}. no luck")));
    }

    #[test]
    fn a_copy_may_bear_its_segments_name_and_a_synced_name_its_snapshots() {
        assert!(failed(Call::WriteAt, &[COPY]).is_told_by(&format!("cannot copy {LOG}: no luck")));
        assert!(!failed(Call::WriteAt, &[LOG]).is_told_by(&format!("cannot copy {COPY}: no luck")));
        let (aside, told) = ("wal-00000000000000000009.log.tmp", format!("failed to write {LOG}: no luck"));
        assert!(!failed(Call::WriteAt, &[aside]).is_told_by(&told));
        assert!(failed(Call::WriteAt, &[aside]).of_the_log(Kind::Copy).is_told_by(&told));
        let named = format!("making the name of {SNAPSHOT} durable: no luck");
        assert!(failed(Call::SyncDir, &[]).is_told_by(&named));
        assert!(!failed(Call::List, &[]).is_told_by(&named));
        assert!(
            Failure::nameless(LOG)
                .is_told_by(&format!("to find {LOG}: somebody has removed or moved it, and"))
        );
    }
}
