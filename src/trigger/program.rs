//! The subcommand.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::error::Error;
use super::event::{Event, LARGEST};
use super::git::{self, Words};
use super::pipelines::{self, Pipeline};
use super::plan::{Decision, Facts, Forks, Given, Source, decide, lacks_message};
use super::signature;
use super::start::{self, Started, Template};
use crate::kubernetes::{Cluster, Connection};
use crate::local::{self, run};
use crate::step::{Exit, Failure, KeyValue, Secret, Step, StepArgs};

/// Tell which Pipelines of a repository run for an event of GitHub's and why the others do not; run them in a cluster or here
///
/// A Pipeline runs when its annotation pipe.linecorp.com/event says so, in the words of a workflow of GitHub Actions.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("timeout", |arg| arg.default_value("24h")))]
pub struct Args {
    /// The repository, or a folder or file of it, in which the Pipelines are looked for
    #[arg(default_value = ".", value_name = "PATH")]
    place: PathBuf,

    /// File with the event's payload, as GitHub sends it to a webhook; - is stdin
    #[arg(long, value_name = "FILE", help_heading = "Event")]
    event: PathBuf,

    /// What GitHub's header X-GitHub-Event says: pull_request or push; without it the payload shows which
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, help_heading = "Event")]
    event_type: String,

    /// What GitHub's header X-Hub-Signature-256 says; refused when it is not that of --secret-file
    #[arg(long, value_name = "sha256=HEX", requires = "secret_file", help_heading = "Event")]
    signature: Option<String>,

    /// File with the webhook's secret; then no event without its signature is taken
    #[arg(long, value_name = "FILE", requires = "signature", help_heading = "Event")]
    secret_file: Option<PathBuf>,

    /// A clone of the repository, to ask for the commit's message, its fork point and the changed files; without it the one that PATH is in
    #[arg(long, value_name = "DIR", help_heading = "Event")]
    clone: Option<PathBuf>,

    /// File with the names of the changed files, one a line; without it the clone is asked
    #[arg(long, value_name = "FILE", help_heading = "Event")]
    changed_files: Option<PathBuf>,

    /// The commit's message; without it the clone is asked, and then GitHub
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "Event")]
    message: Option<String>,

    /// Base of GitHub's API, to ask for the commit's message where no clone has it: https://api.github.com
    #[arg(long, value_name = "URL", help_heading = "Event")]
    api_url: Option<String>,

    /// File with a token for GitHub's API
    #[arg(long, value_name = "FILE", requires = "api_url", help_heading = "Event")]
    token_file: Option<PathBuf>,

    /// Run for pull requests of forks, too: anybody's commits
    #[arg(long, help_heading = "Event")]
    allow_forks: bool,

    /// Run for a pull request of a fork when it gets this label, and for its later commits as long as it has it
    #[arg(long, value_name = "NAME", help_heading = "Event")]
    fork_label: Option<String>,

    /// How the answer looks
    #[arg(long, value_enum, default_value_t)]
    output: Output,

    /// Make the PipelineRuns in the cluster
    #[arg(long, help_heading = "Run")]
    run: bool,

    /// Run them on this computer
    #[arg(long, conflicts_with_all = ["run", "output"], help_heading = "Run")]
    local: bool,

    /// A PipelineRun that those in the cluster are made after; may be repeated, for other Pipelines
    #[arg(long, value_name = "FILE", conflicts_with = "local", help_heading = "Run")]
    template: Vec<PathBuf>,

    /// A parameter; repeat it for an array, or give JSON for an array or an object
    #[arg(long, short, value_name = "NAME=VALUE", help_heading = "Run")]
    param: Vec<KeyValue>,

    /// A workspace on this computer, as of streamgauge run
    #[arg(long, short, value_name = "NAME=DIR", requires = "local", help_heading = "Run")]
    workspace: Vec<KeyValue>,

    /// A folder of Tasks on this computer, as of streamgauge run; may be repeated
    #[arg(long, value_name = "DIR", requires = "local", help_heading = "Run")]
    tasks: Vec<PathBuf>,

    #[command(flatten)]
    connection: Connection,

    /// What all programs have
    #[command(flatten)]
    pub step: StepArgs,
}

/// How the answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// One line for each Pipeline
    #[default]
    Plain,
    /// One JSON object
    Json,
}

/// What becomes of a Pipeline.
struct Answer {
    decision: Decision,
    given: Option<Given>,
    started: Option<Started>,
}

