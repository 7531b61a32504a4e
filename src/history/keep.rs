//! `keep-report`: puts a run's report into the history.

use super::Place;
use crate::report::Report;
use crate::step::{Exit, Failure, Step, StepArgs};

/// Keeps a run's report, and its page, in the history, whatever the verdict. Without a history it does nothing.
///
/// Of a run that tests several applications each one's report is kept as one of its own.
#[derive(Debug, clap::Parser)]
#[command(name = "keep-report")]
pub struct Args {
    /// Where it is kept.
    #[command(flatten)]
    place: Place,

    /// Address under which the history's files are seen in a browser; with it, the result page is that of the report's page
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true, help_heading = "History")]
    page_base: String,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Keeps the report.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let Some(history) = args.place.open()? else {
        tracing::info!("no history was given, so the report is not kept");
        return Ok(Exit::Done);
    };
    if step.report_path().is_none() {
        return Err(Failure::msg(Exit::Usage, "which report? give --report"));
    }
    let mut first = None;
    for (part, report) in reports(&args.step, step)? {
        let key = history.keep(&report, &part).await?;
        tracing::info!("kept {key} in {}", history.address());
        first.get_or_insert(key);
    }
    let Some(key) = first else {
        tracing::warn!("there is no report to keep: the run ended before it was begun");
        return Ok(Exit::Done);
    };
    step.results().write("key", &key)?;
    if !args.page_base.is_empty() {
        step.results().write("page", &page(&args.page_base, &key))?;
    }
    Ok(Exit::Done)
}

/// The reports to keep, each with its application's name in a run that tests several.
fn reports(args: &StepArgs, step: &Step) -> Result<Vec<(String, Report)>, Failure> {
    let whole = step.read_report()?;
    if whole.run.is_none() {
        return Ok(Vec::new());
    }
    if whole.parts.is_empty() {
        return Ok(vec![(args.part.clone(), ours_left_out(whole))]);
    }
    let mut found = Vec::new();
    for part in whole.parts {
        let own = Step::new(StepArgs { part: part.name.clone(), result: Vec::new(), ..args.clone() });
        found.push((part.name, ours_left_out(own.read_report()?)));
    }
    Ok(found)
}

/// Without what this program said of itself: a step that is tried again has noted there that it failed.
fn ours_left_out(mut report: Report) -> Report {
    report.errors.retain(|error| error.program != "keep-report");
    report
}

/// The address of a report's page. A key is percent-encoded already, and in an address that has to be seen.
fn page(base: &str, key: &str) -> String {
    let key = key.strip_suffix("json").unwrap_or(key).replace('%', "%25");
    format!("{}/{key}html", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::history::{Filter, open};
    use crate::report::{App, StepError, begin, part_path, read, update};

    async fn begin(path: &Path, more: &[&str]) {
        let flag = format!("--report={}", path.display());
        let args =
            begin::Args::parse_from([&["begin-report", &flag, "--commit=c0ffee", "--branch=a/b"], more].concat());
        let step = Step::new(args.step.clone());
        begin::run(args, &step).await.unwrap();
    }

    async fn keep(path: &Path, more: &[&str]) -> Result<Exit, Failure> {
        let flag = format!("--report={}", path.display());
        let args = Args::parse_from([&["keep-report", &flag], more].concat());
        let step = Step::new(args.step.clone());
        run(args, &step).await
    }

    #[tokio::test]
    async fn a_report_is_kept_once_and_a_step_that_is_tried_again_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let (path, page) = (folder.path().join("run/report.json"), folder.path().join("page"));
        let history = format!("--history={}", folder.path().join("history").display());
        let result = format!("--result=page={}", page.display());
        // A Task passes both, the second is its workspace.
        let flags = ["--history=", &history, "--page-base=https://perf.example/history/", &result];
        assert_eq!(keep(&path, &flags).await.unwrap(), Exit::Done);
        begin(&path, &["--run-id=run-1", "--app-name=wc", "--app-engine=heron"]).await;
        assert_eq!(keep(&path, &[]).await.unwrap(), Exit::Done);
        assert!(!folder.path().join("history").exists());
        keep(&path, &flags).await.unwrap();
        update(&path, |report| report.errors.push(StepError::now("keep-report", 5, "too slow".into()))).unwrap();
        keep(&path, &flags).await.unwrap();
        let address = std::fs::read_to_string(&page).unwrap();
        assert!(address.starts_with("https://perf.example/history/wc/a%252Fb/c0ffee/2"), "{address}");
        assert!(address.ends_with("Z-run-1.html"), "{address}");

        let history = open(&folder.path().join("history").display().to_string(), None).unwrap();
        let kept = history.reports("wc", &Filter::default()).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].errors, []);
        update(&path, |report| report.run.as_mut().unwrap().author = "somebody else".into()).unwrap();
        let failure = keep(&path, &flags).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        assert!(failure.to_string().contains("what is kept is not changed"), "{failure}");
        assert_eq!(history.reports("", &Filter::default()).await.unwrap(), kept);
    }

    #[tokio::test]
    async fn each_application_of_a_run_has_a_report_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        begin(&path, &["--run-id=run-1", "--environment", "node=x", "--parts", "heron", "flink"]).await;
        for engine in ["heron", "flink"] {
            update(&part_path(&path, engine), |report| {
                report.begin_app(App { engine: engine.into(), name: "wc".into(), ..App::default() });
                report.note_environment(engine, "1.0");
            })
            .unwrap();
        }
        let place = folder.path().join("history").display().to_string();
        keep(&path, &["--history", &place]).await.unwrap();
        let kept = open(&place, None).unwrap().reports("wc", &Filter::default()).await.unwrap();
        let said: Vec<String> = kept
            .iter()
            .map(|report| {
                let environment = &report.environment.as_ref().unwrap().fingerprint;
                let names: Vec<&str> = environment.keys().map(String::as_str).collect();
                format!(
                    "{} {} {}",
                    report.app.as_ref().unwrap().engine,
                    report.run.as_ref().unwrap().id,
                    names.join(" ")
                )
            })
            .collect();
        assert_eq!(said, ["heron run-1 heron node streamgauge", "flink run-1 flink node streamgauge"]);
        assert_eq!(read(&path).unwrap().unwrap().parts.len(), 2);
    }
}
