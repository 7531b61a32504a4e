//! `get-prometheus-metric` against a real Prometheus whose samples have a known truth.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod baseline;
mod check;
mod dialects;
mod packs;
mod server;
mod sink;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use serde_json::Value;
use server::Server;
use sink::{EXPORT, Instance, LOAD, Live, Topology, Work};
use streamgauge::prometheus::{Args, run};
use streamgauge::report::{
    self, App, Component, Event, EventKind, Latency, Load, Report, Run, Status, StepError, Verdict, Window,
};
use streamgauge::step::{Exit, Failure, Step};

/// A run of the program: its folder, exit and report.
struct Measured {
    folder: tempfile::TempDir,
    exit: Result<Exit, Failure>,
}

impl Measured {
    fn report(&self) -> Report {
        report::read(&self.path("report.json")).unwrap().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn value(&self, name: &str, component: &str) -> f64 {
        let report = self.report();
        let metric = report.metrics.iter().find(|metric| metric.name == name && metric.component == component);
        let metric =
            metric.unwrap_or_else(|| panic!("no {name} of {component:?}: {:?} {:#?}", self.exit, report.metrics));
        metric.value.unwrap_or_else(|| panic!("{name} of {component:?} has no value: {:?}", metric.warnings))
    }

    fn verdict(&self) -> Verdict {
        self.report().verdict.unwrap()
    }
}

/// Measures a Heron topology after what this report says.
async fn measure(endpoint: &str, report: &Report, more: &[&str]) -> Measured {
    let place = ["--params", "cluster=local", "role=ads", "environment=staging"];
    measure_with(
        endpoint,
        report,
        &[&place[..], if more.is_empty() { &["topology=preprocessor"] } else { more }].concat(),
    )
    .await
}

/// Measures after what this report says, with these arguments.
async fn measure_with(endpoint: &str, report: &Report, more: &[&str]) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    report::update(&folder.path().join("report.json"), |file| *file = report.clone()).unwrap();
    let (report, verdict) =
        (format!("--report={}", path("report.json")), format!("--result=verdict={}", path("verdict")));
    let (summary, output) = (format!("--result=summary={}", path("summary")), format!("--output-dir={}", path("out")));
    let mut words = vec!["get-prometheus-metric", "--endpoint", endpoint, &report, &verdict, &summary, &output];
    words.extend(more);
    let args = Args::parse_from(words);
    let step = Step::new(args.step.clone());
    let exit = run(args, &step).await;
    Measured { folder, exit }
}

