//! From a file and what is given with it to a run that can start, or to the reasons why not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::given::{Folder, Limits, limits, params, unfit, workspaces};
use super::load;
use super::model::{
    Document, ParamSpec, PipelineSpec, PipelineTask, Reference, Resource, RunSpec, StepSpec, TaskSpec,
    WorkspaceBinding, WorkspaceSpec,
};
use super::rules;
use super::value::{Type, Value};
use super::vars::{self, Variables};
use crate::step::KeyValue;

/// What to run, and with what.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The file of a Pipeline, a Task or a PipelineRun.
    pub file: PathBuf,
    /// Folders of Tasks; empty: `../../tasks` and `../tasks` beside the file, and `tasks`.
    pub tasks: Vec<PathBuf>,
    /// Parameters; an array's is given several times or as JSON, an object's as JSON.
    pub params: Vec<KeyValue>,
    /// Workspaces: a folder, or `emptyDir` for a new one.
    pub workspaces: Vec<KeyValue>,
    /// Annotations of the run; they win over those in the file.
    pub annotations: Vec<KeyValue>,
    /// Leave the run's folder behind.
    pub keep: bool,
    /// Where the built programs are; beside the running program when left out.
    pub programs: Option<PathBuf>,
}

/// The Task of a pipeline's task.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Its name.
    pub task: String,
    /// What to do; a Task inside the pipeline has the pipeline's variables replaced.
    pub spec: TaskSpec,
    /// Whether it stands in the pipeline itself, and so sees the pipeline's parameters.
    pub inline: bool,
}

/// A run that can start.
#[derive(Debug)]
pub struct Plan {
    /// PipelineRun or TaskRun.
    pub kind: &'static str,
    /// The Pipeline's or Task's name.
    pub pipeline: String,
    /// The run's name.
    pub run: String,
    /// The pipeline, its parameters and context replaced.
    pub spec: PipelineSpec,
    /// The Tasks by the names of the pipeline's tasks.
    pub resolved: BTreeMap<String, Resolved>,
    /// What each task waits for.
    pub dependencies: BTreeMap<String, BTreeSet<String>>,
    /// The run's parameters, with defaults.
    pub params: BTreeMap<String, Value>,
    /// The run's workspaces.
    pub workspaces: BTreeMap<String, Folder>,
    /// The run's annotations, which its pods have too.
    pub annotations: BTreeMap<String, String>,
    /// How long it may take.
    pub timeouts: Limits,
}

struct Chosen {
    kind: &'static str,
    name: String,
    spec: PipelineSpec,
    run: RunSpec,
    annotations: BTreeMap<String, String>,
}

/// Prepares a run in this folder. Nothing is started.
pub fn prepare(request: &Request, root: &Path) -> Result<Plan, Error> {
    let documents = load::runnable(&request.file)?;
    let chosen = choose(&documents, request)?;
    let Chosen { kind, name, mut spec, run, mut annotations } = chosen;
    annotations.extend(request.annotations.iter().map(|pair| (pair.key.clone(), pair.value.clone())));
    let mut problems = Vec::new();
    let params = params(kind, &spec.params, &run, &request.params, &mut problems);
    let workspaces = workspaces(&spec.workspaces, &run, &request.workspaces, root, &mut problems)?;
    let mut resolved = resolve(&spec, &documents, request, &mut problems)?;
    let dependencies = dependencies(&spec, &mut problems);
    for task in spec.tasks.iter().chain(&spec.finally) {
        if let Some(resolved) = resolved.get(&task.name) {
            fits(&spec, task, resolved, &workspaces, &mut problems);
            undeclared(&spec, task, resolved, &mut problems);
            outside(&params, task, resolved, &mut problems);
        }
    }
    problems.extend(rules::pipeline(&spec).into_iter().map(|(path, why)| format!("{path}: {why}")));
    for (name, resolved) in &resolved {
        let of_task = |(path, why): rules::Wrong| format!("task {name:?}: Task {}: {path}: {why}", resolved.task);
        problems.extend(rules::task(&resolved.spec, "spec").into_iter().map(of_task));
    }
    let timeouts = limits(&run.timeouts, &mut problems);
    let refused = |problems: Vec<String>| {
        let file = request.file.display();
        Error::Resources(problems.into_iter().map(|problem| format!("{file}: {problem}")).collect())
    };
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let run = format!("{name}-{}", suffix());
    for pass in passes(&name, &run, &params, &workspaces, &spec) {
        substitute(&mut spec, &mut resolved, &pass);
    }
    for (list, finally) in [(&spec.tasks, false), (&spec.finally, true)] {
        for task in list {
            if let Some(resolved) = resolved.get(&task.name) {
                fits_now(task, finally, resolved, &mut problems);
            }
        }
    }
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    Ok(Plan { kind, pipeline: name, run, spec, resolved, dependencies, params, workspaces, annotations, timeouts })
}

