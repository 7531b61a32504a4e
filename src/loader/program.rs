//! The program: what part it has in a load, and what it tells of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use super::args::Args;
use super::claim::{self, Claim};
use super::load::{self, Loaded};
use super::plan;
use super::shard::{self, Plan, Shard};
use super::verdict::{self, Planned, Sight, worse};
use super::{Error, Job};
use crate::report::{Load, Verdict};
use crate::step::{Exit, ExitClass, Failure, Progress, Step};

/// What is said when the target topic gives records timestamps of its own.
const RESTAMPED: &str = "the target topic gives records the time they arrive (message.timestamp.type=LogAppendTime): \
    their own timestamps are not replayed";

/// What part the program has in a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is the only one.
    Whole,
    /// It makes the plan for so many shards, which begin so much later.
    Plan(u32, Duration),
    /// It is one of several.
    Shard(Shard),
    /// It merges what they did.
    Merge,
}

/// Does its part of a load. Writes results and its part of the report however it ends, once records were sent.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let run = step.read_report()?.run.unwrap_or_default();
    let mut job = args.job(&run.id)?;
    let asked = args.load(&job);
    let all = asked.planned + job.pace.warm_up();
    let report = step.report_path().map(Path::to_owned);
    match (args.role()?, report) {
        (Role::Whole, report) => {
            job.claim = report.map(|path| Claim::Report(path, Box::new(asked.clone())));
            let loaded = drive(step, job, all, |job| async move { load::load(&job).await }).await?;
            whole(step, asked, loaded)
        }
        (Role::Plan(shards, start_in), Some(report)) => {
            claim::refuse_second(&report)?;
            let (warm_up, start_at) = (job.pace.warm_up(), job.start_at);
            let (shares, before, known) =
                drive(step, job, all, |job| async move { load::plan_only(&job).await }).await?;
            let start_at = start_at.unwrap_or_else(|| Timestamp::now() + start_in);
            let plan = Plan::new(args.asked(), start_at, shares, warm_up, &before, shards)?;
            plan.write(&report)?;
            claim::claim_for_shards(&report, &Load { shards, ..asked })?;
            step.update_report(|report| {
                known.into_iter().for_each(|(name, value)| report.note_environment(name, value))
            })?;
            tracing::info!("{} records planned for {shards} shards, from {start_at} on", plan.planned().records);
            Ok(Exit::Done)
        }
        (Role::Shard(shard), Some(report)) => one_of(&args, step, job, shard, report).await,
        (Role::Merge, Some(report)) => {
            let plan = Plan::read(&report, &args.asked())?;
            merge(step, job, Load { shards: plan.shards(), ..asked }, &plan, report).await
        }
        (_, None) => Err(super::args::Error::NoReport.into()),
    }
}

/// Runs one shard of a planned load.
async fn one_of(args: &Args, step: &Step, mut job: Job, shard: Shard, report: PathBuf) -> Result<Exit, Failure> {
    let plan = Plan::read(&report, &args.asked())?;
    // That it ran already says more than that it is late.
    shard::refuse_second(&report, shard)?;
    let part = plan.part(shard)?;
    let planned = Planned { records: part.records, warm_up: part.warm_up };
    job.take_part(part, plan.start_at);
    job.claim = Some(Claim::Shard(report.clone(), shard));
    let asked = args.load(&job);
    let loaded =
        drive(step, job, planned.records + planned.warm_up, |job| async move { load::load(&job).await }).await?;
    warn(&loaded);
    let sight = if loaded.failure.is_some() { Sight::Never } else { Sight::Later };
    let verdict = verdict::judge(planned, &loaded.outcome, sight);
    write_results(step, &loaded.outcome.load(asked, planned.warm_up, None, &verdict), &verdict)?;
    shard::end(&report, shard, verdict.clone(), loaded.outcome)?;
    end(loaded.failure, &verdict)
}

