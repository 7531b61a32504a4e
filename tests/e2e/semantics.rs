//! The local runner beside the real controller: the same small pipelines are run by both, and what came of them is
//! compared. What the local runner does otherwise, or what Tekton will do otherwise one day, is seen here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use streamgauge::local::{Cancel, Line, Request, RunReport, TaskReport, TaskState, execute};
use tokio::sync::watch;

use crate::cluster::{Namespace, PATIENCE, succeeded};

/// A run of a file of tests/data/local.
struct Case {
    file: &'static str,
    params: Value,
    cancel: Option<Cancel>,
}

fn case(file: &'static str, params: Value) -> Case {
    Case { file, params, cancel: None }
}

fn cancelled(file: &'static str, cancel: Cancel) -> Case {
    Case { file, params: json!({}), cancel: Some(cancel) }
}

/// Names of a later pass, and what shells and JSON trip over.
fn hostile() -> Value {
    json!({"values": [
        "$(context.pipelineRun.name)", "$(context.taskRun.name)", "$(context.task.name)", "$(workspaces.box.bound)",
        "$(workspaces.box.path)", "$$", "$$$$", "$(params.other", "$(id -u)", "${HOME}", "$HOME", "`id`", "\"'\\;\n}}\"",
        "{{ x }}", "é ünï 🦀", "", "  ", "-n",
    ]})
}

fn cases() -> Vec<Case> {
    vec![
        case("params.yaml", json!({})),
        case("params.yaml", json!({"text": "T", "list": ["1", "2"], "object": {"k": "K", "l": "L"}})),
        case("params.yaml", json!({"text": "", "list": ["", "2"]})),
        case("defaults.yaml", json!({"name": "given"})),
        case(
            "hostile.yaml",
            json!({"message": "\"'`;\n$(id -u) }} ${HOME} $$ $(context.pipelineRun.name) $(params.other"}),
        ),
        case("substitution.yaml", hostile()),
        case("context.yaml", json!({})),
        case("results.yaml", json!({})),
        case("results.yaml", json!({"bytes": "3896"})),
        case("results.yaml", json!({"bytes": "3897"})),
        case("odd-results.yaml", json!({})),
        case("wrong-results.yaml", json!({})),
        case("failed-results.yaml", json!({})),
        case("missing-result.yaml", json!({})),
        case("missing-pipeline-result.yaml", json!({})),
        case("when.yaml", json!({})),
        case("when.yaml", json!({"go": "yes"})),
        case("conditions.yaml", json!({})),
        case("failing.yaml", json!({})),
        case("retries.yaml", json!({})),
        case("steps.yaml", json!({})),
        case("side-by-side.yaml", json!({})),
        case("timeouts.yaml", json!({})),
        case("tasks-timeout.yaml", json!({})),
        case("pipeline-timeout.yaml", json!({})),
        case("finally-timeout.yaml", json!({})),
        cancelled("cancel.yaml", Cancel::Gracefully),
        cancelled("cancel.yaml", Cancel::AtOnce),
    ]
}

/// What there is to see of a run, by whomever it was run.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Outcome {
    status: &'static str,
    reason: String,
    message: String,
    results: BTreeMap<String, Value>,
    skipped: BTreeMap<String, String>,
    tasks: BTreeMap<String, Task>,
}

#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Task {
    status: &'static str,
    reason: String,
    message: String,
    exit_code: Option<i64>,
    attempts: usize,
    results: BTreeMap<String, Value>,
    /// What the steps wrote; of a pod that was deleted, nobody can tell.
    lines: BTreeMap<String, Vec<String>>,
}

fn pod_is_deleted(reason: &str) -> bool {
    ["TaskRunTimeout", "TaskRunCancelled"].contains(&reason)
}

/// What Tekton's entrypoint says beside the step, and the local runner in its place: `2026/01/05 10:00:00 Error …`
fn is_said_beside(line: &str) -> bool {
    let line = match line.split_at_checked(20) {
        Some((time, rest)) if time.as_bytes()[4] == b'/' && time.ends_with(' ') => rest,
        _ => line,
    };
    let said = ["Error ", "Skipping step ", "context deadline exceeded", "Termination message "];
    said.iter().any(|start| line.starts_with(start))
}

/// Run names differ.
fn nameless(text: &str, run: &str) -> String {
    text.replace(run, "RUN")
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/local").join(file)
}

fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&std::fs::read_to_string(data(file)).unwrap()).unwrap()
}

// ---- the local runner

async fn run_here(case: &Case) -> Outcome {
    let (report, lines) = execute_here(case).await.unwrap_or_else(|error| panic!("{}: {error}", case.file));
    outcome_here(&report, &lines)
}