/// Five letters that tell runs apart, as Tekton's `generateName` adds.
fn suffix() -> String {
    let mut number = jiff::Timestamp::now().as_nanosecond().unsigned_abs() / 1000;
    let mut text = String::new();
    for _ in 0..5 {
        text.push(char::from(b"bcdfghjklmnpqrstvwxz2456789"[(number % 27) as usize]));
        number /= 27;
    }
    text
}

/// The one thing in the file that is to be run. A Task is run as a pipeline of itself.
fn choose(documents: &[Document], request: &Request) -> Result<Chosen, Error> {
    let file = request.file.display();
    let rank = |document: &&Document| match document.resource {
        Resource::Run(_) => 0,
        Resource::Pipeline(_) => 1,
        Resource::Task(_) => 2,
    };
    let Some(document) = documents.iter().min_by_key(rank) else {
        return Err(Error::Request(format!("{file}: holds no Task, Pipeline or PipelineRun")));
    };
    let name = document.metadata.name.clone();
    // A Task's or Pipeline's own annotations describe it, and are for catalogs.
    let (run, annotations) = (RunSpec::default(), BTreeMap::new());
    match &document.resource {
        Resource::Pipeline(spec) => Ok(Chosen { kind: "PipelineRun", name, spec: spec.clone(), run, annotations }),
        Resource::Task(spec) => Ok(Chosen { kind: "TaskRun", spec: around(&name, spec), name, run, annotations }),
        Resource::Run(run) => {
            let (name, spec) = pipeline_of(run, documents, request)?;
            let name =
                if name.is_empty() { document.metadata.generate_name.trim_end_matches('-').to_owned() } else { name };
            let annotations = document.metadata.annotations.clone();
            Ok(Chosen { kind: "PipelineRun", name, spec, run: run.clone(), annotations })
        }
    }
}

fn pipeline_of(run: &RunSpec, documents: &[Document], request: &Request) -> Result<(String, PipelineSpec), Error> {
    if let Some(spec) = &run.pipeline_spec {
        return Ok((String::new(), spec.clone()));
    }
    let name = run.pipeline_ref.as_ref().map(|reference| reference.name.clone()).unwrap_or_default();
    let wanted = |documents: &[Document]| {
        documents.iter().find_map(|document| match &document.resource {
            Resource::Pipeline(spec) if document.metadata.name == name => Some(spec.clone()),
            _ => None,
        })
    };
    if let Some(spec) = wanted(documents) {
        return Ok((name, spec));
    }
    let beside = request.file.parent().unwrap_or(Path::new("."));
    let folders = [beside.to_owned(), beside.join(".."), beside.join("../.."), PathBuf::from("pipelines")];
    let file = request.file.display();
    let path = load::find(&folders, &name)
        .ok_or_else(|| Error::Request(format!("{file}: spec.pipelineRef: there is no pipeline {name:?} near it")))?;
    let spec = wanted(&load::runnable(&path)?)
        .ok_or_else(|| Error::Request(format!("{}: holds no pipeline {name:?}", path.display())))?;
    Ok((name, spec))
}

