//! Each way to fail on a cluster: what the run's status is, that `finally` ran and cleaned up, and what Slack was told.
//!
//! All runs share a sandbox and go on side by side, each with a topology, a topic and a folder of its own.

use serde_json::{Value, json};
use streamgauge::report::Status;

use crate::bench::{Bench, Ended, Params};
use crate::cluster::succeeded;

#[test]
fn each_way_to_fail_cleans_up_and_says_which_task_failed_and_why() {
    let bench = &Bench::start("failures");
    std::thread::scope(|scope| {
        for case in [
            never_ready,
            inconclusive,
            a_task_s_own_timeout,
            cancelled,
            a_deleted_pod,
            killed_for_its_memory,
            the_tasks_time_is_over,
            a_variable_in_a_parameter,
        ] {
            scope.spawn(move || case(bench));
        }
    });
    // By itself: one that judges needs a load that keeps its schedule.
    a_verdict_of_fail(bench);
    assert!(!bench.topologies().contains("fails-"), "{}", bench.topologies());
    bench.assert_no_secret();
}

/// A load that is long enough for something to happen to it, unless a run's own list says otherwise.
fn params(name: &str, own: &[(&'static str, &str)]) -> Params {
    let mut params: Params = vec![
        ("app-name", name.into()),
        ("target-topic", name.into()),
        ("transformer-parallelism", "1".into()),
        ("duration-min", "2".into()),
        ("data-count-per-second", "100".into()),
    ];
    params.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
    params.extend(own.iter().map(|(name, value)| (*name, (*value).into())));
    params
}

/// Runs the Pipeline to its end; `meanwhile` happens once records flow.
fn run(
    bench: &Bench,
    name: &str,
    own: &[(&'static str, &str)],
    change: impl FnOnce(&mut Value),
    meanwhile: impl FnOnce(&str),
) -> Ended {
    bench.topic(name);
    let jar = bench.jar_beside_report(name);
    let run = bench.create(name, &params(name, own), |run| {
        jar(run);
        change(run);
    });
    meanwhile(&run);
    let ended = bench.ended(&run);
    println!("{name}: {}: {}\n{}", ended.reason(), ended.run["status"]["conditions"][0]["message"], ended.told);
    for (task, _) in &ended.tasks {
        println!("{name}, {task}: {}", ended.end(task));
    }
    for task in ["delete-heron", "notify"] {
        assert_eq!(ended.end(task).split(':').next(), Some("Succeeded"), "{name}, {task}: {}", ended.end(task));
    }
    assert!(!bench.topologies().contains(name), "{name} is left: {}", bench.topologies());
    ended
}

/// What the run of a task is to be given beside what all are.
fn of_task(run: &mut Value, task: &str, key: &str, value: Value) {
    let specs = run["spec"]["taskRunSpecs"].as_array_mut().unwrap();
    specs.iter_mut().find(|spec| spec["pipelineTaskName"] == task).unwrap()[key] = value;
}

fn unchanged(_: &mut Value) {}

fn nothing(_: &str) {}

fn assert_told(ended: &Ended, texts: &[&str]) {
    for text in texts {
        assert!(ended.told.contains(text), "{text:?} is not in {}", ended.told);
    }
}

/// A step's exit code, which Tekton says in a sentence.
fn assert_exit(ended: &Ended, task: &str, text: &str) {
    assert!(ended.end(task).contains(text), "{}", ended.end(task));
}

fn never_ready(bench: &Bench) {
    // A topic that is not there: the spout throws for ever.
    let own = [("deploy-timeout", "40s"), ("target-topic", "no-such-topic")];
    let ended = run(bench, "fails-never-ready", &own, unchanged, nothing);
    assert_eq!(ended.reason(), "Failed");
    assert_exit(&ended, "deploy-heron", "\"step-deploy\" exited with code 5");
    assert!(ended.task("load").is_none());
    assert_told(
        &ended,
        &[":x: *fails-never-ready: the run failed*", "• task `deploy-heron`: Failed\n• deploy-heron-app (exit 5): "],
    );
}

fn a_verdict_of_fail(bench: &Bench) {
    // One transformer carries 350 records a second.
    let own = [("duration-min", "0.4"), ("data-count-per-second", "600")];
    let ended = run(bench, "fails-verdict", &own, unchanged, nothing);
    assert_eq!(ended.reason(), "Failed");
    assert_exit(&ended, "measure", "\"step-measure\" exited with code 1");
    assert_eq!(ended.report.as_ref().unwrap().verdict.as_ref().unwrap().status, Status::Fail);
    // Whether the transformer or its throughput is named depends on how busy the computer is.
    assert_told(&ended, &[":x: *fails-verdict: fail*\n", "```load  14,400 of 14,400 records at 600/s"]);
}

fn inconclusive(bench: &Bench) {
    // Three seconds are too few samples to judge by.
    let ended = run(bench, "fails-inconclusive", &[("duration-min", "0.05")], unchanged, nothing);
    assert_eq!(ended.reason(), "Failed");
    assert_exit(&ended, "measure", "\"step-measure\" exited with code 3");
    assert_eq!(ended.report.as_ref().unwrap().verdict.as_ref().unwrap().status, Status::Inconclusive);
    assert_told(&ended, &[":grey_question: *fails-inconclusive: inconclusive*"]);
}

fn a_task_s_own_timeout(bench: &Bench) {
    let ended = run(bench, "fails-timeout", &[], |run| of_task(run, "load", "timeout", json!("30s")), nothing);
    assert_eq!(ended.reason(), "Failed");
    assert!(ended.end("load").starts_with("TaskRunTimeout: "), "{}", ended.end("load"));
    assert_told(&ended, &["• task `load`: Failed (TaskRunTimeout: not done within the task's timeout)"]);
}

fn cancelled(bench: &Bench) {
    let name = "fails-cancelled";
    let ended = run(bench, name, &[], unchanged, |_| {
        bench.loaded(name);
        bench.space.tkn(&["pipelinerun", "cancel", name, "--grace", "CancelledRunFinally"]).text();
    });
    assert_eq!(ended.reason(), "Cancelled");
    assert!(ended.end("load").starts_with("TaskRunCancelled: "), "{}", ended.end("load"));
    assert_told(&ended, &["• task `load`: Failed (TaskRunCancelled: the run was cancelled, or its time was over)"]);
}

/// Tekton calls the task failed when it sees its pod end, and starts it again in a new pod when it only sees that it is gone:
/// there a second load is refused if the first had begun.
fn a_deleted_pod(bench: &Bench) {
    let name = "fails-deleted-pod";
    let ended = run(bench, name, &[("duration-min", "0.5")], unchanged, |_| {
        bench.loaded(name);
        bench.space.kubectl(&["delete", "pod", &format!("{name}-load-pod"), "--wait=false"]).text();
    });
    if succeeded(ended.task("load").unwrap())["status"] == "True" {
        let load = ended.report.unwrap().load.unwrap();
        assert_eq!([load.read, load.acked, load.visible], [3000; 3]);
        return;
    }
    assert_eq!(ended.reason(), "Failed");
    if ended.end("load").contains("\"step-load\" exited with code 2") {
        return assert_told(&ended, &["deploy-dataloader (exit 2): ", " already tells of a load into "]);
    }
    assert_exit(&ended, "load", "\"step-load\" exited with code 143");
    assert_told(&ended, &["• task `load`: Failed\n• deploy-dataloader (exit 143): stopped by SIGTERM, as when "]);
}

fn killed_for_its_memory(bench: &Bench) {
    let little = json!({"requests": {"cpu": "20m", "memory": "8Mi"}, "limits": {"memory": "16Mi"}});
    // So long a load that more is read ahead than there is memory.
    let long = [("duration-min", "8")];
    let ended = run(bench, "fails-memory", &long, |run| of_task(run, "load", "computeResources", little), nothing);
    assert_eq!(ended.reason(), "Failed");
    assert!(ended.end("load").starts_with("StepOOM: "), "{}", ended.end("load"));
    assert_told(&ended, &["• task `load`: Failed (StepOOM: killed, it needed more memory than its limit)"]);
}

fn the_tasks_time_is_over(bench: &Bench) {
    let times = json!({"pipeline": "20m", "tasks": "70s", "finally": "10m"});
    let ended =
        run(bench, "fails-tasks-time", &[("duration-min", "4")], |run| run["spec"]["timeouts"] = times, nothing);
    // Tekton decides by which it sees first: the time that is over, or the task that was ended for it.
    assert!(["PipelineRunTimeout", "Failed"].contains(&ended.reason()), "{:#}", ended.run["status"]);
    assert_told(&ended, &["Failed (TaskRun"]);
}

/// Tekton takes `$(…)` in a parameter for a variable of its own: it ends such a run without `finally`, and the TaskRun that it has
/// started goes on. So that one deploys nothing.
fn a_variable_in_a_parameter(bench: &Bench) {
    let name = "fails-variable";
    let jar = bench.jar_beside_report(name);
    let run = bench.create(name, &params(name, &[("commit-message", "Fix $(pwd)")]), jar);
    let ended = bench.ended(&run);
    assert_eq!(ended.reason(), "PipelineValidationFailed", "{:#}", ended.run["status"]);
    assert!(ended.task("deploy-heron").is_none(), "{:#}", ended.run["status"]);
    if ended.task("begin").is_some() {
        let begin = bench.space.ended(&format!("taskrun/{name}-begin"));
        assert_eq!(succeeded(&begin)["status"], "False", "{begin:#}");
        let log = bench.space.logs("taskRun", &format!("{name}-begin"));
        assert!(log.contains("Tekton takes $(…) in a parameter for a variable of its own"), "{log}");
    }
}