/// Some hours ago: blocks of past samples must not reach into the head of a running Prometheus.
fn epoch() -> i64 {
    Timestamp::now().as_second() - 4 * 3600
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What the steps before leave in the report: an application of these components, and a load that went well.
fn before(epoch: i64, rate: f64, components: &[(&str, u32)]) -> Report {
    let component = |(name, parallelism): &(&str, u32)| Component {
        name: (*name).to_owned(),
        kind: if name.ends_with("Spout") { "spout" } else { "bolt" }.to_owned(),
        parallelism: *parallelism,
        ..Component::default()
    };
    let count = (rate * (LOAD.end - LOAD.start) as f64) as u64;
    Report {
        run: Some(Run { id: "run-1".into(), commit: "c0ffee".into(), ..Run::default() }),
        app: Some(App {
            engine: "heron".into(),
            name: "preprocessor".into(),
            components: components.iter().map(component).collect(),
            ..App::default()
        }),
        load: Some(Load {
            engine: "builtin".into(),
            planned: count,
            read: count,
            acked: count,
            visible: count,
            rate,
            achieved_rate: rate,
            window: Some(Window { start: at(epoch + LOAD.start), end: at(epoch + LOAD.end) }),
            verdict: Some(Verdict { status: Status::Pass, cause: "as planned".into() }),
            ..Load::default()
        }),
        ..Report::default()
    }
}

fn near(what: &str, measured: f64, truth: f64, percent: f64) {
    let error = (measured - truth).abs() / truth * 100.0;
    assert!(error <= percent, "{what}: measured {measured}, truth {truth}: {error:.2} % off");
}

fn steady() -> Topology {
    let mut instances = vec![
        Instance { work: Work { rate: 900.0, latency: 40.0 }, ..Instance::new("kafkaSpout", 1, 1, 900.0) },
        Instance { work: Work { rate: 100.0, latency: 120.0 }, ..Instance::new("kafkaSpout", 2, 2, 100.0) },
    ];
    instances.extend((3..7).map(|task| Instance::new("transformer", task % 3 + 1, task, 250.0)));
    instances.push(Instance::new("publisher", 3, 7, 1000.0));
    Topology { instances, ..Topology::default() }
}

const PLANNED: [(&str, u32); 3] = [("kafkaSpout", 2), ("transformer", 4), ("publisher", 1)];

#[tokio::test]
async fn a_steady_run_is_measured_as_it_was_and_passes() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    assert_eq!(measured.verdict().cause, "carried 1,000/s: kafkaSpout 1,000/s, back-pressure 0 %, lag steady");
    assert_eq!(measured.verdict().status, Status::Pass);
    assert_eq!(*measured.exit.as_ref().unwrap(), Exit::Done);
    for component in ["kafkaSpout", "transformer", "publisher"] {
        near(component, measured.value("tps", component), 1000.0, 0.1);
    }
    // 900 records/s at 40 ms and 100 at 120 ms: each record counts once.
    near("latency", measured.value("complete_latency", ""), 48.0, 0.1);
    near("busy", measured.value("busy", "transformer"), 50.0, 0.1);
    assert_eq!(measured.value("instances", "transformer"), 4.0);
    assert_eq!(measured.value("lag", ""), 1000.0);
    assert_eq!(measured.value("failures", ""), 0.0);
    assert_eq!(measured.value("restarts", ""), 0.0);
    assert_eq!(std::fs::read_to_string(measured.path("verdict")).unwrap(), "pass");
    let summary = std::fs::read_to_string(measured.path("summary")).unwrap();
    assert_eq!(summary, format!("passed: {}", measured.verdict().cause));
    assert!(measured.report().run.unwrap().finished_at.is_some());
    for file in ["out/report.md", "out/report.html"] {
        let text = std::fs::read_to_string(measured.path(file)).unwrap();
        assert!(text.contains("carried 1,000/s"), "{file}: {text}");
    }
}

#[tokio::test]
async fn an_application_that_cannot_be_asked_what_happened_makes_a_warning() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let mut before = before(epoch, 1000.0, &PLANNED);
    let address = serde_json::json!({"trackerUrl": "http://127.0.0.1:1", "cluster": "local", "role": "ads",
        "environment": "staging"});
    before.app.as_mut().unwrap().address = address.as_object().unwrap().clone();
    let measured = measure(&server.endpoint, &before, &[]).await;
    let verdict = measured.verdict();
    assert_eq!(verdict.status, Status::Warn);
    assert_eq!(
        verdict.cause,
        "carried 1,000/s, but it is not known what happened to preprocessor in the window: cannot ask for topology \"preprocessor\": no answer from Heron's tracker at http://127.0.0.1:1/: Connection refused (os error 111); check --tracker-url"
    );
    assert_eq!(measured.report().app.unwrap().warnings.len(), 1);
}

#[tokio::test]
async fn a_saturated_component_is_named_with_its_numbers() {
    let epoch = epoch();
    let mut instances = vec![Instance::new("kafkaSpout", 1, 1, 9800.0)];
    instances.extend((2..30).map(|task| Instance {
        busy: 0.996,
        // The culprits take turns: none of them alone holds the topology up for long.
        back_pressure: 15.0,
        ..Instance::new("transformer", task % 3 + 1, task, 350.0)
    }));
    instances.extend((30..33).map(|task| Instance::new("publisher", task % 3 + 1, task, 9800.0 / 3.0)));
    let topology = Topology { instances, stopped: 410.0, lag_growth: 200.0, ..Topology::default() };
    let server = Server::with(&topology.samples(epoch));
    let planned = [("kafkaSpout", 1), ("transformer", 28), ("publisher", 3)];
    let measured = measure(&server.endpoint, &before(epoch, 10_000.0, &planned), &[]).await;
    assert_eq!(
        measured.verdict().cause,
        "transformer saturated: 28 × 350/s = 9,800/s < 10,000/s; back-pressure 41 %; lag grows 200/s"
    );
    assert_eq!(*measured.exit.as_ref().unwrap(), Exit::VerdictFail);
    near("back-pressure", measured.value("back_pressure", ""), 41.0, 1.0);
    near("back-pressure of transformer", measured.value("back_pressure_by_component", "transformer"), 42.0, 1.0);
    near("lag growth", measured.value("lag_growth", ""), 200.0, 1.0);
}

