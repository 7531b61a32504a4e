//! For a terminal: columns of fixed width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::view::{Kind, Table, View};

pub(super) fn render(view: &View) -> String {
    let mut out = format!("{}  {}\n{}\n", view.word(), clean(&view.title), clean(&view.cause));
    if !view.alert.is_empty() {
        _ = writeln!(out, "{}", clean(&view.alert));
    }
    if !view.facts.is_empty() {
        out.push('\n');
    }
    let width = view.facts.iter().map(|fact| fact.name.width()).max().unwrap_or(0);
    for fact in &view.facts {
        _ = writeln!(out, "{}  {}", padded(fact.name, width, Kind::Text), clean(&fact.value));
    }
    for table in view.numbers.iter().chain(&view.tables) {
        _ = write!(out, "\n{}", columns(table));
    }
    if !view.notes.is_empty() {
        out.push_str("\nto look at\n");
        for note in &view.notes {
            _ = writeln!(out, "  {}", clean(note));
        }
    }
    for table in &view.details {
        _ = write!(out, "\n{}", columns(table));
    }
    for part in &view.parts {
        _ = write!(out, "\n{}", render(part));
    }
    out
}

/// The load and the measurements, without what was demanded of them.
pub(super) fn numbers(view: &View) -> String {
    let alert = Some(&view.alert).filter(|alert| !alert.is_empty()).map(|alert| clean(alert) + "\n");
    let load = view.facts.iter().filter(|fact| fact.name == "load");
    let load = load.map(|fact| format!("{}  {}\n", fact.name, clean(&fact.value)));
    let parts = alert.into_iter().chain(load).chain(view.numbers.iter().map(columns));
    parts.collect::<Vec<String>>().join("\n")
}

pub(super) fn columns(table: &Table) -> String {
    let head = table.head.iter().map(|column| &column.name).collect();
    let rows = table.rows.iter().map(|row| row.iter().collect());
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(rows)
        .map(|row: Vec<&String>| row.into_iter().map(|cell| clean(cell)).collect())
        .collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..table.head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&table.head).zip(&widths);
        let cells: Vec<String> = cells.map(|((cell, column), width)| padded(cell, *width, column.kind)).collect();
        _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out
}

/// A cell as wide as its column is shown; Rust's own padding counts characters, some of which take two places or none.
fn padded(cell: &str, width: usize, kind: Kind) -> String {
    let space = " ".repeat(width.saturating_sub(cell.width()));
    if kind == Kind::Number { space + cell } else { format!("{cell}{space}") }
}

/// One line without control characters: what other systems said must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
