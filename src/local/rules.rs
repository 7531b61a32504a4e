//! What Tekton's webhook refuses beside unknown fields and names: the checks of Tekton Pipelines 1.15
//! (`pkg/apis/pipeline/v1/*_validation.go`) that are about a resource alone.

use std::collections::BTreeSet;

use super::check::{named, param_of};
use super::model::{ParamSpec, PipelineSpec, PipelineTask, StepSpec, TaskSpec};
use super::plan;
use super::task::duration;
use super::value::{Type, Value};
use super::vars;

/// Where something is wrong, and what.
pub type Wrong = (String, String);

/// What is wrong with a Task; `at` is where it stands.
pub fn task(spec: &TaskSpec, at: &str) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    objects(&spec.params, at, &mut wrong);
    let mut names = BTreeSet::new();
    for (index, step) in spec.steps.iter().enumerate() {
        let at = format!("{at}.steps[{index}]");
        if !step.name.is_empty() && !is_label(&step.name) {
            let rule = "must be lower-case letters, digits and dashes, at most 63";
            wrong.push((format!("{at}.name"), format!("{:?} {rule}", step.name)));
        }
        if !step.name.is_empty() && !names.insert(&step.name) {
            wrong.push((format!("{at}.name"), format!("{:?} is used twice", step.name)));
        }
        on_error(step.on_error.as_deref(), &at, &mut wrong);
        timeout(step.timeout.as_deref(), &at, &mut wrong);
        uses(step, &spec.params, &at, &mut wrong);
    }
    wrong
}

/// What is wrong with a Pipeline.
pub fn pipeline(spec: &PipelineSpec) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    repeated(spec.workspaces.iter().map(|one| one.name.as_str()), "spec.workspaces", &mut wrong);
    for (part, list) in [("tasks", &spec.tasks), ("finally", &spec.finally)] {
        for (index, task) in list.iter().enumerate() {
            pipeline_task(task, spec, &format!("spec.{part}[{index}]"), &mut wrong);
        }
    }
    for (index, result) in spec.results.iter().enumerate() {
        let names: Vec<&str> = result.value.strings().into_iter().flat_map(vars::names).collect();
        let of_result = |name: &&str| plan::any_result_reference(name).is_some();
        let of_nobody = |name: &&str| {
            let task =
                name.strip_prefix("finally.").and_then(|_| plan::any_result_reference(name)).map(|(task, _)| task);
            task.is_some_and(|task| !spec.finally.iter().any(|one| one.name == task))
        };
        let at = format!("spec.results[{index}].value");
        if names.is_empty() || !names.iter().all(of_result) {
            wrong.push((at, format!("{} must be made of results of tasks, and of nothing else", result.value)));
        } else if let Some(name) = names.into_iter().find(of_nobody) {
            wrong.push((at, format!("$({name}): there is no such task in finally")));
        }
    }
    wrong
}

fn pipeline_task(task: &PipelineTask, spec: &PipelineSpec, at: &str, wrong: &mut Vec<Wrong>) {
    on_error(task.on_error.as_deref().filter(|text| !text.contains("$(")), at, wrong);
    timeout(task.timeout.as_deref(), at, wrong);
    repeated(task.params.iter().map(|param| param.name.as_str()), &format!("{at}.params"), wrong);
    if let Some(reference) = &task.task_ref
        && !reference.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.$()[]*".contains(c))
    {
        wrong.push((format!("{at}.taskRef.name"), format!("{:?} is no name of a Task", reference.name)));
    }
    for (index, param) in task.params.iter().enumerate() {
        let at = format!("{at}.params[{index}].value");
        let place = if matches!(param.value, Value::Array(_)) { Place::List } else { Place::Value };
        for text in param.value.strings() {
            wrong.extend(misuse(&spec.params, text, place).map(|why| (at.clone(), why)));
            wrong.extend(of_no_kind(text).map(|why| (at.clone(), why)));
            let of_finally = vars::names(text).into_iter().find(|name| name.starts_with("finally."));
            wrong.extend(of_finally.map(|name| (at.clone(), format!("$({name}): tasks of finally run side by side"))));
        }
    }
    for (index, when) in task.when.iter().enumerate() {
        let at = format!("{at}.when[{index}]");
        if when.values.is_empty() {
            wrong.push((format!("{at}.values"), "are missing".to_owned()));
        }
        for text in when.values.iter().chain([&when.input]) {
            wrong.extend(of_no_kind(text).map(|why| (at.clone(), why)));
        }
        for text in &when.values {
            wrong.extend(misuse(&spec.params, text, Place::List).map(|why| (at.clone(), why)));
        }
    }
}

fn of_no_kind(text: &str) -> Option<String> {
    let name = vars::names(text).into_iter().find(|name| is_of_no_kind(name))?;
    Some(format!("$({name}): there is no such variable; for one of a shell write ${{{name}}}"))
}

/// What a text may become.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A string.
    Text,
    /// A parameter's value: a string, or what one variable alone stands for.
    Value,
    /// Part of a list: a string, or the elements of an array.
    List,
}

