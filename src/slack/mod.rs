//! Slack: tells a channel how a run went.
//!
//! With a bot token the message goes through `chat.postMessage`; with an incoming webhook it goes to its secret
//! address, which answers `ok` and no more: no `ts`, no permalink.

mod client;
mod message;

use std::path::PathBuf;

pub use client::{Client, Error, Posted};
pub use message::{Outcome, text};

use crate::report::Report;
use crate::step::{Exit, Failure, KeyValue, Secret, Step, StepArgs};

/// Tell a Slack channel how a run went
#[derive(Debug, clap::Parser)]
#[command(name = "send-slack")]
pub struct Args {
    /// Channel to tell: an ID (C0123456789) or a name (#perf-tests); an incoming webhook has its own
    #[arg(long, default_value = "")]
    pub channel: String,

    /// File with a bot token (scope chat:write)
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// File with the address of an incoming webhook; used when there is no token file
    #[arg(long, value_name = "FILE")]
    pub webhook_url_file: Option<PathBuf>,

    /// Base of the Slack Web API
    #[arg(long, value_name = "URL", default_value = "https://slack.com/api")]
    pub api_url: String,

    /// How all tasks together ended, as $(tasks.status): Succeeded, Completed, Failed or None
    #[arg(long, default_value = "")]
    pub status: String,

    /// How single tasks ended, as NAME=$(tasks.NAME.status)/$(tasks.NAME.reason); the reason may be left out
    #[arg(long, value_name = "NAME=STATUS/REASON", num_args(0..))]
    pub tasks: Vec<KeyValue>,

    /// Name of the run, said when there is no report to take it from
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub run_id: String,

    /// Address of the run's page, linked from the message
    #[arg(long, value_name = "URL", default_value = "", allow_hyphen_values = true)]
    pub link: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// Sends the message of a run. Results: `ts` and `permalink` of the message (empty with a webhook).
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let client = Client::new(&args.api_url, credentials(&args)?)?;
    let (report, unreadable) = match step.read_report() {
        Ok(report) => (of_run(report, &args.run_id), None),
        // People must hear of the run all the more when its report is broken.
        Err(error) => (Default::default(), Some(error.to_string())),
    };
    let outcome = Outcome { status: args.status, tasks: args.tasks, run_id: args.run_id, link: args.link, unreadable };
    let posted = client.post(&args.channel, &text(&report, &outcome)).await?;
    step.results().write("ts", &posted.ts)?;
    step.results().write("permalink", &posted.permalink)?;
    tracing::info!(
        "told Slack{}",
        if posted.permalink.is_empty() { String::new() } else { format!(": {}", posted.permalink) }
    );
    Ok(Exit::Done)
}

/// The report, as far as it is of this run: in a folder that was used before, the last error is all that a run has left which
/// never got to begin a report of its own.
fn of_run(report: Report, run_id: &str) -> Report {
    let other = report.run.as_ref().is_some_and(|run| !run_id.is_empty() && !run.id.is_empty() && run.id != run_id);
    if other {
        Report { errors: report.errors.into_iter().next_back().into_iter().collect(), ..Report::default() }
    } else {
        report
    }
}

/// The secret to send with: of the files named, the one that is there. A Task names both, and a Secret holds one.
fn credentials(args: &Args) -> Result<client::Credentials, Failure> {
    let there = |file: &Option<PathBuf>| file.clone().filter(|path| path.exists());
    if let Some(path) = there(&args.token_file) {
        if args.channel.is_empty() {
            return Err(Failure::msg(Exit::Usage, "a bot token needs to be told where to post: give --channel"));
        }
        return Ok(client::Credentials::Token(Secret::read(&path)?));
    }
    if let Some(path) = there(&args.webhook_url_file) {
        return Ok(client::Credentials::Webhook(Secret::read(&path)?));
    }
    let named: Vec<String> = [&args.token_file, &args.webhook_url_file]
        .into_iter()
        .flatten()
        .map(|path| path.display().to_string())
        .collect();
    Err(Failure::msg(
        Exit::Usage,
        match named.as_slice() {
            [] => "no Slack secret: give --token-file or --webhook-url-file".to_owned(),
            files => format!("no Slack secret: {} is not there; mount the Secret", files.join(" or ")),
        },
    ))
}
