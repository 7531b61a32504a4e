//! The judgement: demands on the metrics, and the one line that says why.
//!
//! It fails closed. A demand is met only by a number that was measured; whatever is missing, doubtful or ambiguous is
//! `inconclusive`, and so is a run without a load, with a load that was not the one asked for, or without demands.

mod cause;
mod compare;
mod criterion;
#[cfg(test)]
mod simulation;
mod slo;
mod statistics;
#[cfg(test)]
mod tests;
mod words;

pub use compare::{How, Test, compare};
pub use criterion::Criterion;
pub use slo::{Demand, Error, Score, Severity, Slo};

use criterion::{Answer, Change, Finding, Known};

use crate::report::{Baseline, Check, Direction, Metric, Outcome, Report, Status, Verdict, number, title_of};

/// A lag that grows by less than this share of the load is steady, and spouts that lack less than it carry the load.
const STEADY: f64 = 0.01;

/// Judges a run by its load, application, metrics and baseline. `trouble` is why there are no metrics, when it is known.
///
/// A load that was not the one asked for makes the run inconclusive whatever was measured under it. Otherwise the worst
/// check counts: a broken demand is proven whatever else is unknown, so fail comes before inconclusive, then warn, pass.
/// With a score, a check that is no key takes away its weight only; one that is unknown still makes the run inconclusive,
/// unless the run would fail even if it were met.
pub fn judge(
    report: &Report,
    demands: &[Demand],
    score: Option<Score>,
    trouble: Option<String>,
) -> (Vec<Check>, Verdict) {
    let checks: Vec<Check> = demands.iter().map(|demand| check(report, demand)).collect();
    let reached = score.map(|score| (score, Reached::of(&checks)));
    let verdict = |status, cause| Verdict { status, cause };
    let inconclusive = |cause: String| verdict(Status::Inconclusive, cause);
    let warn = |what: &str| verdict(Status::Warn, format!("{}, but {what}", cause::load(report)));
    let verdict = if let Some(cause) = trouble.or_else(|| load_trouble(report)) {
        inconclusive(cause)
    } else if let Some(failed) = failed(demands, &checks, reached) {
        let cause = cause::saturation(report).unwrap_or(failed);
        let cause = [Some(cause), events(report)].into_iter().flatten().collect::<Vec<_>>().join("; ");
        verdict(Status::Fail, cause)
    } else if let Some(cause) = events(report) {
        inconclusive(cause)
    } else if demands.is_empty() {
        inconclusive("the metric pack demands nothing, so there is nothing to judge by".to_owned())
    } else if report.metrics.iter().all(|metric| metric.value.is_none() && metric.series.is_empty()) {
        inconclusive(nothing_measured(report))
    } else if let Some(unknown) = checks.iter().find(|check| check.status == Status::Inconclusive) {
        inconclusive(unknown.cause.clone())
    } else if let Some((_, Reached { most: None, .. })) = reached {
        inconclusive("no check has a weight, so there is no score".to_owned())
    } else if let Some(cause) = lost_instances(report) {
        inconclusive(cause)
    } else if let Some(warned) = warned(&checks, reached) {
        warn(&warned)
    } else if let Some(cause) = worse(report, demands) {
        warn(&cause)
    } else if let Some(cause) = load_warning(report) {
        warn(&format!("the load: {cause}"))
    } else if let Some(warning) = report.app.iter().flat_map(|app| &app.warnings).next() {
        warn(warning)
    } else {
        let lost = reached.and_then(|(_, reached)| Some((reached.most?, broken(&checks)?)));
        let lost = lost.map(|(score, broken)| format!("; score {}: {}", percent_of(score), broken.cause));
        verdict(Status::Pass, cause::carried(report) + &lost.unwrap_or_default())
    };
    (checks, verdict)
}

/// What share of their weights the checks reached.
#[derive(Clone, Copy)]
struct Reached {
    /// In percent, with those that are unknown taken for met; none when there is no weight at all.
    most: Option<f64>,
}

impl Reached {
    fn of(checks: &[Check]) -> Self {
        let points = |check: &Check| match check.status {
            Status::Pass | Status::Inconclusive => check.weight,
            Status::Warn => check.weight / 2.0,
            Status::Fail => 0.0,
        };
        let weights: f64 = checks.iter().map(|check| check.weight).sum();
        let share = 100.0 * checks.iter().map(points).sum::<f64>() / weights;
        // Weights such as 0.1 do not sum up exactly, and 90 % has to be 90 %.
        Self { most: Some((share * 1e9).round() / 1e9).filter(|share| share.is_finite()) }
    }
}

