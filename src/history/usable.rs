//! Which earlier runs count.

use crate::report::{Metric, Report, Status};

/// Why the numbers of a run are none to compare with; nothing when they are.
///
/// Its load has to be the one that was asked for, and the application one and the same throughout. A run that failed its demands
/// was measured as well as any other. So was one that is inconclusive only because it had too little to be compared with: the
/// first run of all would never count otherwise, and so none after it.
pub(super) fn unusable(report: &Report) -> Option<&'static str> {
    let load = report.load.as_ref().and_then(|load| load.verdict.as_ref());
    if !load.is_some_and(|verdict| matches!(verdict.status, Status::Pass | Status::Warn)) {
        return Some("without the load that was asked for");
    }
    let Some(verdict) = &report.verdict else { return Some("without a verdict") };
    if report.app.as_ref().is_some_and(|app| !app.events.is_empty()) {
        return Some("in which something happened to the application");
    }
    if lost_instances(report) {
        return Some("whose instances were not those that were planned");
    }
    if verdict.status == Status::Inconclusive && !was_measured(report) {
        return Some("inconclusive");
    }
    None
}

/// Whether every demand that could not be judged is on a metric that was measured: then what was lacking is something to compare
/// it with, or time for a trend to show.
fn was_measured(report: &Report) -> bool {
    let mut unknown = report.checks.iter().filter(|check| check.status == Status::Inconclusive).peekable();
    unknown.peek().is_some() && unknown.all(|check| check.value.is_some_and(f64::is_finite))
}

fn lost_instances(report: &Report) -> bool {
    let mut planned = report.app.iter().flat_map(|app| &app.components);
    planned.any(|component| {
        let of = |metric: &&Metric| metric.name == "instances" && metric.component == component.name;
        let living = report.metrics.iter().find(of).and_then(|metric| metric.value);
        living.is_some_and(|living| (living - f64::from(component.parallelism)).abs() >= 0.5)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{App, Check, Component, Event, EventKind, Load, Verdict};

    fn verdict(status: Status) -> Option<Verdict> {
        Some(Verdict { status, cause: "so".into() })
    }

    fn check(status: Status, value: Option<f64>) -> Check {
        Check {
            metric: "tps".into(),
            component: String::new(),
            criterion: ">= -5%".into(),
            value,
            limit: None,
            baseline: None,
            interval: None,
            weight: 1.0,
            status,
            cause: "no baseline".into(),
        }
    }

    fn run(load: Status, run: Status, checks: Vec<Check>) -> Report {
        Report {
            load: Some(Load { verdict: verdict(load), ..Load::default() }),
            app: Some(App::default()),
            checks,
            verdict: verdict(run),
            ..Report::default()
        }
    }

    #[test]
    fn a_run_counts_when_it_was_measured_whatever_came_out() {
        use Status::{Fail, Inconclusive, Pass, Warn};
        for (report, why) in [
            (run(Pass, Pass, vec![]), None),
            (run(Warn, Fail, vec![]), None),
            (run(Pass, Inconclusive, vec![check(Inconclusive, Some(9_800.0)), check(Pass, Some(1.0))]), None),
            (
                run(Pass, Inconclusive, vec![check(Inconclusive, Some(1.0)), check(Inconclusive, None)]),
                Some("inconclusive"),
            ),
            (run(Pass, Inconclusive, vec![]), Some("inconclusive")),
            (run(Inconclusive, Pass, vec![]), Some("without the load that was asked for")),
            (Report { verdict: None, ..run(Pass, Pass, vec![]) }, Some("without a verdict")),
            (Report::default(), Some("without the load that was asked for")),
        ] {
            assert_eq!(unusable(&report), why, "{report:?}");
        }
    }

    #[test]
    fn an_application_that_was_not_one_throughout_does_not_count() {
        let mut report = run(Status::Pass, Status::Fail, vec![]);
        let app = report.app.as_mut().unwrap();
        app.components = vec![Component { name: "transformer".into(), parallelism: 29, ..Component::default() }];
        let instances = Metric {
            name: "instances".into(),
            component: "transformer".into(),
            value: Some(29.0),
            ..Metric::default()
        };
        report.metrics = vec![instances];
        assert_eq!(unusable(&report), None);
        report.metrics[0].value = Some(28.0);
        assert_eq!(unusable(&report), Some("whose instances were not those that were planned"));
        let event = Event { at: None, kind: EventKind::Restart, component: String::new(), text: "restarted".into() };
        report.app.as_mut().unwrap().events = vec![event];
        assert_eq!(unusable(&report), Some("in which something happened to the application"));
    }
}
