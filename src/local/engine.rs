//! A PipelineRun: which task runs when, as the Tekton controller decides it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::Error;
use super::model::PipelineTask;
use super::plan::{self, Plan, Request, apply, references, result_reference};
use super::process::{Halt, Sink};
use super::task::{self, Host, Job, duration};
use super::value::Value;
use super::vars::{self, Variables};

/// What Tekton gives a task that names no timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// How a TaskRun ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TaskState {
    /// All steps did their job.
    Succeeded,
    /// A step did not, or the task's time was over.
    Failed,
    /// It was ended from outside.
    Cancelled,
}

/// A TaskRun that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct TaskReport {
    /// The task in the pipeline.
    pub name: String,
    /// The Task.
    pub task: String,
    /// The TaskRun's name.
    pub run: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub state: TaskState,
    /// The same in Tekton's word: Succeeded, Failed, TaskRunTimeout, TaskRunCancelled …
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// The step that failed.
    pub step: Option<String>,
    /// Its exit code; -1 when its own timeout killed it.
    pub exit_code: Option<i32>,
    /// The last line it wrote.
    pub last_line: Option<String>,
    /// The results it wrote.
    pub results: BTreeMap<String, Value>,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it belongs to `finally`.
    pub finally: bool,
    /// Whether the pipeline passes over its failure (`onError: continue`).
    pub ignored: bool,
}

/// A task that did not run.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// The task in the pipeline.
    pub name: String,
    /// Why, in Tekton's words.
    pub reason: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RunStatus {
    /// All tasks did their job.
    Succeeded,
    /// So did all that ran; some were skipped.
    Completed,
    /// A task failed.
    Failed,
    /// It was ended from outside.
    Cancelled,
}

/// A run that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The run's name.
    pub name: String,
    /// PipelineRun or TaskRun.
    pub kind: String,
    /// The Pipeline's or Task's name.
    pub pipeline: String,
    /// How it ended.
    pub status: RunStatus,
    /// The same in Tekton's word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Its parameters, with defaults.
    pub params: BTreeMap<String, Value>,
    /// Its results, as far as their tasks wrote them.
    pub results: BTreeMap<String, Value>,
    /// Its tasks in the order in which they ended.
    pub tasks: Vec<TaskReport>,
    /// The tasks that did not run.
    pub skipped: Vec<Skipped>,
    /// The run's folder, when it was to be kept.
    pub folder: Option<PathBuf>,
}

impl RunReport {
    /// The report of a task, when it ran.
    pub fn task(&self, name: &str) -> Option<&TaskReport> {
        self.tasks.iter().find(|task| task.name == name)
    }
}

/// How a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cancel {
    /// It is not.
    No,
    /// Running tasks get SIGTERM, then `finally` runs: Tekton's CancelledRunFinally.
    Gracefully,
    /// Everything is killed.
    AtOnce,
}

/// Runs a Pipeline, a Task or a PipelineRun to its end. An error means that nothing was started.
pub async fn execute(request: &Request, sink: Sink, cancel: watch::Receiver<Cancel>) -> Result<RunReport, Error> {
    let system = |doing: &str| {
        let doing = doing.to_owned();
        move |source| Error::System { doing, source }
    };
    let folder =
        tempfile::Builder::new().prefix("streamgauge-run-").tempdir().map_err(system("make a folder for the run"))?;
    let plan = plan::prepare(request, folder.path())?;
    let programs = match &request.programs {
        Some(dir) => std::path::absolute(dir).map_err(system("find the programs"))?,
        None => {
            let own = std::env::current_exe().map_err(system("find the programs beside this one"))?;
            own.parent().map(PathBuf::from).unwrap_or_default()
        }
    };
    let env = environment(&programs);
    let annotations = plan.annotations.clone();
    let host = Arc::new(Host { root: folder.path().to_owned(), programs, env, annotations, sink });
    let mut report = Run::new(plan, host).until_end(cancel).await;
    if request.keep {
        report.folder = Some(folder.keep());
    }
    Ok(report)
}

