//! One load to a report: whoever loads says so before anything is sent.

use std::path::PathBuf;

use crate::report::{self, Load, Status, Verdict};
use crate::step::{Exit, ExitClass, Failure, Step};

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
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Writes into the report that this load has begun, which is what is known of it should the loader be killed. Refuses when
/// there is one already. To be called before anything is sent; without a report there is nothing to claim.
pub fn claim(step: &Step, load: &Load) -> Result<(), Error> {
    take(step, load, "the load began and has not ended")
}

/// The same for a load that is planned, and run by shards.
pub fn claim_for_shards(step: &Step, load: &Load) -> Result<(), Error> {
    take(step, load, "the load was planned for shards, and their results are not merged")
}

fn take(step: &Step, load: &Load, cause: &str) -> Result<(), Error> {
    if let (Some(path), Some(load)) = (step.report_path(), step.read_report()?.load) {
        let cause = load.verdict.map_or_else(|| "without a verdict".to_owned(), |verdict| verdict.cause);
        return Err(Error::Taken { path: path.to_owned(), target: load.target, cause });
    }
    let verdict = Some(Verdict { status: Status::Inconclusive, cause: cause.to_owned() });
    Ok(step.update_report(|report| report.load = Some(Load { verdict, ..load.clone() }))?)
}

/// A verdict as the end of a program: its exit code, and the cause where that is not 0.
pub fn end(verdict: &Verdict) -> Result<Exit, Failure> {
    match verdict.status {
        Status::Pass | Status::Warn => {
            tracing::info!("{}", verdict.cause);
            Ok(Exit::Done)
        }
        status => Err(Failure::msg(status.exit(), format!("load {}: {}", status.as_str(), verdict.cause))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::StepArgs;

    #[test]
    fn a_second_load_in_the_same_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let step = Step::new(StepArgs { report: Some(path.clone()), ..StepArgs::default() });
        let load = Load { target: "events-test".to_owned(), ..Load::default() };
        claim(&step, &load).unwrap();
        let begun = step.read_report().unwrap().load.unwrap().verdict.unwrap();
        assert_eq!(begun.status, Status::Inconclusive);
        let error = claim(&step, &load).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        let said = error.to_string().replace(&path.display().to_string(), "REPORT");
        insta::assert_snapshot!(said, @r#"REPORT already tells of a load into "events-test" (the load began and has not ended): two loads in one run would measure neither; give this run a report of its own"#);
        assert!(claim(&Step::new(StepArgs::default()), &load).is_ok());
    }
}
