//! What a run is given: parameters, workspaces and timeouts, from its file and from the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::model::{ParamSpec, RunSpec, RunWorkspace, Timeouts, WorkspaceSpec};
use super::plan::any_result_reference;
use super::task::duration;
use super::value::{Type, Value};
use super::vars::{self, Variables};
use crate::step::KeyValue;

/// What a run binds to a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    /// A folder for all tasks, as a volume is.
    Shared(PathBuf),
    /// `emptyDir`: a new folder for each try of each task; the path is what to make in it.
    New(PathBuf),
}

impl Folder {
    /// A folder in it.
    pub fn join(&self, path: &str) -> Self {
        match self {
            Self::Shared(folder) => Self::Shared(folder.join(path)),
            Self::New(folder) => Self::New(folder.join(path)),
        }
    }
}

/// What Tekton gives a run, and a task, that name no timeout (`default-timeout-minutes`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// How long a run may take.
#[derive(Debug, Default)]
pub struct Limits {
    /// All of it.
    pub pipeline: Option<Duration>,
    /// The tasks but `finally`.
    pub tasks: Option<Duration>,
    /// `finally`.
    pub finally: Option<Duration>,
    /// Whether the tasks, and `finally`, are told to have no limit.
    endless: [bool; 2],
}

impl Limits {
    /// How long a task may take that names no timeout itself.
    pub fn of_task(&self, finally: bool) -> Option<Duration> {
        let of_part = if finally { self.finally } else { self.tasks };
        (!self.endless[usize::from(finally)]).then(|| of_part.unwrap_or_default().max(DEFAULT_TIMEOUT))
    }
}

/// The run's parameters, with defaults.
pub fn params(
    kind: &str,
    declared: &[ParamSpec],
    run: &RunSpec,
    given: &[KeyValue],
    problems: &mut Vec<String>,
) -> BTreeMap<String, Value> {
    let known = |name: &str| declared.iter().any(|param| param.name == name);
    for name in given.iter().map(|param| &param.key).chain(run.params.iter().map(|param| &param.name)) {
        if !known(name) {
            let names: Vec<&str> = declared.iter().map(|param| param.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            problems.push(format!("there is no parameter {name:?}; it has {names}"));
        }
    }
    let mut values = BTreeMap::new();
    for param in declared {
        let name = &param.name;
        let texts: Vec<&str> = given.iter().filter(|one| one.key == *name).map(|one| one.value.as_str()).collect();
        let of_run = run.params.iter().find(|one| one.name == *name).map(|one| one.value.clone());
        match read(param.kind(), &texts).map(|value| value.or(of_run)) {
            Ok(Some(value)) if value.kind() == param.kind() => {
                problems.extend(unfit(kind, param, &value).map(|why| format!("parameter {name:?}: {why}")));
                values.insert(name.clone(), value);
            }
            Ok(Some(value)) => {
                problems.push(format!("parameter {name:?} must be {}, got {}", param.kind(), value.kind()));
            }
            Ok(None) if param.default.is_some() => {}
            Ok(None) => problems.push(format!("parameter {name:?} is missing: --param {name}=…")),
            Err(why) => problems.push(format!("parameter {name:?}: {why}")),
        }
    }
    defaults(declared, &mut values, problems);
    values
}

/// Why Tekton would refuse a run with this value, or do with it what nobody means.
pub fn unfit(kind: &str, param: &ParamSpec, value: &Value) -> Option<String> {
    let result = value.strings().into_iter().flat_map(vars::names).find(|name| any_result_reference(name).is_some());
    if let Some(result) = result {
        return Some(format!("$({result}) is a result, and Tekton refuses a run with one in its parameters"));
    }
    let (Value::Object(given), keys) = (value, param.keys()) else { return None };
    // A Task's run fills in the default's keys, a Pipeline's does not.
    let filled =
        |key: &String| kind == "TaskRun" && matches!(&param.default, Some(Value::Object(map)) if map.contains_key(key));
    let missing: Vec<String> = keys.into_iter().filter(|key| !given.contains_key(key) && !filled(key)).collect();
    (!missing.is_empty()).then(|| format!("the keys {} are missing", missing.join(", ")))
}

/// Fills in the defaults; they may hold other parameters.
fn defaults(declared: &[ParamSpec], values: &mut BTreeMap<String, Value>, problems: &mut Vec<String>) {
    let mut known = Variables::default();
    for (name, value) in &*values {
        known.set_param(name, value);
    }
    let left = |values: &BTreeMap<String, Value>| -> Vec<(String, Value)> {
        let left = declared.iter().filter(|param| !values.contains_key(&param.name));
        left.filter_map(|param| Some((param.name.clone(), param.default.clone()?))).collect()
    };
    // Strings first, as soon as all that they hold is known; then arrays and objects, which may hold strings.
    loop {
        let ready = left(values).into_iter().find(|(_, value)| {
            let names = value.strings().into_iter().flat_map(vars::names);
            value.kind() == Type::String
                && names.filter(|name| name.starts_with("params.")).all(|name| known.knows(name))
        });
        let Some((name, Value::String(text))) = ready else { break };
        let value = Value::String(known.text(&text));
        known.set_param(&name, &value);
        values.insert(name, value);
    }
    for (name, value) in left(values) {
        let value = match value {
            Value::String(text) => {
                problems.push(format!("parameter {name:?}: its default {text} refers to none, or to itself"));
                continue;
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| known.text(item)).collect()),
            object @ Value::Object(_) => known.value(&object),
        };
        values.insert(name, value);
    }
}

