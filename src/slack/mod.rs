//! Slack: tells a channel how a run goes and went.
//!
//! With a bot token the message goes through the Web API: posted when the run begins, put in its own place when it ends, in the
//! thread of its pull request, with a chart below it. With an incoming webhook it goes to its secret address, which
//! answers `ok` and no more: no thread, no update, no file.
//!
//! | module | job |
//! |---|---|
//! | `message`, `blocks`, `template` | what is said |
//! | `chart` | the run as a picture |
//! | `client` | the calls |
//! | `told`, `thread` | where it was said, for the next step and the next run |

mod blocks;
mod chart;
mod client;
mod message;
mod template;
mod thread;
mod told;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use openssl::sha::sha256;

pub use client::{Client, Error, Posted, Upload, post_to_webhook};
pub use message::{Content, Message};
pub use told::Told;

use crate::history::Place;
use crate::report::Report;
use crate::report::ending::{Beginning, Ending, Phase, subject};
use crate::step::{Exit, Failure, Secret, Step, StepArgs, flag, hex, mounted};
use thread::Thread;

/// What the report calls a webhook's channel, where nobody named it.
const WEBHOOK: &str = "webhook";
/// How long the history may take to say which thread it is.
const HISTORY_LIMIT: Duration = Duration::from_secs(30);

/// Tell a Slack channel how a run goes and went
#[derive(Debug, clap::Parser)]
#[command(name = "send-slack")]
pub struct Args {
    /// Channel to tell: an ID (C0123456789) or a name (#perf-tests); an incoming webhook has its own
    #[arg(long, default_value = "")]
    pub channel: String,

    /// File with a bot token (scopes chat:write and, for the chart, files:write)
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// File with the address of an incoming webhook; used when there is no token file
    #[arg(long, value_name = "FILE")]
    pub webhook_url_file: Option<PathBuf>,

    /// Base of the Slack Web API
    #[arg(long, value_name = "URL", default_value = "https://slack.com/api")]
    pub api_url: String,

    /// What the thread is about; repository and pull request when it is empty
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true)]
    pub thread_key: String,

    /// Message to answer to, by its timestamp; it goes before --history
    #[arg(long, value_name = "TS", default_value = "")]
    pub thread_ts: String,

    /// Template of the message; a name that ends in .json makes blocks
    #[arg(long, value_name = "FILE", default_value = "")]
    pub template: String,

    /// Put a chart of the run into the message's thread; needs the scope files:write
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    pub chart: bool,

    /// Where the first message of each thread is noted.
    #[command(flatten)]
    pub place: Place,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub beginning: Beginning,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub ending: Ending,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// What a message is sent with.
enum Credentials {
    /// A bot token, for the Web API.
    Token(Secret),
    /// The secret address of an incoming webhook.
    Webhook(Secret),
}

/// Tells of a run. Results: `ts`, `thread-ts` and `permalink` of the message (empty with a webhook).
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let deadline = Instant::now() + step.timeout();
    let credentials = credentials(&args)?;
    let (report, unreadable) = args.ending.read(step);
    let content = Content {
        report: &report,
        unreadable: unreadable.as_deref(),
        beginning: &args.beginning,
        ending: &args.ending,
    };
    let (message, wrong) = message(&args, &content);
    match credentials {
        Credentials::Webhook(url) => {
            tell_by_webhook(&url, &message, &args, step, &report, deadline).await?;
        }
        Credentials::Token(token) => {
            let client = Client::new(&args.api_url, token, deadline)?;
            let told = Teller { client: &client, args: &args, step, report: &report }.tell(&message).await?;
            step.results().write("ts", &told.ts)?;
            step.results().write("thread-ts", &told.thread_ts)?;
            step.results().write("permalink", &told.permalink)?;
            let link = if told.permalink.is_empty() { String::new() } else { format!(": {}", told.permalink) };
            tracing::info!("told Slack{link}");
        }
    }
    // A wrong template is a fault to mend, but no reason not to tell of the run.
    wrong.map_or(Ok(Exit::Done), |error| Err(Failure::new(Exit::Usage, error)))
}

