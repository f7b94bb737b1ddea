//! A run as one self-contained page: the story in words, and below it a lane for each client, thread and the disk, time
//! running down, in plain HTML and SVG without a script.
//!
//! Rows are events, not milliseconds: virtual time jumps, a reader does not. The lane of the thread that holds the baton
//! is shaded. Switches of threads and waits have no row of their own, and what the inspector asks and hears is folded.

mod draw;
mod rows;

use std::fmt;

use crate::plan::Plan;
use crate::rig::Report;
use crate::story::story;

/// The page of a run of `plan`, whose `report` has kept its events.
#[must_use]
pub fn page(plan: &Plan, report: &Report) -> String {
    let violation = report.failure.as_deref();
    let verdict = match violation {
        Some(what) => format!("<p class=bad>VIOLATION: {}</p>", escape(what)),
        None => "<p class=good>nothing was violated</p>".to_owned(),
    };
    let mut told = String::new();
    for said in story(report.trace.events(), violation) {
        let class = match said.trim_start() {
            text if text.starts_with("VIOLATION") => "bad",
            text if text.starts_with("life ") => "life",
            text if text.contains(" fault: ") || text.contains("the machine stops") => "warn",
            _ => "",
        };
        line(&mut told, format_args!("<li class='{class}'>{}</li>", escape(&said)));
    }
    let (rows, lanes) = rows::rows(report.trace.events());
    let drawn = draw::svg(&rows, &lanes);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>engram: seed {seed}</title><style>{STYLE}</style>\
         <h1>engram, seed {seed}</h1>{verdict}<p><a href='#violation'>to the place in the run</a> &middot; hash \
         {hash:016x} &middot; hover for bytes &middot; {LEGEND}</p>\
         <details open><summary>what happened</summary><ol>{told}</ol></details>\
         <details><summary>the plan</summary><pre>{plan}</pre></details>{drawn}</html>\n",
        seed = plan.seed,
        hash = report.trace.hash(),
        plan = escape(&plan.to_string()),
    )
}

const LEGEND: &str = "<span class=k style='background:#cfe3ff'>thread running</span> \
    <span class=k style='background:#ffe9a8'>written, not yet safe</span> <span class=k style='background:#bfe8c4'>\
    synced</span> <span class=k style='background:#ffb25c'>fault</span> <span class=k style='background:#222;color:#fff'>\
    crash</span> <span class=k style='background:#d40000;color:#fff'>violation</span>";

const STYLE: &str = "body{font:14px/1.35 system-ui,sans-serif;margin:16px;color:#1b1b1b}h1{font-size:18px;margin:0 0 6px}\
    .bad{background:#d40000;color:#fff;padding:4px 8px;font-weight:600;white-space:pre-wrap}.good{background:#bfe8c4;\
    padding:4px 8px}.warn{background:#ffd9ad}.life{font-weight:600;margin-top:6px;list-style:none;margin-left:-1.2em}\
    ol{font:12px/1.45 ui-monospace,monospace;margin:6px 0 12px}summary{cursor:pointer;font-weight:600}\
    li{white-space:pre-wrap}pre{font-size:12px}.k{padding:1px 6px;border-radius:3px;font-size:12px}\
    svg text{font:11px ui-monospace,monospace}svg .h{font-weight:700}";

/// Appends a line.
fn line(out: &mut String, text: fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
    out.push('\n');
}

/// Text for HTML and SVG.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::plan::generate;

    #[test]
    fn a_page_shows_every_client_and_is_well_formed_enough() {
        let speak =
            |seed: &u64| generate(*seed).lives[0].clients.iter().filter(|client| !client.is_idle()).count();
        let seed = (0..).find(|seed| speak(seed) == 2).unwrap();
        let plan = generate(seed);
        let report = engine::rig().run(&plan, true);
        let page = page(&plan, &report);
        for wanted in ["client 0", "client 1", "inspector", "main", "disk", "<svg", "</svg>", "life last"] {
            assert!(page.contains(wanted), "{wanted}");
        }
        for tag in ["svg", "g", "details", "ol", "title"] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(
            !page.contains("http://")
                || page.matches("http://").count() == page.matches("xmlns='http://").count()
        );
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a b='c'>&\"\u{7}"), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;\u{fffd}");
    }
}