/// A parameter's value from the command line; none when it is not given there.
pub fn read(kind: Type, texts: &[&str]) -> Result<Option<Value>, String> {
    match (kind, texts) {
        (_, []) => Ok(None),
        (Type::String, [text]) => Ok(Some(Value::String((*text).to_owned()))),
        (Type::Array, [text]) if text.starts_with('[') => {
            Value::parse(text, kind).map(Some).ok_or(format!("{text} is not a JSON array of strings"))
        }
        (Type::Array, texts) => Ok(Some(Value::Array(texts.iter().map(|text| (*text).to_owned()).collect()))),
        (Type::Object, [text]) => {
            Value::parse(text, kind).map(Some).ok_or(format!("{text} is not a JSON object of strings"))
        }
        (Type::String | Type::Object, _) => Err("is given more than once".to_owned()),
    }
}

/// What the run's workspaces are bound to.
pub fn workspaces(
    declared: &[WorkspaceSpec],
    run: &RunSpec,
    given: &[KeyValue],
    root: &Path,
    problems: &mut Vec<String>,
) -> Result<BTreeMap<String, Folder>, Error> {
    let system = |path: &Path| {
        let doing = format!("make {}", path.display());
        move |source| Error::System { doing, source }
    };
    for workspace in given.iter().filter(|one| !declared.iter().any(|known| known.name == one.key)) {
        problems.push(format!("there is no workspace {:?}", workspace.key));
    }
    let mut bound = BTreeMap::new();
    for workspace in declared {
        let name = &workspace.name;
        let of_run = run.workspaces.iter().find(|one| one.name == *name);
        let given = given.iter().find(|one| one.key == *name).map(|one| one.value.as_str());
        let source = given.or(of_run.and_then(RunWorkspace::source));
        let sub_path = of_run.filter(|_| given.is_none()).map(|one| one.sub_path.as_str()).unwrap_or_default();
        let folder = match source {
            Some("emptyDir") => Folder::New(PathBuf::from(sub_path)),
            Some("volumeClaimTemplate") => Folder::Shared(root.join("workspaces").join(name).join(sub_path)),
            Some(path) => Folder::Shared(std::path::absolute(path).map_err(system(Path::new(path)))?),
            None if workspace.optional && of_run.is_none() => continue,
            None if of_run.is_some() => {
                problems.push(format!("workspace {name:?} is of the cluster: give a folder, --workspace {name}=DIR"));
                continue;
            }
            None => {
                problems.push(format!(
                    "workspace {name:?} is missing: --workspace {name}=DIR, or {name}=volumeClaimTemplate for a new folder"
                ));
                continue;
            }
        };
        if let Folder::Shared(path) = &folder {
            // What a pipeline can do without is brought to it: a folder that is not there is a slip of the pen.
            if workspace.optional && given.is_some_and(|dir| dir != "volumeClaimTemplate") && !path.exists() {
                problems.push(format!("workspace {name:?}: {} does not exist", path.display()));
                continue;
            }
            std::fs::create_dir_all(path).map_err(system(path))?;
        }
        bound.insert(name.clone(), folder);
    }
    Ok(bound)
}

/// How long the run and its parts may take.
pub fn limits(timeouts: &Timeouts, problems: &mut Vec<String>) -> Limits {
    let mut limit = |text: &Option<String>| match text.as_deref().map(duration) {
        Some(Ok(limit)) => Some(limit),
        Some(Err(why)) => {
            problems.push(format!("spec.timeouts: {why}"));
            None
        }
        None => None,
    };
    let (pipeline, tasks, finally) = (limit(&timeouts.pipeline), limit(&timeouts.tasks), limit(&timeouts.finally));
    // What is left of the whole for the other part; no limit of either leaves none.
    let rest = |part: Option<Option<Duration>>| {
        let (Some(whole), Some(part)) = (pipeline?, part?) else { return None };
        Some(whole.saturating_sub(part))
    };
    let whole = pipeline.unwrap_or(Some(DEFAULT_TIMEOUT));
    let parts = tasks.flatten().unwrap_or_default() + finally.flatten().unwrap_or_default();
    if whole.is_some_and(|whole| parts > whole) {
        problems.push("spec.timeouts: tasks and finally take longer than pipeline, 1h when left out".to_owned());
    }
    Limits {
        pipeline: whole,
        tasks: tasks.unwrap_or_else(|| rest(finally)),
        finally: finally.unwrap_or_else(|| rest(tasks)),
        endless: [tasks == Some(None), finally == Some(None)],
    }
}
