//! One load to a run: whoever loads says so before anything is sent.

use std::path::{Path, PathBuf};

use super::shard::{self, Shard};
use crate::report::{self, Load, Status, Verdict};
use crate::step::{Exit, ExitClass};

/// Where a load says that it has begun.
#[derive(Debug, Clone)]
pub enum Claim {
    /// In the report, as this load.
    Report(PathBuf, Box<Load>),
    /// In a shard's own file beside the report.
    Shard(PathBuf, Shard),
}

/// Why a load must not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The report tells of a load already.
    #[error(
        "{} already tells of a load into {target:?} ({cause}): two loads in one run would measure neither; give this run a report of its own",
        path.display()
    )]
    Taken {
        /// The report.
        path: PathBuf,
        /// Where that load went.
        target: String,
        /// How it ended.
        cause: String,
    },
    /// The report could not be read or written.
    #[error(transparent)]
    Report(#[from] report::Error),
    /// The shard must not begin.
    #[error(transparent)]
    Shard(#[from] shard::Error),
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Taken { .. } => Exit::Usage,
            Self::Report(error) => error.exit(),
            Self::Shard(error) => error.exit(),
        }
    }
}

impl Claim {
    /// Writes that the load has begun, which is what is known of it should it be killed. Refuses when there is one already.
    /// To be called before anything is sent.
    pub fn take(&self) -> Result<(), Error> {
        match self {
            Self::Report(report, load) => write(report, load, "the load began and has not ended"),
            Self::Shard(report, shard) => Ok(shard::begin(report, *shard)?),
        }
    }
}

impl Claim {
    /// Takes it back: nothing was sent.
    pub fn release(&self) -> Result<(), Error> {
        match self {
            Self::Report(report, _) => Ok(report::update(report, |report| report.load = None)?),
            Self::Shard(report, shard) => Ok(shard::release(report, *shard)?),
        }
    }
}

/// Writes that a load is planned for shards. Refuses when the run has a load already.
pub fn claim_for_shards(report: &Path, load: &Load) -> Result<(), Error> {
    write(report, load, "the load was planned for shards, and their results are not merged")
}

/// Refuses when the run has a load already.
pub fn refuse_second(report: &Path) -> Result<(), Error> {
    let Some(load) = report::read(report)?.and_then(|report| report.load) else { return Ok(()) };
    let cause = load.verdict.map_or_else(|| "without a verdict".to_owned(), |verdict| verdict.cause);
    Err(Error::Taken { path: report.to_owned(), target: load.target, cause })
}

fn write(path: &Path, load: &Load, cause: &str) -> Result<(), Error> {
    refuse_second(path)?;
    let verdict = Some(Verdict { status: Status::Inconclusive, cause: cause.to_owned() });
    Ok(report::update(path, |report| report.load = Some(Load { verdict, ..load.clone() }))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_load_in_the_same_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let claim = Claim::Report(path.clone(), Box::new(Load { target: "events-test".to_owned(), ..Load::default() }));
        claim.take().unwrap();
        let begun = report::read(&path).unwrap().unwrap().load.unwrap().verdict.unwrap();
        assert_eq!(begun.status, Status::Inconclusive);
        claim.release().unwrap();
        claim.take().unwrap();
        let error = claim.take().unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        let said = error.to_string().replace(&path.display().to_string(), "REPORT");
        insta::assert_snapshot!(said, @r#"REPORT already tells of a load into "events-test" (the load began and has not ended): two loads in one run would measure neither; give this run a report of its own"#);
    }
}