/// Why the run fails: with a score, a key check or too few points; without one, any check.
fn failed(demands: &[Demand], checks: &[Check], reached: Option<(Score, Reached)>) -> Option<String> {
    let failed = |fatal: fn(&Demand) -> bool| {
        let mut both = demands.iter().zip(checks);
        both.find(|(demand, check)| check.status == Status::Fail && fatal(demand)).map(|(_, check)| check.cause.clone())
    };
    let Some((score, reached)) = reached else { return failed(|_| true) };
    failed(|demand| demand.key).or_else(|| {
        let most = reached.most.filter(|most| *most < score.warning)?;
        let lost = broken(checks).map_or("", |check| &check.cause);
        Some(format!("score {}, at least {} is demanded: {lost}", percent_of(most), percent_of(score.warning)))
    })
}

/// Why the run passes only with a warning: with a score, too few points; without one, a check that warns.
fn warned(checks: &[Check], reached: Option<(Score, Reached)>) -> Option<String> {
    let Some((score, reached)) = reached else {
        return checks.iter().find(|check| check.status == Status::Warn).map(|check| check.cause.clone());
    };
    let most = reached.most.filter(|most| *most < score.pass)?;
    let lost = broken(checks).map_or("", |check| &check.cause);
    Some(format!("the score is {}, {} is demanded: {lost}", percent_of(most), percent_of(score.pass)))
}

/// The check that costs the score most.
fn broken(checks: &[Check]) -> Option<&Check> {
    let cost = |check: &Check| match check.status {
        Status::Fail => check.weight,
        Status::Warn => check.weight / 2.0,
        Status::Pass | Status::Inconclusive => 0.0,
    };
    // Of several the first: max_by would take the last.
    checks.iter().rev().filter(|check| cost(check) > 0.0).max_by(|a, b| cost(a).total_cmp(&cost(b)))
}

fn percent_of(score: f64) -> String {
    format!("{} %", number(score))
}