/// What every step sees, as little as in a container: what programs need to be found and to speak.
fn environment(programs: &std::path::Path) -> Vec<(String, String)> {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let kept = ["HOME", "LANG", "NO_COLOR", "JAVA_HOME", "TMPDIR"];
    let kept = kept.iter().filter_map(|name| std::env::var(name).ok().map(|value| ((*name).to_owned(), value)));
    kept.chain([("PATH".to_owned(), format!("{}:{path}", programs.display()))]).collect()
}

/// Where a task stands.
enum Place {
    Waiting,
    Running,
    Ended(Box<TaskReport>),
    Skipped(&'static str),
}

const WHEN_FALSE: &str = "When Expressions evaluated to false";
const PARENT_SKIPPED: &str = "Parent Tasks were skipped";
const RESULTS_MISSING: &str = "Results were missing";
const STOPPING: &str = "PipelineRun was stopping";
const CANCELLED: &str = "PipelineRun was gracefully cancelled";
const TASKS_TIMEOUT: &str = "PipelineRun Tasks timeout has been reached";
const RUN_TIMEOUT: &str = "PipelineRun timeout has been reached";

struct Run {
    plan: Plan,
    host: Arc<Host>,
    places: BTreeMap<String, Place>,
    order: Vec<String>,
    running: JoinSet<TaskReport>,
    /// Why no further task starts.
    stopping: Option<&'static str>,
    timed_out: bool,
    cancelled: bool,
}

impl Run {
    fn new(plan: Plan, host: Arc<Host>) -> Self {
        let names = plan.spec.tasks.iter().map(|task| (task.name.clone(), Place::Waiting)).collect();
        Self {
            plan,
            host,
            places: names,
            order: Vec::new(),
            running: JoinSet::new(),
            stopping: None,
            timed_out: false,
            cancelled: false,
        }
    }

    async fn until_end(mut self, cancel: watch::Receiver<Cancel>) -> RunReport {
        let started = Timestamp::now();
        let clock = Instant::now();
        let whole = self.plan.timeouts.pipeline.map(|limit| clock + limit);
        let tasks = self.plan.timeouts.tasks.map(|limit| clock + limit);
        self.phase(false, cancel.clone(), tasks, whole).await;
        let statuses = self.statuses();
        for task in &mut self.plan.spec.finally {
            apply(task, &statuses);
            self.places.insert(task.name.clone(), Place::Waiting);
        }
        let over = self.stopping == Some(RUN_TIMEOUT);
        self.stopping = if *cancel.borrow() == Cancel::AtOnce {
            Some(CANCELLED)
        } else if over {
            Some(RUN_TIMEOUT)
        } else {
            None
        };
        let finally = self.plan.timeouts.finally.map(|limit| Instant::now() + limit);
        self.phase(true, cancel, finally, whole).await;
        self.report(started)
    }

    /// Runs the tasks, or `finally`, until none is left.
    async fn phase(
        &mut self,
        finally: bool,
        mut cancel: watch::Receiver<Cancel>,
        limit: Option<Instant>,
        whole: Option<Instant>,
    ) {
        let (halt, _) = watch::channel(Halt::No);
        let least = if finally { Cancel::AtOnce } else { Cancel::Gracefully };
        let mut heard = Cancel::No;
        let mut limit = limit;
        let mut whole = whole;
        loop {
            self.start_ready(finally, &halt);
            if self.running.is_empty() {
                break;
            }
            let next = if heard == Cancel::No { least } else { Cancel::AtOnce };
            tokio::select! {
                Some(ended) = self.running.join_next() => self.note(ended),
                now = asked(&mut cancel, next), if heard < Cancel::AtOnce => {
                    heard = now;
                    self.cancelled = true;
                    self.stopping = Some(CANCELLED);
                    halt.send_replace(if now == Cancel::AtOnce { Halt::Kill } else { Halt::Cancel });
                }
                () = at(limit) => {
                    limit = None;
                    self.timed_out = true;
                    self.stopping.get_or_insert(TASKS_TIMEOUT);
                    time_is_over(&halt);
                }
                () = at(whole) => {
                    whole = None;
                    self.timed_out = true;
                    self.stopping = Some(RUN_TIMEOUT);
                    time_is_over(&halt);
                }
            }
        }
    }

