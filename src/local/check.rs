//! `streamgauge check`: is a catalog right, before a cluster or a run finds out?

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::fields;
use super::load::{self, Raw};
use super::model::{Document, ParamSpec, PipelineSpec, PipelineTask, Resource, StepSpec, TaskSpec, WorkspaceSpec};
use super::plan;
use super::rules;
use super::value::Type;
use super::vars;
use crate::step::{Exit, Failure, StepArgs};

/// Check Tasks and Pipelines: names, parameters, results, workspaces, references, and the flags of our own programs
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// YAML files, or folders of them
    #[arg(default_values = ["tasks", "pipelines"])]
    pub paths: Vec<PathBuf>,

    /// Take our house style (annotations, security context, requests, timeouts) for rules too
    #[arg(long)]
    pub strict: bool,

    /// What all programs have
    #[command(flatten)]
    pub step: StepArgs,
}

/// What is wrong, or against the house style, with a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether it is only a matter of style.
    pub style: bool,
}

/// Checks and tells; exit code 2 when something is wrong.
pub fn run(args: Args, programs: &[clap::Command]) -> Result<Exit, Failure> {
    let (findings, resources) = check(&args.paths, programs)?;
    let mut out = String::new();
    for finding in &findings {
        let level = if finding.style && !args.strict { "warning: " } else { "" };
        out.push_str(&format!("{}: {}: {level}{}\n", finding.file.display(), finding.path, finding.message));
    }
    let wrong = findings.iter().filter(|finding| args.strict || !finding.style).count();
    out.push_str(&format!("{resources} resources checked: {wrong} errors, {} warnings\n", findings.len() - wrong));
    // A closed stdout does not change what is right.
    let _ = std::io::stdout().write_all(out.as_bytes());
    Ok(if wrong > 0 { Exit::Usage } else { Exit::Done })
}

/// All findings in these files and folders, sorted, and the number of resources that were read.
pub fn check(paths: &[PathBuf], programs: &[clap::Command]) -> Result<(Vec<Finding>, usize), Error> {
    let mut files = BTreeSet::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let mut findings = Vec::new();
    let mut documents = Vec::new();
    for file in &files {
        for raw in load::read(file)? {
            if raw.api_version().starts_with("tekton.dev/") {
                documents.extend(shape(&raw, &mut findings));
            }
        }
    }
    let tasks: BTreeMap<&str, &TaskSpec> = documents
        .iter()
        .filter_map(|document| match &document.resource {
            Resource::Task(spec) => Some((document.metadata.name.as_str(), spec)),
            _ => None,
        })
        .collect();
    for document in &documents {
        let mut notes = Notes { file: &document.file, findings: &mut findings };
        match &document.resource {
            Resource::Task(spec) => {
                catalog(document, &spec.description, &mut notes);
                task(spec, "spec", programs, &mut notes);
            }
            Resource::Pipeline(spec) => {
                catalog(document, &spec.description, &mut notes);
                pipeline(spec, &tasks, programs, &mut notes);
            }
            Resource::Run(_) => {}
        }
    }
    findings.sort();
    findings.dedup();
    Ok((findings, documents.len()))
}

/// The YAML files at a path; `samples/` and `tests/` hold runs, not catalog entries.
fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        std::fs::metadata(path).map_err(failed)?;
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let yaml = entry.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if (entry.is_dir() && !["samples", "tests"].contains(&name)) || (entry.is_file() && yaml) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

struct Notes<'a> {
    file: &'a Path,
    findings: &'a mut Vec<Finding>,
}

impl Notes<'_> {
    fn wrong(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(path.into(), message.into(), false);
    }

    fn style(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(path.into(), message.into(), true);
    }

    fn add(&mut self, path: String, message: String, style: bool) {
        self.findings.push(Finding { file: self.file.to_owned(), path, message, style });
    }
}

