//! Checks of Pipelines, and of what they give to their Tasks.

use std::collections::{BTreeMap, BTreeSet};

use super::{Notes, catalog, task};
use crate::local::model::{ParamSpec, PipelineSpec, PipelineTask, StepSpec, TaskSpec};
use crate::local::value::{Type, Value};
use crate::local::{plan, vars};

pub fn pipeline(spec: &PipelineSpec, tasks: &BTreeMap<&str, &TaskSpec>, programs: &[clap::Command], notes: &mut Notes) {
    task::declarations(&spec.params, &spec.workspaces, notes);
    let mut problems = Vec::new();
    plan::dependencies(spec, &mut problems);
    for problem in problems {
        notes.wrong("spec.tasks", problem);
    }
    let mut seen = BTreeSet::new();
    let mut used = BTreeSet::new();
    let parts = [("tasks", &spec.tasks, false), ("finally", &spec.finally, true)];
    for (part, list, finally) in parts {
        for (index, task) in list.iter().enumerate() {
            let at = format!("spec.{part}[{index}]");
            catalog::dns_name(&format!("{at}.name"), &task.name, notes);
            if !seen.insert(&task.name) {
                notes.wrong(format!("{at}.name"), format!("{:?} is used twice", task.name));
            }
            if finally && !task.run_after.is_empty() {
                notes.wrong(format!("{at}.runAfter"), "finally tasks run side by side; remove it");
            }
            if task.retries > 0 && task.on_error.as_deref() == Some("continue") {
                notes.wrong(format!("{at}.retries"), "onError continue and retries exclude each other");
            }
            if let Some(inline) = &task.task_spec {
                inline_task(inline, &format!("{at}.taskSpec"), programs, notes);
            }
            gives(spec, task, &at, tasks, notes);
            references(spec, task, &at, finally, tasks, &mut used, notes);
        }
    }
    for (index, result) in spec.results.iter().enumerate() {
        catalog::described(&format!("spec.results[{index}]"), &result.description, notes);
        for variable in result.value.strings().into_iter().flat_map(vars::names) {
            let path = format!("spec.results[{index}].value");
            refers(spec, variable, &path, tasks, notes);
        }
    }
    for (index, param) in spec.params.iter().enumerate() {
        let inline = spec.tasks.iter().chain(&spec.finally).any(|task| task.task_spec.is_some());
        if !used.contains(&format!("params {}", param.name)) && !inline {
            notes.wrong(format!("spec.params[{index}]"), format!("{:?} is never used; remove it", param.name));
        }
    }
    for (index, workspace) in spec.workspaces.iter().enumerate() {
        if !used.contains(&format!("workspaces {}", workspace.name)) {
            notes.wrong(format!("spec.workspaces[{index}]"), format!("{:?} is never used; remove it", workspace.name));
        }
    }
}

/// A Task inside a pipeline sees the pipeline's parameters, so only its commands and flags are judged.
fn inline_task(spec: &TaskSpec, at: &str, programs: &[clap::Command], notes: &mut Notes) {
    for (index, step) in spec.steps.iter().enumerate() {
        let path = format!("{at}.steps[{index}]");
        catalog::secure(step, spec.step_template.as_ref(), &path, notes);
        catalog::limited(step, spec.step_template.as_ref(), &path, notes);
        task::flags(step, &path, programs, notes);
    }
}

fn resolved<'a>(task: &'a PipelineTask, tasks: &BTreeMap<&str, &'a TaskSpec>) -> Option<&'a TaskSpec> {
    match (&task.task_spec, &task.task_ref) {
        (Some(spec), _) => Some(spec),
        (None, Some(reference)) => tasks.get(reference.name.as_str()).copied(),
        (None, None) => None,
    }
}

/// The type that a given value will have.
fn type_of(pipeline: &PipelineSpec, value: &Value) -> Option<Type> {
    let Value::String(text) = value else { return Some(value.kind()) };
    match vars::whole(text) {
        Some(variable) if variable.ends_with("[*]") && variable.starts_with("params") => {
            task::param_of(&pipeline.params, variable).map(ParamSpec::kind)
        }
        Some(variable) if variable.ends_with("[*]") => None,
        _ => Some(Type::String),
    }
}

