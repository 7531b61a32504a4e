//! Jobs on a real Flink, with a real Kafka and a real Prometheus: deployed, measured, deleted, and every way that can fail.
//!
//! Needs Flink's jars and the example job (`hack/setup` brings and builds them), the broker's jars, java and prometheus.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail and tell as tests do"
)]

mod bench;
mod measured;

use bench::{Bench, Done, SLOTS};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use streamgauge::flink::job::State;

/// One Flink for all: it takes longer to start than most of this.
#[tokio::test]
async fn jobs_run_on_a_real_flink_and_every_failure_names_its_cause() {
    let bench = Bench::start().await;
    what_is_wrong_is_refused_before_anything_runs(&bench).await;
    a_job_is_deployed_replaced_and_deleted(&bench).await;
    a_job_without_slots_names_them(&bench).await;
    a_broker_that_is_not_there_is_noticed(&bench).await;
    a_job_that_somebody_cancels_is_told(&bench).await;
    a_deployment_that_is_stopped_leaves_word_of_its_job(&bench).await;
    of_two_deployments_at_once_one_wins(&bench).await;
    measured::a_parallelism_that_carries_the_rate_passes(&bench).await;
    measured::a_parallelism_that_does_not_fails(&bench).await;
    measured::a_restart_inside_the_window_is_named(&bench).await;
    bench.stop().await;
}

fn assert_refused(done: &Done, code: i32, error: &str) {
    assert_eq!(done.code, Some(code), "{}", done.log);
    assert!(done.error.contains(error), "{:?} does not say {error:?}", done.error);
}

/// Without what differs from run to run.
fn told(bench: &Bench, run: &str, done: &Done) -> String {
    let id = bench.result(run, "job-id");
    let error = if id.is_empty() { done.error.clone() } else { done.error.replace(&id, "ID") };
    error.split(", ").filter(|part| !part.ends_with("it was submitted")).collect::<Vec<_>>().join(", ")
}

async fn what_is_wrong_is_refused_before_anything_runs(bench: &Bench) {
    let refused = bench.deploy("wrong", &["--jar=Cargo.toml"], &[]).await;
    assert_refused(&refused, 2, "deploy-flink-app: Cargo.toml is not a jar");
    let refused = bench.deploy("wrong", &["--entry-class=NoSuch"], &[]).await;
    let said = "The program's entry point class 'NoSuch' was not found in the jar file.; check --entry-class";
    assert_refused(&refused, 4, said);
    let refused = bench.deploy("wrong", &[], &["--transformer.paralelism=2"]).await;
    let said = "cannot run main: Flink says (500): The main method caused an error: setting transformer.paralelism is \
                unknown to this job";
    assert_refused(&refused, 4, said);
    let refused = bench.deploy("wrong", &["--name=other"], &[]).await;
    let said = r#"main made job "preprocessor" but --name is "other": nothing was run; make both the same"#;
    assert_refused(&refused, 2, said);
    let refused = bench.deploy("wrong", &["--savepoint=file:///none"], &[]).await;
    assert_eq!(refused.code, Some(4), "{}", refused.log);
    assert!(refused.error.contains("file:/none") || refused.error.contains("file:///none"), "{}", refused.error);
    let nothing = bench.delete("wrong", &[]).await;
    assert_eq!(nothing.code, Some(0), "{}", nothing.log);
    assert_eq!(bench.alive("preprocessor").await, []);
}

