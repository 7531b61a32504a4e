//! `collect-reports`: joins the reports of a run's applications into the run's report.

use jiff::Timestamp;

use super::{Part, Status, Verdict, render};
use crate::step::{Exit, Failure, Step, StepArgs};

/// Joins the reports of the applications of a run that tests several into one, with a verdict on all of them: the worst.
/// begin-report has noted their names.
#[derive(Debug, clap::Parser)]
#[command(name = "collect-reports")]
pub struct Args {
    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Joins, judges, reports. The exit code is the verdict's.
pub async fn run(_: Args, step: &Step) -> Result<Exit, Failure> {
    let Some(path) = step.report_path() else {
        return Err(Failure::msg(Exit::Usage, "which report? give --report"));
    };
    let parts = step.read_report()?.parts;
    if parts.is_empty() {
        return Err(Failure::msg(
            Exit::Usage,
            format!("{} names no applications: give begin-report their names with --parts", path.display()),
        ));
    }
    let verdict = judge(&parts);
    step.update_report(|report| {
        report.parts = parts;
        report.verdict = Some(verdict.clone());
        report.run.get_or_insert_default().finished_at = Some(Timestamp::now());
    })?;
    render::publish(path, &step.read_report()?)?;
    step.results().write("verdict", verdict.status.as_str())?;
    step.results().write("summary", &verdict.summary())?;
    Ok(verdict.status.exit())
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
    use clap::Parser;

    use super::*;
    use crate::report::{App, Load, StepError, begin, part_path, read, update};

    fn step<A: Parser>(words: &[&str], of: impl FnOnce(&A) -> &StepArgs) -> (A, Step) {
        let args = A::parse_from(words);
        let step = Step::new(of(&args).clone());
        (args, step)
    }

    #[tokio::test]
    async fn parts_that_steps_have_written_become_one_report() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let flag = format!("--report={}", path.display());
        let (args, whole) =
            step(&["begin-report", &flag, "--run-id=r", "--parts", "heron", "flink"], |args: &begin::Args| &args.step);
        begin::run(args, &whole).await.unwrap();
        let load = Load { rate: 100.0, ..Load::default() };
        whole.update_report(|report| report.load = Some(load)).unwrap();
        let (_, flink) = step::<Args>(&["measure", &flag, "--part=flink"], |args| &args.step);
        let shared = flink.read_report().unwrap();
        assert_eq!((shared.run.unwrap().id.as_str(), shared.load.unwrap().rate), ("r", 100.0));
        flink.update_report(|report| report.begin_app(App { name: "wc".into(), ..App::default() })).unwrap();
        let error = StepError::now("deploy-heron-app", 4, "it was refused".into());
        update(&part_path(&path, "heron"), |report| report.errors.push(error)).unwrap();
        // Who reads the run's report knows the parts before they are joined.
        assert_eq!(whole.read_report().unwrap().parts[0].errors[0].message, "it was refused");

        let (args, collecting) = step::<Args>(&["collect-reports", &flag], |args| &args.step);
        assert_eq!(run(args, &collecting).await.unwrap(), Exit::Inconclusive);
        let report = read(&path).unwrap().unwrap();
        assert_eq!(report.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["heron", "flink"]);
        assert_eq!(report.parts[1].app.as_ref().unwrap().name, "wc");
        let page = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
        assert!(page.contains("deploy-heron-app (exit 4): it was refused"), "{page}");
    }

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
