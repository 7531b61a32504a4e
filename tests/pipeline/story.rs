//! The product's story, against the truth: what the topology's own counters say, which are no metrics.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use streamgauge::local::RunStatus;
use streamgauge::report::{Report, Status};

use crate::bench::{Bench, Ended, PIPELINE, unwatched};

/// How far a measured number may be from the truth.
const TOLERANCE: f64 = 0.02;
/// What a pause of a busy computer may add to one mean and not to the other, when it falls on the window's edge.
const PAUSE_MS: f64 = 5.0;

/// What is not looked at: queues fill and compilers warm up.
const WARM_UP: Duration = Duration::from_secs(20);

/// What the counters say between two moments.
struct Truth {
    counters: Vec<Value>,
}

impl Truth {
    /// The counters of the sandbox's only topology, over the part of the window that was measured.
    fn of(bench: &Bench, report: &Report) -> Self {
        let window = report.load.as_ref().and_then(|load| load.window).unwrap();
        // What is measured lies behind the warm-up, two export intervals and a scrape; a sample is of the five seconds before
        // an export, and up to five seconds old.
        let start = window.start.as_millisecond() + WARM_UP.as_millis() as i64 + 6_000;
        let end = window.end.as_millisecond() - 5_000;
        let heron = bench.folder.path().join("sandbox/heron");
        let topology = std::fs::read_dir(heron).unwrap().flatten().next().unwrap().path();
        let text = std::fs::read_to_string(topology.join("counters.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let counters: Vec<Value> =
            lines.filter(|line| (start..=end).contains(&line["time"].as_i64().unwrap())).collect();
        assert!(counters.len() > 15, "{} lines of counters between {start} and {end}", counters.len());
        Self { counters }
    }

    fn grown(&self, read: impl Fn(&Value) -> f64) -> f64 {
        read(self.counters.last().unwrap()) - read(&self.counters[0])
    }

    fn seconds(&self) -> f64 {
        self.grown(|line| line["time"].as_f64().unwrap()) / 1000.0
    }

    /// Records a second of a component.
    fn tps(&self, component: &str, what: &str) -> f64 {
        let sum = |line: &Value| {
            let instances = line["instances"].as_object().unwrap().values();
            instances.filter(|one| one["component"] == component).map(|one| one[what].as_f64().unwrap()).sum()
        };
        self.grown(sum) / self.seconds()
    }

    fn complete_latency_ms(&self) -> f64 {
        let of = |name: &'static str| self.grown(|line| line[name].as_f64().unwrap());
        of("completeLatencyNanosSum") / of("completeLatencyCount") / 1e6
    }

    fn back_pressure_percent(&self) -> f64 {
        self.grown(|line| line["backPressureMs"].as_f64().unwrap()) / self.seconds() / 10.0
    }
}

fn measured(report: &Report, name: &str, component: &str) -> f64 {
    let found = report.metrics.iter().find(|metric| metric.name == name && metric.component == component);
    found.and_then(|metric| metric.value).unwrap_or_else(|| panic!("{name} of {component:?} was not measured"))
}

fn assert_near(what: &str, measured: f64, truth: f64, tolerance: f64) {
    println!("{what}: measured {measured:.2}, counted {truth:.2}");
    assert!((measured - truth).abs() <= tolerance, "{what}: measured {measured}, counted {truth}");
}

/// Runs one minute of 10,000 records/s with so many transformers.
async fn tell(transformers: &str) -> (Bench, Ended) {
    let bench = Bench::start(700_000, Duration::from_secs(5)).await;
    let own = [
        ("transformer-parallelism", transformers),
        ("publisher-parallelism", "3"),
        ("duration-min", "1"),
        ("warm-up", "20s"),
        ("data-count-per-second", "10000"),
    ];
    let ended = bench.run(Path::new(PIPELINE), &own, unwatched).await;
    (bench, ended)
}

/// Holds a run's report against the truth.
fn assert_true(bench: &Bench, report: &Report) {
    let truth = Truth::of(bench, report);
    for (component, what) in [("kafkaSpout", "emitted"), ("transformer", "executed"), ("publisher", "executed")] {
        let counted = truth.tps(component, what);
        assert_near(component, measured(report, "tps", component), counted, counted * TOLERANCE);
    }
    let share = truth.back_pressure_percent();
    assert_near("back-pressure", measured(report, "back_pressure", ""), share, 100.0 * TOLERANCE);
    let latency = truth.complete_latency_ms();
    let tolerance = latency * TOLERANCE + PAUSE_MS;
    assert_near("complete latency", measured(report, "complete_latency", ""), latency, tolerance);
    let load = report.load.as_ref().unwrap();
    assert_eq!([load.planned, load.read, load.acked, load.visible], [600_000; 4]);
    assert_eq!(report.app.as_ref().unwrap().components.len(), 3);
}

#[tokio::test]
async fn twenty_eight_transformers_are_saturated() {
    let (bench, ended) = tell("28").await;
    let verdict = ended.report.verdict.as_ref().unwrap();
    assert_eq!(verdict.status, Status::Fail, "{}", verdict.cause);
    assert!(verdict.cause.starts_with("transformer saturated: 28 × 3"), "{}", verdict.cause);
    assert!(measured(&ended.report, "lag_growth", "") > 100.0);
    assert!(measured(&ended.report, "back_pressure", "") > 10.0);
    assert_eq!(ended.run.status, RunStatus::Failed);
    assert_eq!(ended.run.task("measure").unwrap().exit_code, Some(1));
    assert_eq!(ended.run.task("measure").unwrap().results["verdict"].to_string(), "fail");
    assert_true(&bench, &ended.report);
    bench.stop().await;
}

/// 29 transformers have 1.5 % to spare: a computer that is busy with something else for seconds takes more than that away,
/// so the story may be told again.
#[tokio::test]
async fn twenty_nine_transformers_carry_the_load() {
    let mut causes = Vec::new();
    for _ in 0..3 {
        let (bench, ended) = tell("29").await;
        let verdict = ended.report.verdict.clone().unwrap();
        if verdict.status == Status::Pass {
            assert_eq!(ended.run.status, RunStatus::Completed);
            assert_true(&bench, &ended.report);
            return bench.stop().await;
        }
        causes.push(verdict.cause);
        bench.stop().await;
    }
    panic!("not once in three tries: {causes:#?}");
}
