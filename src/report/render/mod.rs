//! The report as people read it: on a terminal, in a pull request, in a browser. All three show the same view.

mod chart;
mod html;
mod markdown;
mod text;
mod view;

use super::Report;
use view::View;

/// The report for a terminal, without colours.
pub fn text(report: &Report) -> String {
    text::render(&View::of(report))
}

/// The report as Markdown, short enough for a pull request.
pub fn markdown(report: &Report) -> String {
    markdown::render(&View::of(report))
}

/// The report as one HTML file that needs nothing else.
pub fn html(report: &Report) -> String {
    html::render(&View::of(report))
}