#[tokio::test]
async fn demands_in_a_file_take_the_place_of_the_packs() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slo.yaml");
    let judged = async |slo: &str| {
        std::fs::write(&file, slo).unwrap();
        let more = ["topology=preprocessor", "--slo-file", file.to_str().unwrap()];
        measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &more).await
    };
    let measured = judged("checks: [{ metric: complete_latency, criterion: <= 1, warning: <= 2 }]").await;
    assert_eq!(*measured.exit.as_ref().unwrap(), Exit::VerdictFail);
    let cause = measured.verdict().cause;
    assert!(cause.ends_with("demanded at most 1 ms (with a warning <= 2)"), "{cause}");
    let weighed =
        "checks: [{ metric: complete_latency, criterion: <= 1, weight: 0.1 }]\nscore: { pass: 95, warning: 90 }";
    let measured = judged(weighed).await;
    let Verdict { status, cause } = measured.verdict();
    assert_eq!(status, Status::Pass);
    assert!(cause.contains("; score 98 %: complete latency "), "{cause}");
    assert_eq!(measured.report().checks.iter().map(|check| check.weight).sum::<f64>(), 5.1);
    let measured = judged("checks: [{ metric: complete_latency, criterion: <= +10% }]").await;
    assert_eq!(*measured.exit.as_ref().unwrap(), Exit::Inconclusive);
    assert_eq!(measured.verdict().cause, "complete latency cannot be compared with a baseline: none was asked for");
    let measured = judged("checks: [{ metric: complet_latency, criterion: <= 1 }]").await;
    let refused = measured.exit.unwrap_err().to_string();
    assert!(refused.starts_with("--slo-file is on \"complet_latency\", which the pack does not measure"), "{refused}");
}

#[tokio::test]
async fn instances_that_are_served_on_after_their_end_are_not_counted() {
    let epoch = epoch();
    let mut topology = steady();
    // An update two minutes into the load takes a transformer away and moves the publisher; both leave full counts behind.
    let update = LOAD.start + 125;
    for instance in &mut topology.instances {
        if instance.task == 6 || instance.component == "publisher" {
            instance.died = update;
        }
    }
    topology.instances.push(Instance { born: update - EXPORT, ..Instance::new("publisher", 2, 8, 1000.0) });
    let server = Server::with(&topology.samples(epoch));
    let planned = [("kafkaSpout", 2), ("transformer", 3), ("publisher", 1)];
    // Measured from five minutes on, while the dead are still served.
    let measured =
        measure(&server.endpoint, &before(epoch, 1000.0, &planned), &["topology=preprocessor", "--warm-up=150s"]).await;
    near("transformer", measured.value("tps", "transformer"), 750.0, 1.0);
    near("publisher", measured.value("tps", "publisher"), 1000.0, 1.0);
    assert_eq!(measured.value("instances", "transformer"), 3.0);
    assert_eq!(measured.verdict().status, Status::Pass, "{}", measured.verdict().cause);
}

#[tokio::test]
async fn an_instance_lost_in_the_window_is_inconclusive_and_counted_for_as_long_as_it_lived() {
    let epoch = epoch();
    let mut topology = steady();
    topology.instances[5].died = LOAD.start + 900;
    let server = Server::with(&topology.samples(epoch));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    near("transformer", measured.value("tps", "transformer"), topology.truth("transformer"), 1.0);
    assert_eq!(
        measured.verdict().cause,
        "3 of 4 instances of transformer were seen alive throughout: it was not measured as planned"
    );
    assert_eq!(*measured.exit.as_ref().unwrap(), Exit::Inconclusive);
}