/// A pipeline of one Task, that hands everything through.
fn around(name: &str, spec: &TaskSpec) -> PipelineSpec {
    let through = |param: &ParamSpec| super::model::Param {
        name: param.name.clone(),
        value: Value::String(match param.kind() {
            Type::String => format!("$(params[\"{}\"])", param.name),
            Type::Array | Type::Object => format!("$(params[\"{}\"][*])", param.name),
        }),
    };
    let binding = |workspace: &WorkspaceSpec| WorkspaceBinding { name: workspace.name.clone(), ..Default::default() };
    let task = PipelineTask {
        name: name.to_owned(),
        task_ref: Some(Reference { name: name.to_owned(), kind: None }),
        params: spec.params.iter().map(through).collect(),
        workspaces: spec.workspaces.iter().map(binding).collect(),
        ..PipelineTask::default()
    };
    let result = |result: &super::model::ResultSpec| super::model::PipelineResult {
        name: result.name.clone(),
        description: String::new(),
        value: Value::String(match result.kind {
            Type::String => format!("$(tasks.{name}.results.{})", result.name),
            Type::Array | Type::Object => format!("$(tasks.{name}.results.{}[*])", result.name),
        }),
    };
    PipelineSpec {
        params: spec.params.clone(),
        workspaces: spec.workspaces.clone(),
        results: spec.results.iter().map(result).collect(),
        tasks: vec![task],
        ..PipelineSpec::default()
    }
}

fn resolve(
    spec: &PipelineSpec,
    documents: &[Document],
    request: &Request,
    problems: &mut Vec<String>,
) -> Result<BTreeMap<String, Resolved>, Error> {
    let beside = request.file.parent().unwrap_or(Path::new("."));
    let folders = if request.tasks.is_empty() {
        vec![beside.join("../../tasks"), beside.join("../tasks"), beside.join("../../../tasks"), PathBuf::from("tasks")]
    } else {
        request.tasks.clone()
    };
    let named = |documents: &[Document], name: &str| {
        documents.iter().find_map(|document| match &document.resource {
            Resource::Task(spec) if document.metadata.name == name => Some(spec.clone()),
            _ => None,
        })
    };
    let mut found = BTreeMap::new();
    for task in spec.tasks.iter().chain(&spec.finally) {
        let (name, spec, inline) = match (&task.task_spec, &task.task_ref) {
            (Some(spec), None) => (task.name.clone(), Some(spec.clone()), true),
            (None, Some(reference)) => {
                let name = reference.name.clone();
                let spec = match (named(documents, &name), load::find(&folders, &name)) {
                    (Some(spec), _) => Some(spec),
                    (None, Some(path)) => named(&load::runnable(&path)?, &name),
                    (None, None) => None,
                };
                (name, spec, false)
            }
            _ => {
                problems.push(format!("task {:?} needs either taskRef or taskSpec", task.name));
                continue;
            }
        };
        match spec {
            Some(spec) => {
                found.insert(task.name.clone(), Resolved { task: name, spec, inline });
            }
            None => problems.push(format!(
                "task {:?}: there is no Task {name:?} in {}; name its folder with --tasks",
                task.name,
                folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
            )),
        }
    }
    Ok(found)
}

