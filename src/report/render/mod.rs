//! The report as people read it: on a terminal, in a pull request, in a browser. All three show the same view.

mod chart;
mod html;
mod markdown;
mod text;
mod view;

use std::path::Path;

pub use markdown::escape as escape_markdown;

use super::{Error, Report};
use view::{Table, View};

/// Shows the report to all: on stdout, and as Markdown and a page beside this path of `report.json`.
#[expect(clippy::print_stdout, reason = "the report is what such a program is for")]
pub fn publish(path: &Path, report: &Report) -> Result<(), Error> {
    let write = |extension: &str, text: String| {
        let path = path.with_extension(extension);
        let folder = path.parent().unwrap_or(Path::new(""));
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
        written.map_err(|source| Error::Write { path, source })
    };
    write("md", markdown(report))?;
    write("html", html(report))?;
    print!("{}", text(report));
    Ok(())
}

/// The report for a terminal, without colours.
pub fn text(report: &Report) -> String {
    text::render(&View::of(report))
}

/// The load, what was measured under it and beside its baseline, for a message that says the rest itself; empty when there is
/// none of it.
pub fn numbers(report: &Report) -> String {
    text::numbers(&View::of(report))
}

/// A table for a terminal, its first columns text and the others numbers.
pub fn table(head: &[&str], text_columns: usize, rows: Vec<Vec<String>>) -> String {
    text::columns(&Table::plain(head, text_columns, rows))
}

/// The report as Markdown, short enough for a comment on a pull request: what is too long loses its end.
pub fn markdown(report: &Report) -> String {
    markdown::render(&View::of(report))
}

/// The report as one HTML file that needs nothing else.
pub fn html(report: &Report) -> String {
    html::render(&View::of(report))
}

#[cfg(test)]
mod tests;