    /// Starts or skips every task whose turn it is.
    fn start_ready(&mut self, finally: bool, halt: &watch::Sender<Halt>) {
        loop {
            let list = if finally { &self.plan.spec.finally } else { &self.plan.spec.tasks };
            let turn = list.iter().find(|task| {
                matches!(self.places.get(&task.name), Some(Place::Waiting))
                    && (finally || self.stopping.is_some() || self.parents_done(&task.name))
            });
            let Some(task) = turn.cloned() else { return };
            let name = task.name.clone();
            let place = match self.decide(task, finally) {
                Decision::Skip(reason) => Place::Skipped(reason),
                Decision::Fail(report) => {
                    self.order.push(name.clone());
                    self.stopping.get_or_insert(STOPPING);
                    Place::Ended(report)
                }
                Decision::Start(job) => {
                    self.running.spawn(task::run(self.host.clone(), *job, halt.subscribe()));
                    Place::Running
                }
            };
            self.places.insert(name, place);
        }
    }

    fn parents_done(&self, name: &str) -> bool {
        let parents = self.plan.dependencies.get(name);
        let done = |place: Option<&Place>| matches!(place, Some(Place::Ended(_) | Place::Skipped(_)));
        parents.is_none_or(|parents| parents.iter().all(|parent| done(self.places.get(parent))))
    }

    /// What becomes of a task whose turn it is, in the order in which Tekton asks.
    fn decide(&self, mut task: PipelineTask, finally: bool) -> Decision {
        if let Some(reason) = self.stopping {
            return Decision::Skip(reason);
        }
        if !finally && self.parent_skipped(&task.name) {
            return Decision::Skip(PARENT_SKIPPED);
        }
        let results = self.results(|_| true);
        if let Some((parent, result)) = self.missing(&task, &results) {
            if finally || matches!(self.places.get(&parent), Some(Place::Skipped(WHEN_FALSE))) {
                return Decision::Skip(RESULTS_MISSING);
            }
            return Decision::Fail(Box::new(self.invalid(&task, &parent, &result)));
        }
        apply(&mut task, &results);
        let holds = |when: &super::model::When| when.values.contains(&when.input) == (when.operator != "notin");
        if !task.when.iter().all(holds) {
            return Decision::Skip(WHEN_FALSE);
        }
        match self.job(task, finally) {
            Ok(job) => Decision::Start(Box::new(job)),
            Err(report) => Decision::Fail(report),
        }
    }

    /// A parent that its own condition skipped only loses its place in the order; one skipped for another reason takes
    /// its children with it.
    fn parent_skipped(&self, name: &str) -> bool {
        let skipped = |place: Option<&Place>| matches!(place, Some(Place::Skipped(reason)) if *reason != WHEN_FALSE);
        let parents = self.plan.dependencies.get(name);
        parents.is_some_and(|parents| parents.iter().any(|parent| skipped(self.places.get(parent))))
    }

    /// The results of all tasks that have ended, under their names.
    fn results(&self, of: fn(&TaskReport) -> bool) -> Variables {
        let mut variables = Variables::default();
        for (name, place) in &self.places {
            if let Place::Ended(report) = place
                && of(report)
            {
                for (result, value) in &report.results {
                    variables.set_value(&format!("tasks.{name}.results.{result}"), value);
                    variables.set_value(&format!("tasks.{name}.results['{result}']"), value);
                    variables.set_value(&format!("tasks.{name}.results[\"{result}\"]"), value);
                }
            }
        }
        variables
    }

    /// A result that the task uses and nobody wrote, or that a task which failed wrote for nobody.
    fn missing(&self, task: &PipelineTask, known: &Variables) -> Option<(String, String)> {
        references(task).iter().find_map(|name| {
            let (parent, result) = result_reference(name)?;
            (!known.knows(name)).then(|| (parent.to_owned(), result.to_owned()))
        })
    }

