//! Each task failing in turn: what its exit code and words are, that `finally` ran, and that nothing is left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use streamgauge::local::{Line, RunStatus};
use streamgauge::sandbox::slack::Fault;
use streamgauge::sandbox::{Sandbox, kafka};

use crate::bench::{Bench, Ended, PIPELINE, unwatched};

/// An address of this computer where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";

/// A load that is over in seconds, and a topology that carries it.
const SHORT: [(&str, &str); 2] = [("duration-min", "0.2"), ("data-count-per-second", "1000")];

/// The error that a program left in the report, with this sandbox's addresses made the same for all.
fn error(bench: &Bench, ended: &Ended, program: &str) -> String {
    let found = ended.report.errors.iter().find(|error| error.program == program);
    let error = found.unwrap_or_else(|| panic!("{program} left no error: {:?}", ended.report.errors));
    let mut text = format!("exit {}: {}", error.exit_code, error.message);
    let endpoints = bench.sandbox.endpoints();
    for (address, name) in [
        (endpoints.kafka_bootstrap_servers.as_str(), "KAFKA"),
        (&endpoints.heron_service_url, "API-SERVER"),
        (&endpoints.heron_tracker_url, "TRACKER"),
    ] {
        text = text.replace(address, name);
    }
    text
}

/// A task failed with this exit code, the topology is gone and Slack was told of it.
fn assert_ended(bench: &Bench, ended: &Ended, task: &str, code: i32) {
    assert_eq!(ended.run.status, RunStatus::Failed);
    let failed = ended.run.task(task).unwrap_or_else(|| panic!("{task} did not run"));
    assert_eq!(failed.exit_code, Some(code), "{failed:?}");
    for finally in ["delete-heron", "notify"] {
        let ran = ended.run.task(finally).unwrap_or_else(|| panic!("{finally} did not run"));
        assert_eq!(ran.reason, "Succeeded", "{ran:?}");
    }
    let told = bench.sandbox.slack().messages().pop().unwrap();
    let text = told.body["text"].as_str().unwrap();
    assert!(text.contains(&format!("task `{task}`: Failed")) || text.contains("inconclusive"), "{text}");
}

/// The Pipeline with a line of it changed.
fn changed(bench: &Bench, line: &str, instead: &str) -> PathBuf {
    let text = std::fs::read_to_string(PIPELINE).unwrap();
    assert!(text.contains(line), "{PIPELINE} has no {line:?}");
    let folder = bench.folder.path().join("performance-test");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("performance-test.yaml");
    std::fs::write(&path, text.replace(line, instead)).unwrap();
    path
}

#[tokio::test]
async fn each_way_to_fail_names_its_cause_and_leaves_nothing() {
    let bench = Bench::start(50_000, Duration::from_secs(1)).await;
    an_empty_source_topic(&bench).await;
    an_api_server_that_is_down_and_a_slack_that_refuses(&bench).await;
    a_main_that_throws(&bench).await;
    a_name_that_main_does_not_give(&bench).await;
    a_topology_that_exists(&bench).await;
    a_topology_that_never_gets_ready(&bench).await;
    a_prometheus_that_is_down(&bench).await;
    a_prometheus_that_knows_nothing(&bench).await;
    a_kafka_that_dies_under_the_load(&bench).await;
    bench.stop().await;
}