/// Whether a task gives its Task what that needs.
fn fits(
    pipeline: &PipelineSpec,
    task: &PipelineTask,
    resolved: &Resolved,
    bound: &BTreeMap<String, Folder>,
    problems: &mut Vec<String>,
) {
    let spec = &resolved.spec;
    let name = &task.name;
    for param in &spec.params {
        let refers = |text: &str| vars::names(text).into_iter().any(|name| name.starts_with("params"));
        if param.default.as_ref().is_some_and(|default| default.strings().into_iter().any(refers)) {
            problems.push(format!(
                "task {name:?}: the default of {:?} refers to another parameter: a Task's run sees only that one's default, \
                 so a cluster would not do what is meant",
                param.name
            ));
        }
    }
    for param in spec.params.iter().filter(|param| param.default.is_none()) {
        if !task.params.iter().any(|given| given.name == param.name) {
            problems.push(format!("task {name:?} does not give the parameter {:?} of {}", param.name, resolved.task));
        }
    }
    for given in task.params.iter().filter(|given| !spec.params.iter().any(|param| param.name == given.name)) {
        if !resolved.inline {
            problems.push(format!("task {name:?}: {} has no parameter {:?}", resolved.task, given.name));
        }
    }
    for workspace in spec.workspaces.iter().filter(|workspace| !workspace.optional) {
        // One that the run itself must give, and does not, is told of already.
        let given = task.workspaces.iter().find(|given| given.name == workspace.name).map(WorkspaceBinding::source);
        let required = |name: &str| pipeline.workspaces.iter().any(|one| one.name == name && !one.optional);
        let missing = given.is_none_or(|name| !bound.contains_key(name) && !required(name));
        // Tekton refuses an optional workspace for a required one before it looks whether it is bound.
        if missing || given.is_some_and(|name| !required(name)) {
            problems.push(format!(
                "task {name:?}: {} requires the workspace {:?}, which the pipeline does not bind or has optional",
                resolved.task, workspace.name
            ));
        }
    }
    if task.retries > 0 && task.on_error.as_deref() == Some("continue") {
        problems.push(format!("task {name:?}: onError continue and retries exclude each other"));
    }
    for step in &spec.steps {
        let template = spec.step_template.as_ref();
        if step.command.is_empty() && template.is_none_or(|template| template.command.is_empty()) {
            problems.push(format!("task {name:?}: step {:?} of {} has no command", step.name, resolved.task));
        }
    }
}

/// Variables of parameters that nobody declares: they would reach a program as they stand.
fn undeclared(pipeline: &PipelineSpec, task: &PipelineTask, resolved: &Resolved, problems: &mut Vec<String>) {
    let given = task.params.iter().flat_map(|param| param.value.strings());
    let when = task.when.iter().flat_map(|when| when.values.iter().map(String::as_str).chain([when.input.as_str()]));
    let unknown = |params: &[ParamSpec], variable: &str| {
        variable.starts_with("params") && super::check::param_of(params, variable).is_none()
    };
    for variable in given.chain(when).flat_map(vars::names).filter(|name| unknown(&pipeline.params, name)) {
        problems.push(format!("task {:?}: $({variable}) is no parameter of the pipeline", task.name));
    }
    // A Task inside the pipeline sees the pipeline's parameters too.
    if resolved.inline {
        return;
    }
    let spec = &resolved.spec;
    for step in spec.steps.iter().chain(&spec.step_template) {
        let texts = step.command.iter().chain(&step.args).chain(step.env.iter().map(|var| &var.value));
        for variable in texts.flat_map(|text| vars::names(text)).filter(|name| unknown(&spec.params, name)) {
            problems.push(format!(
                "task {:?}: Task {} uses $({variable}), which it does not declare",
                task.name, resolved.task
            ));
        }
    }
}

/// Whether the values that a task now has fit its Task and its conditions.
fn fits_now(task: &PipelineTask, finally: bool, resolved: &Resolved, problems: &mut Vec<String>) {
    let name = &task.name;
    if task.when.iter().any(|when| when.values.is_empty()) {
        problems.push(format!("task {name:?}: when: the values are empty, and Tekton refuses such a run"));
    }
    for param in &resolved.spec.params {
        let given = task.params.iter().find(|given| given.name == param.name).map(|given| &given.value);
        if let Some(value @ Value::Object(_)) = given
            && let Some(why) = unfit("TaskRun", param, value)
        {
            problems.push(format!("task {name:?}: parameter {:?}: {why}", param.name));
        }
    }
    for variable in variables_in_values(task, finally) {
        problems
            .push(format!("task {name:?}: Tekton takes $({variable}) in a value for a variable, and fails the run"));
    }
    if resolved.inline {
        let refused = |why| format!("task {name:?}: Tekton refuses to run it with these values: {why}");
        problems.extend(strays(&resolved.spec).into_iter().map(refused));
    }
}