/// The message, of the user's template if there is one; where this cannot be used, ours with a word on why.
fn message(args: &Args, content: &Content<'_>) -> (Message, Option<template::Error>) {
    match mounted(&args.template).map(|path| template::render(path, content)) {
        None => (content.message(), None),
        Some(Ok(message)) => (message, None),
        Some(Err(error)) => {
            let mut message = content.message();
            let note = format!("_{}_", blocks::escape(&error.to_string()));
            message.text = format!("{}\n{note}", message.text);
            message.blocks.extend(blocks::context(&[note]));
            (message, Some(error))
        }
    }
}

/// Tells by a webhook, which names no message that another could be put in the place of: what it has taken is not sent again.
async fn tell_by_webhook(
    url: &Secret,
    message: &Message,
    args: &Args,
    step: &Step,
    report: &Report,
    deadline: Instant,
) -> Result<(), Failure> {
    let channel = webhook_name(url, &args.channel);
    let phase = args.beginning.phase;
    let told = Told::of(report, &channel);
    if told.told == phase.as_str() {
        tracing::info!("Slack was told before");
        return Ok(());
    }
    if told.is_open(phase) {
        return Err(open());
    }
    keep(step, &channel, &Told { telling: phase.as_str().to_owned(), ..told.clone() });
    match post_to_webhook(url, message, deadline).await {
        Ok(()) => keep(step, &channel, &Told { told: phase.as_str().to_owned(), ..Told::default() }),
        Err(error) => {
            if !error.leaves_open() {
                keep(step, &channel, &told);
            }
            return Err(error.into());
        }
    }
    tracing::info!("told Slack by webhook");
    Ok(())
}

/// Under which name the report notes what a webhook has taken. Its address is a secret, so it is told from others by its digest.
fn webhook_name(url: &Secret, channel: &str) -> String {
    let digest = sha256(url.expose().as_bytes());
    format!("{channel} {WEBHOOK}-{}", hex(&digest[..4])).trim_start().to_owned()
}

/// What is said where nobody knows whether Slack has the message.
fn open() -> Failure {
    Failure::msg(
        Exit::Refused,
        "an earlier try to tell Slack got no answer, so the message may be there: look into the channel; it is not sent again",
    )
}

/// Notes where Slack was told. People are told all the same where that is not possible.
fn keep(step: &Step, channel: &str, told: &Told) {
    if let Err(error) = step.update_report(|report| told.keep(report, channel)) {
        tracing::warn!("where Slack was told cannot be noted, so a further step would post anew: {error}");
    }
}

/// Tells one channel of one run.
struct Teller<'a> {
    client: &'a Client,
    args: &'a Args,
    step: &'a Step,
    report: &'a Report,
}

