//! `comment-github-pr`: one comment per pull request, kept up to date: the newest result on top, below it all runs.
//!
//! GitHub changes a comment without asking what it was before (its API knows no If-Match for writing), so two runs that end at one
//! time can overwrite each other. Each therefore reads before it writes, and reads again a while after: what is missing then is put
//! back, until a reading finds everything in its place.

use std::time::Duration;

use super::access::Access;
use super::body::{Body, marker, result};
use super::client::{Client, Comment};
use super::error::Error;
use super::row::{Row, Rows};
use crate::report::Report;
use crate::report::ending::{Ending, subject};
use crate::step::{Exit, Failure, Seconds, Step, StepArgs};

/// How often the comment is written before the program gives up.
const TRIES: u32 = 8;

/// Keep one comment of a pull request up to date: the newest result, and the table of all its runs
#[derive(Debug, clap::Parser)]
#[command(name = "comment-github-pr")]
pub struct Args {
    /// Number of the pull request; the report's when it is empty
    #[arg(long, value_name = "NUMBER", default_value = "", allow_hyphen_values = true)]
    pub pull_request: String,

    /// What tells this comment from others on the same pull request; Pipeline and application when it is empty
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    pub name: String,

    /// How long after writing to look whether another run has written over it
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub settle: Seconds,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub access: Access,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub ending: Ending,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// Writes the comment. Result: `url`, its address.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let (report, unreadable) = args.ending.read(step);
    let of_report = report.run.clone().unwrap_or_default();
    let number = if args.pull_request.is_empty() { &of_report.pull_request } else { &args.pull_request };
    let number = number.parse().map_err(|_| Error::PullRequest { number: number.clone() })?;
    let client = Client::connect(&args.access, &of_report.repository, "pull_requests", step.timeout()).await?;
    let name = if args.name.is_empty() { name(&report) } else { args.name.clone() };
    let keeper =
        Keeper { client: &client, number, marker: marker(&name), login: client.login().await?, settle: args.settle.0 };
    let this = Row::of(&report, &args.ending);
    let top = result(&report, &args.ending, unreadable.as_deref());
    let comment = keeper.keep(&this, &top).await?;
    step.results().write("url", &comment.html_url)?;
    tracing::info!("told the pull request: {}", comment.html_url);
    Ok(Exit::Done)
}

/// What a comment is about when nobody says.
fn name(report: &Report) -> String {
    let pipeline = report.run.as_ref().map_or("", |run| &run.pipeline);
    format!("{pipeline} {}", subject(report)).trim().to_owned()
}

/// Keeps one comment.
struct Keeper<'a> {
    client: &'a Client,
    number: u64,
    marker: String,
    /// Who writes; a comment of anybody else is not ours, whatever it says.
    login: Option<String>,
    settle: Duration,
}

impl Keeper<'_> {
    /// Brings a run into the comment and leaves it there, with those of all runs that it has met.
    async fn keep(&self, this: &Row, top: &str) -> Result<Comment, Error> {
        let mut seen = Rows::default();
        seen.add([this.clone()]);
        for _ in 0..TRIES {
            let ours = self.ours().await?;
            ours.iter().for_each(|(_, body)| seen.merge(body.rows.clone().unwrap_or_default()));
            seen.add([this.clone()]);
            let Some(((oldest, body), doubled)) = ours.split_first() else {
                let body = Body { top: top.to_owned(), rows: Some(seen.clone()), ..Body::default() };
                self.wrote(self.client.create_comment(self.number, &body.write(&self.marker)).await).await?;
                continue;
            };
            if has_all(body.rows.as_ref(), &seen) {
                // All that the doubled ones have is in the oldest now.
                for (comment, _) in doubled {
                    self.client.delete_comment(comment.id).await?;
                }
                return Ok(oldest.clone());
            }
            if body.rows.is_none() {
                tracing::warn!("somebody has changed the comment so that its earlier runs cannot be read any more");
            }
            let newest = seen.rows.first().is_some_and(|row| row.id == this.id);
            let top = if newest || body.top.is_empty() { top.to_owned() } else { newest_top(&ours, &seen) };
            let body = Body { top, rows: Some(seen.clone()), ..body.clone() };
            self.wrote(self.client.update_comment(oldest.id, &body.write(&self.marker)).await).await?;
        }
        Err(Error::Contended { number: self.number, tries: TRIES })
    }

    /// Our comments on the pull request, the oldest first: more than one when two runs began it at one time.
    async fn ours(&self) -> Result<Vec<(Comment, Body)>, Error> {
        let by_us = |comment: &Comment| match (&self.login, &comment.user) {
            (Some(login), Some(user)) => login.eq_ignore_ascii_case(&user.login),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let comments = self.client.comments(self.number).await?;
        let ours = comments.into_iter().filter(by_us);
        Ok(ours.filter_map(|comment| Body::read(&comment.body, &self.marker).map(|body| (comment, body))).collect())
    }

    /// Waits after writing until another run that read before it has written too. What was not answered may have been written, and
    /// what was changed may be gone: the next reading shows it.
    async fn wrote(&self, outcome: Result<Comment, Error>) -> Result<(), Error> {
        match outcome {
            Err(error) if !error.leaves_open() && error.status() != Some(404) => return Err(error),
            Err(error) => tracing::info!("{error}; looking whether the comment is there"),
            Ok(_) => {}
        }
        tokio::time::sleep(self.settle).await;
        Ok(())
    }
}

/// The newest result of the comment that has the newest run.
fn newest_top(ours: &[(Comment, Body)], seen: &Rows) -> String {
    let newest = seen.rows.first();
    let has = |body: &Body| body.rows.as_ref().and_then(|rows| rows.rows.first()) == newest;
    let found = ours.iter().find(|(_, body)| has(body)).or(ours.first());
    found.map(|(_, body)| body.top.clone()).unwrap_or_default()
}

/// Whether a comment has every row there is, or all that there was room for.
fn has_all(rows: Option<&Rows>, seen: &Rows) -> bool {
    rows.is_some_and(|rows| {
        let room = if rows.left_out > 0 { rows.rows.len() } else { seen.rows.len() };
        rows.rows.len() >= room.min(seen.rows.len()) && seen.rows.iter().take(room).eq(rows.rows.iter().take(room))
    })
}
