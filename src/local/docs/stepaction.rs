//! A Task's only step as a StepAction, for steps in Tasks of other people's.
//!
//! A StepAction has no workspaces: their folders become parameters, empty by default where the workspace is optional. A
//! program takes a file in no folder for not given, as it does when a Task's workspace is not bound. It has no volumes
//! either: their names become parameters, and timeout, `onError` and requests belong to the step that refers to it.

use serde_json::{Map, Value, json};

use super::Entry;

/// The StepAction of a Task and its samples; none where the Task has more than one step.
pub fn of(task: &Entry) -> Option<Entry> {
    let [step] = list(&task.manifest["spec"]["steps"]) else { return None };
    let manifest = manifest(&task.manifest, step);
    let runs = task.samples.iter().filter(|(_, run)| run["kind"] == "TaskRun");
    let samples = runs.map(|(file, run)| (file.clone(), sample(&task.manifest, step, run)));
    Some(Entry { name: task.name.clone(), samples: samples.collect(), manifest })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn manifest(task: &Value, step: &Value) -> Value {
    let spec = &task["spec"];
    let mut action = Map::new();
    action.insert("description".into(), spec["description"].clone());
    action.insert("params".into(), params(spec, step));
    if let Some(results) = spec.get("results") {
        action.insert("results".into(), results.clone());
    }
    for field in ["image", "workingDir", "command", "args", "env", "securityContext"] {
        if let Some(value) = merged(spec.get("stepTemplate").and_then(|template| template.get(field)), step.get(field))
        {
            action.insert(field.into(), rewritten(&value, spec));
        }
    }
    if let Some(Value::Array(mounts)) = step.get("volumeMounts") {
        let mut mounts = mounts.clone();
        for mount in &mut mounts {
            mount["name"] = json!(format!("$(params.{}-volume)", text(&mount["name"])));
        }
        action.insert("volumeMounts".into(), Value::Array(mounts));
    }
    json!({
        "apiVersion": "tekton.dev/v1beta1",
        "kind": "StepAction",
        "metadata": task["metadata"],
        "spec": action,
    })
}

/// What a step has of a field, over what the template has, as Tekton merges them.
fn merged(template: Option<&Value>, step: Option<&Value>) -> Option<Value> {
    match (template, step) {
        (Some(Value::Object(below)), Some(Value::Object(above))) => {
            let mut all = below.clone();
            all.extend(above.clone());
            Some(Value::Object(all))
        }
        (template, step) => step.or(template).cloned(),
    }
}

/// The Task's parameters, and those that stand for workspaces and volumes.
fn params(spec: &Value, step: &Value) -> Value {
    let mut params = Vec::new();
    for workspace in list(&spec["workspaces"]) {
        let mut param = json!({
            "name": format!("{}-path", text(&workspace["name"])),
            "description": format!("Path of a workspace: {}", text(&workspace["description"]).replace("not bound when", "empty when")),
            "type": "string",
        });
        if workspace["optional"] == true {
            param["default"] = json!("");
        }
        params.push(param);
    }
    for mount in list(&step["volumeMounts"]) {
        params.push(json!({
            "name": format!("{}-volume", text(&mount["name"])),
            "description": format!("Name of the Task's volume for {}, an emptyDir", text(&mount["mountPath"])),
            "type": "string",
        }));
    }
    params.extend(list(&spec["params"]).iter().cloned().map(|mut param| {
        let mut description = text(&param["description"]).to_owned();
        for workspace in list(&spec["workspaces"]) {
            let name = text(&workspace["name"]);
            description = description
                .replace(&format!("the workspace {name}"), &format!("{name}-path"))
                .replace(&format!("/workspace/{name}/"), &format!("$(workspaces.{name}.path)/"));
        }
        param["description"] = json!(description);
        param
    }));
    Value::Array(params)
}

/// The value with the Task's variables as a StepAction knows them.
fn rewritten(value: &Value, spec: &Value) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text.clone();
            for workspace in list(&spec["workspaces"]) {
                let name = self::text(&workspace["name"]);
                text = text.replace(&format!("$(workspaces.{name}.path)"), &format!("$(params.{name}-path)"));
            }
            Value::String(text.replace("$(results.", "$(step.results."))
        }
        Value::Array(items) => items.iter().map(|item| rewritten(item, spec)).collect(),
        other => other.clone(),
    }
}