/// An `update` in the middle of the load: the spouts are silent for 17 s, a transformer is gone, the publisher is in another
/// container, and what is gone is served on.
fn updated() -> Topology {
    let mut topology = steady();
    let update = LOAD.start + 600;
    for instance in &mut topology.instances {
        match instance.component {
            "kafkaSpout" => instance.pause = update..update + 17,
            "publisher" => instance.died = update,
            _ if instance.task == 6 => instance.died = update,
            _ => {}
        }
    }
    topology.instances.push(Instance { born: update + 12, ..Instance::new("publisher", 2, 7, 1000.0) });
    topology
}

#[tokio::test]
async fn an_update_in_the_window_is_measured_within_a_percent_with_both_naming_schemes() {
    let epoch = epoch();
    for without_rules in [false, true] {
        let topology = Topology { without_rules, ..updated() };
        let server = Server::with(&topology.samples(epoch));
        let (count, context) = match without_rules {
            true => ("heron_execute_count_default", ""),
            false => ("heron_execute_count", ",context=\"default\""),
        };
        let naive = |name: &str, component: &str, more: &str| {
            format!("--query={name}=sum({count}{{component=\"{component}\"{more}}}) / 60")
        };
        let (dead, twice) = (naive("dead", "publisher", context), naive("twice", "transformer", ""));
        let measured =
            measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &["topology=preprocessor", &dead, &twice])
                .await;
        for component in ["kafkaSpout", "transformer"] {
            near(component, measured.value("tps", component), topology.truth(component), 1.0);
        }
        // What its only instance did after its last export is in no metric: half an export more or less, 30 s of 1,665.
        near("publisher", measured.value("tps", "publisher"), topology.truth("publisher"), 1.9);
        near("spouts", measured.value("spout_tps", ""), topology.truth("kafkaSpout"), 1.0);
        near("latency", measured.value("complete_latency", ""), 48.0, 1.0);
        // What the pack does not do: the dead are counted, and each record once for each context.
        assert!(measured.value("dead", "") > 1.3 * topology.truth("publisher"));
        assert!(without_rules || measured.value("twice", "") > 1.9 * topology.truth("transformer"));
    }
}

#[tokio::test]
async fn a_lost_container_is_measured_within_a_percent() {
    let epoch = epoch();
    let mut topology = steady();
    // Its sink is gone with it; two minutes later all is back, under the same names.
    let lost = LOAD.start + 700;
    let back: Vec<Instance> = topology
        .instances
        .iter_mut()
        .filter(|instance| instance.container == 3)
        .map(|instance| {
            (instance.died, instance.served_on) = (lost, 0);
            Instance { born: lost + 120, died: i64::MAX, served_on: 600, ..instance.clone() }
        })
        .collect();
    assert!(back.len() > 1);
    topology.instances.extend(back);
    let server = Server::with(&topology.samples(epoch));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    near("transformer", measured.value("tps", "transformer"), topology.truth("transformer"), 1.0);
    near("spouts", measured.value("spout_tps", ""), 1000.0, 0.1);
    // Nothing at all was heard of the only publisher for a while, and that is not made up for.
    let report = measured.report();
    let publisher =
        report.metrics.iter().find(|metric| metric.name == "tps" && metric.component == "publisher").unwrap();
    assert_eq!(publisher.value, None, "{:?}", publisher.warnings);
    assert_eq!(measured.verdict().status, Status::Inconclusive, "{}", measured.verdict().cause);
}

#[tokio::test]
async fn another_load_before_the_window_does_not_reach_into_it() {
    let epoch = epoch();
    let mut topology = steady();
    for instance in &mut topology.instances {
        instance.before = Work { rate: 3.0 * instance.work.rate, latency: 800.0 };
    }
    let server = Server::with(&topology.samples(epoch));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    for component in ["kafkaSpout", "transformer", "publisher"] {
        near(component, measured.value("tps", component), 1000.0, 0.1);
    }
    near("latency", measured.value("complete_latency", ""), 48.0, 0.1);
}

