//! A TaskRun: its steps one after the other, its results, its retries and its timeout.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use super::given::Folder;
use super::model::{StepSpec, TaskSpec, ValueFrom};
use super::outcome::{TaskReport, TaskState};
use super::process::{self, End, Halt, Line, Program, Sink, halted};
use super::value::{Type, Value};
use super::vars::{Variables, expand_env};
use crate::step::Seconds;

/// The most that a container's termination message holds, in bytes; Tekton carries results in it.
const TERMINATION_LIMIT: usize = 4096;

/// How the message of a task ends that the run's timeout ended.
pub const TIMED_OUT: &str = "TaskRun cancelled as the PipelineRun it belongs to has timed out.";

/// The same when the run was cancelled.
const CANCELLED: &str = "TaskRun cancelled as the PipelineRun it belongs to has been cancelled.";

/// What all tasks of a run share.
pub struct Host {
    /// The run's folder.
    pub root: PathBuf,
    /// Where the built programs are.
    pub programs: PathBuf,
    /// What every step's environment holds.
    pub env: Vec<(String, String)>,
    /// The run's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Takes the steps' lines.
    pub sink: Sink,
}

/// A TaskRun that is ready to start.
pub struct Job {
    /// The task in the pipeline.
    pub name: String,
    /// The Task.
    pub task: String,
    /// What `$(context.task.name)` is.
    pub context: String,
    /// The TaskRun's name.
    pub run: String,
    /// What to do.
    pub spec: TaskSpec,
    /// The parameters it is given.
    pub params: BTreeMap<String, Value>,
    /// The workspaces it is given.
    pub workspaces: BTreeMap<String, Folder>,
    /// The longest that one attempt may take.
    pub timeout: Option<Duration>,
    /// How often it is tried again.
    pub retries: u32,
    /// Whether its failure is passed over.
    pub ignore_failure: bool,
    /// Whether it belongs to `finally`.
    pub finally: bool,
}

/// How an attempt ended.
struct Attempt {
    state: TaskState,
    reason: &'static str,
    message: String,
    step: Option<FailedStep>,
    results: BTreeMap<String, Value>,
    /// Why it was ended from outside.
    halted: Option<Halt>,
}

struct FailedStep {
    name: String,
    code: i32,
    last_line: String,
}

impl Attempt {
    fn failed(reason: &'static str, message: String) -> Self {
        Self { state: TaskState::Failed, reason, message, step: None, results: BTreeMap::new(), halted: None }
    }
}

/// Runs a task to its end, with its retries.
pub async fn run(host: Arc<Host>, job: Job, halt: watch::Receiver<Halt>) -> TaskReport {
    let started = Timestamp::now();
    let mut attempts = 0;
    let attempt = loop {
        let attempt = attempt(&host, &job, attempts, halt.clone()).await;
        attempts += 1;
        let again = attempt.state == TaskState::Failed && attempts <= job.retries && *halt.borrow() == Halt::No;
        if !again {
            break attempt;
        }
    };
    TaskReport {
        name: job.name,
        task: job.task,
        run: job.run,
        started,
        finished: Timestamp::now(),
        state: attempt.state,
        reason: attempt.reason.to_owned(),
        message: attempt.message,
        exit_code: attempt.step.as_ref().map(|step| step.code),
        step: attempt.step.as_ref().map(|step| step.name.clone()),
        last_line: attempt.step.map(|step| step.last_line).filter(|line| !line.is_empty()),
        results: attempt.results,
        attempts,
        finally: job.finally,
        ignored: job.ignore_failure && attempt.state == TaskState::Failed,
    }
}