/// What got worse for certain, where nobody said what may: no check is relative to the baseline.
fn worse(report: &Report, demands: &[Demand]) -> Option<String> {
    let relative =
        |demand: &Demand| demand.criterion.is_relative() || demand.warning.as_ref().is_some_and(Criterion::is_relative);
    let baseline = report.baseline.as_ref().filter(|baseline| baseline.comparable)?;
    if demands.iter().any(relative) {
        return None;
    }
    let mut worse = report.metrics.iter().filter(|metric| metric.direction != Direction::None).filter_map(|metric| {
        let comparison = baseline.comparisons.iter().find(|comparison| {
            (&comparison.metric, &comparison.component) == (&metric.name, &metric.component)
                && comparison.outcome == Outcome::Worse
        })?;
        Some((metric, comparison))
    });
    let (metric, comparison) = worse.next()?;
    let name = title(&metric.name, &metric.component);
    let told = format!("{name} {} against {}", words::moved(comparison, &metric.unit), baseline.name(8)?);
    Some(match worse.count() {
        0 => told,
        more => format!("{told}, and {} got worse", words::plural(more as u32, "more metric")),
    })
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

/// What happened to the application inside the window, the first of it in words: it was not one application that was
/// measured throughout.
fn events(report: &Report) -> Option<String> {
    let events = &report.app.as_ref()?.events;
    // Those without a time come last: it is not known that they were first.
    let first = events.iter().min_by_key(|event| (event.at.is_none(), event.at))?;
    let begin = report.load.as_ref().and_then(|load| load.window).map(|window| window.start);
    let told = first.told(begin.or(first.at).unwrap_or_default());
    Some(match events.len() - 1 {
        0 => told,
        1 => format!("{told}, and 1 more event"),
        more => format!("{told}, and {more} more events"),
    })
}

/// What is to be looked at of a load that was the one asked for.
fn load_warning(report: &Report) -> Option<&str> {
    let verdict = report.load.as_ref()?.verdict.as_ref()?;
    (verdict.status == Status::Warn).then_some(verdict.cause.as_str())
}

fn nothing_measured(report: &Report) -> String {
    let name = report.app.as_ref().map_or("the application", |app| app.name.as_str());
    format!(
        "Prometheus has no data of {name} in the window: is it scraped, and are topology, role and environment right?"
    )
}

fn check(report: &Report, demand: &Demand) -> Check {
    let mut check = Check {
        metric: demand.metric.clone(),
        component: demand.component.clone(),
        criterion: demand.criterion.to_string(),
        value: None,
        limit: None,
        baseline: None,
        interval: None,
        weight: demand.weight,
        status: Status::Inconclusive,
        cause: String::new(),
    };
    let metric = match find(&report.metrics, demand) {
        Ok(metric) => metric,
        Err(cause) => return Check { cause, ..check },
    };
    let name = title(&demand.metric, &demand.component);
    check.value = metric.value.filter(|value| value.is_finite());
    let Some(value) = check.value.filter(|_| metric.samples > 0) else {
        let why = match metric.warnings.as_slice() {
            [] if check.value.is_some() => "it stands on no sample".to_owned(),
            [] => "it has no value".to_owned(),
            warnings => warnings.join("; "),
        };
        return Check { cause: format!("{name} is not known: {why}"), ..check };
    };
    let load = report.load.as_ref().map(|load| load.rate).filter(|rate| rate.is_finite());
    let change = change(report, demand);
    let change = change.as_ref().map(|change| *change).map_err(String::as_str);
    let known = Known { value, unit: &metric.unit, trend: metric.interval, load, change };
    let (status, found) = answer(demand, &known);
    if demand.criterion.is_relative() {
        check.baseline = change.ok().map(|change| change.baseline);
    }
    Check { status, limit: found.limit, interval: found.interval, cause: format!("{name} {}", found.text), ..check }
}

/// What the criterion says, and where it is broken, the one for a warning.
fn answer(demand: &Demand, known: &Known<'_>) -> (Status, Finding) {
    let found = demand.criterion.judge(known);
    match (found.answer, demand.severity, &demand.warning) {
        (Answer::Kept, _, _) => (Status::Pass, found),
        (Answer::Unknown, _, _) => (Status::Inconclusive, found),
        (Answer::Broken, Severity::Warn, _) => (Status::Warn, found),
        (Answer::Broken, Severity::Fail, None) => (Status::Fail, found),
        (Answer::Broken, Severity::Fail, Some(warning)) => match warning.judge(known) {
            Finding { answer: Answer::Kept, .. } => (Status::Warn, found),
            Finding { answer: Answer::Broken, .. } => {
                (Status::Fail, Finding { text: format!("{} (with a warning {warning})", found.text), ..found })
            }
            unknown => (Status::Inconclusive, unknown),
        },
    }
}

/// How the metric differs from its baseline, or why nobody knows, in words that follow its name.
fn change<'a>(report: &'a Report, demand: &Demand) -> Result<Change<'a>, String> {
    let cannot = |why: &str| format!("cannot be compared with a baseline: {why}");
    let Some(baseline) = &report.baseline else { return Err(cannot("none was asked for")) };
    let Some(name) = baseline.name(8) else {
        return Err(cannot(if baseline.note.is_empty() { "there is none" } else { &baseline.note }));
    };
    if !baseline.comparable {
        return Err(format!("cannot be compared with {name}: {}", not_comparable(baseline)));
    }
    let mut named = baseline
        .comparisons
        .iter()
        .filter(|comparison| (&comparison.metric, &comparison.component) == (&demand.metric, &demand.component));
    let (Some(comparison), None) = (named.next(), named.next()) else {
        return Err(format!("was not compared with {name}"));
    };
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let interval = comparison.interval.filter(|(low, high)| low.is_finite() && high.is_finite());
    match (finite(comparison.baseline), finite(comparison.change), interval) {
        (Some(0.0), _, _) => {
            Err(format!("was 0 in {name}, and there are no percents of 0: demand a number of its own"))
        }
        (Some(baseline), Some(percent), Some(interval)) => Ok(Change { comparison, name, baseline, percent, interval }),
        _ if comparison.cause.is_empty() => {
            Err(format!("cannot be compared with {name}: it is not known by how much it changed"))
        }
        _ => Err(format!("cannot be compared with {name}: {}", comparison.cause)),
    }
}

/// In what a run and its baseline differ so that their numbers say nothing of each other.
fn not_comparable(baseline: &Baseline) -> String {
    let Some(first) = baseline.differences.first() else {
        return if baseline.note.is_empty() { "they are not comparable".to_owned() } else { baseline.note.clone() };
    };
    let or_none = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
    let told = format!("{} was {} there and is {} here", first.name, or_none(&first.baseline), or_none(&first.this));
    match baseline.differences.len() - 1 {
        0 => told,
        more => format!("{told}, and {}", words::plural(more as u32, "more difference")),
    }
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
        ([], [one]) if one.component.is_empty() && one.value.is_none() => Ok(one),
        ([], [one]) if one.component.is_empty() => {
            Err(format!("{name} was not measured; {} is of the application as a whole", title_of(&demand.metric)))
        }
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
    let metric = title_of(metric);
    if component.is_empty() { metric } else { format!("{metric} of {component}") }
}
