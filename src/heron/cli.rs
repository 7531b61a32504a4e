//! Heron's own command line, for those who have it set up: the same acts as by the API server, each a child process.
//!
//! Flags and words are those of the `heron` command of 0.20.5 (Python's argparse, answers on stderr as `[time] [LEVEL]: text`).
//! It runs a topology's main itself, with its own Java and class path. Before anything is killed it is asked for a dry run,
//! which names the topology that a submission would make: the very main of the submission says it, and none of our own.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::api::hint;
use super::child::{End, follow};
use super::main_class::LastWords;
use super::packing::Plan;
use super::update::Parallelism;
use super::{Error, Target};
use crate::step::{KeyValue, ProcessGroup, Stop};

/// The most of a dry run's plan that is kept.
const LONGEST: u64 = 4 << 20;
/// The options of `heron submit`: argparse takes them, and what they begin with, wherever they stand.
const OPTIONS: [&str; 12] = [
    "--config-path",
    "--config-property",
    "--deploy-deactivated",
    "--dry-run",
    "--dry-run-format",
    "--extra-launch-classpath",
    "--help",
    "--release-yaml-file",
    "--service-url",
    "--topology-main-jvm-property",
    "--verbose",
    "--verbose_gc",
];

/// The user's `heron` command.
#[derive(Debug, Clone)]
pub struct Cli {
    program: String,
    stop: Stop,
}

/// What `heron submit` is given.
#[derive(Debug, Clone, Copy)]
pub struct Submit<'a> {
    /// The topology's jar.
    pub jar: &'a Path,
    /// The class whose main makes the topology.
    pub class: &'a str,
    /// Further class path for main.
    pub classpath: &'a [String],
    /// JVM system properties for main.
    pub properties: &'a [KeyValue],
    /// Overrides of Heron's own config.
    pub config: &'a [KeyValue],
    /// Whether the topology is to start paused.
    pub deactivated: bool,
    /// Arguments of main.
    pub args: &'a [String],
}

impl Submit<'_> {
    /// Refuses what the command would take for something else.
    pub fn check(&self) -> Result<(), Error> {
        if let Some(entry) = self.config.iter().find(|entry| entry.value.contains('=')) {
            let why = "Heron's command line takes config overrides with a single '=' only".to_owned();
            return Err(Error::Property { key: entry.key.clone(), why });
        }
        let taken = |word: &str| {
            let name = word.split('=').next().unwrap_or_default();
            word == "--" || word == "-h" || name.len() > 2 && OPTIONS.iter().any(|option| option.starts_with(name))
        };
        match self.args.iter().find(|word| word.starts_with('-') && taken(word)) {
            Some(word) => Err(Error::MainArgument { word: word.clone() }),
            None => Ok(()),
        }
    }

    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.jar.into(), self.class.into()];
        words.extend(self.args.iter().map(OsString::from));
        let given = |name: &str, values: &[KeyValue]| -> Vec<OsString> {
            values.iter().map(|value| format!("{name}={value}").into()).collect()
        };
        words.extend(given("--topology-main-jvm-property", self.properties));
        words.extend(given("--config-property", self.config));
        let classpath: Vec<&str> = self.classpath.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if !classpath.is_empty() {
            words.push(format!("--extra-launch-classpath={}", classpath.join(":")).into());
        }
        if self.deactivated {
            words.push("--deploy-deactivated".into());
        }
        words
    }
}

/// What the command said.
#[derive(Debug, Default)]
struct Said {
    /// Its stdout.
    plan: String,
    /// The topology it launched, or would.
    launched: Option<String>,
    /// Its `[ERROR]`s.
    errors: Vec<String>,
    /// The JVM's exception, or the last lines.
    words: LastWords,
}

impl Cli {
    /// The command, which is ended when the program is asked to stop.
    pub fn new(program: &str, stop: Stop) -> Self {
        Self { program: program.to_owned(), stop }
    }

