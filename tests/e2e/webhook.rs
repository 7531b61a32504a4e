//! `streamgauge check` beside Tekton's own webhook: what the one refuses, the other does too.

use serde_json::{Value, json};
use streamgauge::local::check::check;

use crate::cluster::Namespace;

fn task() -> Value {
    json!({
        "apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "say"},
        "spec": {
            "params": [
                {"name": "text"}, {"name": "list", "type": "array", "default": []},
                {"name": "object", "type": "object", "properties": {"k": {"type": "string"}}, "default": {"k": "v"}},
            ],
            "workspaces": [{"name": "box", "optional": true}],
            "results": [{"name": "said"}],
            "steps": [{
                "name": "say", "image": "busybox", "command": ["/bin/say"],
                "args": ["$(params.text)", "$(params.list[*])", "$(params.object.k)", "$(results.said.path)", "$(workspaces.box.path)"],
            }],
        },
    })
}

fn pipeline() -> Value {
    json!({
        "apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "story"},
        "spec": {
            "params": [
                {"name": "text"}, {"name": "list", "type": "array", "default": ["a"]},
                {"name": "object", "type": "object", "properties": {"k": {"type": "string"}}, "default": {"k": "v"}},
            ],
            "workspaces": [{"name": "box", "optional": true}],
            "tasks": [
                {
                    "name": "first", "taskRef": {"name": "say"}, "workspaces": [{"name": "box"}],
                    "params": [{"name": "text", "value": "$(params.text)"}, {"name": "list", "value": ["$(params.list[*])"]}],
                    "when": [{"input": "$(params.object.k)", "operator": "in", "values": ["$(params.list[*])"]}],
                },
                {
                    "name": "second", "taskRef": {"name": "say"}, "runAfter": ["first"],
                    "params": [{"name": "text", "value": "$(tasks.first.results.said)"}],
                },
            ],
            "finally": [
                {"name": "last", "taskRef": {"name": "say"}, "params": [{"name": "text", "value": "$(tasks.status)"}]},
            ],
            "results": [{"name": "said", "value": "$(tasks.second.results.said)"}],
        },
    })
}

/// A place in the Task, and what is wrong there.
fn wrong_tasks() -> Vec<(&'static str, Value)> {
    vec![
        ("/metadata/name", json!("Say_It")),
        ("/spec/steps", json!([])),
        ("/spec/stepss", json!([])),
        ("/spec/steps/0/args/0", json!("$(params.nobody)")),
        ("/spec/steps/0/args/0", json!("$(results.nobody.path)")),
        ("/spec/steps/0/args/0", json!("$(workspaces.nobody.path)")),
        ("/spec/steps/0/args/0", json!("$(context.task.size)")),
        ("/spec/steps/0/args/1", json!("x$(params.list[*])")),
        ("/spec/steps/0/args/1", json!("x$(params.list)")),
        ("/spec/steps/0/args/2", json!("$(params.object.nobody)")),
        ("/spec/steps/0/args/2", json!("$(params.object)")),
        ("/spec/steps/0/workingDir", json!("$(params.list[*])")),
        ("/spec/steps/0/env", json!([{"name": "A", "value": "$(params.list[*])"}])),
        ("/spec/steps/0/name", json!("Say It")),
        ("/spec/steps/0/image", json!("")),
        ("/spec/steps/0/onError", json!("ignore")),
        ("/spec/steps/0/timeout", json!("soon")),
        ("/spec/steps/0/timeout", json!("-1s")),
        ("/spec/steps/0/timeout", json!("$(params.text)")),
        ("/spec/steps/1", json!({"name": "say", "image": "busybox", "command": ["/bin/say"]})),
        ("/spec/params/3", json!({"name": "text"})),
        ("/spec/params/3", json!({"name": "bad name"})),
        ("/spec/params/0/type", json!("number")),
        ("/spec/params/0/default", json!(["a"])),
        ("/spec/params/2/properties", json!({})),
        ("/spec/params/2/default", json!({})),
        ("/spec/params/2", json!({"name": "object", "type": "object"})),
        ("/spec/results/0/name", json!("said it")),
        ("/spec/results/0/type", json!("number")),
        ("/spec/results/1", json!({"name": "object", "type": "object"})),
        ("/spec/results/1", json!({"name": "said"})),
        ("/spec/workspaces/1", json!({"name": "box"})),
        ("/spec/workspaces/1", json!({"name": ""})),
    ]
}

