//! For a pull request.

use std::fmt::Write as _;

use super::view::{Table, View};

pub(super) fn render(view: &View) -> String {
    let mut out = format!("## {}: {}\n\n**{}**\n", view.word(), escape(&view.title), escape(&view.cause));
    if !view.facts.is_empty() {
        out.push('\n');
    }
    for (name, value) in &view.facts {
        _ = writeln!(out, "- {name}: {}", escape(value));
    }
    for table in &view.tables {
        _ = write!(out, "\n### {}\n\n{}", table.title, rows(table));
    }
    if !view.notes.is_empty() {
        out.push_str("\n### To look at\n\n");
        for note in &view.notes {
            _ = writeln!(out, "- {}", escape(note));
        }
    }
    if !view.queries.is_empty() {
        out.push_str("\n<details><summary>Queries</summary>\n\n| metric | PromQL |\n|---|---|\n");
        for (name, query) in &view.queries {
            _ = writeln!(out, "| {} | {} |", escape(name), escape(query));
        }
        out.push_str("\n</details>\n");
    }
    for part in &view.parts {
        _ = write!(out, "\n{}", render(part));
    }
    out
}

fn rows(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = (0..table.head.len()).map(|column| if column < table.text_columns { "---" } else { "---:" });
    let mut out = line(table.head.iter().map(|name| escape(name)).collect());
    _ = writeln!(out, "|{}|", rule.collect::<Vec<_>>().join("|"));
    for row in &table.rows {
        out += &line(row.iter().map(|cell| escape(cell)).collect());
    }
    out
}

/// Text of others as text: no mark-up, no HTML, no table cells, no mention that would call people.
fn escape(text: &str) -> String {
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