    /// The name of the topology that main makes, and the packing plan, without anything launched.
    pub async fn dry_run(&self, target: &Target, submit: Submit<'_>, limit: Duration) -> Result<(String, Plan), Error> {
        let operation = format!("make topology {:?} in a dry run", target.topology);
        let mut words = submit.words();
        words.push("--dry-run".into());
        let said = self.run(&operation, "submit", target, words, limit).await?;
        let class = submit.class.to_owned();
        let name = said.launched.ok_or(Error::NoDefinition { class, words: format!("\n{}", said.words.cause()) })?;
        Ok((name, Plan::parse(&said.plan)))
    }

    /// Submits the topology.
    pub async fn submit(&self, target: &Target, submit: Submit<'_>, limit: Duration) -> Result<(), Error> {
        let operation = format!("submit topology {:?}", target.topology);
        self.run(&operation, "submit", target, submit.words(), limit).await.map(|_| ())
    }

    /// `kill`, `activate` or `deactivate`.
    pub async fn act(&self, verb: &str, target: &Target, limit: Duration) -> Result<(), Error> {
        let operation = format!("{verb} topology {:?}", target.topology);
        self.run(&operation, verb, target, vec![target.topology.as_str().into()], limit).await.map(|_| ())
    }

    /// Starts a container's processes anew, or those of all.
    pub async fn restart(&self, target: &Target, container: Option<u32>, limit: Duration) -> Result<(), Error> {
        let operation = format!("restart topology {:?}", target.topology);
        let mut words = vec![OsString::from(&target.topology)];
        words.extend(container.map(|id| id.to_string().into()));
        self.run(&operation, "restart", target, words, limit).await.map(|_| ())
    }

    /// Changes how many instances components have. A dry run only answers with the plan.
    pub async fn update(
        &self,
        target: &Target,
        wanted: &[Parallelism],
        dry_run: bool,
        limit: Duration,
    ) -> Result<String, Error> {
        let operation = format!("update topology {:?}", target.topology);
        let mut words = vec![OsString::from(&target.topology)];
        words.extend(wanted.iter().map(|wanted| format!("--component-parallelism={wanted}").into()));
        words.extend(dry_run.then(|| "--dry-run".into()));
        Ok(self.run(&operation, "update", target, words, limit).await?.plan)
    }

    async fn run(
        &self,
        operation: &str,
        verb: &str,
        target: &Target,
        words: Vec<OsString>,
        limit: Duration,
    ) -> Result<Said, Error> {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg(format!("{}/{}/{}", target.cluster, target.role, target.environment)).args(words);
        if !target.service_url.is_empty() {
            command.arg(format!("--service-url={}", target.service_url));
        }
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn();
        let mut child = spawned.map_err(|source| Error::NoCli { program: self.program.clone(), source })?;
        let _group = ProcessGroup::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut said = Said::default();
        let end = {
            let Said { plan, launched, errors, words } = &mut said;
            let reading = async {
                tokio::join!(keep(stdout, plan), listen(stderr, |line| hear(line, launched, errors, words)));
            };
            follow(&mut child, reading, self.stop.clone(), Some(limit)).await
        };
        let status = match end {
            End::Ended(status) => status.map_err(|source| Error::NoCli { program: self.program.clone(), source })?,
            End::Stopped(exit) => return Err(Error::Stopped { class: format!("{} {verb}", self.program), exit }),
            End::Late => {
                return Err(Error::Unreachable {
                    operation: operation.to_owned(),
                    server: "command line",
                    url: self.program.clone(),
                    words: format!("it was not done within {} s", limit.as_secs()),
                    flag: "--heron-cli",
                });
            }
        };
        match status.success() {
            true => Ok(said),
            false => Err(said.error(operation, target, status.code())),
        }
    }
}

