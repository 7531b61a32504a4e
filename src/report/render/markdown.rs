//! For a pull request.

use std::fmt::Write as _;

use super::view::{Fact, Kind, Table, View};

/// The most bytes of a report: a third of the 65,536 characters that GitHub takes in a comment, for it is not alone there.
const LONGEST: usize = 21_000;

/// The most characters of a cell or a line that others wrote.
const LONGEST_TEXT: usize = 1_000;

/// What is left out of a report that is too long, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Cut {
    Nothing,
    Queries,
    Details,
}

/// The report, without as much of its end as it is too long.
pub(super) fn render(view: &View) -> String {
    let texts = [Cut::Nothing, Cut::Queries, Cut::Details].map(|cut| (cut, part(view, cut)));
    let fits = |(_, text): &&(Cut, String)| text.len() <= LONGEST;
    match texts.iter().find(fits) {
        Some((Cut::Nothing, text)) => text.clone(),
        Some((_, text)) => format!("{text}\n*Too long for here: report.html and report.json have the rest.*\n"),
        None => cut(&texts[2].1),
    }
}

/// As many lines as there is room for: none is cut in two, so that no mark-up is left open.
fn cut(text: &str) -> String {
    let mut out = String::new();
    let mut room = LONGEST;
    for line in text.lines() {
        match room.checked_sub(line.len() + 1) {
            Some(left) => room = left,
            None => break,
        }
        out += line;
        out.push('\n');
    }
    out + "\n*Cut here, it is too long: report.html and report.json have the rest.*\n"
}

fn part(view: &View, cut: Cut) -> String {
    let mut out = format!("## {}: {}\n\n**{}**\n", view.word(), told(&view.title), told(&view.cause));
    if let Some(commit) = view.commit() {
        _ = write!(out, "\n{}\n", value(commit));
    }
    if !view.alert.is_empty() {
        _ = write!(out, "\n> [!WARNING]\n> {}\n", told(&view.alert));
    }
    out.extend(view.numbers.iter().map(section));
    if !view.facts.is_empty() {
        out.push_str("\n### The run\n\n");
    }
    for fact in &view.facts {
        _ = writeln!(out, "- {}: {}", fact.name, value(fact));
    }
    out.extend(view.tables.iter().map(section));
    if !view.notes.is_empty() {
        out.push_str("\n### To look at\n\n");
        for note in &view.notes {
            _ = writeln!(out, "- {}", told(note));
        }
    }
    for table in view.details.iter().filter(|_| cut < Cut::Details) {
        out += &folded(table.title, &rows(table));
    }
    if !view.queries.is_empty() && cut < Cut::Queries {
        let queries = view.queries.iter().map(|(name, query)| format!("{}\n\n{}", told(name), code(query)));
        out += &folded("Queries", &queries.collect::<Vec<_>>().join("\n"));
    }
    for one in &view.parts {
        _ = write!(out, "\n{}", part(one, cut));
    }
    out
}

fn section(table: &Table) -> String {
    format!("\n### {}\n\n{}", table.title, rows(table))
}

fn value(fact: &Fact) -> String {
    let text = told(&fact.value);
    match &fact.link {
        // An address as the browser writes it has neither spaces nor these.
        Some(link) => format!("[{text}](<{}>)", link.replace('<', "%3C").replace('>', "%3E")),
        None => text,
    }
}

fn folded(title: &str, content: &str) -> String {
    format!("\n<details><summary>{title}</summary>\n\n{content}\n</details>\n")
}

fn rows(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = table.head.iter().map(|column| if column.kind == Kind::Number { "---:" } else { "---" });
    let mut out = line(table.head.iter().map(|column| told(&column.name)).collect());
    _ = writeln!(out, "|{}|", rule.collect::<Vec<_>>().join("|"));
    for row in &table.rows {
        out += &line(row.iter().zip(&table.head).map(|(text, column)| cell(text, column.kind)).collect());
    }
    out
}

/// A cell; what is bad is found at once.
fn cell(text: &str, kind: Kind) -> String {
    let bad = kind == Kind::Verdict && (text.starts_with("fail") || text.starts_with("worse"));
    if bad { format!("**{}**", told(text)) } else { told(text) }
}

/// Code in a fence that is longer than any in it.
fn code(text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let text: String = text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
    format!("{fence}promql\n{text}\n{fence}\n")
}

/// As much of others' text as there is room for, as text.
fn told(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((at, _)) => escape(&text[..at]) + "…",
        None => escape(text),
    }
}

/// Text of others as text: no mark-up, no HTML, no table cells, no mention that would call people.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            // Between commit messages and code hosts, `@name` calls people and `#1` links issues.
            '@' | '#' => _ = write!(out, "&#{};", letter as u32),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