/// Tells, and runs when it is asked to.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let forks = Forks { allowed: args.allow_forks, label: args.fork_label.clone() };
    let event = forks.approve(args.read_event()?);
    let found = pipelines::find(&args.place)?;
    let facts = args.facts(&event, &found).await?;
    let decisions = decide(&event, &facts, &forks, found)?;
    let running: Vec<&Pipeline> =
        decisions.iter().filter(|decision| decision.refusal.is_none()).map(|decision| &decision.pipeline).collect();
    args.check_params(&running)?;
    match lacks_message(&facts, &running).map(|pipeline| Error::NoMessage { name: pipeline.name.clone() }) {
        Some(error) if args.run || args.local => return Err(error.into()),
        Some(error) => tracing::warn!("{error}"),
        None => {}
    }
    let source = Source::new(&event, &facts, &running)?;
    let templates = start::templates(&args.template)?;
    let mut answers = args.prepare(decisions, &source, &templates)?;
    if args.run {
        args.start(&mut answers, &templates, &event).await?;
    }
    say(&match args.output {
        Output::Plain => plain(&answers),
        Output::Json => format!("{:#}\n", json(&source, &answers)),
    });
    if args.local { args.run_here(answers, step).await } else { Ok(Exit::Done) }
}

impl Args {
    fn read_event(&self) -> Result<Event, Failure> {
        let payload = self.payload()?;
        if payload.len() > LARGEST {
            return Err(Error::TooLarge { bytes: payload.len(), limit: LARGEST }.into());
        }
        if let (Some(file), Some(given)) = (&self.secret_file, &self.signature) {
            signature::check(&payload, &Secret::read(file)?, given)?;
        }
        Ok(Event::read(&payload, &self.event_type)?)
    }

    /// The payload, or as much of it as shows that it is too large.
    fn payload(&self) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Read { path: self.event.clone(), source };
        let input: Box<dyn Read> = match self.event.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(std::fs::File::open(&self.event).map_err(failed)?),
        };
        let mut payload = Vec::new();
        input.take(LARGEST as u64 + 1).read_to_end(&mut payload).map_err(failed)?;
        Ok(payload)
    }

    fn clone(&self) -> &Path {
        self.clone.as_deref().unwrap_or(&self.place)
    }

    /// What the event does not carry, as far as it matters to these Pipelines.
    async fn facts(&self, event: &Event, found: &[Pipeline]) -> Result<Facts, Failure> {
        let mut facts = Facts::default();
        let Some(commit) = &event.commit else { return Ok(facts) };
        let running = found.iter().filter(|pipeline| pipeline.on.refusal(event).is_none());
        if running.clone().next().is_none() {
            return Ok(facts);
        }
        if let Some(pull) = event.pull_request() {
            facts.fork_point = git::merge_base(self.clone(), &pull.base_commit, commit).await;
            if facts.fork_point.is_none() {
                let branch = &pull.base_branch;
                tracing::info!(
                    "fork-point is the head of {branch} at the event: no clone here knows where the branch forked from it"
                );
            }
        }
        facts.words = self.words(event, commit).await?;
        if running.clone().any(|pipeline| pipeline.on.looks_at_files(event)) {
            facts.files = self.files(event, commit, facts.fork_point.as_deref()).await?;
        }
        Ok(facts)
    }

    async fn words(&self, event: &Event, commit: &str) -> Result<Option<Words>, Failure> {
        let of_clone = git::words(self.clone(), commit).await;
        let author = of_clone.as_ref().map_or_else(|| event.author.clone(), |words| words.author.clone());
        if let Some(message) = self.message.as_ref().or(event.message.as_ref()) {
            return Ok(Some(Words { message: message.clone(), author }));
        }
        match (&of_clone, &self.api_url) {
            (None, Some(api)) => {
                let token = self.token_file.as_deref().map(Secret::read).transpose()?;
                Ok(Some(git::ask(api, token.as_ref(), &event.repository, commit).await?))
            }
            _ => Ok(of_clone),
        }
    }

    /// By GitHub's rules: all that the pull request changes since its fork point, all that a push changes.
    async fn files(&self, event: &Event, commit: &str, fork_point: Option<&str>) -> Result<Option<Vec<String>>, Error> {
        if let Some(file) = &self.changed_files {
            return lines(file).map(Some);
        }
        let before = if event.pull_request().is_some() { fork_point } else { event.before.as_deref() };
        let of_clone = match before {
            Some(before) => git::changed(self.clone(), before, commit).await,
            None => None,
        };
        Ok(of_clone.or_else(|| event.files.clone()))
    }

    /// A parameter that none of the Pipelines has is a slip of the pen.
    fn check_params(&self, running: &[&Pipeline]) -> Result<(), Error> {
        let known =
            |name: &str| running.iter().any(|pipeline| pipeline.spec.params.iter().any(|param| param.name == name));
        match self.param.iter().find(|param| !running.is_empty() && !known(&param.key)) {
            Some(param) => {
                Err(Error::Given(format!("--param {}: no Pipeline that runs has such a parameter", param.key)))
            }
            None => Ok(()),
        }
    }

    fn prepare(
        &self,
        decisions: Vec<Decision>,
        source: &Source<'_>,
        templates: &[Template],
    ) -> Result<Vec<Answer>, Error> {
        let answer = |decision: Decision| {
            let given = match decision.refusal {
                Some(_) => None,
                None => {
                    let template = start::template_of(templates, &decision.pipeline);
                    let params = template.map(Template::params).transpose()?.unwrap_or_default();
                    Some(source.given(&decision.pipeline, params, &self.param)?)
                }
            };
            Ok(Answer { decision, given, started: None })
        };
        decisions.into_iter().map(answer).collect()
    }

    /// Makes all PipelineRuns, or none when one of them lacks something.
    async fn start(&self, answers: &mut [Answer], templates: &[Template], event: &Event) -> Result<(), Failure> {
        let mut runs = Vec::new();
        for answer in answers.iter_mut() {
            let pipeline = &answer.decision.pipeline;
            if let Some(given) = &answer.given {
                let run = start::pipeline_run(pipeline, start::template_of(templates, pipeline), given, event)?;
                runs.push((run, &mut answer.started));
            }
        }
        if runs.is_empty() {
            return Ok(());
        }
        let cluster = Cluster::connect(&self.connection).await?;
        for (run, started) in runs {
            let made = start::create(&cluster, &run).await?;
            tracing::info!(
                "{}/{} is there, made {}",
                made.namespace,
                made.name,
                if made.new { "now" } else { "before" }
            );
            *started = Some(made);
        }
        Ok(())
    }

    /// One after another: they would disturb each other's measurements. The exit code is that of the first that is not well.
    async fn run_here(&self, answers: Vec<Answer>, step: &Step) -> Result<Exit, Failure> {
        let mut exit = Exit::Done;
        for answer in answers {
            let Some(given) = answer.given else { continue };
            let request = start::request(&answer.decision.pipeline, given, &self.tasks, &self.workspace);
            let report = local::execute(&request, run::printer(), run::cancelled_by(step.stop())?).await?;
            say(&format!("\n{}", local::describe(&report)));
            exit = if exit == Exit::Done { run::exit(&report) } else { exit };
            if step.stop().requested() {
                break;
            }
        }
        Ok(exit)
    }
}