async fn attempt(host: &Host, job: &Job, number: u32, outer: watch::Receiver<Halt>) -> Attempt {
    let dir = host.root.join(format!("{}-{number}", job.name));
    let results = dir.join("results");
    if let Err(error) = std::fs::create_dir_all(&results) {
        return Attempt::failed("Failed", format!("cannot make {}: {error}", results.display()));
    }
    let passes = folders(job, &dir).and_then(|folders| passes(job, number, &results, &folders));
    let passes = match passes {
        Ok(passes) => passes,
        Err(message) => return Attempt::failed("TaskRunValidationFailed", message),
    };
    let mut spec = job.spec.clone();
    for pass in &passes {
        pass.task(&mut spec);
    }
    let strays = super::plan::strays(&spec);
    if !strays.is_empty() {
        return Attempt::failed("PodCreationFailed", no_pod(job, &strays));
    }
    // The attempt's own timeout halts its steps as the run's end does.
    let (sender, inner) = watch::channel(Halt::No);
    let work = steps(host, job, &spec, &dir, inner);
    let mut work = std::pin::pin!(work);
    let deadline = async {
        match job.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let mut deadline = std::pin::pin!(deadline);
    let mut outer = outer;
    let mut said = Halt::No;
    let mut over = false;
    loop {
        let next = match said {
            Halt::No => Halt::Timeout,
            _ => Halt::Kill,
        };
        tokio::select! {
            done = &mut work => return named(done, job, over),
            () = &mut deadline, if !over => {
                over = true;
                sender.send_if_modified(|now| std::mem::replace(now, Halt::Timeout.max(*now)) < Halt::Timeout);
            }
            now = halted(&mut outer, next), if said < Halt::Kill => {
                said = now;
                sender.send_replace(now);
            }
        }
    }
}

fn no_pod(job: &Job, strays: &[String]) -> String {
    let inline = job.context == job.run;
    let maybe =
        if inline { "invalid TaskSpec".to_owned() } else { format!("missing or invalid Task default/{}", job.task) };
    format!("failed to create task run pod {:?}: {}. Maybe {maybe}", job.run, strays.join("\n"))
}

/// The folders of the workspaces; `emptyDir` is a new one for each try, as it is part of the pod.
fn folders(job: &Job, dir: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut folders = BTreeMap::new();
    for (name, folder) in &job.workspaces {
        let path = match folder {
            Folder::Shared(path) => path.clone(),
            Folder::New(path) => dir.join("workspaces").join(name).join(path),
        };
        std::fs::create_dir_all(&path).map_err(|why| format!("cannot make {}: {why}", path.display()))?;
        folders.insert(name.clone(), path);
    }
    Ok(folders)
}

/// Puts the TaskRun's own words to an end from outside.
fn named(mut attempt: Attempt, job: &Job, own_timeout: bool) -> Attempt {
    let run = &job.run;
    match attempt.halted {
        Some(_) if own_timeout => {
            attempt.state = TaskState::Failed;
            attempt.reason = "TaskRunTimeout";
            attempt.message =
                format!("TaskRun {run:?} failed to finish within {:?}", go_duration(job.timeout.unwrap_or_default()));
        }
        Some(Halt::Timeout) => attempt.message = format!("TaskRun {run:?} was cancelled. {TIMED_OUT}"),
        Some(_) => attempt.message = format!("TaskRun {run:?} was cancelled. {CANCELLED}"),
        None => {}
    }
    attempt
}

/// The passes of Tekton's variables, one after the other: a parameter's value that holds a variable of a later pass is
/// replaced there, as on a cluster.
fn passes(
    job: &Job,
    attempt: u32,
    results: &Path,
    folders: &BTreeMap<String, PathBuf>,
) -> Result<Vec<Variables>, String> {
    let mut params = Variables::default();
    let declared = |name: &str| job.spec.params.iter().any(|param| param.name == name);
    for (name, value) in job.params.iter().filter(|(name, _)| !declared(name)) {
        params.set_param(name, value);
    }
    for param in &job.spec.params {
        let value = effective(param, job.params.get(&param.name))
            .ok_or_else(|| format!("parameter {:?} is missing", param.name))?;
        if value.kind() != param.kind() {
            return Err(format!("parameter {:?} must be {}, got {}", param.name, param.kind(), value.kind()));
        }
        params.set_param(&param.name, &value);
    }
    let mut context = Variables::default();
    context.set("context.task.name", &job.context);
    context.set("context.taskRun.name", &job.run);
    context.set("context.taskRun.namespace", "default");
    context.set("context.taskRun.uid", &job.run);
    context.set("context.task.retry-count", attempt.to_string());
    let mut paths = Variables::default();
    for result in &job.spec.results {
        let path = results.join(&result.name).display().to_string();
        for name in [format!("results.{}.path", result.name), format!("results['{}'].path", result.name)] {
            paths.set(name, &path);
        }
    }
    let mut workspaces = Variables::default();
    for workspace in &job.spec.workspaces {
        let bound = folders.get(&workspace.name);
        let name = &workspace.name;
        workspaces
            .set(format!("workspaces.{name}.path"), bound.map_or(String::new(), |path| path.display().to_string()));
        workspaces.set(format!("workspaces.{name}.bound"), bound.is_some().to_string());
        if bound.is_some() {
            workspaces.set(format!("workspaces.{name}.claim"), "");
        }
    }
    Ok(vec![params, context, paths, workspaces])
}

/// A parameter's value: what is given, or its default; an object's missing keys come from its default.
pub fn effective(param: &super::model::ParamSpec, given: Option<&Value>) -> Option<Value> {
    match (given, &param.default) {
        (Some(Value::Object(given)), Some(Value::Object(default))) => {
            let mut merged = default.clone();
            merged.extend(given.clone());
            Some(Value::Object(merged))
        }
        (Some(given), _) => Some(given.clone()),
        (None, default) => default.clone(),
    }
}

/// Runs the steps in their order and reads the results after each.
async fn steps(host: &Host, job: &Job, spec: &TaskSpec, dir: &Path, mut halt: watch::Receiver<Halt>) -> Attempt {
    let mut failed = None;
    for (index, step) in spec.steps.iter().enumerate() {
        let name = if step.name.is_empty() { format!("unnamed-{index}") } else { step.name.clone() };
        let step = merged(step, spec.step_template.as_ref());
        let program = match program(host, &step, dir) {
            Ok(program) => program,
            Err(message) => return Attempt::failed("TaskRunValidationFailed", format!("step {name:?}: {message}")),
        };
        let say = |text: String| (host.sink)(&Line { task: job.name.clone(), step: name.clone(), text });
        let mut last_line = String::new();
        let hear = |text: String| {
            if !text.trim().is_empty() {
                last_line.clone_from(&text);
            }
            say(text);
        };
        let end = match process::run(&program, hear, &mut halt).await {
            Ok(end) => end,
            Err(error) => {
                last_line = format!("Error executing command: {}: {error}", program.command[0]);
                say(last_line.clone());
                End::NotStarted
            }
        };
        let goes_on = step.on_error.as_deref() == Some("continue");
        let code = match end {
            End::Halted(halt) => {
                let ended = Attempt::failed("TaskRunCancelled", String::new());
                return Attempt { state: TaskState::Cancelled, halted: Some(halt), ..ended };
            }
            // What Tekton's entrypoint exits with.
            End::StepTimeout | End::NotStarted => 1,
            End::Exit(code) => code,
        };
        let fits = message_length(&job.spec, &dir.join("results"), goes_on.then_some(code)) <= TERMINATION_LIMIT;
        let (code, why) = match end {
            _ if !fits => {
                last_line = format!(
                    "Termination message is above max allowed size {TERMINATION_LIMIT}, caused by large task result."
                );
                say(last_line.clone());
                (1, format!("\"step-{name}\" exited with code 1: Error"))
            }
            End::StepTimeout => {
                (code, format!("\"step-{name}\" exited because the step exceeded the specified timeout limit"))
            }
            _ => (code, format!("\"step-{name}\" exited with code {code}: Error")),
        };
        if code != 0 && (!goes_on || !fits || matches!(end, End::StepTimeout | End::NotStarted)) {
            failed = Some((FailedStep { name, code, last_line }, why));
            break;
        }
    }
    finished(job, &dir.join("results"), failed)
}

fn finished(job: &Job, results: &Path, failed: Option<(FailedStep, String)>) -> Attempt {
    let (values, wrong) = read_results(&job.spec, results);
    let (state, reason, message, step) = match (failed, wrong) {
        (Some((step, message)), _) => {
            let reason = if job.ignore_failure { "FailureIgnored" } else { "StepFailed" };
            (TaskState::Failed, reason, message, Some(step))
        }
        (None, Some(wrong)) => (TaskState::Failed, "TaskRunValidationFailed", format!("[User error] {wrong}"), None),
        (None, None) => (TaskState::Succeeded, "Succeeded", "All Steps have completed executing".to_owned(), None),
    };
    Attempt { state, reason, message, step, results: values, halted: None }
}

/// The results that were written, and what is wrong with them: those of another type, which are left out, or else
/// objects that lack keys.
fn read_results(spec: &TaskSpec, dir: &Path) -> (BTreeMap<String, Value>, Option<String>) {
    let mut values = BTreeMap::new();
    let mut other_type = BTreeMap::new();
    let mut lacking = BTreeMap::new();
    for result in &spec.results {
        let Ok(bytes) = std::fs::read(dir.join(&result.name)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        // Tekton tells the type by the text; what looks like no list and no object is a string.
        let value = Value::parse(&text, result.kind);
        let found = value.as_ref().map_or(Type::of(&text), Value::kind);
        match value {
            Some(value) if found == result.kind => {
                let keys = result.properties.iter().flatten().map(|(key, _)| key.as_str());
                let missing: Vec<&str> =
                    keys.filter(|key| matches!(&value, Value::Object(map) if !map.contains_key(*key))).collect();
                if !missing.is_empty() {
                    lacking.insert(&result.name, missing.join(" "));
                }
                values.insert(result.name.clone(), value);
            }
            _ => {
                other_type.insert(&result.name, found);
            }
        }
    }
    let wrong_type = |(name, found): (&&String, &Type)| {
        let wanted =
            spec.results.iter().find(|result| result.name == **name).map(|result| result.kind).unwrap_or_default();
        format!(
            " {name:?}: task result is expected to be \"{wanted}\" type but was initialized to a different type \"{found}\""
        )
    };
    let wrong = if !other_type.is_empty() {
        let told: Vec<String> = other_type.iter().map(wrong_type).collect();
        Some(format!(
            "Provided results don't match declared results; may be invalid JSON or missing result declaration: {}",
            told.join(",")
        ))
    } else if !lacking.is_empty() {
        let told: Vec<String> = lacking.iter().map(|(name, keys)| format!("{name}:[{keys}]")).collect();
        Some(format!(
            "missing keys for these results which are required in TaskResult's properties map[{}]",
            told.join(" ")
        ))
    } else {
        None
    };
    (values, wrong)
}

/// The length of the termination message that the step would leave on a cluster: every result written so far, by this
/// step or one before, and the entrypoint's own entries, as JSON in Go's spelling.
fn message_length(spec: &TaskSpec, dir: &Path, exit_code: Option<i32>) -> usize {
    let mut entries = vec![json!({"key": "StartedAt", "value": "2026-01-05T10:00:00.000Z", "type": 3})];
    if let Some(code) = exit_code.filter(|code| *code != 0) {
        entries.push(json!({"key": "ExitCode", "value": code.to_string(), "type": 3}));
    }
    for result in &spec.results {
        if let Ok(bytes) = std::fs::read(dir.join(&result.name)) {
            let value = String::from_utf8_lossy(&bytes).into_owned();
            entries.push(json!({"key": result.name, "value": value, "type": 1}));
        }
    }
    let text = serde_json::Value::Array(entries).to_string();
    // Go writes these as \u003c and the like.
    let escaped = text.chars().map(|c| match c {
        '<' | '>' | '&' => 5,
        '\u{2028}' | '\u{2029}' => 3,
        _ => 0,
    });
    text.len() + escaped.sum::<usize>()
}

/// The step with what all steps share: its own fields win, environments are joined by name.
fn merged(step: &StepSpec, template: Option<&StepSpec>) -> StepSpec {
    let mut merged = step.clone();
    let Some(template) = template else { return merged };
    if merged.command.is_empty() {
        merged.command.clone_from(&template.command);
    }
    if merged.args.is_empty() {
        merged.args.clone_from(&template.args);
    }
    if merged.working_dir.is_empty() {
        merged.working_dir.clone_from(&template.working_dir);
    }
    // The step's own value stands where the shared one stood: what comes behind may refer to it.
    let own = |name: &str| step.env.iter().find(|var| var.name == name);
    let shared = template.env.iter().map(|var| own(&var.name).unwrap_or(var).clone());
    let rest = step.env.iter().filter(|var| !template.env.iter().any(|shared| shared.name == var.name)).cloned();
    merged.env = shared.chain(rest).collect();
    merged
}

fn program(host: &Host, step: &StepSpec, dir: &Path) -> Result<Program, String> {
    let mut declared: Vec<(String, String)> = Vec::new();
    for var in &step.env {
        let value = match &var.value_from {
            // Foreign text: nothing in it is replaced.
            Some(from) => annotation(host, from)?,
            None => expand_env(&var.value, &declared),
        };
        declared.push((var.name.clone(), value));
    }
    let words = step.command.iter().chain(&step.args);
    let mut command: Vec<String> = words.map(|word| expand_env(word, &declared)).collect();
    let first = command.first_mut().ok_or("has no command")?;
    *first = process::locate(&host.programs, first).display().to_string();
    let timeout = match &step.timeout {
        Some(limit) => duration(limit)?,
        None => None,
    };
    let work = dir.join(&step.working_dir);
    std::fs::create_dir_all(&work).map_err(|error| format!("cannot make {}: {error}", work.display()))?;
    let env = host.env.iter().cloned().chain(declared).collect();
    Ok(Program { command, env, dir: work, timeout })
}

/// An annotation of the run; one that it does not have is empty, as in a pod.
fn annotation(host: &Host, from: &ValueFrom) -> Result<String, String> {
    let path = &from.field_ref.field_path;
    let name =
        from.field_ref.annotation().ok_or_else(|| format!("needs the pod's {path:?}, which is not known here"))?;
    Ok(host.annotations.get(name).cloned().unwrap_or_default())
}

/// A time as Tekton writes it; `0` means no limit.
pub fn duration(text: &str) -> Result<Option<Duration>, String> {
    let Seconds(time) = text.parse()?;
    Ok((!time.is_zero()).then_some(time))
}

/// A time as Go writes it, and so Tekton in its messages: `1h0m0s`, `1m30s`, `1.5s`, `500ms`.
pub fn go_duration(time: Duration) -> String {
    let millis = time.as_millis();
    if millis < 1000 {
        return if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") };
    }
    let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60 % 60);
    let seconds = (millis % 60_000) as f64 / 1000.0;
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        let written = [0, 500, 1500, 90_000, 3_600_000].map(|millis| go_duration(Duration::from_millis(millis)));
        assert_eq!(written, ["0s", "500ms", "1.5s", "1m30s", "1h0m0s"]);
    }
}
