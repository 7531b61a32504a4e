//! What is drawn of a report.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::component_names;
use crate::report::{Latency, Load, Metric, Report, number, title_of};

/// The most points of a line: more cannot be told apart.
const POINTS: usize = 200;

/// What people look for first; the rest follows in the order of the metric pack.
const FIRST: [&str; 4] = ["tps", "complete_latency", "lag", "back_pressure_by_component"];

/// A chart.
#[derive(Debug)]
pub(in super::super) struct Chart {
    /// What it shows.
    pub title: String,
    /// The unit of its values.
    pub unit: String,
    /// How it shows it.
    pub form: Form,
}

/// The form of a chart.
#[derive(Debug)]
pub(in super::super) enum Form {
    /// Lines over the seconds of the window.
    OverTime {
        /// The first and the last second that is shown, the same in all charts of a report.
        seconds: (f64, f64),
        /// The lines.
        lines: Vec<Line>,
    },
    /// Distributions side by side, by name.
    Percentiles(Vec<(&'static str, Latency)>),
}

/// A line of a chart.
#[derive(Debug)]
pub(in super::super) struct Line {
    /// The component, or what else it shows; empty for the whole application.
    pub name: String,
    /// How it is told from others.
    pub stroke: Stroke,
    /// (Seconds into the window, value).
    pub points: Vec<(f64, f64)>,
}

/// How a line is told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Stroke {
    /// A component has the same in all charts of a report.
    Component(usize),
    /// What was asked of the application.
    Load,
}

/// The charts of a report: how the metrics went over the window of this load, and how late its own records were sent.
pub(super) fn of(report: &Report, load: Option<&Load>) -> Vec<Chart> {
    let mut charts = Time::of(report, load).map_or_else(Vec::new, |time| over_time(report, load, &time));
    charts.extend(report.load.as_ref().and_then(delays));
    charts
}

fn over_time(report: &Report, load: Option<&Load>, time: &Time) -> Vec<Chart> {
    let components = component_names(report);
    let mut seen = BTreeSet::new();
    let mut charts: Vec<Chart> = Vec::new();
    let mut drawn: Vec<&[(f64, f64)]> = Vec::new();
    for name in order(report) {
        let same = report.metrics.iter().filter(|metric| metric.name == name && metric.series.len() > 1);
        let same: Vec<&Metric> = same.collect();
        // What never moved from zero, and how many instances there were, is said by the tables.
        let moves = same.iter().flat_map(|metric| &metric.series).any(|(_, value)| *value != 0.0);
        // One series under two names (the lag and its growth) makes one chart.
        let is_new = same.iter().any(|metric| !drawn.contains(&metric.series.as_slice()));
        let Some(first) = same.first().filter(|first| moves && is_new && first.unit != "instances") else { continue };
        if !seen.insert(name) {
            continue;
        }
        let mut lines: Vec<Line> = same.iter().map(|metric| time.line(metric, &components)).collect();
        if first.unit == "records/s" {
            lines.extend(load.map(|load| time.load(load)));
        }
        charts.push(Chart {
            title: title_of(name),
            unit: first.unit.clone(),
            form: Form::OverTime { seconds: time.seconds, lines },
        });
        drawn.extend(same.iter().map(|metric| metric.series.as_slice()));
    }
    charts
}

/// The metrics' names, those first that people look for first.
fn order(report: &Report) -> Vec<&str> {
    let mut names: Vec<&str> = report.metrics.iter().map(|metric| metric.name.as_str()).collect();
    names.sort_by_key(|name| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    names
}

/// The distributions of how late records were sent and acknowledged.
fn delays(load: &Load) -> Option<Chart> {
    let known =
        [("send delay", load.send_delay), ("acknowledgement", load.ack_latency), ("due to acknowledged", load.latency)];
    let known: Vec<(&str, Latency)> = known.into_iter().filter_map(|(name, latency)| Some((name, latency?))).collect();
    let some = known.iter().any(|(_, latency)| latency.max > 0.0);
    some.then(|| Chart { title: "send delay".to_owned(), unit: "ms".to_owned(), form: Form::Percentiles(known) })
}

/// The time that all charts of a report have in common.
struct Time {
    /// Second 0 as Unix seconds: the begin of the window.
    zero: f64,
    /// The first and the last second that is shown.
    seconds: (f64, f64),
}

impl Time {
    /// None when nothing was measured over time.
    fn of(report: &Report, load: Option<&Load>) -> Option<Self> {
        let times: Vec<f64> = report.metrics.iter().flat_map(|metric| &metric.series).map(|(time, _)| *time).collect();
        let first = times.iter().copied().reduce(f64::min)?;
        let last = times.iter().copied().reduce(f64::max)?;
        let window = load.and_then(|load| load.window);
        let (zero, end) = window.map_or((first, last), |window| (unix(window.start), unix(window.end)));
        Some(Self { zero, seconds: (first.min(zero) - zero, last.max(end) - zero) })
    }

    fn line(&self, metric: &Metric, components: &[&str]) -> Line {
        let index = components.iter().position(|name| *name == metric.component).unwrap_or(0);
        Line {
            name: metric.component.clone(),
            stroke: Stroke::Component(index),
            points: metric.series.iter().map(|(time, value)| (time - self.zero, *value)).collect(),
        }
    }

    /// The load as it was acknowledged second by second, else as it was asked for.
    fn load(&self, load: &Load) -> Line {
        let length = load.window.map_or(0.0, |window| unix(window.end) - unix(window.start));
        // The second in which the window ends is none.
        let whole = load.per_second.iter().filter(|(second, _)| (second + 1) as f64 <= length);
        let points: Vec<(f64, f64)> = whole.map(|(second, records)| (*second as f64 + 0.5, *records as f64)).collect();
        let (name, points) = match points.len() {
            0 | 1 => (format!("load {}/s", number(load.rate)), self.level(load.rate)),
            _ => ("load".to_owned(), thinned(&points)),
        };
        Line { name, stroke: Stroke::Load, points }
    }

    fn level(&self, value: f64) -> Vec<(f64, f64)> {
        vec![(self.seconds.0, value), (self.seconds.1, value)]
    }
}

/// Means of so many neighbours that the points can be told apart.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let of = |chunk: &[(f64, f64)]| {
        let (times, values): (Vec<f64>, Vec<f64>) = chunk.iter().copied().unzip();
        (mean(&times), mean(&values))
    };
    points.chunks(points.len().div_ceil(POINTS)).map(of).collect()
}

