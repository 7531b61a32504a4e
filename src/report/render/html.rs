//! For a browser: one file, no script, nothing loaded.

use std::fmt::Write as _;

use super::chart;
use super::view::{Fact, Kind, NONE, Table, View};
use crate::report::Status;

const STYLE: &str = include_str!("page.css");

pub(super) fn render(view: &View) -> String {
    let title = escape(&format!("{}: {}", view.word(), view.title));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        body(view)
    )
}

/// The verdict first, then the numbers, and all that stands behind them; then, of a run with several applications, each of them.
fn body(view: &View) -> String {
    let mut out = banner(view);
    if !view.alert.is_empty() {
        _ = writeln!(out, "<div class=\"banner warn\" role=\"note\">{}</div>", escape(&view.alert));
    }
    out.extend(view.numbers.iter().map(section));
    if !view.charts.is_empty() {
        out += "<h2>Over the window</h2>\n<div class=\"charts\">\n";
        for one in &view.charts {
            let caption = escape(&format!("{}, {}", one.title, one.unit));
            _ = write!(out, "<figure><figcaption>{caption}</figcaption>\n{}</figure>\n", chart::svg(one));
        }
        out += "</div>\n";
    }
    if !view.facts.is_empty() {
        out += &format!(
            "<h2>The run</h2>\n<dl class=\"facts\">\n{}</dl>\n",
            view.facts.iter().map(fact).collect::<String>()
        );
    }
    out.extend(view.tables.iter().map(section));
    if !view.notes.is_empty() {
        let notes = view.notes.iter().map(|note| format!("<li>{}</li>\n", escape(note)));
        _ = write!(out, "<h2>To look at</h2>\n<ul>\n{}</ul>\n", notes.collect::<String>());
    }
    out.extend(view.details.iter().map(|one| folded(one.title, &table(one))));
    if !view.queries.is_empty() {
        let query = |(name, query): &(String, String)| {
            format!("<dt>{}</dt><dd><pre>{}</pre></dd>\n", escape(name), escape(query))
        };
        let queries: String = view.queries.iter().map(query).collect();
        out += &folded("Queries as they were sent (PromQL)", &format!("<dl>\n{queries}</dl>\n"));
    }
    out.extend(view.parts.iter().map(|part| format!("<section class=\"part\">\n{}</section>\n", body(part))));
    out
}

/// The verdict, its cause, and of which commit.
fn banner(view: &View) -> String {
    let class = view.status.map_or("", Status::as_str);
    let commit = view.commit().map_or(String::new(), |commit| format!("<p class=\"commit\">{}</p>", value(commit)));
    format!(
        "<div class=\"banner {class}\"><h1><b>{}</b> {}</h1><p>{}</p>{commit}</div>\n",
        view.word(),
        escape(&view.title),
        escape(&view.cause)
    )
}

fn fact(fact: &Fact) -> String {
    format!("<dt>{}</dt><dd>{}</dd>\n", fact.name, value(fact))
}

fn value(fact: &Fact) -> String {
    match &fact.link {
        Some(link) => format!("<a href=\"{}\" rel=\"noreferrer\">{}</a>", escape(link), escape(&fact.value)),
        None => escape(&fact.value),
    }
}

fn section(one: &Table) -> String {
    format!("<h2>{}</h2>\n{}", one.title, table(one))
}

fn folded(title: &str, content: &str) -> String {
    format!("<details><summary>{title}</summary>\n{content}</details>\n")
}

fn table(table: &Table) -> String {
    let mut out = String::from("<div class=\"wide\"><table>\n<tr class=\"head\">");
    for column in &table.head {
        _ = write!(out, "<th class=\"{}\">{}</th>", class(column.kind), escape(&column.name));
    }
    out += "</tr>\n";
    for row in &table.rows {
        out += "<tr>";
        for (column, cell) in table.head.iter().zip(row) {
            let tone = match (column.kind, cell.as_str()) {
                (_, NONE) => " none",
                // The first word of a verdict is one of ours.
                (Kind::Verdict, cell) => &format!(" {}", cell.split(' ').next().unwrap_or_default()),
                _ => "",
            };
            let (class, name) = (class(column.kind), escape(&column.name));
            _ = write!(out, "<td class=\"{class}{tone}\" data-column=\"{name}\">{}</td>", escape(cell));
        }
        out += "</tr>\n";
    }
    out + "</table></div>\n"
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Verdict => "verdict",
    }
}

/// Text of others as text.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter if letter.is_control() && letter != '\n' => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
