//! Rows and lanes as SVG.

use super::rows::{Lanes, Look, Row};
use super::{escape, line};
use crate::story::millis;

const ROW: usize = 18;
const HEAD: usize = 28;
const TIME: usize = 96;
const LANE: usize = 190;
/// Characters that fit into a lane.
const FIT: usize = 26;

/// The drawing.
pub(super) fn svg(rows: &[Row], lanes: &Lanes) -> String {
    let width = TIME + lanes.len() * LANE + 8;
    let height = HEAD + rows.len() * ROW + 8;
    let mut out = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' role='img'>\n\
         <rect width='{width}' height='{height}' fill='#fff'/>\n"
    );
    for (number, name) in lanes.iter().enumerate() {
        let x = left(number);
        let fill = if number % 2 == 0 { "#f7f7f7" } else { "#fff" };
        line(&mut out, format_args!("<rect x='{x}' width='{LANE}' height='{height}' fill='{fill}'/>"));
        line(&mut out, format_args!("<text class='h' x='{}' y='18'>{}</text>", x + 6, escape(name)));
    }
    batons(&mut out, rows);
    spans(&mut out, rows);
    let mut said = None;
    let mut marked = false;
    for (number, row) in rows.iter().enumerate() {
        let y = HEAD + number * ROW;
        let time = millis(row.at);
        if said.as_ref() != Some(&time) {
            line(&mut out, format_args!("<text x='4' y='{}' fill='#777'>{time}</text>", y + 13));
            said = Some(time);
        }
        let last = rows[number + 1..].iter().all(|row| row.look != Look::Violation);
        let anchor = if row.look == Look::Violation || (!marked && last && number + 1 == rows.len()) {
            marked = true;
            " id='violation'"
        } else {
            ""
        };
        event(&mut out, row, y, anchor, width);
    }
    out.push_str("</svg>\n");
    out
}

fn left(lane: usize) -> usize {
    TIME + lane * LANE
}

/// Shades the lane of the thread that was running, row by row.
fn batons(out: &mut String, rows: &[Row]) {
    let mut from = 0;
    for at in 1..=rows.len() {
        if at < rows.len() && rows[at].baton == rows[from].baton {
            continue;
        }
        let (x, y, tall) = (left(rows[from].baton), HEAD + from * ROW, (at - from) * ROW);
        line(
            out,
            format_args!(
                "<rect x='{x}' y='{y}' width='{LANE}' height='{tall}' fill='#cfe3ff' opacity='.45'/>"
            ),
        );
        from = at;
    }
}

/// A line from each question to its answer, side by side where several are open at once.
fn spans(out: &mut String, rows: &[Row]) {
    for (number, row) in rows.iter().enumerate() {
        if let Some(asked) = row.answers {
            let x = left(row.lane) + 2 + (asked % 4);
            let (from, to) = (HEAD + asked * ROW + ROW / 2, HEAD + number * ROW + ROW / 2);
            line(
                out,
                format_args!(
                    "<line x1='{x}' y1='{from}' x2='{x}' y2='{to}' stroke='#4a78c2' stroke-width='2'/>"
                ),
            );
        }
    }
}

fn event(out: &mut String, row: &Row, y: usize, anchor: &str, width: usize) {
    let across = matches!(row.look, Look::Life | Look::Crash | Look::Violation) && row.text != "disconnected";
    let (fill, ink) = match row.look {
        Look::Life => ("#23395b", "#fff"),
        Look::Crash => ("#222", "#fff"),
        Look::Violation => ("#d40000", "#fff"),
        Look::Ask => ("#dfe9fb", "#123"),
        Look::Reply => ("#e7f5e9", "#123"),
        Look::Pending => ("#ffe9a8", "#222"),
        Look::Safe => ("#bfe8c4", "#222"),
        Look::Fault => ("#ffb25c", "#222"),
        Look::Plain => ("none", "#333"),
    };
    let (x, wide) = if across { (TIME, width - TIME - 8) } else { (left(row.lane) + 7, LANE - 12) };
    let fit = if across { 4_000 } else { FIT };
    let short: String = if row.text.chars().count() > fit {
        row.text.chars().take(fit - 1).chain(['\u{2026}']).collect()
    } else {
        row.text.clone()
    };
    line(
        out,
        format_args!(
            "<g{anchor}><title>{}</title><rect x='{x}' y='{}' width='{wide}' height='{}' rx='2' fill='{fill}' \
         pointer-events='all'/><text x='{}' y='{}' fill='{ink}'>{}</text></g>",
            escape(&row.hover),
            y + 1,
            ROW - 2,
            x + 3,
            y + 13,
            escape(&short)
        ),
    );
}
