//! `streamgauge demo`: a whole performance test on this computer, in the sandbox, told from beginning to end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::sync::watch;

use crate::local::{self, Cancel, Request, RunReport};
use crate::report::{self, Status};
use crate::sandbox::{self, Endpoints, Sandbox, kafka};
use crate::step::{Exit, Failure, KeyValue, Step, StepArgs};

/// The Pipeline that the demo runs: the same file that Tekton runs.
const PIPELINE: &str = "pipelines/performance-test/performance-test.yaml";

/// Run a whole performance test on this computer: a topology that carries its load, or does not
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Instances of the spout; each takes 10,000 records/s
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub spout_parallelism: u32,

    /// Instances of the transformer; each does 350 records/s, so 28 do 9,800/s and 29 do 10,150/s
    #[arg(long, value_name = "N", default_value_t = 28)]
    pub transformer_parallelism: u32,

    /// Instances of the publisher; each does 3,500 records/s
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub publisher_parallelism: u32,

    /// Records a second
    #[arg(long, value_name = "RATE", default_value_t = 10_000)]
    pub data_count_per_second: u32,

    /// Duration of the load in minutes; may be a fraction
    #[arg(long, value_name = "MINUTES", default_value_t = 1.0)]
    pub duration_min: f64,

    /// Any further parameter of the Pipeline
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub param: Vec<KeyValue>,

    /// Folder for the report
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    pub out: PathBuf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub sandbox: sandbox::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// Starts the sandbox, runs the Pipeline in it, and shows the report and the Slack message. It fails when the test could
/// not be judged; that a topology does not carry its load is a result, not a failure.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let cancel = local::run::cancelled_by(step.stop())?;
    let mut stop = step.stop();
    heading("starting the sandbox: Kafka, Prometheus, a stand-in for Heron, an inbox for Slack");
    let began = Instant::now();
    let mut options = args.sandbox.clone();
    // A tenth more than the load needs: the records of a topic are never spread evenly over its partitions.
    let load = args.duration_min * 60.0 * f64::from(args.data_count_per_second);
    options.records = options.records.max((load * 1.1).ceil() as u64);
    let sandbox = tokio::select! {
        sandbox = Sandbox::start(options) => sandbox?,
        exit = stop.wait() => return Ok(exit),
    };
    heading(&format!("the sandbox is up after {:.0} s", began.elapsed().as_secs_f64()));
    let outcome = test(&args, &sandbox, cancel).await;
    sandbox.stop().await;
    let exit = outcome?;
    heading("the sandbox is stopped");
    Ok(exit)
}

async fn test(args: &Args, sandbox: &Sandbox, cancel: watch::Receiver<Cancel>) -> Result<Exit, Failure> {
    clear(&args.out)?;
    let request = request(args, sandbox.endpoints());
    heading(&format!("running the Pipeline:\n{}", command_line(&request)));
    let run = local::execute(&request, local::run::printer(), cancel).await?;
    say(&format!("\n{}", local::describe(&run)));
    show(&args.out, sandbox)?;
    Ok(exit(&args.out, &run))
}