/// An array's element that is not there.
fn outside(params: &BTreeMap<String, Value>, task: &PipelineTask, resolved: &Resolved, problems: &mut Vec<String>) {
    let given = task.params.iter().flat_map(|param| param.value.strings());
    let when = task.when.iter().flat_map(|when| when.values.iter().map(String::as_str).chain([when.input.as_str()]));
    let inline = task
        .task_spec
        .iter()
        .flat_map(|spec| &spec.steps)
        .filter(|_| resolved.inline)
        .flat_map(StepSpec::texts)
        .map(|(_, text)| text);
    for variable in given.chain(when).chain(inline).flat_map(vars::names) {
        let element = variable.strip_prefix("params.").and_then(|rest| rest.strip_suffix(']')?.split_once('['));
        let Some((name, index)) = element else { continue };
        let own = resolved.spec.params.iter().any(|param| param.name == name);
        if let (Some(Value::Array(items)), Ok(index)) = (params.get(name), index.parse::<usize>())
            && index >= items.len()
            && !own
        {
            problems.push(format!("task {:?}: $({variable}): {name:?} has only {}", task.name, items.len()));
        }
    }
}

/// What Tekton says of a Task whose steps, once values are put in, hold variables of parameters that it does not declare;
/// empty when none does. Its webhook asks so when a TaskRun is made, its controller before it makes the pod.
pub fn strays(spec: &TaskSpec) -> Vec<String> {
    let unknown = |name: &str| {
        rules::is_unknown_context(name)
            || name.starts_with("params") && super::check::param_of(&spec.params, name).is_none()
    };
    // A whole array must stand alone.
    let crowded = |name: &str| {
        let array = super::check::param_of(&spec.params, name).is_some_and(|param| param.kind() == Type::Array);
        array && (name.ends_with("[*]") || !name.ends_with(']'))
    };
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (index, step) in spec.steps.iter().enumerate() {
        for (path, text) in step.texts() {
            let names = vars::names(text);
            let what = if names.iter().any(|name| unknown(name)) {
                "non-existent variable"
            } else if vars::whole(text).is_none() && names.iter().any(|name| crowded(name)) {
                "variable is not properly isolated"
            } else {
                continue;
            };
            found.entry(format!("{what} in {text:?}")).or_default().push(format!("steps[{index}].{path}"));
        }
    }
    found.into_iter().map(|(what, paths)| format!("{what}: {}", paths.join(", "))).collect()
}

/// What Tekton would take for a variable in a task's parameters and conditions once the run's values are in them. It
/// looks at them again each time it comes back to the run: such a value fails the run, or becomes another one.
fn variables_in_values(task: &PipelineTask, finally: bool) -> BTreeSet<String> {
    let params = task.params.iter().flat_map(|param| param.value.strings());
    let when = task.when.iter().flat_map(|when| when.values.iter().map(String::as_str).chain([when.input.as_str()]));
    let of_state = |name: &str| name == "tasks.status" || name.ends_with(".status") || name.ends_with(".reason");
    let refused = |name: &&str| {
        let state = name.starts_with("tasks.") && of_state(name);
        name.starts_with("params") || rules::is_of_no_kind(name) || !finally && state
    };
    params.chain(when).flat_map(vars::names).filter(refused).map(str::to_owned).collect()
}

/// The variables `tasks.…` that a task uses: in its params, conditions and workspaces, and in a Task inside the pipeline.
pub fn references(task: &PipelineTask) -> Vec<String> {
    let params = task.params.iter().flat_map(|param| param.value.strings());
    let when = task.when.iter().flat_map(|when| when.values.iter().map(String::as_str).chain([when.input.as_str()]));
    let paths = task.workspaces.iter().map(|workspace| workspace.sub_path.as_str());
    let inline = task.task_spec.iter().flat_map(|spec| spec.steps.iter().chain(&spec.step_template));
    let names = params
        .chain(when)
        .chain(paths)
        .chain(inline.flat_map(StepSpec::texts).map(|(_, text)| text))
        .flat_map(vars::names);
    names.filter(|name| name.starts_with("tasks.")).map(str::to_owned).collect()
}

/// The task and the result of a variable `tasks.T.results.R…`.
pub fn result_reference(name: &str) -> Option<(&str, &str)> {
    let (task, rest) = name.strip_prefix("tasks.")?.split_once(".results")?;
    let result = match rest.strip_prefix('.') {
        Some(rest) => rest.split(['[', '.']).next()?,
        None => rest.strip_prefix("['").or_else(|| rest.strip_prefix("[\""))?.split(['\'', '"']).next()?,
    };
    Some((task, result))
}