/// The document, when it has the shape of one.
fn shape(raw: &Raw, findings: &mut Vec<Finding>) -> Option<Document> {
    let mut notes = Notes { file: &raw.file, findings };
    if raw.api_version() != "tekton.dev/v1" {
        notes.wrong("apiVersion", format!("{:?} is out of date; write tekton.dev/v1", raw.api_version()));
        return None;
    }
    for (path, message) in fields::problems(raw.kind(), &raw.value) {
        let style = message.starts_with("not supported");
        notes.add(path, message, style);
    }
    match raw.typed() {
        Ok(document) => Some(document),
        Err(problem) => {
            let place = format!("{}: ", raw.file.display());
            let rest = problem.strip_prefix(&place).unwrap_or(&problem);
            let (path, message) = rest.split_once(": ").unwrap_or(("spec", rest));
            notes.wrong(path, message);
            None
        }
    }
}

/// What makes a resource a good catalog entry.
fn catalog(document: &Document, description: &str, notes: &mut Notes) {
    let metadata = &document.metadata;
    let name = &metadata.name;
    dns_name("metadata.name", name, notes);
    let stem = document.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = document.file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    if stem != name || folder != name {
        notes.style(
            "metadata.name",
            format!("{name:?} must also be the file's and the folder's name: {name}/{name}.yaml"),
        );
    }
    match metadata.labels.get("app.kubernetes.io/version") {
        None => notes.style("metadata.labels", "app.kubernetes.io/version is missing"),
        Some(version) => {
            let parts: Vec<&str> = version.split(['-', '+']).next().unwrap_or_default().split('.').collect();
            if parts.len() != 3 || parts.iter().any(|part| part.parse::<u32>().is_err()) {
                notes.wrong(
                    "metadata.labels",
                    format!("app.kubernetes.io/version {version:?} is not a version such as 1.2.3"),
                );
            }
        }
    }
    for wanted in ["pipelines.minVersion", "displayName", "categories", "tags", "platforms"] {
        let key = format!("tekton.dev/{wanted}");
        if metadata.annotations.get(&key).is_none_or(|value| value.trim().is_empty()) {
            notes.style("metadata.annotations", format!("{key} is missing"));
        }
    }
    described("spec.description", description, notes);
}

fn described(path: &str, text: &str, notes: &mut Notes) {
    if text.trim().is_empty() {
        notes.style(path, "has no description");
    }
}

/// A Kubernetes name in kebab-case (RFC 1123 label).
fn dns_name(path: &str, name: &str, notes: &mut Notes) {
    let inside = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if name.is_empty() || name.len() > 63 || !inside || name.starts_with('-') || name.ends_with('-') {
        notes.wrong(path, format!("{name:?} must be lower-case letters, digits and dashes, at most 63"));
    }
}

fn declarations(params: &[ParamSpec], workspaces: &[WorkspaceSpec], notes: &mut Notes) {
    let mut seen = BTreeSet::new();
    for (index, param) in params.iter().enumerate() {
        let path = format!("spec.params[{index}]");
        if !seen.insert(&param.name) {
            notes.wrong(&path, format!("{:?} is declared twice", param.name));
        }
        if let (Some(kind), Some(default)) = (param.declared, &param.default)
            && kind != default.kind()
        {
            notes.wrong(format!("{path}.default"), format!("is {}, but the type is {kind}", default.kind()));
        }
        described(&path, &param.description, notes);
    }
    for (index, workspace) in workspaces.iter().enumerate() {
        described(&format!("spec.workspaces[{index}]"), &workspace.description, notes);
    }
}

/// A variable's name and what follows it: `params.x[*]` is `x` and `[*]`.
pub fn named<'a>(variable: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let rest = variable.strip_prefix(prefix)?;
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(['[', '.']).unwrap_or(rest.len());
        return Some((&rest[..end], &rest[end..]));
    }
    let quoted = rest.strip_prefix("[\"").or_else(|| rest.strip_prefix("['"))?;
    let end = quoted.find(['"', '\''])?;
    Some((&quoted[..end], quoted.get(end + 2..)?))
}

/// The declared parameter that a variable names; parameters' own names may hold dots.
pub fn param_of<'a>(params: &'a [ParamSpec], variable: &str) -> Option<&'a ParamSpec> {
    let (name, _) = named(variable, "params")?;
    let dotted = variable.strip_prefix("params.").unwrap_or(name);
    params.iter().find(|param| param.name == dotted).or_else(|| params.iter().find(|param| param.name == name))
}

