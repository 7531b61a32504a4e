//! The program `get-prometheus-metric`.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::access::Access;
use super::check;
use super::events;
use super::over::{self, Measured};
use super::packs::Packs;
use super::query::Query;
use crate::history;
use crate::report::{Report, Run, Window, render};
use crate::step::{Exit, Failure, KeyValue, Seconds, Step, StepArgs, mounted};
use crate::verdict::{self, Demand, Slo};

/// How long finding the baseline may take: what was measured does not wait for it.
const HISTORY: Duration = Duration::from_secs(120);

/// Measures the application over the window of the load: runs a metric pack against Prometheus, judges the numbers and
/// writes the report.
#[derive(Debug, clap::Parser)]
#[command(name = "get-prometheus-metric")]
pub struct Args {
    /// Metric packs: built-in ones (heron, flink, kafka, none) or files, as heron,kafka, where a later one's metric takes the place of
    /// an earlier one's; that of the report's application when none is given
    #[arg(long, value_name = "NAME|FILE", default_value = "", hide_default_value = true)]
    pack: String,

    /// What the pack's queries are filled in with, as topology=preprocessor
    #[arg(long, value_name = "K=V", num_args(0..))]
    params: Vec<KeyValue>,

    /// A metric to measure besides, or instead of a pack: NAME=PROMQL, or
    /// NAME[unit=ms,direction=lower,reduce=max,by=pod]=PROMQL; may be repeated
    #[arg(long, value_name = "NAME=PROMQL", num_args(0..))]
    query: Vec<Query>,

    /// A demand to add to the pack's, or to put in the place of one on the same metric: tps{kafkaSpout} >= 0.98 * load; may be repeated
    #[arg(long, value_name = "CHECK", num_args(0..))]
    slo: Vec<Demand>,

    /// A file with checks, and the score that they have to reach; each takes the place of the pack's on the same metric
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    slo_file: String,

    /// Measure and judge nothing: run every query once, now or up to --window-end, and say what it finds, or why it finds nothing
    #[arg(long)]
    check: bool,

    /// When the load began, as 2026-01-05T10:12:00Z; the report's load says it when this is not given
    #[arg(long, value_name = "TIME", default_value = "", hide_default_value = true)]
    window_start: String,

    /// When the load ended
    #[arg(long, value_name = "TIME", default_value = "", hide_default_value = true)]
    window_end: String,

    /// How much of the load's beginning is not measured
    #[arg(long, value_name = "TIME", default_value = "0s")]
    warm_up: Seconds,

    /// Where report.md and report.html are written; beside the report when it is not given
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true)]
    output_dir: String,

    /// How Prometheus is reached
    #[command(flatten)]
    pub access: Access,

    /// What it is compared with
    #[command(flatten)]
    baseline: history::BaselineArgs,

    /// The arguments that all programs have
    #[command(flatten)]
    pub step: StepArgs,
}

/// Measures, judges, reports. The exit code is the verdict's.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let mut report = step.read_report()?;
    let client = args.access.client()?;
    let names: Vec<String> = pack_names(&args, &report)?.into_iter().map(str::to_owned).collect();
    let slo = mounted(&args.slo_file).map(Slo::load).transpose()?.unwrap_or_default();
    let packs = Packs::load(&names, &args.query, slo, &args.slo)?;
    let known = serde_json::to_value(&report).unwrap_or_default();
    let filled = packs.fill(&args.params, &known)?;
    let rate = report.load.as_ref().map(|load| load.rate);
    if args.check {
        return check::run(&client, filled, time("--window-end", &args.window_end)?, rate).await;
    }
    let load = window(&args, step, &report)?;
    let Measured { metrics, warnings, trouble } = over::measure(&client, filled, load, args.warm_up.0, rate).await?;
    report.metrics = metrics;
    if let Some(app) = &mut report.app {
        events::note(app, load).await;
        app.warnings.extend(warnings);
    }
    report.note_environment(history::PACK, names.join(","));
    report.baseline = args.baseline.compare(&report, HISTORY).await;
    let (checks, verdict) = verdict::judge(&report, &packs.demands(), packs.score(), trouble);
    report.checks = checks;
    report.verdict = Some(verdict.clone());
    report.run.get_or_insert_with(Run::default).finished_at = Some(Timestamp::now());
    step.update_report(|file| take(file, &report))?;
    let path = step.report_path().unwrap_or(Path::new("report.json"));
    let path = match args.output_dir.as_str() {
        "" => path.to_owned(),
        folder => Path::new(folder).join(path.file_name().unwrap_or_default()),
    };
    render::publish(&path, &report)?;
    step.results().write("verdict", verdict.status.as_str())?;
    step.results().write("summary", &verdict.summary())?;
    Ok(verdict.status.exit())
}

