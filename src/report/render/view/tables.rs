//! The numbers of a report as tables.

use super::{NONE, component_names, find, named};
use crate::report::{
    Check, Comparison, Difference, Event, EventKind, Load, Metric, Outcome, Part, Report, Status, between, change,
    change_between, number, quantity, title_of,
};

/// A table.
#[derive(Debug)]
pub(in super::super) struct Table {
    /// What it shows.
    pub title: &'static str,
    /// The columns.
    pub head: Vec<Column>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

/// A column of a table.
#[derive(Debug)]
pub(in super::super) struct Column {
    /// What is in it.
    pub name: String,
    /// How it is read.
    pub kind: Kind,
}

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// From the left.
    Text,
    /// Digit by digit.
    Number,
    /// As a word of ours that says good or bad.
    Verdict,
}

use Kind::{Number, Text, Verdict};

impl Table {
    fn new<const N: usize>(title: &'static str, head: [(&str, Kind); N], rows: Vec<Vec<String>>) -> Self {
        let column = |(name, kind): (&str, Kind)| Column { name: name.to_owned(), kind };
        Self { title, head: head.into_iter().map(column).collect(), rows }
    }

    /// A table whose first columns are text and the others numbers.
    pub fn plain(head: &[&str], text_columns: usize, rows: Vec<Vec<String>>) -> Self {
        let kind = |index| if index < text_columns { Text } else { Number };
        let column = |(index, name): (usize, &&str)| Column { name: (*name).to_owned(), kind: kind(index) };
        Self { title: "", head: head.iter().enumerate().map(column).collect(), rows }
    }

    /// The table without the columns of these names.
    fn without(mut self, names: &[&str]) -> Self {
        let keep: Vec<bool> = self.head.iter().map(|column| !names.contains(&column.name.as_str())).collect();
        let kept =
            |row: Vec<String>| row.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(cell, _)| cell).collect();
        self.rows = self.rows.into_iter().map(kept).collect();
        self.head.retain(|column| !names.contains(&column.name.as_str()));
        self
    }
}

/// What was measured: the first that is looked at.
pub(super) fn numbers(report: &Report) -> Vec<Table> {
    filled([applications(report), metrics(report), components(report), changes(report)])
}

/// What was demanded, and what happened.
pub(super) fn behind(report: &Report, load: Option<&Load>) -> Vec<Table> {
    filled([differences(report), checks(report), events(report, load)])
}

/// How it was compared, what ran and where.
pub(super) fn details(report: &Report) -> Vec<Table> {
    filled([comparisons(report), settings(report), environment(report)])
}