fn lines(file: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn plain(answers: &[Answer]) -> String {
    let mut out = String::new();
    for Answer { decision, started, .. } in answers {
        let (name, file) = (&decision.pipeline.name, decision.pipeline.file.display());
        let line = match (&decision.refusal, started) {
            (Some(why), _) => format!("skip  {name} ({file}): {why}"),
            (None, None) => format!("run   {name} ({file})"),
            (None, Some(Started { namespace, name: run, new: true })) => {
                format!("run   {name} ({file}): {namespace}/{run} started")
            }
            (None, Some(Started { namespace, name: run, new: false })) => {
                format!("run   {name} ({file}): {namespace}/{run} is there already, started for this commit before")
            }
        };
        out.push_str(&line);
        out.push('\n');
    }
    if answers.is_empty() { "no Pipeline has the annotation pipe.linecorp.com/event\n".to_owned() } else { out }
}

fn json(source: &Source<'_>, answers: &[Answer]) -> Json {
    let event = source.event;
    let action = event.pull_request().map(|pull| pull.action.as_str());
    let pipelines: Vec<Json> = answers
        .iter()
        .map(|Answer { decision, given, started }| {
            let run = started.as_ref().map(|run| json!({"namespace": run.namespace, "name": run.name, "new": run.new}));
            json!({
                "name": decision.pipeline.name, "file": decision.pipeline.file, "runs": decision.refusal.is_none(),
                "why": decision.refusal, "params": given.as_ref().map(|given| &given.params),
                "annotations": given.as_ref().map(|given| &given.annotations), "pipelineRun": run,
            })
        })
        .collect();
    json!({"event": {"type": event.kind(), "action": action, "repository": event.repository, "commit": event.commit}, "pipelines": pipelines})
}

/// Writes to stdout; that nobody reads it any more changes nothing.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