/// Puts this step's parts into the report; the others may have been changed meanwhile.
fn take(file: &mut Report, mine: &Report) {
    file.metrics.clone_from(&mine.metrics);
    file.checks.clone_from(&mine.checks);
    file.baseline.clone_from(&mine.baseline);
    file.verdict.clone_from(&mine.verdict);
    if let Some(pack) = mine.environment.as_ref().and_then(|environment| environment.fingerprint.get(history::PACK)) {
        file.note_environment(history::PACK, pack);
    }
    if let (Some(file), Some(mine)) = (&mut file.app, &mine.app) {
        file.events.clone_from(&mine.events);
        file.warnings.clone_from(&mine.warnings);
    }
    let finished_at = mine.run.as_ref().and_then(|run| run.finished_at);
    file.run.get_or_insert_with(Run::default).finished_at = finished_at;
}

/// The packs that were asked for, else the one for what the application runs on; none where queries are given instead.
fn pack_names<'a>(args: &'a Args, report: &'a Report) -> Result<Vec<&'a str>, Error> {
    let engine = report.app.as_ref().map_or("", |app| app.engine.as_str());
    match (args.pack.as_str(), engine) {
        ("" | "none", _) if args.query.is_empty() && matches!(engine, "" | "none" | "manifest") => {
            Err(Error::WhichPack)
        }
        ("", "" | "none" | "manifest") => Ok(vec!["none"]),
        ("", engine) => Ok(vec![engine]),
        (asked, _) => Ok(asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()),
    }
}

/// A time of the command line; none when it is empty.
fn time(flag: &str, text: &str) -> Result<Option<Timestamp>, Failure> {
    let parse = |text: &str| {
        text.parse::<Timestamp>().map_err(|error| {
            Failure::msg(Exit::Usage, format!("{flag} {text:?} is not a time such as 2026-01-05T10:12:00Z: {error}"))
        })
    };
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// The load's window: from the arguments, else from the report.
fn window(args: &Args, step: &Step, report: &Report) -> Result<Window, Failure> {
    let load = report.load.as_ref().and_then(|load| load.window);
    let window = match (time("--window-start", &args.window_start)?, time("--window-end", &args.window_end)?) {
        (None, None) => load.ok_or(Error::NoWindow)?,
        (Some(start), Some(end)) => Window { start, end },
        _ => return Err(Error::NoWindow.into()),
    };
    // Tekton's results have it in milliseconds.
    let rounding = Duration::from_millis(1);
    if let Some(load) = load.filter(|load| window.start < load.start - rounding || load.end + rounding < window.end) {
        return Err(Error::Elsewhere { start: window.start, end: window.end, load }.into());
    }
    if window.end <= window.start {
        return Err(Error::Backwards { start: window.start, end: window.end }.into());
    }
    let left = Duration::try_from(window.end.duration_since(Timestamp::now())).unwrap_or_default();
    if left > step.timeout() {
        return Err(Error::Future { end: window.end }.into());
    }
    Ok(window)
}
