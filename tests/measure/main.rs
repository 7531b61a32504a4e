//! `get-prometheus-metric` against a real Prometheus whose samples have a known truth.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

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
use sink::{EXPORT, Instance, LOAD, Live, SCRAPE, Topology};
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
        let metric = metric.unwrap_or_else(|| panic!("no {name} of {component:?}"));
        metric.value.unwrap_or_else(|| panic!("{name} of {component:?} has no value: {:?}", metric.warnings))
    }

    fn verdict(&self) -> Verdict {
        self.report().verdict.unwrap()
    }
}

/// Measures with the Heron pack, after a load of this rate.
async fn measure(endpoint: &str, report: &Report, more: &[&str]) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    report::update(&folder.path().join("report.json"), |file| *file = report.clone()).unwrap();
    let (report, verdict) =
        (format!("--report={}", path("report.json")), format!("--result=verdict={}", path("verdict")));
    let (summary, output) = (format!("--result=summary={}", path("summary")), format!("--output-dir={}", path("out")));
    let mut words = vec!["get-prometheus-metric", "--endpoint", endpoint, &report, &verdict, &summary, &output];
    words.extend(["--params", "cluster=local", "role=ads", "environment=staging"]);
    words.extend(if more.is_empty() { &["topology=preprocessor"] } else { more });
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
        Instance { latency: 40.0, ..Instance::new("kafkaSpout", 1, 1, 900.0) },
        Instance { latency: 120.0, ..Instance::new("kafkaSpout", 2, 2, 100.0) },
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
    let mut instances = vec![Instance { latency: 800.0, ..Instance::new("kafkaSpout", 1, 1, 9800.0) }];
    instances.extend((2..30).map(|task| Instance {
        busy: 0.996,
        // The culprits take turns: none of them alone holds the topology up for long.
        back_pressure: 15.0,
        ..Instance::new("transformer", task % 3 + 1, task, 350.0)
    }));
    instances.extend((30..33).map(|task| Instance::new("publisher", task % 3 + 1, task, 9800.0 / 3.0)));
    let topology = Topology { instances, stopped: 410.0, lag_growth: 200.0 };
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
async fn an_instance_lost_in_the_window_is_inconclusive_and_hardly_miscounted() {
    let epoch = epoch();
    let mut topology = steady();
    let died = LOAD.start + 900;
    topology.instances[5].died = died;
    let server = Server::with(&topology.samples(epoch));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    let window = (LOAD.end - LOAD.start - 2 * EXPORT - SCRAPE) as f64;
    let truth = 750.0 + 250.0 * (died - LOAD.start - 2 * EXPORT - SCRAPE) as f64 / window;
    // It counts as living until two exports are overdue.
    near("transformer", measured.value("tps", "transformer"), truth, 2.0);
    assert_eq!(
        measured.verdict().cause,
        "3 of 4 instances of transformer were seen alive throughout: it was not measured as planned"
    );
    assert_eq!(*measured.exit.as_ref().unwrap(), Exit::Inconclusive);
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
    let (code, table, _) = run(Some(before(epoch, 1000.0, &PLANNED)), &["--check", "complete_latency <= 40"]);
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

#[tokio::test]
async fn a_topology_whose_scrapes_end_in_the_window_is_inconclusive() {
    let epoch = epoch();
    let samples = steady().samples(epoch);
    let gone = epoch + LOAD.start + 900;
    let kept: Vec<&str> = samples
        .lines()
        .filter(|line| line.rsplit(' ').next().is_some_and(|time| time.parse::<i64>().unwrap() < gone))
        .collect();
    let server = Server::with(&(kept.join("\n") + "\n"));
    let measured = measure(&server.endpoint, &before(epoch, 1000.0, &PLANNED), &[]).await;
    let verdict = measured.verdict();
    assert_eq!(verdict.status, Status::Inconclusive, "{}", verdict.cause);
    assert!(verdict.cause.contains("of the window only"), "{}", verdict.cause);
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
