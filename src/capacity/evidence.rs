//! What a report says about the capacity of its components, and why it may say nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::report::{App, Load, Report, Status, quantity};

/// From this share of its time on, in percent, a component counts as saturated: the rest goes to the executor's own work.
const SATURATED: f64 = 95.0;

/// While any component is this busy, in percent, it is not the source that keeps the load from being carried.
const NEARLY: f64 = 80.0;

/// Below this share of its time, in percent, a component is too idle to tell what it could do: a percent that was measured wrong
/// would be a large part of it.
const IDLE: f64 = 25.0;

/// Sources that lack less than this share of the load, and a lag that grows by less, carry the load.
const STEADY: f64 = 0.01;

/// From this share of the time on, in percent, back-pressure held the sources up.
const HELD_UP: f64 = 5.0;

/// What a number of records a second and instance stands on; the later, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// It did as much and was not seen at its limit: it can do that at least.
    Carried,
    /// It was busy for less than a quarter of its time: it can do four times as much at least.
    Idle,
    /// The true processing rate, TPS an instance / busy share, as in DS2 and Flink's autoscaler. What an instance does outside the
    /// time that is counted as busy, as (de)serialising in Heron, is not in it.
    Busy,
    /// TPS an instance while it kept the load from being carried: nothing is extrapolated.
    Saturated,
    /// Given by hand.
    Given,
}

impl Basis {
    /// Whether the component may do more than the number says.
    pub fn is_lower_bound(self) -> bool {
        self <= Self::Idle
    }
}

/// What one report says of one component.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Whether it brings the records in.
    pub source: bool,
    /// How many instances it had.
    pub parallelism: u32,
    /// Records a second of all of them; none when that was not measured.
    pub tps: Option<f64>,
    /// Of how many records of the load, a second, one instance does its part, and what that stands on. Taken by the load, and not
    /// by the component's own TPS, it has no more noise than what the sources took.
    pub reading: Option<(f64, Basis)>,
    /// What the busiest instance was given over what a mean one was, where the report has a metric `skew`.
    pub skew: Option<f64>,
    /// Why nothing was extrapolated, where that is the report's fault.
    pub doubt: Option<String>,
    /// CPU cores of one instance.
    pub cpu: Option<f64>,
    /// Memory of one instance.
    pub ram_bytes: Option<u64>,
}

/// One run that can be planned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// How the run is called: its id, else its file.
    pub label: String,
    /// When its load ended.
    pub at: Option<Timestamp>,
    /// The application's name.
    pub app: String,
    /// What it runs on.
    pub engine: String,
    /// The load, in records a second.
    pub rate: f64,
    /// What the sources took of it, in records a second.
    pub tps: f64,
    /// Its components, in the report's order.
    pub components: Vec<Seen>,
    /// The application's settings, but for parallelism and addresses.
    pub settings: BTreeMap<String, String>,
    /// Where it ran.
    pub environment: BTreeMap<String, String>,
}

impl Run {
    /// What a report says; the error is why nothing can be planned from it.
    pub fn of(report: &Report, label: &str) -> Result<Self, String> {
        let app = report.app.as_ref().filter(|app| !app.components.is_empty());
        let app = app.ok_or("it names no components of an application")?;
        if app.dry_run.is_some() {
            return Err("it is of a dry run".to_owned());
        }
        let load = load(report)?;
        undisturbed(report, app, load)?;
        let measured = Measured { report, app, load };
        let tps = measured.source_tps()?;
        let run = report.run.as_ref();
        Ok(Self {
            label: run.map(|run| run.id.clone()).filter(|id| !id.is_empty()).unwrap_or_else(|| label.to_owned()),
            at: load.window.map(|window| window.end).or(run.and_then(|run| run.finished_at)),
            app: app.name.clone(),
            engine: app.engine.clone(),
            rate: load.rate,
            tps,
            components: (0..app.components.len()).map(|at| measured.seen(at, tps)).collect(),
            settings: settings(app),
            environment: report.environment.as_ref().map(|it| it.fingerprint.clone()).unwrap_or_default(),
        })
    }

    /// Its parallelism, in the order of these components.
    pub fn combination<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<u32> {
        let of = |name| self.components.iter().find(|seen| seen.name == name).map_or(0, |seen| seen.parallelism);
        names.map(of).collect()
    }
}

/// The load, if it was the one asked for.
fn load(report: &Report) -> Result<&Load, String> {
    let load = report.load.as_ref().ok_or("it has no load")?;
    match &load.verdict {
        None => Err("its load has no verdict".to_owned()),
        Some(verdict) if matches!(verdict.status, Status::Fail | Status::Inconclusive) => {
            Err(format!("its load was not the one asked for: {}", verdict.cause))
        }
        Some(_) if !(load.rate.is_finite() && load.rate > 0.0) => Err("its load has no rate".to_owned()),
        Some(_) => Ok(load),
    }
}