/// The run of a Task as a run of its StepAction.
fn sample(task: &Value, step: &Value, run: &Value) -> Value {
    let (spec, name) = (&task["spec"], text(&task["metadata"]["name"]));
    let mut params = Vec::new();
    let mut workspaces = Vec::new();
    for binding in list(&run["spec"]["workspaces"]) {
        let workspace = text(&binding["name"]);
        params.push(json!({"name": format!("{workspace}-path"), "value": format!("$(workspaces.{workspace}.path)")}));
        workspaces.push(json!({"name": workspace}));
    }
    for mount in list(&step["volumeMounts"]) {
        params.push(json!({"name": format!("{}-volume", text(&mount["name"])), "value": mount["name"]}));
    }
    params.extend(list(&run["spec"]["params"]).iter().cloned());
    let mut inner = Map::new();
    inner.insert("name".into(), step["name"].clone());
    inner.insert("ref".into(), json!({"name": name}));
    for field in ["timeout", "onError", "computeResources"] {
        inner.extend(step.get(field).map(|value| (field.to_owned(), value.clone())));
    }
    inner.insert("params".into(), Value::Array(params));
    let mut body = Map::new();
    if !workspaces.is_empty() {
        body.insert("workspaces".into(), Value::Array(workspaces));
    }
    let results: Vec<Value> = list(&spec["results"]).iter().map(|result| passed_on(result, step)).collect();
    if !results.is_empty() {
        body.insert("results".into(), Value::Array(results));
    }
    body.insert("steps".into(), json!([inner]));
    body.extend(spec.get("volumes").map(|volumes| ("volumes".to_owned(), volumes.clone())));
    let mut run = run.clone();
    run["metadata"]["generateName"] = json!(format!("{name}-step-"));
    if let Some(fields) = run["spec"].as_object_mut() {
        fields.shift_remove("taskRef");
        fields.shift_remove("params");
        fields.insert("taskSpec".into(), Value::Object(body));
    }
    run
}

/// A Task's result that is a step's.
fn passed_on(result: &Value, step: &Value) -> Value {
    let name = text(&result["name"]);
    json!({"name": name, "type": result["type"], "value": format!("$(steps.{}.results.{name})", text(&step["name"]))})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Entry {
        let manifest = json!({
            "apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "t"},
            "spec": {
                "description": "Does it.",
                "params": [{"name": "jar", "description": "Jar in the workspace app", "type": "string"}],
                "workspaces": [{"name": "report", "description": "Reports"}, {"name": "app", "description": "App", "optional": true}],
                "results": [{"name": "ts", "description": "When", "type": "string"}],
                "stepTemplate": {"image": "i", "securityContext": {"runAsNonRoot": true}},
                "steps": [{
                    "name": "s", "timeout": "1m", "workingDir": "$(workspaces.app.path)", "command": ["p"],
                    "args": ["--result=ts=$(results.ts.path)", "--report=$(workspaces.report.path)/r"],
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        });
        let run = json!({"kind": "TaskRun", "metadata": {"generateName": "t-"}, "spec": {
            "taskRef": {"name": "t"},
            "params": [{"name": "jar", "value": "a.jar"}],
            "workspaces": [{"name": "report", "emptyDir": {}}],
        }});
        Entry { name: "t".into(), manifest, samples: [("t.yaml".to_owned(), run)].into() }
    }

    #[test]
    fn workspaces_results_and_volumes_become_what_a_stepaction_may_hold() {
        let spec = of(&task()).unwrap().manifest["spec"].clone();
        assert_eq!(
            spec["params"],
            json!([
                {"name": "report-path", "description": "Path of a workspace: Reports", "type": "string"},
                {"name": "app-path", "description": "Path of a workspace: App", "type": "string", "default": ""},
                {"name": "tmp-volume", "description": "Name of the Task's volume for /tmp, an emptyDir", "type": "string"},
                {"name": "jar", "description": "Jar in app-path", "type": "string"},
            ])
        );
        assert_eq!(spec["args"], json!(["--result=ts=$(step.results.ts.path)", "--report=$(params.report-path)/r"]));
        assert_eq!(spec["workingDir"], "$(params.app-path)");
        assert_eq!(spec["volumeMounts"], json!([{"name": "$(params.tmp-volume)", "mountPath": "/tmp"}]));
        assert_eq!(spec["securityContext"], json!({"runAsNonRoot": true}));
        for field in ["workspaces", "timeout", "volumes", "steps"] {
            assert!(spec.get(field).is_none(), "{field}");
        }
    }

    #[test]
    fn a_sample_of_the_task_becomes_one_of_the_stepaction() {
        let run = of(&task()).unwrap().samples["t.yaml"].clone();
        assert_eq!(
            run["spec"],
            json!({
                "workspaces": [{"name": "report", "emptyDir": {}}],
                "taskSpec": {
                    "workspaces": [{"name": "report"}],
                    "results": [{"name": "ts", "type": "string", "value": "$(steps.s.results.ts)"}],
                    "steps": [{
                        "name": "s", "ref": {"name": "t"}, "timeout": "1m",
                        "params": [
                            {"name": "report-path", "value": "$(workspaces.report.path)"},
                            {"name": "tmp-volume", "value": "tmp"},
                            {"name": "jar", "value": "a.jar"},
                        ],
                    }],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            })
        );
    }

    #[test]
    fn a_task_of_two_steps_has_no_stepaction() {
        let mut task = task();
        task.manifest["spec"]["steps"] = json!([{"name": "a"}, {"name": "b"}]);
        assert!(of(&task).is_none());
    }
}