type Lines = BTreeMap<(String, String), Vec<String>>;

async fn execute_here(case: &Case) -> Result<(RunReport, Lines), streamgauge::local::Error> {
    let params = case.params.as_object().unwrap().iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={text}").parse().unwrap()
    });
    let workspaces = required_workspaces(case.file).into_iter().map(|name| format!("{name}=emptyDir").parse().unwrap());
    let request = Request {
        file: data(case.file),
        params: params.collect(),
        workspaces: workspaces.collect(),
        ..Request::default()
    };
    let lines: Arc<Mutex<Lines>> = Arc::default();
    let heard = lines.clone();
    let (sender, cancel) = watch::channel(Cancel::No);
    let sender = Arc::new(sender);
    let (teller, how) = (sender.clone(), case.cancel);
    let sink = Arc::new(move |line: &Line| {
        if !is_said_beside(&line.text) {
            heard.lock().unwrap().entry((line.task.clone(), line.step.clone())).or_default().push(line.text.clone());
        }
        if let Some(how) = how.filter(|_| line.text == "ready") {
            teller.send_replace(how);
        }
    });
    let report = execute(&request, sink, cancel).await?;
    let lines = lines.lock().unwrap().clone();
    Ok((report, lines))
}

fn outcome_here(report: &RunReport, lines: &Lines) -> Outcome {
    let value = |value: &streamgauge::local::Value| named_values(serde_json::to_value(value).unwrap(), &report.name);
    let task = |task: &TaskReport| Task {
        status: if task.state == TaskState::Succeeded { "True" } else { "False" },
        reason: task.reason.clone(),
        message: nameless(&task.message, &report.name),
        exit_code: task.exit_code.map(i64::from),
        attempts: task.attempts as usize,
        results: task.results.iter().map(|(name, one)| (name.clone(), value(one))).collect(),
        lines: lines
            .iter()
            .filter(|((name, _), _)| *name == task.name && !pod_is_deleted(&task.reason))
            .map(|((_, step), lines)| (step.clone(), lines.iter().map(|line| nameless(line, &report.name)).collect()))
            .collect(),
    };
    let good = ["Succeeded", "Completed"].contains(&report.reason.as_str());
    Outcome {
        status: if good { "True" } else { "False" },
        reason: report.reason.clone(),
        message: nameless(&report.message, &report.name),
        results: report.results.iter().map(|(name, one)| (name.clone(), value(one))).collect(),
        skipped: report.skipped.iter().map(|one| (one.name.clone(), one.reason.clone())).collect(),
        tasks: report.tasks.iter().map(|one| (one.name.clone(), task(one))).collect(),
    }
}

fn named_values(value: Value, run: &str) -> Value {
    match value {
        Value::String(text) => Value::String(nameless(&text, run)),
        Value::Array(items) => items.into_iter().map(|item| named_values(item, run)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, item)| (key, named_values(item, run))).collect(),
        other => other,
    }
}

// ---- the cluster

/// What a Task needs to run in a namespace of restricted Pod Security: an image, and rights given up.
fn restrict(task_spec: &mut Value) {
    let template = task_spec.as_object_mut().unwrap().entry("stepTemplate").or_insert_with(|| json!({}));
    template["image"] = json!("test.local/busybox:1");
    template["securityContext"] = json!({
        "runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    });
}

fn restrict_pipeline(spec: &mut Value) {
    for part in ["tasks", "finally"] {
        let tasks = spec.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten();
        tasks.filter_map(|task| task.get_mut("taskSpec")).for_each(restrict);
    }
}

fn pipeline_of(documents: &[Value]) -> &Value {
    let run = documents.iter().find(|one| one["kind"] == "PipelineRun").map(|run| &run["spec"]["pipelineSpec"]);
    let spec = run.filter(|spec| spec.is_object());
    spec.or_else(|| documents.iter().find(|one| one["kind"] == "Pipeline").map(|one| &one["spec"])).unwrap()
}

fn required_workspaces(file: &str) -> Vec<String> {
    let documents = documents(file);
    let listed = pipeline_of(&documents)["workspaces"].as_array().cloned().unwrap_or_default();
    let required = listed.iter().filter(|one| one["optional"] != true);
    required.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// The Tasks and Pipelines of all files, as they are sent to the cluster.
fn resources(cases: &[Case]) -> Vec<Value> {
    let files: BTreeSet<&str> = cases.iter().map(|case| case.file).collect();
    let mut items = Vec::new();
    for mut document in files.into_iter().flat_map(documents) {
        match document["kind"].as_str() {
            Some("Task") => restrict(&mut document["spec"]),
            Some("Pipeline") => restrict_pipeline(&mut document["spec"]),
            _ => continue,
        }
        items.push(document);
    }
    items
}

fn run_name(case: &Case, index: usize) -> String {
    format!("{}-{index}", case.file.trim_end_matches(".yaml"))
}

fn pipeline_run(case: &Case, index: usize) -> Value {
    let documents = documents(case.file);
    let mut run = documents.iter().find(|one| one["kind"] == "PipelineRun").cloned().unwrap_or_else(|| {
        let pipeline = documents.iter().find(|one| one["kind"] == "Pipeline").unwrap();
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "spec": {"pipelineRef": {"name": pipeline["metadata"]["name"]}}})
    });
    run["metadata"] = json!({"name": run_name(case, index)});
    let spec = run["spec"].as_object_mut().unwrap();
    if let Some(inline) = spec.get_mut("pipelineSpec") {
        restrict_pipeline(inline);
    }
    let given = case.params.as_object().unwrap().iter().map(|(name, value)| json!({"name": name, "value": value}));
    spec.insert("params".into(), given.collect());
    let workspaces = required_workspaces(case.file).into_iter().map(|name| json!({"name": name, "emptyDir": {}}));
    spec.insert("workspaces".into(), workspaces.collect());
    run
}

fn create(space: &Namespace, items: Vec<Value>) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    space.create(&list.to_string());
}

