//! What is shown of a report, and in which order: the verdict and its cause first, details last.

mod charts;
mod facts;
mod tables;

pub(super) use charts::{Chart, Form, Line, Stroke};
pub(super) use facts::Fact;
pub(super) use tables::{Kind, Table};

use crate::report::{App, Baseline, Load, Metric, Report, Status, title_of};

/// What stands where a number is missing.
pub(super) const NONE: &str = "–";

/// How many differences the line that forbids a comparison names.
const NAMED: usize = 4;

/// How long a value in that line is, in letters.
const LONGEST: usize = 24;

/// What is shown of a report.
#[derive(Debug)]
pub(super) struct View {
    /// What was tested.
    pub title: String,
    /// The verdict's word, and what colours it.
    pub status: Option<Status>,
    /// The verdict's cause.
    pub cause: String,
    /// What forbids to compare the numbers with the baseline's; empty when nothing does.
    pub alert: String,
    /// The circumstances.
    pub facts: Vec<Fact>,
    /// The numbers: what a message has room for.
    pub numbers: Vec<Table>,
    /// What stands behind them.
    pub tables: Vec<Table>,
    /// What is doubtful or failed.
    pub notes: Vec<String>,
    /// How it went over time.
    pub charts: Vec<Chart>,
    /// What nobody looks for who believes the rest.
    pub details: Vec<Table>,
    /// The queries as they were sent, by metric.
    pub queries: Vec<(String, String)>,
    /// The applications of a run that tests several, one by one.
    pub parts: Vec<View>,
}

impl View {
    /// The view of a report, complete or not.
    pub fn of(report: &Report) -> Self {
        Self::under(report, report.load.as_ref())
    }

    /// The view of a report, or of a part of one whose load is that of the whole run.
    fn under(report: &Report, load: Option<&Load>) -> Self {
        let (status, cause) = match &report.verdict {
            Some(verdict) => (Some(verdict.status), verdict.cause.clone()),
            None => (None, "the run ended before it was judged".to_owned()),
        };
        Self {
            title: title(report),
            status,
            cause,
            alert: report.baseline.as_ref().map_or_else(String::new, alert),
            facts: facts::of(report),
            numbers: tables::numbers(report),
            tables: tables::behind(report, load),
            notes: notes(report),
            charts: charts::of(report, load),
            details: tables::details(report),
            queries: queries(report),
            parts: report.parts.iter().map(|part| Self::under(&part.report(), part.load.as_ref().or(load))).collect(),
        }
    }

    /// The commit that was tested.
    pub fn commit(&self) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.name == "commit")
    }

    /// The verdict as a headline shows it.
    pub fn word(&self) -> &'static str {
        match self.status {
            Some(Status::Pass) => "PASS",
            Some(Status::Warn) => "WARN",
            Some(Status::Fail) => "FAIL",
            Some(Status::Inconclusive) => "INCONCLUSIVE",
            None => "NO VERDICT",
        }
    }
}

fn title(report: &Report) -> String {
    match &report.app {
        Some(App { name, engine, .. }) if !name.is_empty() && report.parts.is_empty() => format!("{name} ({engine})"),
        _ if !report.parts.is_empty() => {
            report.parts.iter().map(|part| title(&part.report())).collect::<Vec<_>>().join(", ")
        }
        _ => "performance test".to_owned(),
    }
}

fn alert(baseline: &Baseline) -> String {
    if baseline.comparable || baseline.runs.is_empty() {
        return String::new();
    }
    let known = |text: &str| if text.is_empty() { NONE.to_owned() } else { short(text) };
    let named = baseline.differences.iter().take(NAMED);
    let mut named: Vec<String> =
        named.map(|one| format!("{} {} → {}", one.name, known(&one.baseline), known(&one.this))).collect();
    if let Some(more) = baseline.differences.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("{more} more"));
    }
    let line = "NOT COMPARABLE with the baseline";
    if named.is_empty() { line.to_owned() } else { format!("{line}: {}", named.join(", ")) }
}

/// As much of a version or an image as tells it from another: an image's end is its tag or digest.
fn short(text: &str) -> String {
    match text.char_indices().nth_back(LONGEST) {
        Some((at, _)) => format!("…{}", &text[at..]),
        None => text.to_owned(),
    }
}

/// A metric's name in words, with its component.
fn named(metric: &str, component: &str) -> String {
    let metric = title_of(metric);
    if component.is_empty() { metric } else { format!("{metric} of {component}") }
}

/// The components as planned, and then those that were only measured.
fn component_names(report: &Report) -> Vec<&str> {
    let planned = report.app.iter().flat_map(|app| &app.components);
    let mut names: Vec<&str> = planned.map(|component| component.name.as_str()).collect();
    for metric in &report.metrics {
        if !metric.component.is_empty() && !names.contains(&metric.component.as_str()) {
            names.push(&metric.component);
        }
    }
    names
}

fn find<'a>(report: &'a Report, name: &str, component: &str) -> Option<&'a Metric> {
    report.metrics.iter().find(|metric| metric.name == name && metric.component == component)
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes: Vec<String> = report
        .errors
        .iter()
        .map(|error| format!("{} (exit {}): {}", error.program, error.exit_code, error.message))
        .collect();
    notes.extend(report.app.iter().flat_map(|app| app.warnings.iter().cloned()));
    for metric in &report.metrics {
        let name = named(&metric.name, &metric.component);
        notes.extend(metric.warnings.iter().map(|warning| format!("{name}: {warning}")));
    }
    notes
}

fn queries(report: &Report) -> Vec<(String, String)> {
    let mut queries: Vec<(String, String)> = Vec::new();
    for metric in report.metrics.iter().filter(|metric| !metric.query.is_empty()) {
        if !queries.iter().any(|(name, _)| *name == title_of(&metric.name)) {
            queries.push((title_of(&metric.name), metric.query.trim().to_owned()));
        }
    }
    queries
}
