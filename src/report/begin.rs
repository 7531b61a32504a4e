//! `begin-report`: starts a run's report with what is known before anything is done.

use std::path::Path;

use jiff::Timestamp;

use super::{App, Error, Part, Report, Run, write};
use crate::step::{Exit, Failure, KeyValue, Step, StepArgs, part_name};

/// Starts a run's report anew with what is known about the run. What an earlier run left in the same folder goes, or its
/// verdict would be taken for this one's.
#[derive(Debug, clap::Parser)]
#[command(name = "begin-report")]
pub struct Args {
    /// Name of the PipelineRun
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    run_id: String,

    /// Name of the Pipeline
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    pipeline: String,

    /// Repository under test
    #[arg(long, value_name = "URL", default_value = "", allow_hyphen_values = true)]
    repository: String,

    /// Commit under test
    #[arg(long, value_name = "SHA", default_value = "", allow_hyphen_values = true)]
    commit: String,

    /// The commit's message; $COMMIT_MESSAGE when it is empty
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    commit_message: String,

    /// The commit's author; $COMMIT_AUTHOR when it is empty
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    author: String,

    /// Number of the pull request
    #[arg(long, value_name = "NUMBER", default_value = "", allow_hyphen_values = true)]
    pull_request: String,

    /// Branch under test
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    branch: String,

    /// Branch that the pull request goes into
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    base_branch: String,

    /// Commit of that branch from which the branch under test forked: git merge-base
    #[arg(long, value_name = "SHA", default_value = "", allow_hyphen_values = true)]
    fork_point: String,

    /// What is known of where the run takes place, as node=n2-standard-8 or image.app=sha256:…; runs with different values are
    /// not comparable
    #[arg(long, value_name = "NAME=VALUE", num_args = 0..)]
    environment: Vec<KeyValue>,

    /// What the application runs on: heron, flink, manifest, or none for one that runs already
    #[arg(long, value_name = "ENGINE", default_value = "", hide_default_value = true, value_parser = ["", "heron", "flink", "manifest", "none"])]
    app_engine: String,

    /// The metric pack that will measure it; only to refuse now what would lack one after the load
    #[arg(long, value_name = "NAME|FILE", default_value = "", hide_default_value = true)]
    metric_pack: String,

    /// Names of the applications of a run that tests several, as the other steps are given them with --part
    #[arg(long, value_name = "NAME", num_args = 0.., value_parser = part_name)]
    parts: Vec<String>,

    /// Name of the application
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    app_name: String,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Starts the report.
pub async fn run(mut args: Args, step: &Step) -> Result<Exit, Failure> {
    let Some(path) = step.report_path() else {
        return Err(Failure::msg(Exit::Usage, "which report? give --report"));
    };
    let checked = args.check();
    args.complete();
    clear_parts(path)?;
    write(path, &args.report(), true)?;
    Ok(checked.map(|()| Exit::Done)?)
}

impl Args {
    /// Completes the facts from the environment, which carries what no parameter can.
    fn complete(&mut self) {
        let texts = [(&mut self.commit_message, "COMMIT_MESSAGE"), (&mut self.author, "COMMIT_AUTHOR")];
        for (said, name) in texts {
            if said.is_empty() {
                *said = std::env::var_os(name).unwrap_or_default().to_string_lossy().into_owned();
            }
        }
    }

    fn report(&self) -> Report {
        let run = Run {
            id: self.run_id.clone(),
            pipeline: self.pipeline.clone(),
            started_at: Some(Timestamp::now()),
            repository: self.repository.clone(),
            commit: self.commit.clone(),
            message: self.commit_message.clone(),
            author: self.author.clone(),
            pull_request: self.pull_request.clone(),
            branch: self.branch.clone(),
            base_branch: self.base_branch.clone(),
            fork_point: self.fork_point.clone(),
            ..Run::default()
        };
        let app = App { engine: self.app_engine.clone(), name: self.app_name.clone(), ..App::default() };
        let known = !app.engine.is_empty() || !app.name.is_empty();
        let parts = self.parts.iter().map(|name| Part::of(name, Report::default())).collect();
        let mut report = Report { run: Some(run), app: known.then_some(app), parts, ..Report::default() };
        report.note_environment("streamgauge", env!("CARGO_PKG_VERSION"));
        // A parameter that nobody filled in says nothing.
        for KeyValue { key, value } in self.environment.iter().filter(|known| !known.value.is_empty()) {
            report.note_environment(key, value);
        }
        report
    }