impl Teller<'_> {
    /// Puts the message in the place of the one that this run has, or posts one.
    async fn tell(&self, message: &Message) -> Result<Told, Failure> {
        let mut told = Told::of(self.report, &self.args.channel);
        let phase = self.args.beginning.phase;
        let updated = match told.posted() {
            Some(posted) => self.client.update(&posted, message).await.map(|()| true),
            None => Ok(false),
        };
        match updated {
            Ok(true) => {}
            Ok(false) if told.is_open(phase) => return Err(open()),
            // Someone has deleted the message, or it is too old to be changed.
            Err(error) if !is_gone(&error) => return Err(error.into()),
            _ => told = self.post(message).await?,
        }
        if self.args.chart && phase == Phase::End && told.chart.is_empty() {
            told.chart = self.chart(&told).await;
            self.keep(&told);
        }
        Ok(told)
    }

    /// Posts a message in its thread. While nobody knows whether Slack has it the report says so: a second try would double it.
    async fn post(&self, message: &Message) -> Result<Told, Failure> {
        let mut thread = self.thread().await;
        let noted = thread.as_ref().map_or("", Thread::ts);
        let thread_ts = if noted.is_empty() { self.args.thread_ts.clone() } else { noted.to_owned() };
        self.keep(&Told { telling: self.args.beginning.phase.as_str().to_owned(), ..Told::default() });
        let channel = &self.args.channel;
        let (posted, thread_ts) = match self.client.post(channel, &thread_ts, message).await {
            // The thread's first message was deleted: a new thread begins.
            Err(error) if !thread_ts.is_empty() && is_gone(&error) => {
                (self.client.post(channel, "", message).await, String::new())
            }
            posted => (posted, thread_ts),
        };
        let posted = match posted {
            Ok(posted) => posted,
            Err(error) => {
                if !error.leaves_open() {
                    self.keep(&Told::default());
                }
                return Err(error.into());
            }
        };
        let thread_ts = if thread_ts.is_empty() { posted.ts.clone() } else { thread_ts };
        let mut told = Told { channel: posted.channel.clone(), ts: posted.ts.clone(), thread_ts, ..Told::default() };
        self.keep(&told);
        if let Some(thread) = thread.as_mut().filter(|thread| thread.ts() != told.thread_ts) {
            thread.begin(&told.thread_ts).await.unwrap_or_else(|error| {
                tracing::warn!("the thread cannot be noted, so the next run begins another: {error}");
            });
        }
        told.permalink = self.client.permalink(&posted).await;
        self.keep(&told);
        Ok(told)
    }

    /// The thread that this run's message belongs to, where it is to belong to one. People are told whatever becomes of the history.
    async fn thread(&self) -> Option<Thread> {
        let found = tokio::time::timeout(HISTORY_LIMIT, self.find_thread()).await;
        let found = found.map_err(anyhow::Error::new).and_then(|found| found.map_err(anyhow::Error::new));
        found.unwrap_or_else(|error| {
            tracing::warn!("the history does not say which thread it is, so a new one begins: {error:#}");
            None
        })
    }

    async fn find_thread(&self) -> Result<Option<Thread>, crate::history::Error> {
        let key = match self.args.thread_key.as_str() {
            "" => pull_request(self.report),
            key => Some(key.to_owned()),
        };
        match (key, self.args.place.open()?) {
            (Some(key), Some(history)) if self.args.thread_ts.is_empty() => {
                Thread::find(history, &key, &self.args.channel).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Puts the chart into the message's thread, and gives its file's ID. The run is told already, so a chart that cannot be shown is
    /// no failure.
    async fn chart(&self, told: &Told) -> String {
        let (Some(posted), Some(bytes)) = (told.posted(), chart::png(self.report)) else {
            return String::new();
        };
        let title = format!("{}: the run over its window", subject(self.report));
        let alt = format!("Throughput, latency and lag of {title}");
        let file = Upload { name: "streamgauge.png", title, alt, bytes };
        self.client.upload(&posted, &told.thread_ts, &file).await.unwrap_or_else(|error| {
            tracing::warn!("the chart is not shown: {error}");
            String::new()
        })
    }

    fn keep(&self, told: &Told) {
        keep(self.step, &self.args.channel, told);
    }
}

/// Whether the message that is named is not there any more, or cannot be changed.
fn is_gone(error: &Error) -> bool {
    let words = ["message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"];
    words.contains(&error.word())
}

/// The pull request that the run is of, in all repositories.
fn pull_request(report: &Report) -> Option<String> {
    let run = report.run.as_ref().filter(|run| !run.pull_request.is_empty())?;
    Some(format!("{}#{}", run.repository, run.pull_request))
}

/// The secret to send with: of the files named, the one that is there. A Task names both, and a Secret holds one.
fn credentials(args: &Args) -> Result<Credentials, Failure> {
    let there = |file: &Option<PathBuf>| file.clone().filter(|path| path.exists());
    if let Some(path) = there(&args.token_file) {
        if args.channel.is_empty() {
            return Err(Failure::msg(Exit::Usage, "a bot token needs to be told where to post: give --channel"));
        }
        return Ok(Credentials::Token(Secret::read(&path)?));
    }
    if let Some(path) = there(&args.webhook_url_file) {
        return Ok(Credentials::Webhook(Secret::read(&path)?));
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