fn filled<const N: usize>(tables: [Table; N]) -> Vec<Table> {
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

/// The applications side by side: a row for each metric of a whole application.
fn applications(report: &Report) -> Table {
    let parts: Vec<Report> = report.parts.iter().map(Part::report).collect();
    let mut names: Vec<&str> = Vec::new();
    for part in &parts {
        for metric in part.metrics.iter().filter(|metric| is_whole(part, metric)) {
            if !names.contains(&metric.name.as_str()) {
                names.push(&metric.name);
            }
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
    let rows = match parts.is_empty() {
        true => Vec::new(),
        false => std::iter::once(verdicts).chain(names.into_iter().map(row)).collect(),
    };
    let mut table = Table::new("Applications", [("metric", Text)], rows);
    table.head.extend(report.parts.iter().map(|part| Column { name: part.name.clone(), kind: Number }));
    table
}

/// A row for each metric of the whole application, and for those of components that were judged or have changed.
fn metrics(report: &Report) -> Table {
    let compared = report.baseline.as_ref().is_some_and(|baseline| !baseline.comparisons.is_empty());
    let judged = report.metrics.iter().any(|metric| !checks_of(report, metric).is_empty());
    let rows = report.metrics.iter().filter(|metric| is_shown(report, metric)).map(|metric| metric_row(report, metric));
    let head = [
        ("metric", Text),
        ("baseline", Number),
        (if compared { "this" } else { "value" }, Number),
        ("change", Number),
        ("interval", Number),
        ("samples", Number),
        ("verdict", Verdict),
    ];
    let table = Table::new("Metrics", head, rows.collect());
    match (compared, judged) {
        (true, _) => table.without(&["samples"]),
        (false, true) => table.without(&["baseline", "change", "interval"]),
        (false, false) => table.without(&["baseline", "change", "interval", "verdict"]),
    }
}

fn metric_row(report: &Report, metric: &Metric) -> Vec<String> {
    let comparison = comparison_of(report, metric);
    let show = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| quantity(value, &metric.unit));
    // The change is that of the means over all runs of the commit, where there are several.
    let value = comparison.and_then(|comparison| comparison.value).or(metric.value);
    let slope = metric.interval.filter(|_| value == metric.value);
    vec![
        named(&metric.name, &metric.component),
        show(comparison.and_then(|comparison| comparison.baseline)),
        slope.map_or(show(value), |slope| format!("{} ({})", show(value), between(slope, &metric.unit))),
        comparison.and_then(|comparison| comparison.change).map_or(NONE.to_owned(), change),
        comparison.and_then(|comparison| comparison.interval).map_or(NONE.to_owned(), change_between),
        metric.samples.to_string(),
        verdict_of(&checks_of(report, metric), comparison),
    ]
}

/// The worst that a metric's checks say, else what the comparison says; and how many runs would say more.
fn verdict_of(checks: &[&Check], comparison: Option<&Comparison>) -> String {
    let worst = [Status::Fail, Status::Inconclusive, Status::Warn, Status::Pass];
    let worst = worst.into_iter().find(|status| checks.iter().any(|check| check.status == *status));
    let word = match (worst, comparison) {
        (Some(status), _) => status.as_str(),
        (None, Some(comparison)) => outcome(comparison.outcome),
        (None, None) => return NONE.to_owned(),
    };
    let open = matches!(word, "unknown" | "inconclusive");
    match comparison.and_then(|comparison| comparison.more_runs).filter(|runs| open && *runs > 0) {
        Some(1) => format!("{word} (1 more run)"),
        Some(runs) => format!("{word} ({runs} more runs)"),
        None => word.to_owned(),
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Better => "better",
        Outcome::Worse => "worse",
        Outcome::Changed => "changed",
        Outcome::Same => "same",
        Outcome::Unknown => "unknown",
    }
}

fn is_shown(report: &Report, metric: &Metric) -> bool {
    let moved = |comparison: &Comparison| !matches!(comparison.outcome, Outcome::Same | Outcome::Unknown);
    is_whole(report, metric)
        || !checks_of(report, metric).is_empty()
        || comparison_of(report, metric).is_some_and(moved)
}

/// Whether a metric is of the whole application, and not one that came out empty and would have had components.
fn is_whole(report: &Report, metric: &Metric) -> bool {
    let of_component = |other: &Metric| other.name == metric.name && !other.component.is_empty();
    metric.component.is_empty() && !report.metrics.iter().any(of_component)
}

fn checks_of<'a>(report: &'a Report, metric: &Metric) -> Vec<&'a Check> {
    let of_it = |check: &&Check| check.metric == metric.name && check.component == metric.component;
    report.checks.iter().filter(of_it).collect()
}

fn comparison_of<'a>(report: &'a Report, metric: &Metric) -> Option<&'a Comparison> {
    let mut comparisons = report.baseline.iter().flat_map(|baseline| &baseline.comparisons);
    comparisons.find(|comparison| comparison.metric == metric.name && comparison.component == metric.component)
}