#[tokio::test]
async fn a_change_of_load_in_the_window_is_measured_within_a_percent_and_each_record_counts_once() {
    let epoch = epoch();
    let mut topology = steady();
    for instance in &mut topology.instances {
        instance.change = LOAD.start + 900;
        instance.after = Work { rate: 3.0 * instance.work.rate, latency: 800.0 };
    }
    let server = Server::with(&topology.samples(epoch));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    for component in ["kafkaSpout", "transformer", "publisher"] {
        near(component, measured.value("tps", component), topology.truth(component), 1.0);
    }
    near("latency", measured.value("complete_latency", ""), topology.true_latency("kafkaSpout"), 1.0);
}

#[tokio::test]
async fn a_query_that_cannot_be_answered_is_unknown_and_the_others_are_measured() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let queries = [
        "--query=twice=sum(timestamp({__name__=~\"heron_(ack|fail)_count\"}))",
        "--query=both=count({__name__=~\"heron_(ack|fail)_count\"})",
    ];
    let more = [&["topology=preprocessor"], &queries[..]].concat();
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &more).await;
    near("spouts", measured.value("spout_tps", ""), 1000.0, 0.1);
    // Seven instances, the five bolts in two contexts.
    assert_eq!(measured.value("both", ""), 24.0);
    let report = measured.report();
    let twice = report.metrics.iter().find(|metric| metric.name == "twice").unwrap();
    assert_eq!(twice.value, None);
    assert!(twice.warnings[0].contains("same labelset"), "{:?}", twice.warnings);
    assert_eq!(measured.verdict().status, Status::Pass, "{}", measured.verdict().cause);
}

#[tokio::test]
async fn intervals_are_detected_and_one_that_was_given_wrongly_is_inconclusive() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let mut report = before(epoch, 1000.0, &PLANNED);
    let more = ["topology=preprocessor", "export-interval=30", "scrape-interval=15"];
    let measured = measure(&server.endpoint, &report, &more).await;
    assert_eq!(measured.verdict().cause, "export_interval was given as 30 s, but the samples say 60 s");
    assert_eq!(measured.verdict().status, Status::Inconclusive);
    report.load.as_mut().unwrap().window = Some(Window { start: at(epoch + 2700), end: at(epoch + 3000) });
    let measured = measure(&server.endpoint, &report, &[]).await;
    assert_eq!(
        measured.verdict().cause,
        "the load of 300 s is too short to measure: the first 135 s still speak of the time before, and what is left holds fewer than 3 exports (exported every 60 s (detected), scraped every 15 s (detected))"
    );
}

#[tokio::test]
async fn the_recorded_sink_with_kubernetes_rules_is_understood() {
    let epoch = epoch();
    let recorded = include_str!("../data/prometheus/heron-with-kubernetes-rules.txt");
    let server = Server::with(&sink::replay(recorded, epoch));
    let report = before(epoch, 1000.0, &[("kafkaSpout", 1), ("transformer", 4), ("publisher", 1)]);
    let measured = measure(&server.endpoint, &report, &[]).await;
    near("spout", measured.value("tps", "kafkaSpout"), 60_000.0 / 60.0, 0.1);
    near("transformer", measured.value("tps", "transformer"), 4.0 * 15_000.0 / 60.0, 0.1);
    near("publisher", measured.value("tps", "publisher"), 59_998.0 / 60.0, 0.1);
    near("busy", measured.value("busy", "publisher"), 1.680_924_705e10 / 60e9 * 100.0, 0.1);
    near("latency", measured.value("complete_latency", ""), 48.386, 0.1);
    assert_eq!(measured.value("instances", "transformer"), 4.0);
    assert_eq!(measured.value("back_pressure", ""), 0.0);
    // Nothing but the spout's lag was recorded without, and the missing lag does not pass.
    assert_eq!(measured.verdict().cause, "lag growth is not known: Prometheus has no such series in the window");
    assert_eq!(measured.verdict().status, Status::Inconclusive);
}