fn kind(list: &Value, kind: &str) -> Vec<Value> {
    let items = list["items"].as_array().unwrap();
    items.iter().filter(|one| one["kind"] == kind).cloned().collect()
}

fn has_ended(run: &Value) -> bool {
    matches!(succeeded(run)["status"].as_str(), Some("True" | "False"))
}

/// Asks a run to end when its step has said that it is ready.
fn cancel_when_ready(space: &Namespace, cases: &[Case], asked: &mut BTreeSet<String>) {
    for (index, case) in cases.iter().enumerate() {
        let Some(how) = case.cancel else { continue };
        let name = run_name(case, index);
        if asked.contains(&name) || !space.logs("pipelineRun", &name).contains(" ready\n") {
            continue;
        }
        let status = if how == Cancel::AtOnce { "Cancelled" } else { "CancelledRunFinally" };
        let patch = json!({"spec": {"status": status}}).to_string();
        space.kubectl(&["patch", "pipelinerun", &name, "--type=merge", "-p", &patch]).text();
        asked.insert(name);
    }
}

/// All runs, when the last one has ended.
fn ended(space: &Namespace, cases: &[Case]) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let mut asked = BTreeSet::new();
    loop {
        let all = space.kubectl(&["get", "pipelineruns,taskruns", "-o", "json"]).json();
        let runs: Vec<Value> = kind(&all, "PipelineRun").into_iter().chain(kind(&all, "TaskRun")).collect();
        if runs.iter().all(has_ended) {
            return all;
        }
        let names: Vec<&Value> =
            runs.iter().filter(|run| !has_ended(run)).map(|run| &run["metadata"]["name"]).collect();
        assert!(Instant::now() < deadline, "these have not ended: {names:?}");
        cancel_when_ready(space, cases, &mut asked);
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn results(status: &Value, run: &str) -> BTreeMap<String, Value> {
    let listed = status["results"].as_array().cloned().unwrap_or_default();
    listed.iter().map(|one| (text(&one["name"]), named_values(one["value"].clone(), run))).collect()
}

fn exit_code(task_run: &Value) -> Option<i64> {
    let steps = task_run["status"]["steps"].as_array().cloned().unwrap_or_default();
    let failed = |step: &&Value| {
        step["terminated"]["exitCode"].as_i64().is_some_and(|code| code != 0)
            && step["terminationReason"] != "Continued"
            && step["terminationReason"] != "Skipped"
    };
    steps.iter().find(failed).and_then(|step| step["terminated"]["exitCode"].as_i64())
}

fn task_there(task_run: &Value, run: &str, logs: &str) -> Task {
    let condition = succeeded(task_run);
    let status = &task_run["status"];
    let reason = text(&condition["reason"]);
    let tries = status["retriesStatus"].as_array().cloned().unwrap_or_default();
    let pods = tries.iter().chain([status]).map(|status| text(&status["podName"]));
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in pods.filter(|_| !pod_is_deleted(&reason)) {
        for line in logs.lines() {
            let Some((step, line)) =
                line.strip_prefix(&format!("[pod/{pod}/step-")).and_then(|rest| rest.split_once("] "))
            else {
                continue;
            };
            if !is_said_beside(line) {
                lines.entry(step.to_owned()).or_default().push(nameless(line, run));
            }
        }
    }
    Task {
        status: if condition["status"] == "True" { "True" } else { "False" },
        exit_code: if condition["status"] == "True" || pod_is_deleted(&reason) { None } else { exit_code(task_run) },
        // What a pod waited for when it was deleted is a matter of a cluster's load.
        message: nameless(text(&condition["message"]).split("\nPrevious status: ").next().unwrap(), run)
            .replace(&format!(" {}/", text(&task_run["metadata"]["namespace"])), " default/"),
        attempts: tries.len() + 1,
        results: results(status, run),
        reason,
        lines,
    }
}

fn outcome_there(space: &Namespace, all: &Value, name: &str) -> Outcome {
    let run = kind(all, "PipelineRun").into_iter().find(|run| run["metadata"]["name"] == name).unwrap();
    let condition = succeeded(&run);
    let logs = space.logs("pipelineRun", name);
    let label = |one: &Value, label: &str| text(&one["metadata"]["labels"][format!("tekton.dev/{label}")]);
    let tasks = kind(all, "TaskRun").into_iter().filter(|one| label(one, "pipelineRun") == name);
    let skipped = run["status"]["skippedTasks"].as_array().cloned().unwrap_or_default();
    Outcome {
        status: if condition["status"] == "True" { "True" } else { "False" },
        reason: text(&condition["reason"]),
        message: nameless(&text(&condition["message"]), name),
        results: results(&run["status"], name),
        skipped: skipped.iter().map(|one| (text(&one["name"]), text(&one["reason"]))).collect(),
        tasks: tasks.map(|one| (label(&one, "pipelineTask"), task_there(&one, name, &logs))).collect(),
    }
}

// ---- both

/// The lines of two texts that differ.
fn differences(here: &Outcome, there: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let value = |outcome: &Outcome| serde_json::to_value(outcome).unwrap();
    compare("", &value(here), &value(there), &mut found);
    found
}

fn compare(path: &str, here: &Value, there: &Value, found: &mut Vec<String>) {
    match (here, there) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let of = |map: &Map<String, Value>, name: &str| map.get(name).cloned().unwrap_or_default();
            for name in names {
                compare(&format!("{path}/{name}"), &of(one, name), &of(other, name), found);
            }
        }
        _ if here == there => {}
        _ => found.push(format!("  {path}\n    here   {here}\n    Tekton {there}")),
    }
}

