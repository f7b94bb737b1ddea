//! The text of `--help`.

use super::table::{Changes, SETTINGS, Setting};
use super::{Options, VERSION, values};

/// Column at which explanations begin, and the width they keep within.
const COLUMN: usize = 34;
const WIDTH: usize = 100;

/// The whole text; `defaults` are this machine's.
pub(super) fn text(defaults: &Options) -> String {
    let mut out = format!(
        "engram {VERSION}: an associative vector memory that speaks the Redis protocol\n\n\
         Usage: engram [FILE] [--SETTING VALUE]...    serve; FILE holds lines `setting value`\n\
         \x20      engram check DIR...                   say what a data directory holds and what a start would do\n\
         \x20      engram dump DIR [--from LSN] [--to LSN] [--full]\n\
         \x20                                            the records of the log as text, a line each\n\
         \x20      engram repair DIR --truncate-after LSN\n\
         \x20                                            give up all records after LSN; what is cut is kept beside\n\
         \x20      engram backup DIR DEST                copy a directory that nobody serves; for one that is served\n\
         \x20                                            there is VBACKUP\n\
         \x20      engram --help | --version\n"
    );
    let mut group = "";
    for setting in SETTINGS {
        if setting.group != group {
            group = setting.group;
            out.push_str(&format!("\n{group}\n"));
        }
        describe(setting, defaults, &mut out);
    }
    out.push_str(
        "\nOther\n\
         \x20 --config FILE                   the same as FILE in first place\n\
         \nFlags win over the file. SIZE is in bytes; kb, mb and gb are powers of 1024, k, m and g of 1000.\n\
         Settings marked * can be changed while the server runs: CONFIG SET setting value.\n",
    );
    out
}

/// One setting: its flag, then its explanation wrapped into the right column.
fn describe(setting: &Setting, defaults: &Options, out: &mut String) {
    let star = if setting.changes == Changes::AnyTime { '*' } else { ' ' };
    let head = format!("{star} --{} {}", setting.name, setting.value);
    let text = format!("{} [{}]", setting.help, default_shown(setting, defaults));
    out.push_str(&head);
    let mut column = head.len();
    if column + 2 > COLUMN {
        out.push('\n');
        column = 0;
    }
    let mut is_first = true;
    for word in text.split(' ') {
        if !is_first && column + 1 + word.len() > WIDTH {
            out.push('\n');
            column = 0;
            is_first = true;
        }
        let gap = if is_first { COLUMN - column } else { 1 };
        out.extend(std::iter::repeat_n(' ', gap));
        out.push_str(word);
        column += gap + word.len();
        is_first = false;
    }
    out.push('\n');
}

fn default_shown(setting: &Setting, defaults: &Options) -> String {
    let shown = (setting.show)(defaults);
    match shown.parse() {
        _ if shown.is_empty() => "none".to_owned(),
        Ok(bytes) if setting.value == "SIZE" => values::human(bytes),
        _ => shown,
    }
}