async fn a_job_is_deployed_replaced_and_deleted(bench: &Bench) {
    let done =
        bench.deploy("first", &[], &["--transformer.parallelism=3", "--kafka.input.consumer.sasl.jaas.config="]).await;
    assert_eq!(done.code, Some(0), "{}", done.log);
    let app = bench.app("first");
    let components: Vec<_> =
        app.components.iter().map(|c| format!("{} {} {}", c.kind, c.name, c.parallelism)).collect();
    assert_eq!(components, ["source source 1", "operator transformer 3", "sink sink 1"]);
    assert_eq!((app.engine.as_str(), app.name.as_str()), ("flink", "preprocessor"));
    assert_eq!(app.properties["transformer.parallelism"], "3");
    assert_eq!(app.properties["kafka.input.consumer.sasl.jaas.config"], "***");
    let first = bench.job_id("first");
    assert_eq!(app.address["jobId"], first.as_str());
    assert!(app.deployed_at.unwrap() <= app.ready_at.unwrap());
    assert!(bench.result("first", "submitted-at") < bench.result("first", "ready-at"));

    let refused = bench.deploy("second", &[], &[]).await;
    assert_refused(&refused, 4, &format!(r#"job "preprocessor" is already running ({first}, submitted "#));
    // The finally task of a run that was refused must not end what another has deployed.
    assert_eq!(bench.delete("second", &[]).await.code, Some(0));
    assert_eq!(bench.rest.status(&first).await.unwrap(), State::Running);

    let done = bench.deploy("second", &["--replace", "--stop-with-savepoint"], &["--transformer.parallelism=2"]).await;
    assert_eq!(done.code, Some(0), "{}", done.log);
    assert_eq!(bench.rest.status(&first).await.unwrap(), State::Finished);
    let savepoint = bench.result("second", "savepoint");
    assert!(savepoint.starts_with("file:") && savepoint.contains("/savepoints/"), "{savepoint}");
    let second = bench.job_id("second");
    assert_ne!(first, second);

    let done = bench.deploy("third", &["--replace=true", "--savepoint", savepoint.as_str()], &[]).await;
    assert_eq!(done.code, Some(0), "{}", done.log);
    assert_eq!(bench.rest.status(&second).await.unwrap(), State::Canceled);
    assert_eq!(bench.rest.jars().await.unwrap().len(), 1, "the same jar is uploaded once");

    let bad = bench.delete("third", &["--stop-with-savepoint=/proc/none"]).await;
    assert_refused(&bad, 4, &format!("no savepoint of job {}, so it was left running", bench.job_id("third")));
    let done = bench.delete("third", &["--stop-with-savepoint"]).await;
    assert_eq!(done.code, Some(0), "{}", done.log);
    assert!(bench.result("third", "savepoint").contains("/savepoints/"));
    assert_eq!(bench.alive("preprocessor").await, []);
    let again = bench.delete("third", &[]).await;
    assert!(again.code == Some(0) && again.log.contains("nothing to delete"), "{}", again.log);
}

async fn a_job_without_slots_names_them(bench: &Bench) {
    let many = format!("--transformer.parallelism={}", SLOTS + 3);
    let done = bench.deploy("slots", &["--timeout=20s"], &[&many]).await;
    // In its first minutes Flink hopes for more TaskManagers, later it fails such a job at once.
    assert!(matches!(done.code, Some(4 | 5)), "{}", done.log);
    let slots = "it needs 9 slots, the cluster has 6, of which 6 were free";
    assert!(done.error.contains(slots), "{}", done.error);
    assert_eq!(bench.delete("slots", &[]).await.code, Some(0));
}

async fn a_broker_that_is_not_there_is_noticed(bench: &Bench) {
    let nobody = ["--kafka.input.bootstrap.servers=127.0.0.1:1"];
    let done = bench.deploy("late", &["--timeout=10s"], &nobody).await;
    assert_eq!(done.code, Some(5), "{}", done.log);
    let said = "s: Source: source: has no partition of its topic yet, is its broker reachable?; it was left as it is, \
                delete-flink-app removes it";
    assert!(done.error.ends_with(said), "{}", done.error);
    assert_eq!(bench.delete("late", &[]).await.code, Some(0));
    assert_eq!(bench.alive("preprocessor").await, []);
    // Its client gives up after 60 s unless it is told otherwise.
    let soon =
        ["request.timeout.ms=2000", "default.api.timeout.ms=3000"].map(|s| format!("--kafka.input.consumer.{s}"));
    let done = bench.deploy("failed", &[], &[nobody[0], &soon[0], &soon[1]]).await;
    assert_eq!(done.code, Some(4), "{}", done.log);
    let error = told(bench, "failed", &done);
    let said = r#"deploy-flink-app: job "preprocessor" (ID) is FAILED"#;
    assert!(error.starts_with(said) && error.contains("cause: TimeoutException: Timed out waiting"), "{error}");
}

async fn a_job_that_somebody_cancels_is_told(bench: &Bench) {
    let child = bench.start_deploy("cancelled", &["--ready-hold=100s"], &[]);
    bench.until("the job", async || !bench.alive("preprocessor").await.is_empty()).await;
    bench.rest.cancel(&bench.alive("preprocessor").await[0].id).await.unwrap();
    let done = bench.end(child).await;
    assert_eq!(done.code, Some(4), "{}", done.log);
    let error = told(bench, "cancelled", &done);
    assert!(error.ends_with("is CANCELED") || error.ends_with("somebody cancelled it"), "{error}");
}

async fn a_deployment_that_is_stopped_leaves_word_of_its_job(bench: &Bench) {
    let child = bench.start_deploy("stopped", &["--ready-hold=100s"], &[]);
    bench.until("the job", async || !bench.alive("preprocessor").await.is_empty()).await;
    kill(Pid::from_raw(child.id().unwrap() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(bench.end(child).await.code, Some(143));
    assert_eq!(bench.alive("preprocessor").await[0].id, bench.job_id("stopped"));
    assert_eq!(bench.delete("stopped", &[]).await.code, Some(0));
    assert_eq!(bench.alive("preprocessor").await, []);
}

async fn of_two_deployments_at_once_one_wins(bench: &Bench) {
    let children = ["one", "other"].map(|run| bench.start_deploy(run, &[], &[]));
    let [one, other] = children.map(|child| bench.end(child));
    let (one, other) = tokio::join!(one, other);
    let (winner, loser) = if one.code == Some(0) { ("one", &other) } else { ("other", &one) };
    assert_eq!(loser.code, Some(4), "{}", loser.log);
    let said = ["was deployed by somebody else at the same time", "is already running"];
    assert!(said.iter().any(|words| loser.error.contains(words)), "{}", loser.error);
    let alive = bench.alive("preprocessor").await;
    assert_eq!(alive.len(), 1, "{alive:?}");
    assert_eq!(alive[0].id, bench.job_id(winner));
    assert_eq!(bench.delete(winner, &[]).await.code, Some(0));
}