/// An old report would be taken for this run's.
fn clear(out: &Path) -> Result<(), Failure> {
    let failed = |source| {
        Failure::new(Exit::Usage, anyhow::Error::new(source).context(format!("cannot make {}", out.display())))
    };
    for name in ["report.json", "report.md", "report.html"] {
        match std::fs::remove_file(out.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    std::fs::create_dir_all(out).map_err(failed)
}

fn request(args: &Args, endpoints: &Endpoints) -> Request {
    let kafka = &endpoints.kafka_bootstrap_servers;
    let interval = |time: std::time::Duration| time.as_secs_f64().to_string();
    let params = [
        ("app-name", "preprocessor".to_owned()),
        ("cluster", args.sandbox.heron_cluster.clone()),
        ("role", "ads".to_owned()),
        ("environment", "staging".to_owned()),
        ("service-url", endpoints.heron_service_url.clone()),
        ("tracker-url", endpoints.heron_tracker_url.clone()),
        ("source-bootstrap-servers", kafka.clone()),
        ("source-topic", kafka::SOURCE_TOPIC.to_owned()),
        ("target-bootstrap-servers", kafka.clone()),
        ("target-topic", kafka::TARGET_TOPIC.to_owned()),
        ("properties", format!("kafka.output.bootstrap.servers={kafka}")),
        ("properties", format!("kafka.output.topic={}", kafka::OUTPUT_TOPIC)),
        ("prometheus-endpoint", endpoints.prometheus_url.clone()),
        ("metric-params", format!("export_interval={}", interval(args.sandbox.export_interval))),
        ("metric-params", format!("scrape_interval={}", interval(args.sandbox.scrape_interval))),
        // The quarter in which queues fill and compilers warm up.
        ("warm-up", format!("{:.0}s", args.duration_min * 60.0 / 4.0)),
        ("slack-api-url", endpoints.slack_api_url.clone()),
        ("slack-channel", "#perf-tests".to_owned()),
        ("spout-parallelism", args.spout_parallelism.to_string()),
        ("transformer-parallelism", args.transformer_parallelism.to_string()),
        ("publisher-parallelism", args.publisher_parallelism.to_string()),
        ("duration-min", args.duration_min.to_string()),
        ("data-count-per-second", args.data_count_per_second.to_string()),
    ];
    let own = params.map(|(key, value)| KeyValue { key: key.to_owned(), value });
    let workspaces = [
        ("report", args.out.clone()),
        ("app", PathBuf::from("examples/heron-preprocessor/target")),
        ("slack", endpoints.slack_token_dir.clone()),
    ];
    let workspace = |(key, dir): (&str, PathBuf)| KeyValue { key: key.to_owned(), value: dir.display().to_string() };
    Request {
        file: PathBuf::from(PIPELINE),
        params: own.into_iter().chain(args.param.iter().cloned()).collect(),
        workspaces: workspaces.map(workspace).into(),
        ..Request::default()
    }
}

/// The command that does the same by hand, as long as the sandbox runs.
fn command_line(request: &Request) -> String {
    // A parameter's own value may be a setting: properties=sasl.jaas.config=…
    let shown = |pair: &KeyValue| {
        let value = pair.value.parse().map_or_else(|_| pair.value.clone(), |inner: KeyValue| inner.to_shown());
        KeyValue { key: pair.key.clone(), value }.to_shown()
    };
    let flag = |name: &'static str| move |pair: &KeyValue| format!(" \\\n    --{name} {}", shown(pair));
    let params = request.params.iter().map(flag("param"));
    let workspaces = request.workspaces.iter().map(flag("workspace"));
    format!("  streamgauge run {}{}", request.file.display(), params.chain(workspaces).collect::<String>())
}

fn show(out: &Path, sandbox: &Sandbox) -> Result<(), Failure> {
    heading("the report");
    let path = out.join("report.json");
    match report::read(&path)? {
        Some(report) => say(&report::render::text(&report)),
        None => say("there is none: see above what failed\n"),
    }
    heading("what Slack was told");
    for message in sandbox.slack().messages() {
        say(&format!("{}\n", message.body["text"].as_str().unwrap_or_default()));
    }
    heading(&format!("the report's files: {0}/report.json, {0}/report.md, {0}/report.html", out.display()));
    Ok(())
}

fn exit(out: &Path, run: &RunReport) -> Exit {
    let verdict = report::read(&out.join("report.json")).ok().flatten().and_then(|report| report.verdict);
    match verdict.map(|verdict| verdict.status) {
        Some(Status::Pass | Status::Warn | Status::Fail) => Exit::Done,
        Some(Status::Inconclusive) => Exit::Inconclusive,
        None => local::run::exit(run),
    }
}

fn heading(text: &str) {
    say(&format!("\n==> {text}\n"));
}

#[expect(clippy::print_stdout, reason = "what the demo shows is what it is for")]
fn say(text: &str) {
    print!("{text}");
}