/// The same in the Pipeline.
fn wrong_pipelines() -> Vec<(&'static str, Value)> {
    vec![
        ("/metadata/name", json!("Story_")),
        ("/spec/tasks", json!([])),
        ("/spec/taskss", json!([])),
        ("/spec/tasks/0/runAfter", json!(["nobody"])),
        ("/spec/tasks/0/runAfter", json!(["second"])),
        ("/spec/tasks/0/runAfter", json!(["last"])),
        ("/spec/tasks/0/name", json!("second")),
        ("/spec/tasks/0/name", json!("First Task")),
        ("/spec/tasks/0/retries", json!(-1)),
        ("/spec/tasks/0/timeout", json!("soon")),
        ("/spec/tasks/0/timeout", json!("-1s")),
        ("/spec/tasks/0/timeout", json!("$(params.text)")),
        ("/spec/tasks/0/onError", json!("ignore")),
        ("/spec/tasks/0/taskSpec", json!({"steps": [{"image": "busybox", "command": ["a"]}]})),
        ("/spec/tasks/0/taskRef", json!(null)),
        ("/spec/tasks/0/taskRef", json!({"name": "Bad Name"})),
        ("/spec/tasks/0/workspaces", json!([{"name": "box", "workspace": "nobody"}])),
        ("/spec/tasks/0/params/0/value", json!("$(params.nobody)")),
        ("/spec/tasks/0/params/0/value", json!("$(NOBODY)")),
        ("/spec/tasks/0/params/0/value", json!("$(params.object.nobody)")),
        ("/spec/tasks/0/params/0/value", json!("x$(params.list[*])")),
        ("/spec/tasks/0/params/0/value", json!("$(tasks.status)")),
        ("/spec/tasks/0/params/0/value", json!("$(tasks.second.status)")),
        ("/spec/tasks/0/params/0/value", json!("$(tasks.nobody.results.said)")),
        ("/spec/tasks/0/params/0/value", json!("$(tasks.last.results.said)")),
        ("/spec/tasks/0/params/0/value", json!("$(context.pipeline.size)")),
        ("/spec/tasks/0/params/0/value", json!("$(context.pipelineRun.size)")),
        ("/spec/tasks/0/params/1/value", json!(["x$(params.list[*])"])),
        ("/spec/tasks/0/params/2", json!({"name": "text", "value": "again"})),
        ("/spec/tasks/0/when/0/operator", json!("equals")),
        ("/spec/tasks/0/when/0/values", json!([])),
        ("/spec/tasks/0/when/0/input", json!("$(params.nobody)")),
        ("/spec/tasks/0/when/0/input", json!("$(tasks.second.status)")),
        ("/spec/finally/0/runAfter", json!(["first"])),
        ("/spec/finally/0/name", json!("first")),
        ("/spec/finally/0/params/0/value", json!("$(tasks.nobody.status)")),
        ("/spec/finally/0/params/0/value", json!("$(tasks.last.status)")),
        ("/spec/finally/0/params/0/value", json!("$(tasks.nobody.results.said)")),
        ("/spec/finally/0/params/0/value", json!("$(finally.last.results.said)")),
        ("/spec/params/3", json!({"name": "text"})),
        ("/spec/params/0/default", json!(["a"])),
        ("/spec/workspaces/1", json!({"name": "box"})),
        ("/spec/results/0/value", json!("plain")),
        ("/spec/results/0/value", json!("$(params.text)")),
        ("/spec/results/0/value", json!("$(tasks.nobody.results.said)")),
        ("/spec/results/0/value", json!("$(finally.nobody.results.said)")),
    ]
}

/// What only `check` refuses: mistakes that Tekton tells of when it runs, or never. What only Tekton refuses is about
/// fields that the local runner does not run (script, matrix, volumes), of which `check` warns.
fn refused_only_here() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("Task", "/spec/steps/0/args/0", json!("$(results.nobody.path)")),
        ("Task", "/spec/steps/0/args/0", json!("$(workspaces.nobody.path)")),
        ("Task", "/spec/params/0/default", json!(["a"])),
        ("Task", "/spec/workspaces/1", json!({"name": ""})),
        ("Pipeline", "/spec/tasks/0/retries", json!(-1)),
        ("Pipeline", "/spec/tasks/0/timeout", json!("-1s")),
    ]
}

fn changed(mut document: Value, path: &str, value: &Value) -> Value {
    let (parent, last) = path.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) if last.parse() == Ok(items.len()) => items.push(value.clone()),
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = value.clone(),
        object if value.is_null() => drop(object.as_object_mut().unwrap().remove(last)),
        object => object[last] = value.clone(),
    }
    document
}

/// What `check` says to a Task and a Pipeline, style aside.
fn check_says(task: &Value, pipeline: &Value) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for document in [task, pipeline] {
        let file = root.path().join(document["kind"].as_str().unwrap());
        std::fs::write(file.with_extension("yaml"), document.to_string()).unwrap();
    }
    let (findings, _) = check(&[root.path().to_owned()], &[]).unwrap();
    // A change often leaves something unused, too.
    let errors = findings.into_iter().filter(|finding| !finding.style && !finding.message.contains("never used"));
    errors.map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

fn webhook_says(space: &Namespace, document: &Value) -> Option<String> {
    let answer = space.try_create_dry(&document.to_string());
    (!answer.ok).then_some(answer.stderr)
}

#[test]
fn check_refuses_what_the_webhook_refuses() {
    let space = Namespace::new("webhook");
    let (task, pipeline) = (task(), pipeline());
    assert_eq!(check_says(&task, &pipeline), Vec::<String>::new());
    for right in [&task, &pipeline] {
        assert_eq!(webhook_says(&space, right), None);
    }
    let tasks = wrong_tasks().into_iter().map(|(path, value)| ("Task", path, value));
    let pipelines = wrong_pipelines().into_iter().map(|(path, value)| ("Pipeline", path, value));
    let mut found = Vec::new();
    for (kind, path, value) in tasks.chain(pipelines) {
        let (here, there) = match kind {
            "Task" => {
                let wrong = changed(task.clone(), path, &value);
                (check_says(&wrong, &pipeline), webhook_says(&space, &wrong))
            }
            _ => {
                let wrong = changed(pipeline.clone(), path, &value);
                (check_says(&task, &wrong), webhook_says(&space, &wrong))
            }
        };
        let only_here = refused_only_here().contains(&(kind, path, value.clone()));
        if here.is_empty() == (there.is_some() || only_here) || only_here && there.is_some() {
            found.push(format!("{kind} {path} {value}\n  here   {here:?}\n  Tekton {there:?}"));
        }
    }
    assert!(found.is_empty(), "{} differ:\n{}", found.len(), found.join("\n"));
}
