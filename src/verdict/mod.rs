//! The judgement: demands on the metrics, and the one line that says why.
//!
//! It fails closed. A demand is met only by a number that was measured; whatever is missing, doubtful or ambiguous is
//! `inconclusive`, and so is a run without a load, with a load that was not the one asked for, or without demands.

mod cause;
mod criterion;

pub use criterion::Criterion;

use serde::Deserialize;

use crate::report::{Check, Metric, Report, Status, Verdict, quantity};

/// What is demanded of a metric.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The metric's name.
    pub metric: String,
    /// The component; empty for a metric of the whole application.
    #[serde(default)]
    pub component: String,
    /// The limit.
    pub criterion: Criterion,
    /// What breaking it means.
    #[serde(default)]
    pub severity: Severity,
}

/// What breaking a demand means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run fails.
    #[default]
    Fail,
    /// The run passes, with something to look at.
    Warn,
}

/// Judges a run by its load, application and metrics. `trouble` is why there are no metrics, when it is known.
///
/// A load that was not the one asked for makes the run inconclusive whatever was measured under it. Otherwise the worst
/// check counts: a broken demand is proven whatever else is unknown, so fail comes before inconclusive, then warn, pass.
pub fn judge(report: &Report, demands: &[Demand], trouble: Option<String>) -> (Vec<Check>, Verdict) {
    let checks: Vec<Check> = demands.iter().map(|demand| check(report, demand)).collect();
    let inconclusive = |cause: String| Verdict { status: Status::Inconclusive, cause };
    let verdict = if let Some(cause) = trouble.or_else(|| load_trouble(report)) {
        inconclusive(cause)
    } else if let Some(failed) = checks.iter().find(|check| check.status == Status::Fail) {
        let cause = cause::saturation(report).unwrap_or_else(|| failed.cause.clone());
        Verdict { status: Status::Fail, cause }
    } else if demands.is_empty() {
        inconclusive("the metric pack demands nothing, so there is nothing to judge by".to_owned())
    } else if report.metrics.iter().all(|metric| metric.value.is_none() && metric.series.is_empty()) {
        inconclusive(nothing_measured(report))
    } else if let Some(unknown) = checks.iter().find(|check| check.status == Status::Inconclusive) {
        inconclusive(unknown.cause.clone())
    } else if let Some(cause) = lost_instances(report) {
        inconclusive(cause)
    } else if let Some(warned) = checks.iter().find(|check| check.status == Status::Warn) {
        Verdict { status: Status::Warn, cause: format!("{}, but {}", cause::carried(report), warned.cause) }
    } else if report.load.as_ref().and_then(|load| load.verdict.as_ref()).is_some_and(|v| v.status == Status::Warn) {
        Verdict { status: Status::Warn, cause: format!("{}; the load has a warning", cause::carried(report)) }
    } else {
        Verdict { status: Status::Pass, cause: cause::carried(report) }
    };
    (checks, verdict)
}

/// Why the load is none to judge by.
fn load_trouble(report: &Report) -> Option<String> {
    let Some(load) = &report.load else {
        return Some("the report has no load, so nobody knows what the application was given".to_owned());
    };
    match &load.verdict {
        None => Some("the load did not end with a verdict of its own".to_owned()),
        Some(verdict) if matches!(verdict.status, Status::Fail | Status::Inconclusive) => {
            Some(format!("the load was not the one asked for: {}", verdict.cause))
        }
        Some(_) if !(load.rate.is_finite() && load.rate > 0.0) => Some("the load has no rate".to_owned()),
        Some(_) => None,
    }
}

fn nothing_measured(report: &Report) -> String {
    let name = report.app.as_ref().map_or("the application", |app| app.name.as_str());
    match report.metrics.first() {
        None => format!("nothing was measured of {name}"),
        Some(_) => {
            format!(
                "Prometheus has no data of {name} in the window: is it scraped, and are topology, role and environment right?"
            )
        }
    }
}

fn check(report: &Report, demand: &Demand) -> Check {
    let limit = demand.criterion.limit(report.load.as_ref().map(|load| load.rate));
    let mut check = Check {
        metric: demand.metric.clone(),
        component: demand.component.clone(),
        criterion: demand.criterion.to_string(),
        value: None,
        limit,
        status: Status::Inconclusive,
        cause: String::new(),
    };
    let metric = match find(&report.metrics, demand) {
        Ok(metric) => metric,
        Err(cause) => return Check { cause, ..check },
    };
    let name = title(&demand.metric, &demand.component);
    check.value = metric.value.filter(|value| value.is_finite());
    (check.status, check.cause) = match (check.value, limit) {
        (None, _) => {
            let why =
                if metric.warnings.is_empty() { "it has no value".to_owned() } else { metric.warnings.join("; ") };
            (Status::Inconclusive, format!("{name} is not known: {why}"))
        }
        (Some(_), None) => (Status::Inconclusive, format!("{name} cannot be compared with a load that is not known")),
        (Some(value), Some(limit)) => {
            let met = demand.criterion.holds(value, limit);
            let status = match (met, demand.severity) {
                (true, _) => Status::Pass,
                (false, Severity::Fail) => Status::Fail,
                (false, Severity::Warn) => Status::Warn,
            };
            let (is, limit) = (quantity(value, &metric.unit), quantity(limit, &metric.unit));
            let demanded = if met { "as demanded" } else { "demanded is" };
            (status, format!("{name} is {is}, {demanded} {} {limit}", demand.criterion.words()))
        }
    };
    check
}

/// The one metric that is meant.
fn find<'a>(metrics: &'a [Metric], demand: &Demand) -> Result<&'a Metric, String> {
    let name = title(&demand.metric, &demand.component);
    let named: Vec<&Metric> = metrics.iter().filter(|metric| metric.name == demand.metric).collect();
    let meant: Vec<&&Metric> = named.iter().filter(|metric| metric.component == demand.component).collect();
    match (meant.as_slice(), named.as_slice()) {
        ([one], _) => Ok(one),
        ([], []) => Err(format!("{name} was not measured")),
        // A metric that came out empty has no components to choose from, but it says why.
        ([], [one]) if one.component.is_empty() => Ok(one),
        ([], several) => {
            let components: Vec<&str> = several.iter().map(|metric| metric.component.as_str()).collect();
            Err(format!("{name} was not measured; there is {} of {}", demand.metric, components.join(", ")))
        }
        (several, _) => Err(format!("{name} was measured {} times: one is meant", several.len())),
    }
}

/// Why the instances that were measured are not those that were planned.
fn lost_instances(report: &Report) -> Option<String> {
    let living: Vec<&Metric> = report.metrics.iter().filter(|metric| metric.name == "instances").collect();
    if living.is_empty() {
        return None;
    }
    report.app.iter().flat_map(|app| &app.components).find_map(|component| {
        let planned = component.parallelism;
        match living.iter().find(|metric| metric.component == component.name).and_then(|metric| metric.value) {
            Some(value) if (value - f64::from(planned)).abs() < 0.5 => None,
            Some(value) => Some(format!(
                "{value} of {planned} instances of {} were seen alive throughout: it was not measured as planned",
                component.name
            )),
            None => Some(format!("no living instance of {} was seen, {planned} are planned", component.name)),
        }
    })
}

fn title(metric: &str, component: &str) -> String {
    let metric = metric.replace('_', " ");
    if component.is_empty() { metric } else { format!("{metric} of {component}") }
}