    /// Refuses what could only fail later: an application that nothing would measure, and text that Tekton takes for variables of
    /// its own. It replaces some and ends the whole run for others, at once and
    /// without its finally tasks (Tekton 1.15 validates the replaced Pipeline again): what is deployed then stays for good.
    fn check(&self) -> Result<(), Error> {
        let arguments = [
            ("--repository", &self.repository),
            ("--commit", &self.commit),
            ("--commit-message", &self.commit_message),
            ("--author", &self.author),
            ("--pull-request", &self.pull_request),
            ("--branch", &self.branch),
            ("--base-branch", &self.base_branch),
            ("--fork-point", &self.fork_point),
        ];
        match arguments.into_iter().find(|(_, value)| value.contains("$(")) {
            Some((flag, value)) => Err(Error::Variable { flag, value: value.clone() }),
            None if self.metric_pack.is_empty() && matches!(self.app_engine.as_str(), "manifest" | "none") => {
                Err(Error::WhichPack { engine: self.app_engine.clone() })
            }
            None => Ok(()),
        }
    }
}

/// Removes what an earlier run has left beside the report: the reports of its applications, and its load's plan and shards.
fn clear_parts(report: &Path) -> Result<(), Error> {
    let stem = report.file_stem().unwrap_or_default().to_string_lossy();
    let (folder, prefix) = (report.with_file_name(""), format!("{stem}-"));
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Read { path: folder, source }),
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && name.ends_with(".json") {
            std::fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::report::{Status, Verdict, read, update};

    async fn begin(folder: &Path, more: &[&str]) -> Result<Exit, Failure> {
        let report = format!("--report={}/report.json", folder.display());
        let args = Args::parse_from([&["begin-report", report.as_str()], more].concat());
        let step = Step::new(args.step.clone());
        run(args, &step).await
    }

    #[tokio::test]
    async fn nothing_of_an_earlier_run_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let old = Verdict { status: Status::Pass, cause: "of yesterday".into() };
        for name in ["report.json", "report-flink.json", "report-plan.json"] {
            update(&folder.path().join(name), |report| report.verdict = Some(old.clone())).unwrap();
        }
        std::fs::write(folder.path().join("report-of-mine.txt"), "kept").unwrap();
        begin(folder.path(), &["--run-id=run-2", "--commit-message=- begins like a flag", "--app-name=wc"])
            .await
            .unwrap();
        let report = read(&path).unwrap().unwrap();
        assert_eq!(report.verdict, None);
        let run = report.run.unwrap();
        assert_eq!((run.id.as_str(), run.message.as_str()), ("run-2", "- begins like a flag"));
        assert!(run.started_at.is_some());
        assert_eq!(report.app.unwrap().name, "wc");
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["report-of-mine.txt", "report.json"]);
    }

    #[tokio::test]
    async fn an_application_that_nothing_would_measure_is_refused_before_the_load() {
        let folder = tempfile::tempdir().unwrap();
        let failure = begin(folder.path(), &["--app-engine=none", "--metric-pack="]).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("app-engine none"), "{failure}");
        begin(folder.path(), &["--app-engine=none", "--metric-pack=mine.yaml"]).await.unwrap();
        begin(folder.path(), &["--app-engine=flink"]).await.unwrap();
        assert!(Args::try_parse_from(["begin-report", "--app-engine=spark"]).is_err());
    }

    #[tokio::test]
    async fn the_report_says_where_the_branch_comes_from_and_where_the_run_takes_place() {
        let folder = tempfile::tempdir().unwrap();
        let more =
            ["--branch=a/b", "--base-branch=main", "--fork-point=c0ffee", "--environment", "node=x", "zone=", "a=b=c"];
        begin(folder.path(), &more).await.unwrap();
        let report = read(&folder.path().join("report.json")).unwrap().unwrap();
        let run = report.run.unwrap();
        assert_eq!([run.branch, run.base_branch, run.fork_point], ["a/b", "main", "c0ffee"]);
        let known: Vec<_> = report.environment.unwrap().fingerprint.into_iter().collect();
        let known: Vec<_> = known.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(known, ["a=b=c", "node=x", concat!("streamgauge=", env!("CARGO_PKG_VERSION"))]);
    }

    #[tokio::test]
    async fn a_report_that_nobody_can_read_is_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("report.json"), "{ half a rep").unwrap();
        begin(folder.path(), &["--run-id=run-2"]).await.unwrap();
        assert_eq!(read(&folder.path().join("report.json")).unwrap().unwrap().run.unwrap().id, "run-2");
    }

    #[tokio::test]
    async fn text_that_tekton_takes_for_a_variable_is_refused_and_the_report_begun_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let failure = begin(folder.path(), &["--author=$(id)", "--run-id=run-3"]).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().starts_with("--author \"$(id)\" cannot be used: Tekton takes $(…)"), "{failure}");
        assert_eq!(read(&folder.path().join("report.json")).unwrap().unwrap().run.unwrap().id, "run-3");
    }
}
