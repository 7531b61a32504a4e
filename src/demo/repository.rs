//! The repository of a team, to which the demo pushes commits as its people would.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::sandbox::github::REPOSITORY;
use crate::step::{Exit, Failure};

/// The Pipeline that the team has: the same file that Tekton runs.
const PIPELINE: &str = "pipelines/performance-test/performance-test.yaml";
/// Where the Pipeline says what a commit's message may set.
const ALLOWED: &str = "    streamgauge.dev/commit-parameters: |\n";
/// The branch that is merged into.
const BASE: &str = "staging/ads";
/// The pull request's branch.
pub(super) const BRANCH: &str = "faster-transformers";
/// The pull request's number.
const PULL_REQUEST: u64 = 12;

/// A commit that is to be made.
pub(super) struct Change {
    /// The first line of its message.
    pub subject: String,
    /// What its message sets, as `streamgauge trigger` reads it.
    settings: String,
}

impl Change {
    pub fn new(subject: &str, settings: &str) -> Self {
        Self { subject: subject.to_owned(), settings: settings.to_owned() }
    }

    /// The number that it sets a parameter to.
    pub fn number(&self, parameter: &str) -> Option<f64> {
        let pairs = self.settings.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == parameter).filter_map(|(_, value)| value.parse().ok()).next_back()
    }
}

/// A repository on this computer, as a server has it, and a checkout to work in.
pub(super) struct Repository {
    /// The server's.
    pub remote: PathBuf,
    /// The team's.
    pub checkout: PathBuf,
    base_commit: String,
}

impl Repository {
    /// Makes the repository in a folder: a staging branch with the Pipeline, and a branch that is to be merged into it.
    pub async fn create(folder: &Path) -> Result<Self, Failure> {
        let (remote, checkout) = (folder.join("repository.git"), folder.join("checkout"));
        let text = std::fs::read_to_string(PIPELINE).map_err(|source| {
            let context = format!("cannot read {PIPELINE}: the demo runs in a checkout of streamgauge");
            Failure::new(Exit::Usage, anyhow::Error::new(source).context(context))
        })?;
        for folder in [&remote, &checkout] {
            std::fs::create_dir_all(folder).map_err(|source| super::cannot_write(folder, source))?;
        }
        git(&remote, &["init", "--quiet", "--bare", "--initial-branch", BASE]).await?;
        git(&checkout, &["init", "--quiet", "--initial-branch", BASE]).await?;
        git(&checkout, &["remote", "add", "origin", "../repository.git"]).await?;
        // Commits of this team may set any property: a slower look-up is one, and there is no production to lead a test to.
        let text = text.replace(ALLOWED, &format!("{ALLOWED}      properties: text\n"));
        super::write(&checkout.join("pipelines/performance-test.yaml"), &text)?;
        git(&checkout, &["add", "."]).await?;
        git(&checkout, &["commit", "--quiet", "--message", "Test the preprocessor's performance"]).await?;
        git(&checkout, &["push", "--quiet", "origin", BASE]).await?;
        let base_commit = git(&checkout, &["rev-parse", "HEAD"]).await?;
        git(&checkout, &["switch", "--quiet", "--create", BRANCH]).await?;
        Ok(Self { remote, checkout, base_commit })
    }

    /// Makes a commit and pushes it. What GitHub tells a webhook of that, as far as somebody reads it
    /// (<https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request>).
    pub async fn push(&self, change: &Change) -> Result<Value, Failure> {
        let trailer = format!("streamgauge: {}", change.settings);
        let commit = ["commit", "--quiet", "--allow-empty", "--message", &change.subject, "--trailer", &trailer];
        let before = git(&self.checkout, &["rev-parse", "HEAD"]).await?;
        git(&self.checkout, &commit).await?;
        git(&self.checkout, &["push", "--quiet", "origin", BRANCH]).await?;
        let after = git(&self.checkout, &["rev-parse", "HEAD"]).await?;
        let repository = json!({"full_name": REPOSITORY, "html_url": format!("https://github.com/{REPOSITORY}")});
        Ok(json!({
            "action": "synchronize", "number": PULL_REQUEST, "before": before, "after": after,
            "pull_request": {
                "number": PULL_REQUEST, "title": "Faster transformers", "user": {"login": "ann"}, "labels": [],
                "head": {"ref": BRANCH, "sha": after, "repo": repository},
                "base": {"ref": BASE, "sha": self.base_commit, "repo": repository},
            },
            "repository": repository,
        }))
    }
}

/// Runs git as a person of the team, whatever this computer's own settings are; what it prints.
async fn git(folder: &Path, args: &[&str]) -> Result<String, Failure> {
    let mut git = tokio::process::Command::new("git");
    git.arg("-C").arg(folder).args(args).stdin(Stdio::null()).kill_on_drop(true);
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "Ann").env(format!("GIT_{who}_EMAIL"), "ann@example.com");
    }
    let failed = |why: String| Failure::msg(Exit::Usage, format!("git {}: {why}", args.join(" ")));
    let output = git.output().await.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
