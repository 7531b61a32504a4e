//! What is shown of a report, and in which order: the verdict and its cause first, details last.

use std::collections::BTreeSet;

use crate::report::{App, Load, Metric, Part, Report, Status, number, quantity, title_of};

/// What stands where a number is missing.
const NONE: &str = "–";

/// The title of the table of checks.
pub(super) const CHECKS: &str = "Checks";

/// What is shown of a report.
#[derive(Debug)]
pub(super) struct View {
    /// What was tested.
    pub title: String,
    /// The verdict's word, and what colours it.
    pub status: Option<Status>,
    /// The verdict's cause.
    pub cause: String,
    /// The circumstances, as (name, value).
    pub facts: Vec<(&'static str, String)>,
    /// The numbers.
    pub tables: Vec<Table>,
    /// What is doubtful or failed.
    pub notes: Vec<String>,
    /// How it went over time.
    pub charts: Vec<Chart>,
    /// The queries as they were sent, by metric.
    pub queries: Vec<(String, String)>,
    /// The applications of a run that tests several, one by one.
    pub parts: Vec<View>,
}

/// A table. The first column is text, the others are numbers unless the table says otherwise.
#[derive(Debug)]
pub(super) struct Table {
    /// What it shows.
    pub title: &'static str,
    /// The columns' names.
    pub head: Vec<String>,
    /// How many columns from the left are text.
    pub text_columns: usize,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

/// A chart of one metric: a line for each component.
#[derive(Debug)]
pub(super) struct Chart {
    /// What it shows.
    pub title: String,
    /// The unit of its values.
    pub unit: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// A level to compare with: name and value.
    pub level: Option<(String, f64)>,
}

/// A line of a chart.
#[derive(Debug)]
pub(super) struct Line {
    /// The component; empty for the whole application.
    pub name: String,
    /// Which colour it has: the same in all charts of a report.
    pub colour: usize,
    /// (Unix seconds, value).
    pub points: Vec<(f64, f64)>,
}

impl View {
    /// The view of a report, complete or not.
    pub fn of(report: &Report) -> Self {
        let (status, cause) = match &report.verdict {
            Some(verdict) => (Some(verdict.status), verdict.cause.clone()),
            None => (None, "the run ended before it was judged".to_owned()),
        };
        let tables = [applications(report), components(report), whole(report), checks(report)];
        Self {
            title: title(report),
            status,
            cause,
            facts: facts(report),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            notes: notes(report),
            charts: charts(report),
            queries: queries(report),
            parts: report.parts.iter().map(|part| Self::of(&part.report())).collect(),
        }
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

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
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

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, value: String| {
        if !value.is_empty() {
            facts.push((name, value));
        }
    };
    if let Some(run) = &report.run {
        let subject = run.message.lines().next().unwrap_or_default();
        let commit: String = run.commit.chars().take(12).collect();
        add("commit", [commit.as_str(), subject].join(" ").trim().to_owned());
        add("author", run.author.clone());
        add("run", run.id.clone());
    }
    if let Some(load) = &report.load {
        add("load", load_line(load));
        if let Some(window) = load.window {
            add("window", format!("{:.0} – {:.0}", window.start, window.end));
        }
        if let Some(delay) = load.send_delay {
            let (p50, p99) = (quantity(delay.p50, "ms"), quantity(delay.p99, "ms"));
            add("send delay", format!("p50 {p50}, p99 {p99}, max {}", quantity(delay.max, "ms")));
        }
    }
    facts
}

fn load_line(load: &Load) -> String {
    let mut line =
        format!("{} of {} records at {}/s", number(load.acked as f64), number(load.planned as f64), number(load.rate));
    if load.achieved_rate > 0.0 {
        line += &format!(" (reached {}/s)", number(load.achieved_rate));
    }
    if !load.source.is_empty() {
        line += &format!(", {} → {}", load.source, load.target);
    }
    match &load.verdict {
        Some(verdict) if verdict.status != Status::Pass => {
            line + &format!(", {}: {}", verdict.status.as_str(), verdict.cause)
        }
        _ => line,
    }
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

/// The applications side by side: a row for each metric of a whole application.
fn applications(report: &Report) -> Table {
    let parts: Vec<Report> = report.parts.iter().map(Part::report).collect();
    let mut names: Vec<&str> = Vec::new();
    for metric in parts.iter().flat_map(measured_as_a_whole) {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    let cell = |part: &Report, name: &str| {
        let metric = find(part, name, "").and_then(|metric| Some((metric.value?, &metric.unit)));
        metric.map_or(NONE.to_owned(), |(value, unit)| quantity(value, unit))
    };
    let row = |name: &str| {
        let values = parts.iter().map(|part| cell(part, name));
        std::iter::once(title_of(name)).chain(values).collect()
    };
    let verdict = |part: &Part| part.verdict.as_ref().map_or(NONE, |verdict| verdict.status.as_str()).to_owned();
    let verdicts = std::iter::once("verdict".to_owned()).chain(report.parts.iter().map(verdict)).collect();
    Table {
        title: "Applications",
        head: std::iter::once("metric".to_owned()).chain(report.parts.iter().map(|part| part.name.clone())).collect(),
        text_columns: 1,
        rows: match report.parts.is_empty() {
            true => Vec::new(),
            false => std::iter::once(verdicts).chain(names.into_iter().map(row)).collect(),
        },
    }
}

/// A row for each component: how many, how much, how busy.
fn components(report: &Report) -> Table {
    let rows = if report.metrics.is_empty() { Vec::new() } else { component_names(report) };
    Table {
        title: "Components",
        head: head(&["component", "parallelism", "TPS", "TPS/instance", "busy", "capacity", "back-pressure"]),
        text_columns: 1,
        rows: rows.into_iter().map(|name| component_row(report, name)).collect(),
    }
}

fn component_row(report: &Report, name: &str) -> Vec<String> {
    let value = |metric: &str| find(report, metric, name).and_then(|metric| metric.value);
    let show = |value: Option<f64>, unit: &str| value.map_or(NONE.to_owned(), |value| quantity(value, unit));
    let mut planned = report.app.iter().flat_map(|app| &app.components);
    let parallelism =
        planned.find(|component| component.name == name).map(|component| f64::from(component.parallelism));
    let (tps, instances, busy) = (value("tps"), value("instances"), value("busy"));
    let per_instance = tps.zip(instances).filter(|(_, count)| *count > 0.0).map(|(tps, count)| tps / count);
    // An instance that is hardly used says nothing about what it could do.
    let capacity = tps.zip(busy).filter(|(_, busy)| *busy >= 1.0).map(|(tps, busy)| tps / busy.min(100.0) * 100.0);
    vec![
        name.to_owned(),
        match (parallelism, instances) {
            (Some(planned), Some(living)) if planned != living => format!("{} of {}", number(living), number(planned)),
            (planned, living) => planned.or(living).map_or(NONE.to_owned(), number),
        },
        show(tps, "records/s"),
        show(per_instance, "records/s"),
        show(busy, "%"),
        show(capacity, "records/s"),
        show(value("back_pressure_by_component"), "%"),
    ]
}

/// The metrics of the whole application.
fn whole(report: &Report) -> Table {
    let metrics = measured_as_a_whole(report);
    Table {
        title: "Application",
        head: head(&["metric", "value", "samples"]),
        text_columns: 1,
        rows: metrics
            .map(|metric| {
                let value = metric.value.map_or(NONE.to_owned(), |value| quantity(value, &metric.unit));
                vec![title_of(&metric.name), value, metric.samples.to_string()]
            })
            .collect(),
    }
}

fn measured_as_a_whole(report: &Report) -> impl Iterator<Item = &Metric> {
    report.metrics.iter().filter(|metric| metric.component.is_empty() && !is_split(report, metric))
}

/// Whether a metric without a component is one that came out empty and would have had components.
fn is_split(report: &Report, metric: &Metric) -> bool {
    report.metrics.iter().any(|other| other.name == metric.name && !other.component.is_empty())
}

fn checks(report: &Report) -> Table {
    Table {
        title: CHECKS,
        head: head(&["check", "verdict", "cause"]),
        text_columns: 3,
        rows: report
            .checks
            .iter()
            .map(|check| {
                let of = if check.component.is_empty() { String::new() } else { format!(" of {}", check.component) };
                let demand = format!("{}{of} {}", title_of(&check.metric), check.criterion);
                vec![demand, check.status.as_str().to_owned(), check.cause.clone()]
            })
            .collect(),
    }
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes: Vec<String> = report
        .errors
        .iter()
        .map(|error| format!("{} (exit {}): {}", error.program, error.exit_code, error.message))
        .collect();
    for metric in &report.metrics {
        let of = if metric.component.is_empty() { String::new() } else { format!(" of {}", metric.component) };
        notes.extend(metric.warnings.iter().map(|warning| format!("{}{of}: {warning}", title_of(&metric.name))));
    }
    notes
}

fn charts(report: &Report) -> Vec<Chart> {
    let names = component_names(report);
    let mut seen = BTreeSet::new();
    let mut charts: Vec<Chart> = Vec::new();
    for metric in &report.metrics {
        if !seen.insert(metric.name.as_str()) {
            continue;
        }
        let same = report.metrics.iter().filter(|other| other.name == metric.name && other.series.len() > 1);
        let lines: Vec<Line> = same
            .map(|other| Line {
                name: other.component.clone(),
                colour: names.iter().position(|name| *name == other.component).unwrap_or(0),
                points: other.series.clone(),
            })
            .collect();
        // What never moved from zero, and how many instances there were, is said by the tables.
        let moves = lines.iter().flat_map(|line| &line.points).any(|(_, value)| *value != 0.0);
        // One series under two names (the lag and its growth) makes one chart.
        let drawn = |line: &Line| charts.iter().flat_map(|chart| &chart.lines).any(|other| other.points == line.points);
        if !moves || metric.unit == "instances" || lines.iter().all(drawn) {
            continue;
        }
        let level =
            report.load.as_ref().filter(|_| metric.unit == "records/s").map(|load| ("load".to_owned(), load.rate));
        charts.push(Chart { title: title_of(&metric.name), unit: metric.unit.clone(), lines, level });
    }
    charts
}

fn queries(report: &Report) -> Vec<(String, String)> {
    let mut queries: Vec<(String, String)> = Vec::new();
    for metric in &report.metrics {
        if !queries.iter().any(|(name, _)| *name == title_of(&metric.name)) {
            queries.push((title_of(&metric.name), metric.query.clone()));
        }
    }
    queries
}

fn find<'a>(report: &'a Report, name: &str, component: &str) -> Option<&'a Metric> {
    report.metrics.iter().find(|metric| metric.name == name && metric.component == component)
}