    fn invalid(&self, task: &PipelineTask, parent: &str, result: &str) -> TaskReport {
        let message =
            format!("Invalid task result reference: Could not find result with name {result} for task {parent}");
        self.not_started(task, "InvalidTaskResultReference", message)
    }

    fn not_started(&self, task: &PipelineTask, reason: &str, message: String) -> TaskReport {
        let now = Timestamp::now();
        TaskReport {
            name: task.name.clone(),
            task: self.plan.resolved.get(&task.name).map(|resolved| resolved.task.clone()).unwrap_or_default(),
            run: format!("{}-{}", self.plan.run, task.name),
            started: now,
            finished: now,
            state: TaskState::Failed,
            reason: reason.to_owned(),
            message,
            step: None,
            exit_code: None,
            last_line: None,
            results: BTreeMap::new(),
            attempts: 0,
            finally: self.plan.spec.finally.iter().any(|one| one.name == task.name),
            ignored: false,
        }
    }

    fn job(&self, task: PipelineTask, finally: bool) -> Result<Job, Box<TaskReport>> {
        let refuse = |message: String| Box::new(self.not_started(&task, "CouldntGetTask", message));
        let resolved = self.plan.resolved.get(&task.name).ok_or_else(|| refuse("there is no such Task".to_owned()))?;
        let timeout = match task.timeout.as_deref().map(duration) {
            Some(limit) => limit.map_err(refuse)?,
            None => Some(DEFAULT_TIMEOUT),
        };
        let mut workspaces = BTreeMap::new();
        for binding in &task.workspaces {
            if let Some(path) = self.plan.workspaces.get(binding.source()) {
                let path = path.join(&binding.sub_path);
                std::fs::create_dir_all(&path).map_err(|why| refuse(format!("{}: {why}", path.display())))?;
                workspaces.insert(binding.name.clone(), path);
            }
        }
        // A Task inside the pipeline sees the pipeline's parameters too.
        let mut params = if resolved.inline { self.plan.params.clone() } else { BTreeMap::new() };
        params.extend(task.params.iter().map(|param| (param.name.clone(), param.value.clone())));
        let single = self.plan.kind == "TaskRun";
        Ok(Job {
            run: if single { self.plan.run.clone() } else { format!("{}-{}", self.plan.run, task.name) },
            name: task.name.clone(),
            task: resolved.task.clone(),
            spec: resolved.spec.clone(),
            params,
            workspaces,
            timeout,
            retries: task.retries,
            ignore_failure: task.on_error.as_deref() == Some("continue"),
            finally,
        })
    }

    fn note(&mut self, ended: Result<TaskReport, tokio::task::JoinError>) {
        let Ok(report) = ended else { return };
        if report.state != TaskState::Succeeded && !report.ignored {
            self.stopping.get_or_insert(STOPPING);
        }
        self.order.push(report.name.clone());
        self.places.insert(report.name.clone(), Place::Ended(Box::new(report)));
    }

    /// What `finally` may ask about the tasks.
    fn statuses(&self) -> Variables {
        let mut variables = Variables::default();
        let mut all = "Succeeded";
        for (name, place) in &self.places {
            let (status, reason) = match place {
                Place::Ended(report) if report.state == TaskState::Succeeded => ("Succeeded", report.reason.as_str()),
                Place::Ended(report) => ("Failed", report.reason.as_str()),
                _ => ("None", ""),
            };
            all = match (all, status) {
                ("Failed", _) | (_, "Failed") => "Failed",
                ("Completed", _) | (_, "None") => "Completed",
                _ => "Succeeded",
            };
            variables.set(format!("tasks.{name}.status"), status);
            variables.set(format!("tasks.{name}.reason"), reason);
        }
        variables.set("tasks.status", all);
        variables
    }