/// Merges what shards did into the load of the report.
async fn merge(step: &Step, job: Job, asked: Load, plan: &Plan, report: PathBuf) -> Result<Exit, Failure> {
    let planned = plan.planned();
    let merged = shard::merge(&report, asked.shards)?;
    let asked = Load { planned: planned.records, repeated: plan::repeated(&plan.all_shares()), ..asked };
    let Some(outcome) = merged.outcome else {
        let verdict = merged
            .trouble
            .unwrap_or_else(|| verdict::judge(planned, &super::outcome::Outcome::new(plan.start_at), Sight::Never));
        step.results().write("load-verdict", verdict.status.as_str())?;
        step.update_report(|report| report.load = Some(Load { verdict: Some(verdict.clone()), ..asked }))?;
        return end(None, &verdict);
    };
    let (before, sent) = (plan.before(), outcome.clone());
    let counted = drive(step, job, 0, move |job| async move { load::count_visible(&job, &before, &sent).await }).await;
    let (visible, failure) = match counted {
        Ok(visible) => (Some(visible), None),
        Err(error) => (None, Some(error)),
    };
    let sight = visible.as_ref().filter(|_| !merged.missing).map_or(Sight::Never, Sight::Counted);
    let verdict = verdict::judge(planned, &outcome, sight);
    // A shard knows better why the sum is wrong.
    let verdict = match merged.trouble {
        Some(trouble) if merged.missing => {
            Verdict { cause: format!("{}; {}", trouble.cause, verdict.cause), ..worse(trouble, verdict) }
        }
        Some(trouble) => worse(trouble, verdict),
        None => verdict,
    };
    let load = outcome.load(asked, planned.warm_up, visible.as_ref(), &verdict);
    write_results(step, &load, &verdict)?;
    step.update_report(|report| report.load = Some(load))?;
    end(failure, &verdict)
}

/// Writes what is known of the load, then says how it ended.
fn whole(step: &Step, asked: Load, loaded: Loaded) -> Result<Exit, Failure> {
    warn(&loaded);
    let Loaded { outcome, planned, repeated, loaders, visible, failure, environment, .. } = loaded;
    let sight = visible.as_ref().map_or(Sight::Never, Sight::Counted);
    let verdict = verdict::judge(planned, &outcome, sight);
    let asked = Load { planned: planned.records, repeated, shards: loaders, ..asked };
    let load = outcome.load(asked, planned.warm_up, visible.as_ref(), &verdict);
    write_results(step, &load, &verdict)?;
    step.update_report(|report| {
        report.load = Some(load);
        environment.into_iter().for_each(|(name, value)| report.note_environment(name, value));
    })?;
    end(failure, &verdict)
}

fn warn(loaded: &Loaded) {
    if loaded.restamped {
        tracing::warn!("{RESTAMPED}");
    }
}

/// Does the work on a thread of its own, which nothing else holds up, and tells how far it is. More threads were not
/// faster: what they hand each other costs more than the little that is to be done for a record.
async fn drive<T: Send + 'static, W: Future<Output = Result<T, Error>> + 'static>(
    step: &Step,
    job: Job,
    total: u64,
    work: impl FnOnce(Job) -> W + Send + 'static,
) -> Result<T, Error> {
    let (gauge, cancel, length) = (job.gauge.clone(), job.cancel.clone(), job.pace.length());
    let (done, mut outcome) = tokio::sync::oneshot::channel();
    let work = move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let result = runtime.map_err(Error::Thread).and_then(|runtime| {
            // As a task: to wake what a runtime blocks on costs a system call each time.
            runtime.block_on(async { spawn_local(work(job)).await.map_err(|_| Error::Vanished)? })
        });
        // Nobody waits any more when the process is ending.
        let _ = done.send(result);
    };
    std::thread::Builder::new().name("loader".to_owned()).spawn(work).map_err(Error::Thread)?;
    let mut stop = step.stop();
    let mut progress = Progress::new("records acknowledged", total);
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let result = loop {
        tokio::select! {
            result = &mut outcome => break result.map_err(|_| Error::Vanished)?,
            _ = stop.wait(), if !cancel.requested() => cancel.request(),
            _ = tick.tick() => progress.set(gauge.acked(), &gauge.note(length)),
        }
    };
    progress.finish();
    result
}

fn write_results(step: &Step, load: &Load, verdict: &Verdict) -> Result<(), Failure> {
    let results = step.results();
    if let Some(window) = load.window {
        results.write("window-start", &format!("{:.3}", window.start))?;
        results.write("window-end", &format!("{:.3}", window.end))?;
    }
    results.write("records", &load.acked.to_string())?;
    results.write("rate", &format!("{:.1}", load.achieved_rate))?;
    Ok(results.write("load-verdict", verdict.status.as_str())?)
}

/// The end of the program: why the load ended early, else its verdict.
fn end(failure: Option<Error>, verdict: &Verdict) -> Result<Exit, Failure> {
    match (failure, verdict.status.exit()) {
        (Some(error), _) => Err(Failure::msg(error.exit(), format!("{error}\n  {}", verdict.cause))),
        (None, Exit::Done) => {
            tracing::info!("{}", verdict.cause);
            Ok(Exit::Done)
        }
        (None, exit) => Err(Failure::msg(exit, format!("load {}: {}", verdict.status.as_str(), verdict.cause))),
    }
}