/// Values with which the controller, or its webhook, refuses `refused.yaml`.
fn refusals() -> Vec<Value> {
    vec![
        json!({"text": "$(params.other)"}),
        json!({"text": "$$(params.other)"}),
        json!({"text": "$(id)"}),
        json!({"text": "$(SECRET)"}),
        json!({"text": "$(tasks.echo.status)"}),
        json!({"text": "$(context.task.size)"}),
        json!({"text": "$(tasks.echo.results.said)"}),
        json!({"text": "$(finally.echo.results.said)"}),
        json!({"list": ["a"]}),
        json!({"values": []}),
        json!({"object": {"k": "v"}}),
    ]
}

#[test]
fn what_the_controller_refuses_the_local_runner_refuses_before_it_starts() {
    let cases: Vec<Case> = refusals().into_iter().map(|params| case("refused.yaml", params)).collect();
    let space = Namespace::new("refused");
    create(&space, resources(&cases));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (index, case) in cases.iter().enumerate() {
        let here = runtime.block_on(execute_here(case));
        assert!(here.is_err(), "{} is run here", case.params);
        let run = pipeline_run(case, index);
        if space.try_create(&run.to_string()).ok {
            let ended = space.ended(&format!("pipelinerun/{}", run_name(case, index)));
            let condition = succeeded(&ended);
            let refused =
                ["CreateRunFailed", "PipelineValidationFailed", "ParamArrayIndexingInvalid", "ObjectParameterMissKeys"];
            assert!(refused.iter().any(|reason| condition["reason"] == *reason), "{}: {condition}", case.params);
        }
    }
}

#[test]
fn the_local_runner_does_as_the_controller_does() {
    let cases = cases();
    let space = Namespace::new("semantics");
    create(&space, resources(&cases));
    create(&space, cases.iter().enumerate().map(|(index, case)| pipeline_run(case, index)).collect());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let here: Vec<Outcome> = cases.iter().map(|case| runtime.block_on(run_here(case))).collect();
    let all = ended(&space, &cases);
    let mut found = Vec::new();
    for (index, (case, here)) in cases.iter().zip(&here).enumerate() {
        let name = run_name(case, index);
        let differences = differences(here, &outcome_there(&space, &all, &name));
        if !differences.is_empty() {
            found.push(format!("{name} {}\n{}", case.params, differences.join("\n")));
        }
    }
    assert!(found.is_empty(), "{} of {} runs differ:\n{}", found.len(), cases.len(), found.join("\n\n"));
}