#[tokio::test]
async fn the_recorded_sink_without_rules_is_understood() {
    let epoch = epoch();
    let recorded = include_str!("../data/prometheus/heron-without-rules.txt");
    let server = Server::with(&sink::replay(recorded, epoch));
    let here = ["topology=wc", "role=root", "environment=default"];
    let measured = measure(&server.endpoint, &before(epoch, 47.0, &[]), &here).await;
    near("sentence", measured.value("tps", "sentence"), 2_844.0 / 60.0, 0.1);
    near("split", measured.value("tps", "split"), 1_418.0 / 60.0, 0.1);
    near("latency", measured.value("complete_latency", ""), 241.87, 0.1);
}

#[tokio::test]
async fn a_prometheus_without_the_topology_is_inconclusive() {
    let epoch = epoch();
    let server = Server::with("");
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    assert_eq!(
        measured.verdict().cause,
        "Prometheus has no data of preprocessor in the window: is it scraped, and are topology, role and environment right?"
    );
    assert_eq!(*measured.exit.as_ref().unwrap(), Exit::Inconclusive);
    assert_eq!(std::fs::read_to_string(measured.path("verdict")).unwrap(), "inconclusive");
}

#[test]
fn the_program_prints_the_table_and_its_exit_code_is_the_verdict() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let run = |report: Option<Report>, more: &[&str]| {
        report::update(&path, |file| *file = report.unwrap_or_default()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_get-prometheus-metric"))
            .args(["--endpoint", &server.endpoint, "--report"])
            .arg(&path)
            .args(["--params", "topology=preprocessor", "cluster=local", "role=ads", "environment=staging"])
            .args(more)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, table, _) = run(Some(before(epoch, 1000.0, &PLANNED)), &["--token-file="]);
    assert_eq!(code, Some(0));
    assert!(table.starts_with("PASS  preprocessor (heron)\ncarried 1,000/s"), "{table}");
    assert!(folder.path().join("report.html").exists());
    let (code, table, _) = run(Some(before(epoch, 1000.0, &PLANNED)), &["--slo", "complete_latency <= 40"]);
    assert_eq!(code, Some(1));
    assert!(table.contains("complete latency 48 ms, demanded at most 40 ms"), "{table}");
    let (code, _, said) = run(None, &["--pack=heron"]);
    assert_eq!(code, Some(2));
    assert_eq!(
        said,
        "get-prometheus-metric: no window to measure: the report has no load, so give --window-start and --window-end\n"
    );
    assert_eq!(report::read(&path).unwrap().unwrap().errors[0].exit_code, 2);
}

/// The samples before this time.
fn until(samples: &str, end: i64) -> String {
    let earlier = |line: &&str| line.rsplit(' ').next().is_some_and(|time| time.parse::<i64>().unwrap() < end);
    samples.lines().filter(earlier).fold(String::new(), |kept, line| kept + line + "\n")
}

#[tokio::test]
async fn a_topology_whose_scrapes_end_in_the_window_is_inconclusive() {
    let epoch = epoch();
    let samples = steady().samples(epoch);
    let server = Server::with(&until(&samples, epoch + LOAD.start + 900));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    let verdict = measured.verdict();
    assert_eq!(verdict.status, Status::Inconclusive, "{}", verdict.cause);
    assert_eq!(
        verdict.cause,
        "spout TPS is not known: it is stale: its newest value is 870 s older than the window's end"
    );
}

#[tokio::test]
async fn a_topology_that_was_not_scraped_at_the_end_is_inconclusive() {
    let epoch = epoch();
    let samples = steady().samples(epoch);
    // The queries still see the last export for a minute, and nine tenths of the window are there.
    let server = Server::with(&until(&samples, epoch + LOAD.end - 110));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    let Verdict { status, cause } = measured.verdict();
    assert_eq!(status, Status::Inconclusive, "{cause}");
    assert!(cause.starts_with("spout TPS is not known: it is stale: "), "{cause}");
}