impl Said {
    /// One clear error of all that the command said. `Failed to … topology` at its end says nothing more.
    fn error(&self, operation: &str, target: &Target, code: Option<i32>) -> Error {
        let clear: Vec<&str> = self.errors.iter().map(String::as_str).filter(|line| !is_summary(line)).collect();
        let first = clear.first().copied().unwrap_or_default();
        if let Some((_, cause)) = first.split_once("Max retries exceeded") {
            let words = cause.rsplit(": ").next().unwrap_or_default().trim_end_matches(['\'', ')']).to_owned();
            let url = target.service_url.clone();
            let operation = operation.to_owned();
            return Error::Unreachable { operation, server: "API server", url, words, flag: "--service-url" };
        }
        let spoken = self.words.cause();
        let words = match (clear.is_empty(), self.words.has_exception()) {
            (false, false) => clear.join("; "),
            (false, true) => format!("{}\n{spoken}", clear.join("; ")),
            (true, _) if spoken.is_empty() => self.errors.join("; "),
            (true, _) => spoken.lines().last().unwrap_or_default().to_owned(),
        };
        let hint = hint(&words);
        Error::Command { operation: operation.to_owned(), code: code.unwrap_or(-1), words, hint }
    }
}

fn is_summary(line: &str) -> bool {
    line.starts_with("Failed to ")
        && (line.contains("topology: ") || line.contains("topology '"))
        && !line.contains("from")
}

/// Reads a dry run's plan.
async fn keep(stream: Option<impl AsyncRead + Unpin>, text: &mut String) {
    let Some(stream) = stream else { return };
    let mut bytes = Vec::new();
    let mut stream = stream.take(LONGEST);
    // What cannot be read is not there; the exit code says the rest.
    let _ = stream.read_to_end(&mut bytes).await;
    *text = String::from_utf8_lossy(&bytes).into_owned();
    // More than that is read and dropped, or the command would wait for ever.
    let _ = tokio::io::copy(&mut stream.into_inner(), &mut tokio::io::sink()).await;
}

async fn listen(stream: Option<impl AsyncRead + Unpin>, mut hear: impl FnMut(&str)) {
    let Some(stream) = stream else { return };
    let (mut lines, mut line) = (BufReader::new(stream), Vec::new());
    while lines.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        hear(&plain(&String::from_utf8_lossy(&line)));
        line.clear();
    }
}

/// Takes in a line of stderr. What the command says of its own arguments is left out of the log: secrets may be among them.
fn hear(line: &str, launched: &mut Option<String>, errors: &mut Vec<String>, words: &mut LastWords) {
    let (level, text) = leveled(line).unwrap_or(("", line));
    if level == "INFO" && text.starts_with("{'") {
        return;
    }
    tracing::info!("heron: {text}");
    if let Some(name) = text.strip_prefix("Launching topology: '").and_then(|rest| rest.split('\'').next()) {
        *launched = Some(name.to_owned());
    }
    match level {
        "ERROR" => errors.push(text.to_owned()),
        _ => words.hear(text),
    }
}

/// Level and text of `[2026-11-23 09:20:28 +0000] [INFO]: text`.
fn leveled(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] [")?;
    rest.split_once("]: ")
}

/// A line without colours.
fn plain(line: &str) -> String {
    let mut parts = line.trim_end().split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_command_line_is_read_without_its_colours() {
        let line = "[2026-11-23 09:20:27 +0000] \u{1b}[31m[ERROR]\u{1b}[0m: Topology 'wc' already exists\u{1b}[0m\n";
        assert_eq!(leveled(&plain(line)), Some(("ERROR", "Topology 'wc' already exists")));
        assert_eq!(leveled("Error: Could not find or load main class wc.Nope"), None);
    }

    #[test]
    fn an_argument_of_main_that_the_command_line_would_take_is_refused() {
        let submit = |words: &[&str]| {
            let args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let none = Submit {
                jar: Path::new("wc.jar"),
                class: "wc.WordCount",
                classpath: &[],
                properties: &[],
                config: &[],
                deactivated: false,
                args: &args,
            };
            none.check().map_err(|error| error.to_string())
        };
        assert_eq!(submit(&["wc", "2", "--fast", "-x", "-"]), Ok(()));
        for taken in ["--verb", "--dry-run", "--service-url=http://x", "-h"] {
            assert!(submit(&["wc", taken]).is_err(), "{taken} was let through");
        }
    }
}