fn unix(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Window;

    fn window(seconds: i64) -> Option<Window> {
        let at = |second| Timestamp::from_second(1_800_000_000 + second).unwrap();
        Some(Window { start: at(0), end: at(seconds) })
    }

    fn tps() -> Metric {
        Metric {
            name: "tps".into(),
            unit: "records/s".into(),
            series: vec![(1_800_000_020.0, 99.0), (1_800_000_059.0, 101.0)],
            ..Metric::default()
        }
    }

    fn drawn(load: Load) -> (usize, Line) {
        let report = Report { load: Some(load), metrics: vec![tps()], ..Report::default() };
        let mut charts = of(&report, report.load.as_ref());
        let Form::OverTime { seconds, lines } = charts.remove(0).form else { unreachable!("TPS is drawn over time") };
        assert_eq!(seconds, (0.0, report.load.and_then(|load| load.window).map_or(39.0, |_| 60.0)));
        (charts.len(), lines.into_iter().next_back().unwrap())
    }

    #[test]
    fn the_load_is_drawn_as_it_was_acknowledged_in_whole_seconds() {
        let per_second = (0..=60).map(|second| (second, if second == 60 { 3 } else { 100 + second % 2 })).collect();
        let (_, load) = drawn(Load { rate: 100.0, window: window(60), per_second, ..Load::default() });
        assert_eq!((load.name.as_str(), load.stroke, load.points.len()), ("load", Stroke::Load, 60));
        assert_eq!(load.points.last(), Some(&(59.5, 101.0)));
    }

    #[test]
    fn a_load_that_is_known_as_a_rate_only_is_drawn_as_a_level() {
        let (_, load) = drawn(Load { rate: 1_000.0, window: window(60), ..Load::default() });
        assert_eq!((load.name.as_str(), load.points), ("load 1,000/s", vec![(0.0, 1_000.0), (60.0, 1_000.0)]));
        let (_, load) = drawn(Load { rate: 1_000.0, ..Load::default() });
        assert_eq!(load.points, [(0.0, 1_000.0), (39.0, 1_000.0)]);
    }

    #[test]
    fn an_hour_of_seconds_becomes_means_that_can_be_told_apart() {
        let hour: Vec<(f64, f64)> = (0..3_600).map(|second| (f64::from(second), f64::from(second % 2))).collect();
        let thin = thinned(&hour);
        assert_eq!((thin.len(), thin[0]), (200, (8.5, 0.5)));
    }

    #[test]
    fn delays_are_drawn_when_there_were_any() {
        let latency = Some(Latency { p50: 0.5, p90: 1.0, p99: 2.0, p999: 3.0, max: 4.0 });
        assert_eq!(drawn(Load { send_delay: latency, window: window(60), ..Load::default() }).0, 1);
        assert_eq!(drawn(Load { send_delay: Some(Latency::default()), window: window(60), ..Load::default() }).0, 0);
    }
}
