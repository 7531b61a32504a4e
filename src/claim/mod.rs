//! `claim-environment`: one run at a time in an environment.
//!
//! Two tests in one environment measure each other. Who may test is kept in a Kubernetes Lease per environment, whose holder is a
//! PipelineRun. What is not there any more, or is done, holds nothing: no run has to give back what it held, and one that crashed
//! or was deleted cannot keep it. Outside a cluster there is no Lease: a run on one's own computer claims nothing.

mod error;
mod lease;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::kubernetes::{Cluster, Connection, Kind, Object, Wait};
use crate::step::{Exit, Failure, Step, StepArgs, flag};

pub use error::Error;
use lease::{Claim, Holder};

/// How often a run that waits looks again: tests take minutes.
const POLL: Duration = Duration::from_secs(2);

/// Waits until no other run tests in an environment, and keeps it for this run until that is done.
///
/// The environment is a Lease, streamgauge-NAME. Its holder is a PipelineRun, and is forgotten as soon as that is done or gone:
/// nothing has to be given back. With --supersede, an older run of another commit of the same pull request is ended first, with its
/// finally tasks.
#[derive(Debug, clap::Parser)]
#[command(name = "claim-environment", mut_arg("timeout", |arg| arg.default_value("2h")))]
pub struct Args {
    /// Name of the environment, of a-z, 0-9 and -
    #[arg(long, value_name = "NAME", value_parser = environment, help_heading = "Claim")]
    environment: String,

    /// Name of the PipelineRun that claims it
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new(), help_heading = "Claim")]
    run: String,

    /// The PipelineRun's uid
    #[arg(long, value_name = "UID", value_parser = clap::builder::NonEmptyStringValueParser::new(), help_heading = "Claim")]
    run_uid: String,

    /// Namespace of the Lease, where runs of several namespaces share the environment; the run's own when empty
    #[arg(long, value_name = "NAME", default_value = "", help_heading = "Claim")]
    lease_namespace: String,

    /// Repository under test
    #[arg(long, value_name = "URL", default_value = "", help_heading = "Claim")]
    repository: String,

    /// Number of the pull request
    #[arg(long, value_name = "NUMBER", default_value = "", help_heading = "Claim")]
    pull_request: String,

    /// Commit under test
    #[arg(long, value_name = "SHA", default_value = "", help_heading = "Claim")]
    commit: String,

    /// End an older run of another commit of the same pull request, as CancelledRunFinally does, in place of waiting for its result
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Claim")]
    supersede: bool,

    /// Give the environment back before the run is done
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Claim")]
    release: bool,

    #[command(flatten)]
    connection: Connection,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// A name that a Lease's can end with.
fn environment(text: &str) -> Result<String, String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = !text.is_empty() && text.len() <= 50 && text.chars().all(letter) && !text.ends_with('-');
    if fits { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a name of a-z, 0-9 and -")) }
}

/// Claims the environment, or gives it back.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let cluster = Cluster::connect(&args.connection).await?;
    let mut wait = Wait::within(step.timeout()).asking_every(POLL);
    let claim = claim(&args, &cluster);
    if args.release {
        claim.release(&mut wait).await?;
    } else {
        claim.hold(&mut wait).await?;
    }
    Ok(Exit::Done)
}

fn claim<'a>(args: &Args, cluster: &'a Cluster) -> Claim<'a> {
    let namespace = match args.lease_namespace.as_str() {
        "" => cluster.namespace(),
        given => given,
    };
    let name = format!("streamgauge-{}", args.environment);
    let known = !args.repository.is_empty() && !args.pull_request.is_empty();
    Claim {
        cluster,
        environment: args.environment.clone(),
        lease: Object::new(Kind::lease(), namespace, &name),
        me: Holder { namespace: cluster.namespace().to_owned(), name: args.run.clone(), uid: args.run_uid.clone() },
        pull_request: known.then(|| format!("{}#{}", args.repository, args.pull_request)),
        commit: args.commit.clone(),
        supersede: args.supersede,
    }
}