    fn report(self, started: Timestamp) -> RunReport {
        let results = self.pipeline_results();
        let Self { plan, mut places, order, .. } = self;
        let mut tasks = Vec::new();
        for name in order {
            if let Some(Place::Ended(report)) = places.remove(&name) {
                tasks.push(*report);
            }
        }
        let listed = plan.spec.tasks.iter().chain(&plan.spec.finally);
        let skipped: Vec<Skipped> = listed
            .filter_map(|task| match places.get(&task.name) {
                Some(Place::Skipped(reason)) => Some(Skipped { name: task.name.clone(), reason: (*reason).to_owned() }),
                _ => None,
            })
            .collect();
        let (status, reason, message) = verdict(&plan, &tasks, skipped.len(), self.timed_out, self.cancelled);
        RunReport {
            name: plan.run,
            kind: plan.kind.to_owned(),
            pipeline: plan.pipeline,
            status,
            reason,
            message,
            started,
            finished: Timestamp::now(),
            params: plan.params,
            results,
            tasks,
            skipped,
            folder: None,
        }
    }

    /// The pipeline's results whose tasks wrote what they need. Tekton leaves out those of tasks that failed.
    fn pipeline_results(&self) -> BTreeMap<String, Value> {
        let mut known = self.results(|report| report.state == TaskState::Succeeded);
        for task in &self.plan.spec.finally {
            if let Some(Place::Ended(report)) = self.places.get(&task.name)
                && report.state == TaskState::Succeeded
            {
                for (result, value) in &report.results {
                    known.set_value(&format!("finally.{}.results.{result}", task.name), value);
                }
            }
        }
        let complete = |value: &Value| value.strings().into_iter().flat_map(vars::names).all(|name| known.knows(name));
        let results = self.plan.spec.results.iter().filter(|result| complete(&result.value));
        results.map(|result| (result.name.clone(), known.value(&result.value))).collect()
    }
}

enum Decision {
    Start(Box<Job>),
    Skip(&'static str),
    Fail(Box<TaskReport>),
}

/// Tells running tasks that their time is over, unless they have been told of a harder end already.
fn time_is_over(halt: &watch::Sender<Halt>) {
    halt.send_if_modified(|now| std::mem::replace(now, Halt::Timeout.max(*now)) < Halt::Timeout);
}

async fn asked(cancel: &mut watch::Receiver<Cancel>, least: Cancel) -> Cancel {
    let heard = cancel.wait_for(|now| *now >= least).await.map(|now| *now);
    match heard {
        Ok(now) => now,
        Err(_) => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The run's end in Tekton's words.
fn verdict(
    plan: &Plan,
    tasks: &[TaskReport],
    skipped: usize,
    timed_out: bool,
    cancelled: bool,
) -> (RunStatus, String, String) {
    let count = |is: fn(&TaskReport) -> bool| tasks.iter().filter(|task| is(task)).count();
    let failed = count(|task| task.state == TaskState::Failed);
    let ignored = count(|task| task.ignored);
    let ended = count(|task| task.state == TaskState::Cancelled);
    let passed_over = if ignored > 0 { format!(" (Ignored: {ignored})") } else { String::new() };
    let mut message = format!(
        "Tasks Completed: {} (Failed: {failed}{passed_over}, Cancelled {ended}), Skipped: {skipped}",
        tasks.len()
    );
    if plan.kind == "TaskRun"
        && let [task] = tasks
    {
        message.clone_from(&task.message);
    }
    let invalid = tasks.iter().find(|task| task.reason == "InvalidTaskResultReference");
    let (status, reason) = match invalid {
        _ if cancelled => (RunStatus::Cancelled, "Cancelled"),
        _ if timed_out => {
            message = format!("PipelineRun \"{}\" failed to finish in time. {message}", plan.run);
            (RunStatus::Failed, "PipelineRunTimeout")
        }
        Some(task) if plan.spec.finally.is_empty() => {
            message.clone_from(&task.message);
            (RunStatus::Failed, "InvalidTaskResultReference")
        }
        _ if failed > ignored => (RunStatus::Failed, "Failed"),
        _ if skipped > 0 => (RunStatus::Completed, "Completed"),
        _ => (RunStatus::Succeeded, "Succeeded"),
    };
    (status, reason.to_owned(), message)
}