/// Whether the same instances ran throughout.
fn undisturbed(report: &Report, app: &App, load: &Load) -> Result<(), String> {
    if let Some(event) = app.events.iter().min_by_key(|event| (event.at.is_none(), event.at)) {
        let begin = load.window.map(|window| window.start).or(event.at);
        return Err(event.told(begin.unwrap_or_default()));
    }
    if let Some(restarts) = value(report, "restarts", "").filter(|restarts| *restarts > 0.0) {
        return Err(format!("{} in the window", quantity(restarts, "restarts")));
    }
    for component in &app.components {
        let planned = f64::from(component.parallelism);
        if let Some(living) = value(report, "instances", &component.name)
            && (living - planned).abs() >= 0.5
        {
            return Err(format!("{living} of {planned} instances of {} were seen alive throughout", component.name));
        }
    }
    Ok(())
}

/// What else was set: runs that differ in it may differ in capacity too.
fn settings(app: &App) -> BTreeMap<String, String> {
    let setting = |name: &str| !name.to_lowercase().contains("parallelism") && !name.ends_with("bootstrap.servers");
    let settings = app.properties.iter().filter(|(name, _)| setting(name));
    settings
        .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

/// A report that may be planned from.
struct Measured<'a> {
    report: &'a Report,
    app: &'a App,
    load: &'a Load,
}

impl Measured<'_> {
    fn of(&self, metric: &str, at: usize) -> Option<f64> {
        value(self.report, metric, &self.app.components[at].name)
    }

    fn sources(&self) -> Vec<usize> {
        let components = self.app.components.iter().enumerate();
        let known: Vec<usize> = components
            .filter(|(_, component)| ["spout", "source"].contains(&component.kind.as_str()))
            .map(|(at, _)| at)
            .collect();
        if known.is_empty() { vec![0] } else { known }
    }

    fn source_tps(&self) -> Result<f64, String> {
        let mut sum = 0.0;
        for at in self.sources() {
            let name = &self.app.components[at].name;
            sum += self.of("tps", at).ok_or_else(|| format!("TPS of {name} was not measured"))?;
        }
        if sum > 0.0 { Ok(sum) } else { Err("its sources had no records".to_owned()) }
    }

    /// Whether the load was carried, by what the sources took of it.
    fn carried(&self, tps: f64) -> bool {
        let growing = value(self.report, "lag_growth", "").is_some_and(|growth| growth > STEADY * self.load.rate);
        tps >= (1.0 - STEADY) * self.load.rate && !growing
    }

    /// The component that kept the load from being carried: it is busy all the time, or in Heron, which counts less as busy,
    /// holds the topology up for longest; a lone source when nothing holds it up and nothing else has much to do.
    fn is_bottleneck(&self, at: usize, tps: f64) -> bool {
        if self.carried(tps) {
            return false;
        }
        let all = 0..self.app.components.len();
        let busiest = all.clone().filter_map(|other| self.of("busy", other)).fold(0.0, f64::max);
        if busiest >= SATURATED {
            return self.of("busy", at).is_some_and(|busy| busy >= SATURATED);
        }
        // In Flink the component that is held up has this metric, in Heron the one that holds up.
        let holding = |other: usize| self.of("back_pressure_by_component", other).filter(|share| *share >= HELD_UP);
        if self.app.engine != "flink"
            && let Some(most) = all
                .filter(|other| holding(*other).is_some())
                .max_by(|a, b| holding(*a).unwrap_or_default().total_cmp(&holding(*b).unwrap_or_default()))
        {
            return most == at;
        }
        let held_up = value(self.report, "back_pressure", "").is_none_or(|share| share >= HELD_UP);
        !held_up && busiest < NEARLY && self.sources() == [at]
    }

    fn seen(&self, at: usize, source_tps: f64) -> Seen {
        let component = &self.app.components[at];
        let source = self.sources().contains(&at);
        let count = f64::from(component.parallelism.max(1));
        let tps = self.of("tps", at);
        let busy = self.of("busy", at).map(|busy| busy.min(100.0));
        let skew = self.of("skew", at).filter(|skew| *skew >= 1.0);
        let reading = match busy {
            // The busiest instance is at its limit; the others have less to do by the skew.
            _ if self.is_bottleneck(at, source_tps) => (source_tps / count * skew.unwrap_or(1.0), Basis::Saturated),
            Some(busy) if busy >= IDLE => (source_tps / count / busy * 100.0, Basis::Busy),
            Some(_) => (self.at_least(at, source_tps) / count / IDLE * 100.0, Basis::Idle),
            None => (self.at_least(at, source_tps) / count, Basis::Carried),
        };
        let reading = tps.filter(|tps| *tps > 0.0).map(|_| reading);
        let doubt = match (tps, busy, reading) {
            (None, _, _) => Some("its TPS was not measured".to_owned()),
            (_, Some(busy), Some((_, Basis::Idle))) => {
                Some(format!("it was {} busy, too little to extrapolate from", quantity(busy, "%")))
            }
            _ => None,
        };
        let (name, parallelism) = (component.name.clone(), component.parallelism);
        let (cpu, ram_bytes) = (component.cpu, component.ram_bytes);
        Seen { name, source, parallelism, tps, reading, skew, doubt, cpu, ram_bytes }
    }

    /// Of how many records of the load, a second, all instances of a component did their part. That is the load where it was
    /// carried, whatever little less was measured. A source that back-pressure held up a share b of the time does TPS / (1 - b) when
    /// it is not, as Flink's autoscaler observes it; but one that is paced makes up for its pauses so, and therefore no more than the
    /// load that it was offered is believed.
    fn at_least(&self, at: usize, source_tps: f64) -> f64 {
        let offered = source_tps.max(self.load.rate);
        if self.carried(source_tps) {
            return offered;
        }
        let own = self.of("back_pressure_by_component", at).filter(|_| self.app.engine == "flink");
        match own.or(value(self.report, "back_pressure", "")) {
            Some(share) if self.sources().contains(&at) && share >= HELD_UP => {
                offered.min(source_tps / (1.0 - share.min(99.9) / 100.0))
            }
            _ => source_tps,
        }
    }
}

