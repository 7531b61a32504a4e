//! For a terminal: columns of fixed width.

use std::fmt::Write as _;

use super::view::{CHECKS, Table, View};

pub(super) fn render(view: &View) -> String {
    let mut out = format!("{}  {}\n{}\n", view.word(), clean(&view.title), clean(&view.cause));
    if !view.facts.is_empty() {
        out.push('\n');
    }
    let width = view.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &view.facts {
        _ = writeln!(out, "{name:width$}  {}", clean(value));
    }
    for table in &view.tables {
        _ = write!(out, "\n{}", columns(table));
    }
    if !view.notes.is_empty() {
        out.push_str("\nto look at\n");
        for note in &view.notes {
            _ = writeln!(out, "  {}", clean(note));
        }
    }
    for part in &view.parts {
        _ = write!(out, "\n{}", render(part));
    }
    out
}

/// The load and the measurements, without what was demanded of them.
pub(super) fn numbers(view: &View) -> String {
    let load = view
        .facts
        .iter()
        .filter(|(name, _)| *name == "load")
        .map(|(name, value)| format!("{name}  {}\n", clean(value)));
    let tables = view.tables.iter().filter(|table| table.title != CHECKS).map(columns);
    load.chain(tables).collect::<Vec<String>>().join("\n")
}

fn columns(table: &Table) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(&table.head)
        .chain(&table.rows)
        .map(|row| row.iter().map(|cell| clean(cell)).collect())
        .collect();
    let widths: Vec<usize> = (0..table.head.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, &width))| {
                    if column < table.text_columns { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out
}

/// One line without control characters: what other systems said must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