async fn an_empty_source_topic(bench: &Bench) {
    let own = [("source-topic", kafka::OUTPUT_TOPIC)];
    let ended = bench.run(Path::new(PIPELINE), &own, unwatched).await;
    assert_ended(bench, &ended, "load", 2);
    insta::assert_snapshot!(error(bench, &ended, "deploy-dataloader"), @r#"exit 2: source topic "ads-events-out" holds no records in the range asked for"#);
}

async fn an_api_server_that_is_down_and_a_slack_that_refuses(bench: &Bench) {
    bench.sandbox.slack().fail_next(Fault::Error("channel_not_found".into()));
    let ended = bench.run(Path::new(PIPELINE), &[("service-url", NOBODY)], unwatched).await;
    assert_eq!(ended.run.task("deploy-heron").unwrap().exit_code, Some(4));
    insta::assert_snapshot!(error(bench, &ended, "deploy-heron-app"), @"exit 4: cannot ask for the version: no answer from Heron's API server at http://127.0.0.1:1/: Connection refused (os error 111); check --service-url");
    // Slack's refusal is seen, and is no failure of the run's.
    assert_eq!(ended.run.task("announce").unwrap().reason, "Succeeded");
    insta::assert_snapshot!(ended.log("announce"), @"send-slack: Slack refused the message: channel_not_found (is the channel's name or ID right, and can the bot see it?)");
    insta::assert_snapshot!(ended.run.message, @"Tasks Completed: 5 (Failed: 1, Cancelled 0), Skipped: 11");
}

async fn a_main_that_throws(bench: &Bench) {
    let ended = bench.run(Path::new(PIPELINE), &[("transformer-parallelism", "many")], unwatched).await;
    assert_ended(bench, &ended, "deploy-heron", 4);
    insta::assert_snapshot!(error(bench, &ended, "deploy-heron-app"), @r#"
    exit 4: main class streamgauge.example.preprocessor.PreprocessorTopology failed (exit status: 1):
    preprocessor: setting transformer.parallelism is "many", expected a whole number, 1 or more
    "#);
}

async fn a_name_that_main_does_not_give(bench: &Bench) {
    let pipeline = changed(bench, "topology.name=$(params.app-name)", "topology.name=another");
    let ended = bench.run(&pipeline, &[], unwatched).await;
    assert_ended(bench, &ended, "deploy-heron", 2);
    insta::assert_snapshot!(error(bench, &ended, "deploy-heron-app"), @r#"exit 2: main class streamgauge.example.preprocessor.PreprocessorTopology made topology "another" but --topology is "preprocessor": nothing was submitted; make both the same"#);
}

async fn a_topology_that_exists(bench: &Bench) {
    // The first run's delete is taken away, so that its topology stays.
    let pipeline = changed(bench, "name: delete-heron-app", "name: send-slack");
    let text = std::fs::read_to_string(&pipeline).unwrap();
    let (tasks, finally) = text.split_once("  finally:\n").unwrap();
    let notify = finally.find("    - name: notify\n").unwrap();
    std::fs::write(&pipeline, format!("{tasks}  finally:\n{}", &finally[notify..])).unwrap();
    let own = [SHORT[0], SHORT[1], ("source-topic", "no-such-topic")];
    bench.run(&pipeline, &own, unwatched).await;
    let ended = bench.run(Path::new(PIPELINE), &[("replace", "false")], unwatched).await;
    assert_ended(bench, &ended, "deploy-heron", 4);
    let text = error(bench, &ended, "deploy-heron-app");
    assert!(text.starts_with("exit 4: topology \"preprocessor\" is already running in staging (submitted "), "{text}");
    assert!(text.contains("pass --replace to kill it first"), "{text}");
    // Somebody else's topology is not this run's to delete; the next run replaces it.
    assert!(
        ended.log("delete-heron").contains("nothing to delete: this run has not deployed"),
        "{}",
        ended.log("delete-heron")
    );
}

async fn a_topology_that_never_gets_ready(bench: &Bench) {
    let own = [("target-topic", "no-such-topic"), ("deploy-timeout", "45s")];
    let ended = bench.run(Path::new(PIPELINE), &own, unwatched).await;
    assert_ended(bench, &ended, "deploy-heron", 5);
    let text = error(bench, &ended, "deploy-heron-app");
    assert!(text.contains("kafkaSpout: 0 of 1 instances") || text.contains("new exceptions"), "{text}");
}

async fn a_prometheus_that_is_down(bench: &Bench) {
    let own = [SHORT[0], SHORT[1], ("prometheus-endpoint", NOBODY)];
    let ended = bench.run(Path::new(PIPELINE), &own, unwatched).await;
    assert_ended(bench, &ended, "measure", 4);
    insta::assert_snapshot!(error(bench, &ended, "get-prometheus-metric"), @"exit 4: no answer from Prometheus at http://127.0.0.1:1 after 5 tries: Connection refused (os error 111); is it running, and reachable from here?");
}

async fn a_prometheus_that_knows_nothing(bench: &Bench) {
    let pipeline = changed(
        bench,
        "value: $(params.metric-params[*])",
        "value: [environment=elsewhere, export_interval=1, scrape_interval=1]",
    );
    let ended = bench.run(&pipeline, &SHORT, unwatched).await;
    assert_ended(bench, &ended, "measure", 3);
    insta::assert_snapshot!(ended.report.verdict.unwrap().cause, @"Prometheus has no data of preprocessor in the window: is it scraped, and are topology, role and environment right?");
    assert!(ended.report.metrics.iter().all(|metric| metric.value.is_none()));
}

async fn a_kafka_that_dies_under_the_load(bench: &Bench) {
    fn kill_broker(line: &Line, sandbox: &Sandbox) {
        if line.task == "load" && line.text.contains("records acknowledged") {
            let broker = i32::try_from(sandbox.process_ids()[0]).unwrap();
            // It may be dead already: the loader tells its progress more than once.
            let _ = kill(Pid::from_raw(broker), Signal::SIGKILL);
        }
    }
    let own = [("duration-min", "1"), ("data-count-per-second", "500")];
    let ended = bench.run(Path::new(PIPELINE), &own, kill_broker).await;
    assert_ended(bench, &ended, "load", 4);
    let load = ended.report.load.unwrap();
    assert!(load.acked > 0 && load.acked < 30_000, "{load:?}");
    assert!(load.verdict.is_some_and(|verdict| !verdict.cause.is_empty()));
}
