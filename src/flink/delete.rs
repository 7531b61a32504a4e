//! `delete-flink-app`: ends a job and waits until it has ended.

use super::end::{How, end, how};
use super::events::Address;
use super::wait::Wait;
use super::{Error, Rest};
use crate::step::{Exit, Failure, Step, StepArgs};

/// Ends a Flink job, with a savepoint or without, and waits until it has ended. A job that is not there is no error.
///
/// With the report of a run it ends only the job that this run has deployed, by its id: a run that was refused because somebody
/// else's job is running must not end that one. Without a report it ends all jobs of the name.
#[derive(Debug, clap::Parser)]
#[command(name = "delete-flink-app")]
pub struct Args {
    /// Address of the JobManager's REST API, as http://flink-jobmanager:8081
    #[arg(long, value_name = "URL", help_heading = "Job")]
    rest_url: String,

    /// Name of the job, as its main gives it
    #[arg(long, value_name = "NAME", help_heading = "Job")]
    name: String,

    /// End it with a savepoint, in this directory or, as true, where the cluster's configuration says
    #[arg(long, value_name = "DIR", value_parser = how, num_args = 0..=1, default_value = "",
          default_missing_value = "true", hide_default_value = true, help_heading = "Job")]
    stop_with_savepoint: How,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Ends the job and waits until it has ended.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let rest = Rest::new(&args.rest_url)?;
    let mut wait = Wait::within(step.timeout());
    let jobs = match step.report_path() {
        Some(_) => {
            let app = step.read_report()?.app.unwrap_or_default();
            let ours = app.deployed_at.and_then(|_| Address::of(&app)).map(|address| address.job);
            if ours.is_none() {
                tracing::info!("nothing to delete: this run has not deployed job {}", args.name);
            }
            ours.into_iter().collect()
        }
        None => named(&rest, &args.name, &mut wait).await?,
    };
    for job in jobs {
        delete(&rest, &job, &args, step, &mut wait).await?;
    }
    Ok(Exit::Done)
}

/// The ids of the jobs of this name that have not ended.
async fn named(rest: &Rest, name: &str, wait: &mut Wait) -> Result<Vec<String>, Error> {
    loop {
        match wait.forgive(rest.alive(name).await)? {
            Ok(alive) => {
                if alive.is_empty() {
                    tracing::info!("job {name} was not running: nothing to delete");
                }
                return Ok(alive.into_iter().map(|job| job.id).collect());
            }
            Err(words) => {
                if !wait.pause(|| words.clone()).await {
                    return Err(Error::NotGone { job: name.to_owned(), waited: wait.elapsed(), words });
                }
            }
        }
    }
}

async fn delete(rest: &Rest, job: &str, args: &Args, step: &Step, wait: &mut Wait) -> Result<(), Failure> {
    match rest.status(job).await {
        Err(error) if error.is_unknown() => {
            tracing::info!("job {} ({job}) is not known to Flink: nothing to delete", args.name);
            return Ok(());
        }
        Ok(state) if state.is_terminal() => {
            tracing::info!("job {} ({job}) is {state}: nothing to delete", args.name);
            return Ok(());
        }
        // A JobManager that cannot say now is asked again while the job is ended.
        _ => {}
    }
    let savepoint = end(rest, job, &args.stop_with_savepoint, wait).await?;
    tracing::info!("job {} ({job}) has ended after {:.1} s", args.name, wait.elapsed().as_secs_f64());
    if let Some(location) = savepoint {
        tracing::info!("its savepoint is {location}");
        step.results().write("savepoint", &location)?;
    }
    Ok(())
}
