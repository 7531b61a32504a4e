//! `collect-reports`: joins the reports of a run's applications into the run's report.

use super::{Error, Part, Run, Status, Verdict, part_path, read, render};
use crate::step::{Exit, Failure, Step, StepArgs};

use jiff::Timestamp;

/// Joins the reports of the applications of a run that tests several into one, with a verdict on all of them: the worst.
#[derive(Debug, clap::Parser)]
#[command(name = "collect-reports")]
pub struct Args {
    /// Names of the applications, as the other steps were given them with --part
    #[arg(long, value_name = "NAME", num_args = 1.., required = true)]
    parts: Vec<String>,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Joins, judges, reports. The exit code is the verdict's.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let Some(path) = step.report_path() else {
        return Err(Failure::msg(Exit::Usage, "which report? give --report"));
    };
    let parts = args.parts.iter().map(|name| part(path, name)).collect::<Result<Vec<_>, _>>()?;
    let verdict = judge(&parts);
    step.update_report(|report| {
        report.run.get_or_insert_with(Run::default).finished_at = Some(Timestamp::now());
        (report.parts, report.verdict) = (parts, Some(verdict.clone()));
    })?;
    render::publish(path, &step.read_report()?)?;
    step.results().write("verdict", verdict.status.as_str())?;
    step.results().write("summary", &verdict.summary())?;
    Ok(verdict.status.exit())
}

fn part(path: &std::path::Path, name: &str) -> Result<Part, Error> {
    let report = read(&part_path(path, name))?.unwrap_or_default();
    Ok(Part::from((name.to_owned(), report)))
}

/// The verdict on all: a broken demand is proven whatever else is unknown, so fail comes before inconclusive, then warn, pass.
fn judge(parts: &[Part]) -> Verdict {
    let nothing = Verdict { status: Status::Inconclusive, cause: "the run ended before it was judged".to_owned() };
    let verdicts: Vec<&Verdict> = parts.iter().map(|part| part.verdict.as_ref().unwrap_or(&nothing)).collect();
    let order = [Status::Fail, Status::Inconclusive, Status::Warn];
    let worst = order.into_iter().find(|status| verdicts.iter().any(|verdict| verdict.status == *status));
    let lines = parts.iter().zip(verdicts).map(|(part, verdict)| format!("{}: {}", part.name, verdict.cause));
    Verdict { status: worst.unwrap_or(Status::Pass), cause: lines.collect::<Vec<_>>().join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_application_decides_and_one_without_a_verdict_is_not_green() {
        let part = |name: &str, status: Option<Status>| Part {
            name: name.to_owned(),
            verdict: status.map(|status| Verdict { status, cause: format!("{} it is", status.as_str()) }),
            ..Part::default()
        };
        let judged = |statuses: [Option<Status>; 2]| judge(&[part("heron", statuses[0]), part("flink", statuses[1])]);
        use Status::{Fail, Inconclusive, Pass, Warn};
        for (statuses, worst) in [
            ([Some(Pass), Some(Pass)], Pass),
            ([Some(Warn), Some(Pass)], Warn),
            ([Some(Pass), None], Inconclusive),
            ([None, Some(Fail)], Fail),
        ] {
            assert_eq!(judged(statuses).status, worst, "{statuses:?}");
        }
        assert_eq!(judged([Some(Pass), None]).cause, "heron: pass it is; flink: the run ended before it was judged");
    }
}