fn task(spec: &TaskSpec, at: &str, programs: &[clap::Command], notes: &mut Notes) {
    declarations(&spec.params, &spec.workspaces, notes);
    rules::task(spec, at).into_iter().for_each(|(path, message)| notes.wrong(path, message));
    for (index, result) in spec.results.iter().enumerate() {
        described(&format!("{at}.results[{index}]"), &result.description, notes);
    }
    if spec.steps.is_empty() {
        notes.wrong(format!("{at}.steps"), "a Task needs at least one step");
    }
    let mut used: BTreeSet<String> = BTreeSet::new();
    let template = spec.step_template.as_ref();
    for (index, step) in template
        .iter()
        .map(|step| (None, *step))
        .chain(spec.steps.iter().enumerate().map(|(index, step)| (Some(index), step)))
    {
        let path = index.map_or(format!("{at}.stepTemplate"), |index| format!("{at}.steps[{index}]"));
        variables(spec, step, &path, &mut used, notes);
        if index.is_some() {
            style(step, template, &path, notes);
            flags(step, &path, programs, notes);
        }
    }
    for (index, param) in
        spec.params.iter().enumerate().filter(|(_, param)| !used.contains(&format!("params {}", param.name)))
    {
        notes.wrong(format!("{at}.params[{index}]"), format!("{:?} is never used; remove it", param.name));
    }
    for (index, workspace) in spec.workspaces.iter().enumerate() {
        if !used.contains(&format!("workspaces {}", workspace.name)) {
            notes.wrong(format!("{at}.workspaces[{index}]"), format!("{:?} is never used; remove it", workspace.name));
        }
    }
    for (index, result) in spec.results.iter().enumerate() {
        if !used.contains(&format!("results {}", result.name)) {
            notes.wrong(format!("{at}.results[{index}]"), format!("no step is given $(results.{}.path)", result.name));
        }
    }
}

/// Checks every variable of a step, and that values come as whole arguments.
fn variables(spec: &TaskSpec, step: &StepSpec, at: &str, used: &mut BTreeSet<String>, notes: &mut Notes) {
    let command = step.command.iter().enumerate().map(|(index, text)| (format!("{at}.command[{index}]"), text));
    let args = step.args.iter().enumerate().map(|(index, text)| (format!("{at}.args[{index}]"), text));
    let env = step.env.iter().enumerate().map(|(index, var)| (format!("{at}.env[{index}]"), &var.value));
    let single = [(format!("{at}.image"), &step.image), (format!("{at}.workingDir"), &step.working_dir)];
    for (path, text) in command.chain(args).chain(env).chain(single) {
        for variable in vars::names(text) {
            if variable.starts_with("params") {
                let Some(param) = param_of(&spec.params, variable) else {
                    notes.wrong(&path, format!("$({variable}): no such parameter is declared"));
                    continue;
                };
                used.insert(format!("params {}", param.name));
                if vars::whole(text).is_none() {
                    notes.style(&path, format!("$({variable}) must be the whole value, not a part of it"));
                }
                let list = variable.ends_with("[*]");
                if param.kind() == Type::Array && !variable.contains('[') || list && param.kind() == Type::String {
                    notes.wrong(&path, format!("$({variable}): the parameter is {}", param.kind()));
                }
            } else if let Some((name, _)) = named(variable, "results") {
                used.insert(format!("results {name}"));
                if !spec.results.iter().any(|result| result.name == name) {
                    notes.wrong(&path, format!("$({variable}): no such result is declared"));
                }
            } else if let Some((name, _)) = named(variable, "workspaces") {
                used.insert(format!("workspaces {name}"));
                if !spec.workspaces.iter().any(|workspace| workspace.name == name) {
                    notes.wrong(&path, format!("$({variable}): no such workspace is declared"));
                }
            }
        }
    }
}

