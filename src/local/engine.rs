//! A PipelineRun: which task runs when, as the Tekton controller decides it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::Error;
use super::model::PipelineTask;
use super::outcome::{Count, Over, RunReport, RunStatus, Skipped, TaskReport, TaskState};
use super::plan::{self, Plan, Request, apply};
use super::process::{Halt, Sink};
use super::task::{self, Host, Job, duration};
use super::value::Value;
use super::vars::{self, Variables};

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
    /// It needs a result that nobody wrote; why, in Tekton's words.
    Invalid(String),
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
    over: Over,
    cancelled: Cancel,
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
            over: Over::None,
            cancelled: Cancel::No,
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
        self.stopping = if *cancel.borrow() == Cancel::AtOnce {
            Some(CANCELLED)
        } else {
            (self.over == Over::Run).then_some(RUN_TIMEOUT)
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
                    self.cancelled = now;
                    self.stopping = Some(CANCELLED);
                    halt.send_replace(if now == Cancel::AtOnce { Halt::Kill } else { Halt::Cancel });
                }
                () = at(limit) => {
                    limit = None;
                    if !finally {
                        self.over = self.over.max(Over::Tasks);
                    }
                    self.stopping.get_or_insert(TASKS_TIMEOUT);
                    time_is_over(&halt);
                }
                () = at(whole) => {
                    whole = None;
                    self.over = Over::Run;
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
                Decision::Invalid(message) => {
                    self.stopping.get_or_insert(STOPPING);
                    Place::Invalid(message)
                }
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
        let done =
            |place: Option<&Place>| matches!(place, Some(Place::Ended(_) | Place::Skipped(_) | Place::Invalid(_)));
        parents.is_none_or(|parents| parents.iter().all(|parent| done(self.places.get(parent))))
    }

    /// What becomes of a task whose turn it is, in the order in which Tekton asks.
    fn decide(&self, mut task: PipelineTask, finally: bool) -> Decision {
        if let Some(reason) = self.stopping {
            return Decision::Skip(reason);
        }
        let missing = self.missing(&task);
        if missing.is_some() && finally {
            return Decision::Skip(RESULTS_MISSING);
        }
        // Where one result is missing, Tekton puts in none.
        if missing.is_none() {
            apply(&mut task, &self.results());
        }
        let holds = |when: &super::model::When| when.values.contains(&when.input) == (when.operator != "notin");
        if !task.when.iter().all(holds) {
            return Decision::Skip(WHEN_FALSE);
        }
        if !finally && self.parent_skipped(&task.name) {
            return Decision::Skip(PARENT_SKIPPED);
        }
        if let Some((parent, result)) = missing {
            let skipped = matches!(self.places.get(&parent), Some(Place::Skipped(WHEN_FALSE)));
            if skipped || task.on_error.as_deref() == Some("continue") {
                return Decision::Skip(RESULTS_MISSING);
            }
            return Decision::Invalid(self.invalid(&task.name, &parent, &result));
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

    fn ended(&self) -> impl Iterator<Item = (&String, &TaskReport)> {
        self.places.iter().filter_map(|(name, place)| match place {
            Place::Ended(report) => Some((name, &**report)),
            _ => None,
        })
    }

    /// The results of all tasks that have ended, however they ended, under their names.
    fn results(&self) -> Variables {
        let mut variables = Variables::default();
        for (name, report) in self.ended() {
            for (result, value) in &report.results {
                variables.set_value(&format!("tasks.{name}.results.{result}"), value);
                variables.set_value(&format!("tasks.{name}.results['{result}']"), value);
                variables.set_value(&format!("tasks.{name}.results[\"{result}\"]"), value);
            }
        }
        variables
    }

    /// The results as Tekton puts them into the steps of a Task that stands in the pipeline: no array by index.
    fn inline_results(&self) -> Variables {
        let mut variables = Variables::default();
        for (name, report) in self.ended() {
            for (result, value) in &report.results {
                variables.set_whole(&format!("tasks.{name}.results.{result}"), value);
            }
        }
        variables
    }

    /// A result that the task uses and nobody wrote.
    fn missing(&self, task: &PipelineTask) -> Option<(String, String)> {
        let written = |parent: &str, result: &str| match self.places.get(parent) {
            Some(Place::Ended(report)) => report.results.contains_key(result),
            _ => false,
        };
        let (parent, result) =
            plan::used_results(task).into_iter().find(|(parent, result)| !written(parent, result))?;
        Some((parent, result))
    }

    fn invalid(&self, task: &str, parent: &str, result: &str) -> String {
        match self.places.get(parent) {
            Some(Place::Ended(report)) if report.state == TaskState::Succeeded => format!(
                "task {parent:?} completed successfully but did not emit the result {result:?}, which is referenced by \
                 task {task:?}"
            ),
            _ => format!(
                "Invalid task result reference: Could not find result with name {result} for pipeline task {parent}"
            ),
        }
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

    fn job(&self, mut task: PipelineTask, finally: bool) -> Result<Job, Box<TaskReport>> {
        let mut retries = Variables::default();
        retries.set("context.pipelineTask.retries", task.retries.to_string());
        for param in &mut task.params {
            param.value = retries.value(&param.value);
        }
        let refuse = |message: String| Box::new(self.not_started(&task, "CouldntGetTask", message));
        let resolved = self.plan.resolved.get(&task.name).ok_or_else(|| refuse("there is no such Task".to_owned()))?;
        let timeout = match task.timeout.as_deref().map(duration) {
            Some(limit) => limit.map_err(refuse)?,
            None => self.plan.timeouts.of_task(finally),
        };
        let mut workspaces = BTreeMap::new();
        for binding in &task.workspaces {
            if let Some(folder) = self.plan.workspaces.get(binding.source()) {
                workspaces.insert(binding.name.clone(), folder.join(&binding.sub_path));
            }
        }
        let mut spec = resolved.spec.clone();
        if resolved.inline {
            self.inline_results().task(&mut spec);
            let strays = plan::strays(&spec);
            if !strays.is_empty() {
                return Err(Box::new(self.not_started(&task, "CreateRunFailed", strays.join("; "))));
            }
        }
        let single = self.plan.kind == "TaskRun";
        let run = if single { self.plan.run.clone() } else { format!("{}-{}", self.plan.run, task.name) };
        Ok(Job {
            name: task.name.clone(),
            // A Task that stands in the pipeline has no name of its own; its run's stands in.
            context: if resolved.inline { run.clone() } else { resolved.task.clone() },
            task: resolved.task.clone(),
            run,
            spec,
            params: task.params.iter().map(|param| (param.name.clone(), param.value.clone())).collect(),
            workspaces,
            timeout,
            retries: task.retries,
            ignore_failure: task.on_error.as_deref() == Some("continue"),
            finally,
        })
    }

    fn note(&mut self, ended: Result<TaskReport, tokio::task::JoinError>) {
        let report = match ended {
            Ok(report) => report,
            // None is aborted: a mistake of the runner's own must not pass for a task that has nothing to tell.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        if report.state != TaskState::Succeeded && !report.ignored {
            self.stopping.get_or_insert(STOPPING);
        }
        self.order.push(report.name.clone());
        self.places.insert(report.name.clone(), Place::Ended(Box::new(report)));
    }

    /// What `finally` may ask about the tasks. One that could not run counts for nothing in the sum, as in Tekton.
    fn statuses(&self) -> Variables {
        let mut variables = Variables::default();
        let mut all = "Succeeded";
        for (name, place) in &self.places {
            let (status, reason) = match place {
                Place::Ended(report) if report.state == TaskState::Succeeded => ("Succeeded", report.reason.as_str()),
                Place::Ended(report) => ("Failed", report.reason.as_str()),
                _ => ("None", ""),
            };
            all = match (all, place) {
                ("Failed", _) => "Failed",
                (_, Place::Ended(_)) if status == "Failed" => "Failed",
                (_, Place::Skipped(_)) => "Completed",
                _ => all,
            };
            variables.set(format!("tasks.{name}.status"), status);
            variables.set(format!("tasks.{name}.reason"), reason);
        }
        variables.set("tasks.status", all);
        variables
    }

    fn report(mut self, started: Timestamp) -> RunReport {
        self.settle_places();
        let (results, wrong) = self.pipeline_results();
        let listed = self.plan.spec.tasks.iter().chain(&self.plan.spec.finally);
        let mut skipped = Vec::new();
        let mut invalid = Vec::new();
        for task in listed {
            let named = |reason: &str| Skipped { name: task.name.clone(), reason: reason.to_owned() };
            match self.places.get(&task.name) {
                Some(Place::Skipped(reason)) => skipped.push(named(reason)),
                Some(Place::Invalid(message)) => invalid.push(named(message)),
                _ => {}
            }
        }
        let Self { plan, mut places, order, over, cancelled, .. } = self;
        let mut tasks = Vec::new();
        for name in order {
            if let Some(Place::Ended(report)) = places.remove(&name) {
                tasks.push(*report);
            }
        }
        let count = Count::of(&tasks, skipped.len(), &invalid);
        let (mut status, mut reason, mut message) = count.verdict(&plan.run, &plan.timeouts, over, cancelled);
        if plan.kind == "TaskRun"
            && let [task] = tasks.as_slice()
        {
            message.clone_from(&task.message);
            reason.clone_from(&task.reason);
        } else if !wrong.is_empty() && cancelled != Cancel::AtOnce {
            status = RunStatus::Failed;
            reason = "CouldntGetPipelineResult".to_owned();
            message = format!(
                "Failed to get PipelineResult from TaskRun Results for PipelineRun {}: invalid pipelineresults [{}], \
                 the referenced results don't exist",
                plan.run,
                wrong.join(" ")
            );
        }
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
            invalid,
            folder: None,
        }
    }

    /// Tekton asks anew at the end why a task did not run: where one failed, all others were not to start any more. Of
    /// a run that was ended at once it tells nothing about those that never came to their turn.
    fn settle_places(&mut self) {
        let failed = |task: &PipelineTask| match self.places.get(&task.name) {
            Some(Place::Ended(report)) => {
                report.state != TaskState::Succeeded && task.on_error.as_deref() != Some("continue")
            }
            _ => false,
        };
        let at_once = self.over == Over::Run || self.cancelled == Cancel::AtOnce;
        let stopped = self.plan.spec.tasks.iter().any(failed);
        let invalid = self.places.values().any(|place| matches!(place, Place::Invalid(_)));
        for task in &self.plan.spec.tasks {
            let Some(place) = self.places.get_mut(&task.name) else { continue };
            match place {
                Place::Skipped(RUN_TIMEOUT | CANCELLED) if at_once => *place = Place::Waiting,
                Place::Skipped(_) if stopped || invalid => *place = Place::Skipped(STOPPING),
                Place::Invalid(_) if stopped => *place = Place::Skipped(STOPPING),
                _ => {}
            }
        }
        for task in &self.plan.spec.finally {
            let Some(place) = self.places.get_mut(&task.name) else { continue };
            if at_once && matches!(place, Place::Skipped(RUN_TIMEOUT | CANCELLED)) {
                *place = Place::Waiting;
            }
        }
    }

    /// The pipeline's results whose tasks wrote what they need, and the names of those that need what a task which
    /// succeeded did not write.
    fn pipeline_results(&self) -> (BTreeMap<String, Value>, Vec<String>) {
        let mut known = self.results();
        for task in &self.plan.spec.finally {
            if let Some(Place::Ended(report)) = self.places.get(&task.name) {
                for (result, value) in &report.results {
                    known.set_value(&format!("finally.{}.results.{result}", task.name), value);
                }
            }
        }
        let succeeded = |name: &str| {
            let task = name.split('.').nth(1).and_then(|task| self.places.get(task));
            matches!(task, Some(Place::Ended(report)) if report.state == TaskState::Succeeded)
        };
        let outside = |name: &str| {
            let of_array = name.split_once('[').map(|(array, _)| array);
            of_array.is_some_and(|array| known.knows(array))
        };
        let mut results = BTreeMap::new();
        let mut wrong = Vec::new();
        for result in &self.plan.spec.results {
            let names: Vec<&str> = result.value.strings().into_iter().flat_map(vars::names).collect();
            let missing: Vec<&str> = names.into_iter().filter(|name| !known.knows(name)).collect();
            if missing.is_empty() {
                results.insert(result.name.clone(), known.value(&result.value));
            }
            let never = missing.iter().filter(|name| succeeded(name) || outside(name));
            wrong.extend(never.map(|_| result.name.clone()));
        }
        (results, wrong)
    }
}

enum Decision {
    Start(Box<Job>),
    Skip(&'static str),
    Invalid(String),
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