/// A row for each component: how many, how much, how busy.
fn components(report: &Report) -> Table {
    let names = if report.metrics.is_empty() { Vec::new() } else { component_names(report) };
    let head = [
        ("component", Text),
        ("parallelism", Number),
        ("TPS", Number),
        ("TPS/instance", Number),
        ("busy", Number),
        ("capacity", Number),
        ("back-pressure", Number),
    ];
    Table::new("Components", head, names.into_iter().map(|name| component_row(report, name)).collect())
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

/// The settings that are not the baseline's: what the experiment is about.
fn changes(report: &Report) -> Table {
    let rows = report.baseline.iter().flat_map(|baseline| &baseline.settings).map(difference_row);
    Table::new(
        "Settings that differ from the baseline",
        [("setting", Text), ("baseline", Text), ("this", Text)],
        rows.collect(),
    )
}

fn differences(report: &Report) -> Table {
    let rows = report.baseline.iter().flat_map(|baseline| &baseline.differences).map(difference_row);
    Table::new(
        "Environment and load that differ from the baseline",
        [("what differs", Text), ("baseline", Text), ("this", Text)],
        rows.collect(),
    )
}

fn difference_row(one: &Difference) -> Vec<String> {
    let known = |text: &str| if text.is_empty() { NONE.to_owned() } else { text.to_owned() };
    vec![one.name.clone(), known(&one.baseline), known(&one.this)]
}

fn checks(report: &Report) -> Table {
    let unit = |check: &Check| {
        let exact = find(report, &check.metric, &check.component);
        let metric = exact.or_else(|| report.metrics.iter().find(|metric| metric.name == check.metric));
        metric.map_or("", |metric| metric.unit.as_str())
    };
    let row = |check: &Check| {
        vec![
            format!("{} {}", named(&check.metric, &check.component), check.criterion),
            check.status.as_str().to_owned(),
            number(check.weight),
            check.baseline.map_or(NONE.to_owned(), |value| quantity(value, unit(check))),
            check.interval.map_or(NONE.to_owned(), |bounds| between(bounds, unit(check))),
            check.cause.clone(),
        ]
    };
    let head = [
        ("check", Text),
        ("verdict", Verdict),
        ("weight", Number),
        ("baseline", Number),
        ("interval", Number),
        ("cause", Text),
    ];
    let mut unused = Vec::new();
    for (name, used) in [
        ("weight", report.checks.iter().any(|check| check.weight != 1.0)),
        ("baseline", report.checks.iter().any(|check| check.baseline.is_some())),
        ("interval", report.checks.iter().any(|check| check.interval.is_some())),
    ] {
        if !used {
            unused.push(name);
        }
    }
    Table::new("Checks", head, report.checks.iter().map(row).collect()).without(&unused)
}

/// What happened to the application inside the window, in order.
fn events(report: &Report, load: Option<&Load>) -> Table {
    let window = load.and_then(|load| load.window);
    let when = |event: &Event| match (event.at, window) {
        (Some(at), Some(window)) => format!("{} s into the window", at.duration_since(window.start).as_secs().max(0)),
        (Some(at), None) => format!("{at:.0}"),
        (None, _) => "since it was ready".to_owned(),
    };
    let row = |event: &Event| {
        let kind = match event.kind {
            EventKind::Exception => "exception",
            EventKind::Restart => "restart",
            EventKind::Lost => "lost",
            EventKind::Moved => "moved",
        };
        vec![kind.to_owned(), when(event), event.component.clone(), event.text.clone()]
    };
    let head = [("event", Text), ("when", Text), ("component", Text), ("what", Text)];
    Table::new("Events", head, report.app.iter().flat_map(|app| &app.events).map(row).collect())
}

/// What each comparison stands on.
fn comparisons(report: &Report) -> Table {
    let row = |one: &Comparison| {
        vec![
            named(&one.metric, &one.component),
            outcome(one.outcome).to_owned(),
            one.change.map_or(NONE.to_owned(), change),
            if one.test.is_empty() { NONE.to_owned() } else { one.test.clone() },
            one.p_value.map_or(NONE.to_owned(), probability),
            one.effect.map_or(NONE.to_owned(), number),
            one.cause.clone(),
        ]
    };
    let head = [
        ("compared", Text),
        ("verdict", Verdict),
        ("change", Number),
        ("test", Text),
        ("p", Number),
        ("effect", Number),
        ("cause", Text),
    ];
    let rows = report.baseline.iter().flat_map(|baseline| &baseline.comparisons).map(row).collect();
    Table::new("How it was compared", head, rows)
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// What the commit set.
fn settings(report: &Report) -> Table {
    let properties = report.app.iter().flat_map(|app| &app.properties);
    let shown = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let rows = properties.map(|(name, value)| vec![name.clone(), shown(value)]).collect();
    Table::new("Settings", [("property", Text), ("value", Text)], rows)
}

fn environment(report: &Report) -> Table {
    let known = report.environment.iter().flat_map(|environment| &environment.fingerprint);
    let rows = known.map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    Table::new("Environment", [("environment", Text), ("value", Text)], rows)
}
