//! The Pipeline with what is no Heron topology: a Flink job, and an application that runs already.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use streamgauge::local::RunStatus;
use streamgauge::report::{Report, Status};
use streamgauge::sandbox::{Options, kafka};

use crate::bench::{Bench, Ended, PIPELINE, unwatched};

const LOAD: [(&str, &str); 3] = [("duration-min", "0.5"), ("data-count-per-second", "500"), ("warm-up", "10s")];

#[tokio::test]
async fn a_flink_job_is_deployed_measured_and_deleted_and_one_that_runs_already_is_left_alone() {
    let options =
        Options { records: 50_000, flink: true, export_interval: Duration::from_secs(1), ..Options::default() };
    let bench = Bench::start_with(options).await;
    a_job_that_carries_the_load(&bench).await;
    an_application_that_nothing_measures(&bench).await;
    an_application_that_runs_already(&bench).await;
    bench.stop().await;
}

/// A run of the Pipeline with another engine; parameters of Heron stay at their defaults.
async fn run(bench: &Bench, own: &[(&'static str, &str)]) -> Ended {
    let url = bench.sandbox.endpoints().flink_rest_url.clone().unwrap();
    let jar = format!("{}/{JAR}", env!("CARGO_MANIFEST_DIR"));
    let args = format!("[{}]", output(bench).map(|arg| format!("{arg:?}")).join(", "));
    let own: Vec<_> =
        [("flink-rest-url", url.as_str()), ("jar", &jar), ("args", &args), ("transformer-parallelism", "2")]
            .into_iter()
            .chain(LOAD)
            .chain([("service-url", ""), ("tracker-url", ""), ("cluster", ""), ("role", ""), ("properties", "[]")])
            .chain(own.iter().copied())
            .collect();
    bench.run(Path::new(PIPELINE), &own, unwatched).await
}

const JAR: &str = "examples/flink-preprocessor/target/flink-preprocessor.jar";

/// Where the job writes.
fn output(bench: &Bench) -> [String; 2] {
    let servers = &bench.sandbox.endpoints().kafka_bootstrap_servers;
    let topic = kafka::OUTPUT_TOPIC;
    [format!("--kafka.output.bootstrap.servers={servers}"), format!("--kafka.output.topic={topic}")]
}

/// The states of all jobs.
async fn jobs(bench: &Bench) -> Vec<String> {
    let url = format!("{}/jobs", bench.sandbox.endpoints().flink_rest_url.as_deref().unwrap());
    let jobs: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    jobs["jobs"].as_array().unwrap().iter().map(|job| job["status"].as_str().unwrap().to_owned()).collect()
}

fn measured(report: &Report, name: &str, component: &str) -> f64 {
    let found = report.metrics.iter().find(|metric| metric.name == name && metric.component == component);
    found.and_then(|metric| metric.value).unwrap_or_else(|| panic!("{name} of {component:?} was not measured"))
}

fn skipped(ended: &Ended) -> Vec<&str> {
    ended.run.skipped.iter().map(|task| task.name.as_str()).collect()
}

/// A computer that is busy with something else may hold it up, so the run may be repeated.
async fn a_job_that_carries_the_load(bench: &Bench) {
    let mut causes = Vec::new();
    for _ in 0..3 {
        let ended = run(bench, &[("app-engine", "flink")]).await;
        let verdict = ended.report.verdict.clone().unwrap();
        assert_eq!(jobs(bench).await.iter().filter(|state| *state != "CANCELED").count(), 0, "the job is deleted");
        assert_eq!(
            skipped(&ended),
            [
                "pending",
                "claim",
                "deploy-heron",
                "apply-manifest",
                "delete-heron",
                "delete-manifest",
                "keep",
                "status",
                "comment"
            ]
        );
        if verdict.status == Status::Pass {
            let app = ended.report.app.as_ref().unwrap();
            assert_eq!((app.engine.as_str(), app.components.len()), ("flink", 3));
            for component in ["source", "transformer", "sink"] {
                let tps = measured(&ended.report, "tps", component);
                assert!((tps - 500.0).abs() < 25.0, "{component}: {tps}/s");
            }
            assert_eq!(ended.run.status, RunStatus::Completed);
            assert!(
                bench.sandbox.slack().messages().last().unwrap().body["text"]
                    .as_str()
                    .unwrap()
                    .contains("preprocessor: pass")
            );
            return;
        }
        causes.push(verdict.cause);
    }
    panic!("no run passed: {causes:#?}");
}

async fn an_application_that_nothing_measures(bench: &Bench) {
    let ended = run(bench, &[("app-engine", "none")]).await;
    let begin = ended.run.task("begin").unwrap();
    assert_eq!(begin.exit_code, Some(2));
    assert!(ended.log("begin").contains("app-engine none has no metric pack of its own"), "{}", ended.log("begin"));
    assert!(ended.run.task("load").is_none(), "nothing was loaded");
}

async fn an_application_that_runs_already(bench: &Bench) {
    let endpoints = bench.sandbox.endpoints();
    let deployed = Command::new(env!("CARGO_BIN_EXE_deploy-flink-app"))
        .args(["--rest-url", endpoints.flink_rest_url.as_deref().unwrap(), "--name=preprocessor", "--jar", JAR, "--"])
        .args(output(bench))
        .arg(format!("--kafka.input.bootstrap.servers={}", endpoints.kafka_bootstrap_servers))
        .arg(format!("--kafka.input.topic={}", kafka::TARGET_TOPIC))
        .arg("--transformer.parallelism=2")
        .status();
    assert!(deployed.unwrap().success());
    let intervals = r#"["export_interval=1", "scrape_interval=1", "job=preprocessor"]"#;
    let own = [("app-engine", "none"), ("metric-pack", "flink"), ("metric-params", intervals)];
    let ended = run(bench, &own).await;
    // Skipped deployments do not take the load with them.
    assert_eq!(ended.report.load.as_ref().unwrap().visible, 15_000);
    let tps = measured(&ended.report, "tps", "source");
    assert!((tps - 500.0).abs() < 50.0, "{tps}/s");
    assert_eq!(ended.report.app.as_ref().unwrap().engine, "none");
    let all = [
        "pending",
        "claim",
        "deploy-heron",
        "deploy-flink",
        "apply-manifest",
        "delete-heron",
        "delete-flink",
        "delete-manifest",
        "keep",
        "status",
        "comment",
    ];
    assert_eq!(skipped(&ended), all);
    assert_eq!(jobs(bench).await.iter().filter(|state| *state == "RUNNING").count(), 1, "what ran before runs on");
}