#[tokio::test]
async fn a_query_that_prometheus_answers_from_memory_is_stale() {
    let epoch = epoch();
    let samples = steady().samples(epoch);
    let server = Server::with(&until(&samples, epoch + LOAD.end - 200));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    report::update(&report, |file| *file = Report { app: None, ..before(epoch, 1000.0, &[]) }).unwrap();
    let (report_flag, slo) = (format!("--report={}", report.display()), "--slo=acks >= 1");
    let query = "--query=acks=sum(heron_ack_count{component=\"kafkaSpout\"})";
    let args = Args::parse_from(["get-prometheus-metric", "--endpoint", &server.endpoint, &report_flag, query, slo]);
    let step = Step::new(args.step.clone());
    assert_eq!(run(args, &step).await.unwrap(), Exit::Inconclusive);
    assert_eq!(
        report::read(&report).unwrap().unwrap().verdict.unwrap().cause,
        "acks is not known: it is stale: the newest sample of heron_ack_count{component=\"kafkaSpout\"} is 210 s older than the window's end"
    );
}

#[tokio::test]
async fn the_end_of_the_window_is_waited_for_and_nothing_after_it_is_counted() {
    let live = Live::start().await;
    let server = Server::scraping(live.address);
    let deadline = Timestamp::now() + Duration::from_secs(60);
    while live.scrapes.load(Ordering::Relaxed) < 6 {
        assert!(Timestamp::now() < deadline, "Prometheus did not scrape within 60 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let start = Timestamp::now();
    let window = Window { start, end: start + Duration::from_secs(10) };
    let mut report = before(0, 1000.0, &[("kafkaSpout", 1)]);
    report.load.as_mut().unwrap().window = Some(window);
    let quiet = async {
        let left = window.end.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
        live.load.store(false, Ordering::Relaxed);
    };
    let more = ["topology=preprocessor", "export-interval=1", "scrape-interval=0.5"];
    let (measured, ()) = tokio::join!(measure(&server.endpoint, &report, &more), quiet);
    assert!(Timestamp::now() > window.end);
    near("spout", measured.value("tps", "kafkaSpout"), 1000.0, 2.0);
    near("spouts", measured.value("spout_tps", ""), 1000.0, 2.0);
}

#[tokio::test]
async fn a_prometheus_that_is_down_is_a_refusal_and_no_verdict() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let measured = measure(&format!("http://127.0.0.1:{port}"), &before(epoch(), 1000.0, &PLANNED), &[]).await;
    let failure = measured.exit.as_ref().unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    assert_eq!(
        failure.to_string().replace(&port.to_string(), "PORT"),
        "no answer from Prometheus at http://127.0.0.1:PORT after 5 tries: Connection refused (os error 111); is it running, and reachable from here?"
    );
    assert!(measured.report().verdict.is_none());
}

#[tokio::test]
async fn a_full_report_keeps_to_its_schema() {
    let epoch = epoch();
    let server = Server::with(&steady().samples(epoch));
    let mut before = before(epoch, 1000.0, &PLANNED);
    let latency = Some(Latency { p50: 0.1, p90: 0.5, p99: 2.0, p999: 9.0, max: 12.5 });
    let (app, load) = (before.app.as_mut().unwrap(), before.load.as_mut().unwrap());
    app.properties.insert("kafka.input.parallelism".into(), Value::from("2"));
    app.components[0].cpu = Some(1.0);
    app.components[0].ram_bytes = Some(2 << 30);
    app.warnings = vec!["what happened is not known".into()];
    app.events =
        vec![Event { at: None, kind: EventKind::Lost, component: "publisher".into(), text: "was lost".into() }];
    (app.deployed_at, app.ready_at) = (Some(at(epoch)), Some(at(epoch + 15)));
    (load.send_delay, load.ack_latency) = (latency, latency);
    before.errors.push(StepError::now("send-slack", 4, "channel_not_found".into()));
    let measured = measure(&server.endpoint, &before, &[]).await;
    let schema: Value = serde_json::from_str(include_str!("../../schemas/report.schema.json")).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(measured.path("report.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