/// The house style of steps.
fn style(step: &StepSpec, template: Option<&StepSpec>, at: &str, notes: &mut Notes) {
    if step.command.is_empty() && template.is_none_or(|template| template.command.is_empty()) {
        notes.wrong(format!("{at}.command"), "is missing: without it a cluster asks the image's registry");
    }
    if step.image.is_empty() && template.is_none_or(|template| template.image.is_empty()) {
        notes.wrong(format!("{at}.image"), "is missing");
    }
    let context = |pointer: &str| {
        let find =
            |step: &StepSpec| step.security_context.as_ref().and_then(|context| context.pointer(pointer)).cloned();
        find(step).or_else(|| template.and_then(find))
    };
    let wanted = [
        ("/runAsNonRoot", serde_json::json!(true)),
        ("/readOnlyRootFilesystem", serde_json::json!(true)),
        ("/allowPrivilegeEscalation", serde_json::json!(false)),
        ("/capabilities/drop", serde_json::json!(["ALL"])),
        ("/seccompProfile/type", serde_json::json!("RuntimeDefault")),
    ];
    for (pointer, value) in wanted {
        if context(pointer).as_ref() != Some(&value) {
            let name = pointer[1..].replace('/', ".");
            notes.style(format!("{at}.securityContext"), format!("{name} must be {value}, here or in stepTemplate"));
        }
    }
    let requests =
        |step: &StepSpec| step.compute_resources.as_ref().is_some_and(|value| value.get("requests").is_some());
    if !requests(step) && !template.is_some_and(requests) {
        notes.style(format!("{at}.computeResources"), "requests are missing");
    }
    if step.timeout.is_none() {
        notes.style(format!("{at}.timeout"), "is missing");
    }
}

/// Every `--flag` must exist in the program; programs that are not ours are not known here.
fn flags(step: &StepSpec, at: &str, programs: &[clap::Command], notes: &mut Notes) {
    let words: Vec<&str> = step.command.iter().chain(&step.args).map(String::as_str).collect();
    let Some(name) = words.first().and_then(|program| program.rsplit('/').next()) else { return };
    let Some(mut program) = programs.iter().find(|program| program.get_name() == name) else { return };
    for (index, word) in words.iter().enumerate().skip(1).take_while(|(_, word)| **word != "--") {
        let place = match index.checked_sub(step.command.len()) {
            Some(index) => format!("{at}.args[{index}]"),
            None => format!("{at}.command[{index}]"),
        };
        let Some(flag) = word.strip_prefix("--") else {
            program = program.find_subcommand(word).unwrap_or(program);
            continue;
        };
        let flag = flag.split('=').next().unwrap_or_default();
        let known = program.get_arguments().any(|arg| {
            arg.get_long() == Some(flag) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&flag))
        });
        if !known && !["help", "version"].contains(&flag) {
            notes.wrong(place, format!("{} has no flag --{flag}", program.get_name()));
        }
    }
}

fn pipeline(spec: &PipelineSpec, tasks: &BTreeMap<&str, &TaskSpec>, programs: &[clap::Command], notes: &mut Notes) {
    declarations(&spec.params, &spec.workspaces, notes);
    rules::pipeline(spec).into_iter().for_each(|(path, message)| notes.wrong(path, message));
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
            dns_name(&format!("{at}.name"), &task.name, notes);
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
                self::inline(inline, &format!("{at}.taskSpec"), programs, notes);
            }
            gives(spec, task, &at, tasks, notes);
            references(spec, task, &at, finally, tasks, &mut used, notes);
        }
    }
    for (index, result) in spec.results.iter().enumerate() {
        described(&format!("spec.results[{index}]"), &result.description, notes);
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
fn inline(spec: &TaskSpec, at: &str, programs: &[clap::Command], notes: &mut Notes) {
    rules::task(spec, at).into_iter().for_each(|(path, message)| notes.wrong(path, message));
    for (index, step) in spec.steps.iter().enumerate() {
        let path = format!("{at}.steps[{index}]");
        style(step, spec.step_template.as_ref(), &path, notes);
        flags(step, &path, programs, notes);
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
fn type_of(pipeline: &PipelineSpec, value: &super::value::Value) -> Option<Type> {
    let super::value::Value::String(text) = value else { return Some(value.kind()) };
    match vars::whole(text) {
        Some(variable) if variable.ends_with("[*]") && variable.starts_with("params") => {
            param_of(&pipeline.params, variable).map(ParamSpec::kind)
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
                match param_of(&pipeline.params, variable) {
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
