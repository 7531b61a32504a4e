//! What can go wrong with a Flink job.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::job::State;
use crate::step::{Exit, ExitClass};

/// Why a job was not deployed, or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error("{flag} {value:?} is not an address such as http://flink-jobmanager:8081")]
    Address {
        /// The argument.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// A file that was named is not there.
    #[error("cannot read {what} {}", path.display())]
    File {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file that is no jar.
    #[error("{} is not a jar", path.display())]
    NotJar {
        /// Where it is.
        path: PathBuf,
    },
    /// There is no answer.
    #[error("cannot {operation}: no answer from Flink's REST API at {url}: {words}; check {flag}")]
    Unreachable {
        /// What was wanted.
        operation: String,
        /// Its address.
        url: String,
        /// The system's words.
        words: String,
        /// The argument that says the address.
        flag: &'static str,
    },
    /// Flink answers, but says no.
    #[error("cannot {operation}: Flink says ({status}): {words}{hint}")]
    Refused {
        /// What was wanted.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        words: String,
        /// What to do, after a semicolon; empty when its words say all.
        hint: &'static str,
    },
    /// The answer is not Flink's.
    #[error("cannot {operation}: what answers at {url} is not Flink's REST API: {words}; check {flag}")]
    Strange {
        /// What was wanted.
        operation: String,
        /// Its address.
        url: String,
        /// The beginning of the answer.
        words: String,
        /// The argument that says the address.
        flag: &'static str,
    },
    /// A setting that would be ignored, or two that contradict one another.
    #[error("{flag} {value:?} cannot be used: {why}")]
    Setting {
        /// The argument.
        flag: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        why: &'static str,
    },
    /// This JobManager takes no jars.
    #[error(
        "Flink {version} at {url} takes no jars: it is an application cluster, or web.submit.enable is off; a session cluster is needed"
    )]
    NoSession {
        /// Flink's version.
        version: String,
        /// Its address.
        url: String,
    },
    /// Main gives the job another name: under it nobody would find the job again.
    #[error("main made job {made:?} but --name is {asked:?}: {state}; make both the same")]
    WrongName {
        /// The job's name.
        made: String,
        /// The name in the arguments.
        asked: String,
        /// What has become of the job.
        state: &'static str,
    },
    /// There is one already.
    #[error("job {name:?} is already running ({job}, submitted {at}); pass --replace to end it first")]
    Exists {
        /// The name of both.
        name: String,
        /// The other's id.
        job: String,
        /// Since when.
        at: Timestamp,
    },
    /// Somebody else deploys a job of this name at the same time.
    #[error("job {name:?} was deployed by somebody else at the same time ({job}, submitted {at}): ours was cancelled")]
    Overtaken {
        /// The name of both.
        name: String,
        /// The other's id.
        job: String,
        /// Since when.
        at: Timestamp,
    },
    /// Several jobs of the name cannot all be what the new one goes on from.
    #[error(
        "{count} jobs are named {name:?}: none was stopped, for a job can begin from one savepoint only; cancel all but one"
    )]
    Several {
        /// Their name.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// A savepoint was not written; the job runs on.
    #[error("no savepoint of job {job}, so it was left running: {cause}")]
    Savepoint {
        /// The job.
        job: String,
        /// Why, in Flink's words.
        cause: String,
    },
    /// The job ended instead of running.
    #[error("job {name:?} ({job}) is {state}, {:.1} s after it was submitted: {cause}", after.as_secs_f64())]
    Ended {
        /// Its name.
        name: String,
        /// Its id.
        job: String,
        /// `FAILED`, `CANCELED` or `FINISHED`.
        state: State,
        /// How long it was waited for.
        after: Duration,
        /// Why.
        cause: String,
    },
    /// Flink has forgotten the job.
    #[error("job {name:?} ({job}) is no longer known to Flink: was the JobManager restarted?")]
    Forgotten {
        /// Its name.
        name: String,
        /// Its id.
        job: String,
    },
    /// The deadline passed before the job was truly running.
    #[error("job {name:?} ({job}) is not running after {}s: {missing}; it was left as it is, delete-flink-app removes it", waited.as_secs())]
    NotReady {
        /// Its name.
        name: String,
        /// Its id.
        job: String,
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        missing: String,
    },
    /// The deadline passed before the job had ended.
    #[error("job {job} has not ended after {}s: {words}", waited.as_secs())]
    NotGone {
        /// Its id.
        job: String,
        /// How long it was waited for.
        waited: Duration,
        /// What Flink said last.
        words: String,
    },
    /// The report does not say where the job can be asked.
    #[error("the report does not say at which address, under which id, job {name:?} can be asked")]
    ReportedAddress {
        /// The job's name.
        name: String,
    },
    /// No random number for a job's id.
    #[error("cannot make up an id for the job")]
    Random(#[source] openssl::error::ErrorStack),
    /// The HTTP client could not be made.
    #[error("cannot speak HTTP on this computer")]
    Client(#[source] reqwest::Error),
}

impl Error {
    /// Whether Flink knows no such job (or jar, or savepoint).
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Address { .. }
            | Self::File { .. }
            | Self::NotJar { .. }
            | Self::Setting { .. }
            | Self::WrongName { .. } => Exit::Usage,
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Strange { .. }
            | Self::NoSession { .. }
            | Self::Exists { .. }
            | Self::Overtaken { .. }
            | Self::Several { .. }
            | Self::Savepoint { .. }
            | Self::Ended { .. }
            | Self::Forgotten { .. }
            | Self::ReportedAddress { .. }
            | Self::Random(_)
            | Self::Client(_) => Exit::Refused,
            Self::NotReady { .. } | Self::NotGone { .. } => Exit::Deadline,
        }
    }
}