/// Whether a task gives its Task what that needs, and nothing that it does not know.
fn gives(pipeline: &PipelineSpec, task: &PipelineTask, at: &str, tasks: &BTreeMap<&str, &TaskSpec>, notes: &mut Notes) {
    let Some(spec) = resolved(task, tasks) else {
        match &task.task_ref {
            Some(reference) => {
                notes.style(
                    format!("{at}.taskRef"),
                    format!("Task {:?} is not among the checked files", reference.name),
                );
            }
            None => notes.wrong(at, "needs taskRef or taskSpec"),
        }
        return;
    };
    for param in spec.params.iter().filter(|param| param.default.is_none()) {
        if !task.params.iter().any(|given| given.name == param.name) {
            notes.wrong(format!("{at}.params"), format!("the Task's parameter {:?} is missing", param.name));
        }
    }
    for (index, given) in task.params.iter().enumerate() {
        let path = format!("{at}.params[{index}]");
        match spec.params.iter().find(|param| param.name == given.name) {
            None if task.task_spec.is_none() => {
                notes.wrong(path, format!("the Task has no parameter {:?}", given.name));
            }
            Some(param) if type_of(pipeline, &given.value).is_some_and(|kind| kind != param.kind()) => {
                notes.wrong(path, format!("{:?} must be {}", given.name, param.kind()));
            }
            _ => {}
        }
    }
    for workspace in spec.workspaces.iter().filter(|workspace| !workspace.optional) {
        if !task.workspaces.iter().any(|given| given.name == workspace.name) {
            notes.wrong(format!("{at}.workspaces"), format!("the Task's workspace {:?} is missing", workspace.name));
        }
    }
    for (index, given) in task.workspaces.iter().enumerate() {
        let path = format!("{at}.workspaces[{index}]");
        if !spec.workspaces.iter().any(|workspace| workspace.name == given.name) {
            notes.wrong(&path, format!("the Task has no workspace {:?}", given.name));
        }
        let needed = spec.workspaces.iter().any(|workspace| workspace.name == given.name && !workspace.optional);
        match pipeline.workspaces.iter().find(|workspace| workspace.name == given.source()) {
            None => notes.wrong(&path, format!("the Pipeline has no workspace {:?}", given.source())),
            // Tekton refuses such a run before it looks at any `when`.
            Some(workspace) if workspace.optional && needed => notes.wrong(
                &path,
                format!("{:?} is optional in the Pipeline and required by the Task: make both the same", given.name),
            ),
            Some(_) => {}
        }
    }
    let limited = |step: &StepSpec| step.timeout.is_some();
    if task.timeout.is_none() && !spec.steps.iter().all(limited) {
        notes.style(format!("{at}.timeout"), "is missing");
    }
}

/// Checks every variable in what a task holds.
fn references(
    pipeline: &PipelineSpec,
    task: &PipelineTask,
    at: &str,
    finally: bool,
    tasks: &BTreeMap<&str, &TaskSpec>,
    used: &mut BTreeSet<String>,
    notes: &mut Notes,
) {
    let mut texts: Vec<(String, &str)> = Vec::new();
    for (index, param) in task.params.iter().enumerate() {
        texts.extend(param.value.strings().into_iter().map(|text| (format!("{at}.params[{index}]"), text)));
    }
    for (index, when) in task.when.iter().enumerate() {
        if when.operator != "in" && when.operator != "notin" {
            notes.wrong(format!("{at}.when[{index}].operator"), format!("{:?} is not in or notin", when.operator));
        }
        let values = when.values.iter().map(String::as_str).chain([when.input.as_str()]);
        texts.extend(values.map(|text| (format!("{at}.when[{index}]"), text)));
    }
    for (index, workspace) in task.workspaces.iter().enumerate() {
        texts.push((format!("{at}.workspaces[{index}].subPath"), &workspace.sub_path));
        used.insert(format!("workspaces {}", workspace.source()));
    }
    texts.extend(task.timeout.iter().map(|text| (format!("{at}.timeout"), text.as_str())));
    for (path, text) in texts {
        for variable in vars::names(text) {
            if variable.starts_with("params") {
                match task::param_of(&pipeline.params, variable) {
                    Some(param) => {
                        used.insert(format!("params {}", param.name));
                    }
                    None => notes.wrong(&path, format!("$({variable}): the Pipeline declares no such parameter")),
                }
            } else if !finally
                && (variable.ends_with(".status") || variable.ends_with(".reason"))
                && variable.starts_with("tasks.")
            {
                notes.wrong(&path, format!("$({variable}) is known only in finally"));
            } else {
                refers(pipeline, variable, &path, tasks, notes);
            }
        }
    }
}

/// Checks that a variable `tasks.…` means a task of the pipeline and one of its results.
fn refers(pipeline: &PipelineSpec, variable: &str, path: &str, tasks: &BTreeMap<&str, &TaskSpec>, notes: &mut Notes) {
    if !variable.starts_with("tasks.") || variable == "tasks.status" {
        return;
    }
    let status =
        variable.strip_prefix("tasks.").and_then(|rest| rest.strip_suffix(".status").or(rest.strip_suffix(".reason")));
    let (name, result) = match (plan::result_reference(variable), status) {
        (Some((name, result)), _) => (name, Some(result)),
        (None, Some(name)) => (name, None),
        (None, None) => return notes.wrong(path, format!("$({variable}) means nothing to Tekton")),
    };
    let Some(task) = pipeline.tasks.iter().find(|task| task.name == name) else {
        return notes.wrong(path, format!("$({variable}): the Pipeline has no task {name:?}"));
    };
    let declared =
        resolved(task, tasks).is_none_or(|spec| spec.results.iter().any(|one| Some(one.name.as_str()) == result));
    if result.is_some() && !declared {
        notes.wrong(path, format!("$({variable}): task {name:?} has no such result"));
    }
}
