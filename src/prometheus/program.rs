//! The program `get-prometheus-metric`.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::client::{Auth, Client};
use super::events;
use super::measure::measure;
use super::pack::{Filled, Pack};
use super::window::Asked;
use crate::report::{Metric, Report, Run, Window, render};
use crate::step::{Exit, Failure, KeyValue, Seconds, Secret, Step, StepArgs, mounted};
use crate::verdict::{self, Demand};

/// Measures the application over the window of the load: runs a metric pack against Prometheus, judges the numbers and
/// writes the report.
#[derive(Debug, clap::Parser)]
#[command(name = "get-prometheus-metric")]
pub struct Args {
    /// Prometheus' address, as http://prometheus:9090, with a path prefix where it has one
    #[arg(long, value_name = "URL")]
    endpoint: String,

    /// The metric pack: a built-in one (flink, heron) or a file; that of the report's application when it is not given
    #[arg(long, value_name = "NAME|FILE", default_value = "", hide_default_value = true)]
    pack: String,

    /// What the pack's queries are filled in with, as topology=preprocessor
    #[arg(long, value_name = "K=V", num_args(0..))]
    params: Vec<KeyValue>,

    /// A demand to add to the pack's, or to put in the place of one on the same metric: tps{kafkaSpout} >= 0.98 * load
    #[arg(long, value_name = "CHECK", num_args(0..))]
    check: Vec<Demand>,

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

    /// A file with the bearer token for Prometheus
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    token_file: String,

    /// A file with user:password for Prometheus
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    basic_auth_file: String,

    /// The arguments that all programs have
    #[command(flatten)]
    pub step: StepArgs,
}

/// Measures, judges, reports. The exit code is the verdict's.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let mut report = step.read_report()?;
    let client = Client::new(&args.endpoint, auth(&args)?)?;
    let mut pack = Pack::load(pack_name(&args.pack, &report)?)?;
    pack.demand(&args.check)?;
    let known = serde_json::to_value(&report).unwrap_or_default();
    let filled = pack.fill(&args.params, &known)?;
    let load = window(&args, step, &report)?;
    let (metrics, trouble) = match Asked::of(load, args.warm_up.0, filled.export_interval, filled.scrape_interval) {
        Ok(asked) => (ask(&client, &pack, filled, &report, asked).await?, None),
        Err(too_short) => (Vec::new(), Some(too_short)),
    };
    report.metrics = metrics;
    if let Some(app) = &mut report.app {
        events::note(app, load).await;
    }
    let (checks, verdict) = verdict::judge(&report, &pack.checks, trouble);
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
    file.verdict.clone_from(&mine.verdict);
    if let (Some(file), Some(mine)) = (&mut file.app, &mine.app) {
        file.events.clone_from(&mine.events);
        file.warnings.clone_from(&mine.warnings);
    }
    let finished_at = mine.run.as_ref().and_then(|run| run.finished_at);
    file.run.get_or_insert_with(Run::default).finished_at = finished_at;
}

/// The pack that was asked for, else the one for what the application runs on.
fn pack_name<'a>(asked: &'a str, report: &'a Report) -> Result<&'a str, Error> {
    let engine = report.app.as_ref().map_or("", |app| app.engine.as_str());
    match (asked, engine) {
        ("", "" | "none" | "manifest") => Err(Error::WhichPack),
        ("", engine) => Ok(engine),
        (asked, _) => Ok(asked),
    }
}

async fn ask(
    client: &Client,
    pack: &Pack,
    mut filled: Filled,
    report: &Report,
    asked: Asked,
) -> Result<Vec<Metric>, Error> {
    filled.add_window(asked.length(), report.load.as_ref().map(|load| load.rate));
    // All queries are filled in before any is sent: a mistake in the last one must not cost the wait.
    let newest = pack.newest_sample(&filled)?;
    let queries: Vec<String> =
        pack.metrics.iter().map(|spec| pack.query(spec, &filled)).collect::<Result<_, Error>>()?;
    wait_for_samples(client, &newest, &filled, asked.end).await?;
    let mut metrics = Vec::new();
    for (spec, query) in pack.metrics.iter().zip(&queries) {
        let answer = client.query_range(query, asked.start, asked.end, asked.step).await?;
        metrics.extend(measure(spec, query, &answer, &asked));
    }
    Ok(metrics)
}

/// Waits until Prometheus has a sample that is newer than the window. An application that is gone gives none: after two
/// exports and four scrapes the wait is over, and what the window lacks shows in the metrics.
async fn wait_for_samples(client: &Client, newest: &str, filled: &Filled, end: Timestamp) -> Result<(), Error> {
    let Filled { export_interval, scrape_interval, .. } = filled;
    // One more scrape lets the targets whose turn comes later in the round catch up.
    let settled = end + *scrape_interval;
    let patience = end + 2 * *export_interval + 4 * *scrape_interval;
    let mut told = false;
    loop {
        let now = Timestamp::now();
        if now > settled {
            let answer = client.query(newest, now).await?;
            let sample = answer.series.first().and_then(|series| series.values.first()).map(|(_, time)| *time);
            if sample.is_some_and(|time| time > settled.as_millisecond() as f64 / 1000.0) {
                return Ok(());
            }
            if now > patience {
                tracing::warn!("Prometheus has no sample of the application that is newer than the window");
                return Ok(());
            }
        }
        if !told {
            tracing::info!("waiting until Prometheus has scraped the end of the window, {end}");
            told = true;
        }
        tokio::time::sleep(scrape_interval.min(&Duration::from_secs(5)).div_f64(2.0)).await;
    }
}

fn auth(args: &Args) -> Result<Auth, Failure> {
    match (mounted(&args.token_file), mounted(&args.basic_auth_file)) {
        (None, None) => Ok(Auth::None),
        (Some(file), None) => Ok(Auth::Bearer(Secret::read(file)?)),
        (None, Some(file)) => Ok(Auth::Basic(Secret::read(file)?)),
        (_, _) => Err(Failure::msg(Exit::Usage, "give --token-file or --basic-auth-file, not both")),
    }
}

/// The load's window: from the arguments, else from the report.
fn window(args: &Args, step: &Step, report: &Report) -> Result<Window, Failure> {
    let time = |flag: &str, text: &str| {
        text.parse::<Timestamp>().map_err(|error| {
            Failure::msg(Exit::Usage, format!("{flag} {text:?} is not a time such as 2026-01-05T10:12:00Z: {error}"))
        })
    };
    let window = match (args.window_start.as_str(), args.window_end.as_str()) {
        ("", "") => report.load.as_ref().and_then(|load| load.window).ok_or(Error::NoWindow)?,
        ("", _) | (_, "") => return Err(Error::NoWindow.into()),
        (start, end) => Window { start: time("--window-start", start)?, end: time("--window-end", end)? },
    };
    if window.end <= window.start {
        return Err(Error::Backwards { start: window.start, end: window.end }.into());
    }
    if window.end.duration_since(Timestamp::now()).unsigned_abs() > step.timeout() && window.end > Timestamp::now() {
        return Err(Error::Future { end: window.end }.into());
    }
    Ok(window)
}