fn value(report: &Report, metric: &str, component: &str) -> Option<f64> {
    let metric = report.metrics.iter().find(|known| known.name == metric && known.component == component)?;
    metric.value.filter(|value| value.is_finite())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::{Component, Event, EventKind, Metric, Verdict};

    /// The run of a topology: (name, kind, parallelism, TPS, busy in percent).
    pub(in crate::capacity) fn report(rate: f64, components: &[(&str, &str, u32, f64, Option<f64>)]) -> Report {
        let mut report = Report {
            app: Some(App { engine: "heron".into(), name: "preprocessor".into(), ..App::default() }),
            load: Some(Load {
                rate,
                verdict: Some(Verdict { status: Status::Pass, cause: "as planned".into() }),
                ..Load::default()
            }),
            ..Report::default()
        };
        for (name, kind, parallelism, tps, busy) in components {
            report.app.as_mut().unwrap().components.push(Component {
                name: (*name).into(),
                kind: (*kind).into(),
                parallelism: *parallelism,
                ..Component::default()
            });
            add(&mut report, "tps", name, *tps);
            add(&mut report, "instances", name, f64::from(*parallelism));
            busy.iter().for_each(|busy| add(&mut report, "busy", name, *busy));
        }
        report
    }

    pub(in crate::capacity) fn add(report: &mut Report, name: &str, component: &str, value: f64) {
        let (name, component) = (name.to_owned(), component.to_owned());
        report.metrics.push(Metric { name, component, value: Some(value), ..Metric::default() });
    }

    /// 28 transformers do not carry 10,000/s.
    pub(in crate::capacity) fn saturated() -> Report {
        let mut report = report(
            10_000.0,
            &[
                ("kafkaSpout", "spout", 1, 9_793.0, None),
                ("transformer", "bolt", 28, 9_798.0, Some(99.9)),
                ("publisher", "bolt", 3, 9_798.0, Some(93.0)),
            ],
        );
        add(&mut report, "back_pressure", "", 91.0);
        add(&mut report, "lag_growth", "", 208.0);
        report
    }

    /// 29 do.
    pub(in crate::capacity) fn carrying() -> Report {
        let mut report = report(
            10_000.0,
            &[
                ("kafkaSpout", "spout", 1, 9_995.0, None),
                ("transformer", "bolt", 29, 10_027.0, Some(99.0)),
                ("publisher", "bolt", 3, 10_027.0, Some(95.0)),
            ],
        );
        add(&mut report, "back_pressure", "", 0.0);
        add(&mut report, "lag_growth", "", 3.0);
        report
    }

    fn told(report: &Report) -> String {
        match Run::of(report, "report.json") {
            Err(why) => format!("refused: {why}"),
            Ok(run) => {
                let told = run.components.iter().map(|seen| match (seen.reading, &seen.doubt) {
                    (Some((rate, basis)), None) => format!("{} {basis:?} {rate:.1}", seen.name),
                    (Some((rate, basis)), Some(doubt)) => format!("{} {basis:?} {rate:.1}: {doubt}", seen.name),
                    (None, doubt) => format!("{}: {}", seen.name, doubt.as_deref().unwrap_or_default()),
                });
                told.collect::<Vec<_>>().join("\n")
            }
        }
    }

    #[test]
    fn a_component_that_keeps_the_load_from_being_carried_shows_what_it_can_do() {
        insta::assert_snapshot!(told(&saturated()), @r"
        kafkaSpout Carried 10000.0
        transformer Saturated 349.8
        publisher Busy 3510.0
        ");
    }

    #[test]
    fn a_component_of_a_load_that_is_carried_is_extrapolated_by_how_busy_it_is() {
        insta::assert_snapshot!(told(&carrying()), @r"
        kafkaSpout Carried 10000.0
        transformer Busy 348.1
        publisher Busy 3507.0
        ");
    }

    #[test]
    fn an_idle_component_is_taken_for_a_quarter_busy_and_says_so() {
        let report = report(100.0, &[("spout", "spout", 2, 100.0, None), ("bolt", "bolt", 4, 200.0, Some(8.0))]);
        insta::assert_snapshot!(told(&report), @r"
        spout Carried 50.0
        bolt Idle 100.0: it was 8 % busy, too little to extrapolate from
        ");
    }

    #[test]
    fn a_source_that_nothing_holds_up_is_the_bottleneck_itself() {
        let slow = |back_pressure, busy| {
            let mut report = report(100.0, &[("spout", "spout", 2, 90.0, None), ("bolt", "bolt", 1, 90.0, Some(busy))]);
            add(&mut report, "back_pressure", "", back_pressure);
            told(&report).lines().next().unwrap().to_owned()
        };
        assert_eq!(slow(0.0, 50.0), "spout Saturated 45.0");
        // As with topology.max.spout.pending: no back-pressure, but the bolt has nearly all it can do.
        assert_eq!(slow(0.0, 90.0), "spout Carried 45.0");
        // Held up half of the time it would do twice as much, but it was offered no more than 50/s an instance.
        assert_eq!(slow(50.0, 50.0), "spout Carried 50.0");
        assert_eq!(slow(6.0, 50.0), "spout Carried 47.9");
    }

    #[test]
    fn in_heron_the_component_that_holds_the_topology_up_is_the_bottleneck_even_if_little_counts_as_busy() {
        let mut report = report(100.0, &[("spout", "spout", 1, 80.0, None), ("bolt", "bolt", 2, 80.0, Some(60.0))]);
        add(&mut report, "back_pressure", "", 40.0);
        add(&mut report, "back_pressure_by_component", "bolt", 40.0);
        assert!(told(&report).contains("bolt Saturated 40.0"), "{}", told(&report));
        // In Flink the same metric is of the one that is held up.
        report.app.as_mut().unwrap().engine = "flink".into();
        assert!(told(&report).contains("bolt Busy 66.7"), "{}", told(&report));
    }

    #[test]
    fn a_saturated_components_skew_is_in_its_capacity() {
        let mut report = saturated();
        add(&mut report, "skew", "transformer", 1.2);
        assert!(told(&report).contains("transformer Saturated 419.7"), "{}", told(&report));
    }

    #[test]
    fn a_report_that_proves_nothing_is_refused_with_the_reason() {
        type Change = fn(&mut Report);
        let cases: [Change; 9] = [
            |report| report.app = None,
            |report| report.app.as_mut().unwrap().dry_run = Some(Default::default()),
            |report| report.load = None,
            |report| report.load.as_mut().unwrap().verdict = None,
            |report| {
                let verdict = Verdict { status: Status::Fail, cause: "599,000 of 600,000 records".into() };
                report.load.as_mut().unwrap().verdict = Some(verdict);
            },
            |report| {
                let at = Some("2026-01-05T10:12:12Z".parse().unwrap());
                let (kind, component, text) = (EventKind::Restart, "transformer".into(), "7 restarted".into());
                report.app.as_mut().unwrap().events = vec![Event { at, kind, component, text }];
            },
            |report| add(report, "restarts", "", 2.0),
            |report| report.app.as_mut().unwrap().components[1].parallelism = 30,
            |report| report.metrics.retain(|metric| metric.component != "kafkaSpout"),
        ];
        let told = cases.map(|change| {
            let mut report = saturated();
            change(&mut report);
            told(&report)
        });
        insta::assert_snapshot!(told.join("\n"), @r"
        refused: it names no components of an application
        refused: it is of a dry run
        refused: it has no load
        refused: its load has no verdict
        refused: its load was not the one asked for: 599,000 of 600,000 records
        refused: transformer 7 restarted 0 s into the window
        refused: 2 restarts in the window
        refused: 28 of 30 instances of transformer were seen alive throughout
        refused: TPS of kafkaSpout was not measured
        ");
    }
}