fn uses(step: &StepSpec, params: &[ParamSpec], at: &str, wrong: &mut Vec<Wrong>) {
    for (path, text) in step.texts() {
        let place = if path.starts_with("command") || path.starts_with("args") { Place::List } else { Place::Text };
        wrong.extend(misuse(params, text, place).map(|why| (format!("{at}.{path}"), why)));
        let context = vars::names(text).into_iter().find(|name| is_unknown_context(name));
        wrong.extend(context.map(|name| (format!("{at}.{path}"), format!("$({name}): there is no such variable"))));
    }
}

/// Whether a variable of a Task's context is none.
pub fn is_unknown_context(name: &str) -> bool {
    let unknown = |prefix: &str, known: &[&str]| name.strip_prefix(prefix).is_some_and(|rest| !known.contains(&rest));
    unknown("context.taskRun.", &["name", "namespace", "uid"]) || unknown("context.task.", &["name", "retry-count"])
}

/// Whether Tekton takes `$(name)` in a task's parameter or condition for a variable of no known kind.
pub fn is_of_no_kind(name: &str) -> bool {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-[]*".contains(c));
    let kinds = ["params", "tasks", "finally", "context", "workspaces", "results"];
    plain && !kinds.contains(&name.split('.').next().unwrap_or_default())
}

/// An array or object where it cannot stand, or a key that an object does not have.
fn misuse(params: &[ParamSpec], text: &str, place: Place) -> Option<String> {
    vars::names(text).into_iter().find_map(|variable| {
        let param = param_of(params, variable)?;
        let (_, tail) = named(variable, "params")?;
        let (star, alone) = (tail == "[*]", vars::whole(text).is_some());
        let fits = match param.kind() {
            Type::String => return None,
            Type::Array if !star && !tail.is_empty() => return None,
            Type::Array => alone && (place == Place::List || place == Place::Value && star),
            Type::Object if star || tail.is_empty() => alone && place == Place::Value && star,
            Type::Object => {
                let key = tail.trim_start_matches('.');
                let missing = !param.keys().contains(key);
                return missing.then(|| format!("$({variable}): {:?} has no such key", param.name));
            }
        };
        (!fits).then(|| {
            format!("$({variable}): the {} {:?} must stand alone where a list may be", param.kind(), param.name)
        })
    })
}

fn objects(params: &[ParamSpec], at: &str, wrong: &mut Vec<Wrong>) {
    for (index, param) in params.iter().enumerate() {
        if param.kind() == Type::Object && param.properties.as_ref().is_none_or(|keys| keys.is_empty()) {
            wrong.push((format!("{at}.params[{index}].properties"), "of an object are missing".to_owned()));
        }
    }
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>, at: &str, wrong: &mut Vec<Wrong>) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            wrong.push((format!("{at}[{index}]"), format!("{name:?} is there twice")));
        }
    }
}

fn on_error(text: Option<&str>, at: &str, wrong: &mut Vec<Wrong>) {
    if let Some(text) = text.filter(|text| !["continue", "stopAndFail"].contains(text) && !text.contains("$(")) {
        wrong.push((format!("{at}.onError"), format!("{text:?} is neither continue nor stopAndFail")));
    }
}

/// A timeout is a duration from the start: no variable stands for one.
fn timeout(text: Option<&str>, at: &str, wrong: &mut Vec<Wrong>) {
    if let Some(Err(why)) = text.map(duration) {
        wrong.push((format!("{at}.timeout"), why));
    }
}

fn is_label(name: &str) -> bool {
    let inside = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    inside && name.len() <= 63 && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Vec<ParamSpec> {
        let params = r#"[{"name": "list", "type": "array"}, {"name": "o", "properties": {"k": {}}}]"#;
        serde_json::from_str(params).unwrap_or_default()
    }

    #[test]
    fn a_list_stands_alone_where_a_list_may_be() {
        let wrong = |text: &str, place| misuse(&params(), text, place).is_some();
        assert!(!wrong("$(params.list[*])", Place::List) && !wrong("x$(params.list[0])", Place::Text));
        assert!(wrong("x$(params.list[*])", Place::List) && wrong("$(params.list[*])", Place::Text));
        assert!(!wrong("$(params.list[*])", Place::Value) && wrong("$(params.list)", Place::Value));
    }

    #[test]
    fn an_object_is_used_by_the_keys_that_it_has() {
        let wrong = |text: &str| misuse(&params(), text, Place::List).is_some();
        assert!(!wrong("$(params.o.k)") && wrong("$(params.o.l)") && wrong("$(params.o[*])"));
    }

    #[test]
    fn shell_commands_are_no_variables_and_names_are() {
        assert!(["id", "SECRET", "a.b"].into_iter().all(is_of_no_kind));
        assert!(!["id -u", "params.x", "context.pipelineRun.name", ""].into_iter().any(is_of_no_kind));
    }
}