/// The task and the result of a variable `tasks.T.results.R…` or `finally.T.results.R…`.
pub fn any_result_reference(name: &str) -> Option<(&str, &str)> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-[]*'\"".contains(c));
    let parts = name.strip_prefix("tasks.").or_else(|| name.strip_prefix("finally."))?.split_once(".results.")?;
    plain.then_some(parts)
}

/// The tasks and results that a task uses.
pub fn used_results(task: &PipelineTask) -> Vec<(String, String)> {
    let owned = |(task, result): (&str, &str)| (task.to_owned(), result.to_owned());
    references(task).iter().filter_map(|name| result_reference(name)).map(owned).collect()
}

/// What each task waits for: the tasks it names in `runAfter`, and those whose results it uses.
pub fn dependencies(spec: &PipelineSpec, problems: &mut Vec<String>) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeSet<&str> = spec.tasks.iter().map(|task| task.name.as_str()).collect();
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for task in &spec.tasks {
        let used = used_results(task).into_iter().map(|(task, _)| task);
        let waits: BTreeSet<String> = task.run_after.iter().cloned().chain(used).collect();
        for unknown in waits.iter().filter(|name| !names.contains(name.as_str())) {
            problems.push(format!("task {:?} waits for {unknown:?}, which is no task of the pipeline", task.name));
        }
        all.insert(task.name.clone(), waits);
    }
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let ready = |waits: &BTreeSet<String>| {
            waits.iter().all(|name| done.contains(name.as_str()) || !names.contains(name.as_str()))
        };
        let next: Vec<&str> = all
            .iter()
            .filter(|(name, waits)| !done.contains(name.as_str()) && ready(waits))
            .map(|(name, _)| name.as_str())
            .collect();
        if next.is_empty() {
            break;
        }
        done.extend(next);
    }
    let rest: Vec<&str> = all.keys().map(String::as_str).filter(|name| !done.contains(name)).collect();
    if !rest.is_empty() {
        problems.push(format!("tasks {} wait for one another", rest.join(", ")));
    }
    all
}

/// The pipeline's passes: parameters, then context, then workspaces, as on a cluster.
fn passes(
    name: &str,
    run: &str,
    params: &BTreeMap<String, Value>,
    bound: &BTreeMap<String, Folder>,
    spec: &PipelineSpec,
) -> [Variables; 3] {
    let mut first = Variables::default();
    for (name, value) in params {
        first.set_param(name, value);
    }
    let mut context = Variables::default();
    context.set("context.pipeline.name", name);
    context.set("context.pipelineRun.name", run);
    context.set("context.pipelineRun.namespace", "default");
    context.set("context.pipelineRun.uid", run);
    let mut workspaces = Variables::default();
    for workspace in &spec.workspaces {
        let is_bound = bound.contains_key(&workspace.name);
        workspaces.set(format!("workspaces.{}.bound", workspace.name), is_bound.to_string());
    }
    [first, context, workspaces]
}

fn substitute(spec: &mut PipelineSpec, resolved: &mut BTreeMap<String, Resolved>, pass: &Variables) {
    for task in spec.tasks.iter_mut().chain(&mut spec.finally) {
        apply(task, pass);
        if let Some(inline) = resolved.get_mut(&task.name).filter(|one| one.inline) {
            pass.scoped(&task.params).task(&mut inline.spec);
        }
    }
}

/// One pass over what a pipeline's task holds.
pub fn apply(task: &mut PipelineTask, pass: &Variables) {
    for param in &mut task.params {
        param.value = pass.value(&param.value);
    }
    for when in &mut task.when {
        when.input = pass.text(&when.input);
        when.values = pass.list(&when.values);
    }
    for workspace in &mut task.workspaces {
        workspace.sub_path = pass.text(&workspace.sub_path);
    }
    task.on_error = task.on_error.as_deref().map(|text| pass.text(text));
}
