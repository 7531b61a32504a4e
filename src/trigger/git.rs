//! What an event does not carry: from a clone, by the `git` command, or from GitHub's API.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, StatusCode};
use serde::Deserialize;

use super::error::Error;
use crate::step::{Secret, client, describe_http_error};

/// How often GitHub is asked, and the pause between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// A commit's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub message: String,
    pub author: String,
}

/// A commit's message and author; none when the folder is in no clone that has the commit.
pub(super) async fn words(folder: &Path, commit: &str) -> Option<Words> {
    let output = git(folder, &["log", "-1", "--format=%an%x00%B", commit, "--"]).await?;
    let (author, message) = output.split_once('\0')?;
    Some(Words { message: message.to_owned(), author: author.to_owned() })
}

/// The commit from which two have forked; none when the clone does not know.
pub(super) async fn merge_base(folder: &Path, one: &str, other: &str) -> Option<String> {
    git(folder, &["merge-base", one, other]).await.map(|output| output.trim().to_owned())
}

/// The files that differ between two commits; none when the clone does not know.
pub(super) async fn changed(folder: &Path, from: &str, to: &str) -> Option<Vec<String>> {
    let output = git(folder, &["diff", "--name-only", "--no-renames", "-z", from, to, "--"]).await?;
    Some(output.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
}

/// What git prints; none when it fails, as where there is no git, no clone or no such commit.
async fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let folder = if folder.is_dir() { folder } else { folder.parent()? };
    let mut git = tokio::process::Command::new("git");
    // Only what is there: nothing is fetched.
    git.arg("-C").arg(folder).args(args).env("GIT_NO_LAZY_FETCH", "1").kill_on_drop(true);
    let output = git.output().await.inspect_err(|error| tracing::debug!("git: {error}")).ok()?;
    if !output.status.success() {
        tracing::debug!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[derive(Deserialize)]
struct Answer {
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    message: String,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    name: String,
}

/// A commit's message and author, asked of GitHub ("Get a commit"), a few times where it is not there.
pub(super) async fn ask(api: &str, token: Option<&Secret>, repository: &str, commit: &str) -> Result<Words, Error> {
    let url = format!("{}/repos/{repository}/commits/{commit}", api.trim_end_matches('/'));
    let failed = |why: String| Error::Api { url: url.clone(), why };
    let http = client(Duration::from_secs(30)).map_err(|error| failed(describe_http_error(&error)))?;
    let mut tries = 1;
    let (status, body) = loop {
        match get(&http, &url, token).await {
            Ok((status, _)) if status.is_server_error() && tries < TRIES => {}
            Ok(answer) => break answer,
            Err(_) if tries < TRIES => {}
            Err(error) => return Err(failed(describe_http_error(&error))),
        }
        tokio::time::sleep(PAUSE).await;
        tries += 1;
    };
    if !status.is_success() {
        let words: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let hint = if token.is_none() { "; is a --token-file needed?" } else { "" };
        return Err(failed(format!("{status}, {}{hint}", words["message"].as_str().unwrap_or("no reason given"))));
    }
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|error| failed(format!("it is not a commit: {error}")))?;
    let author = answer.commit.author.map(|author| author.name).unwrap_or_default();
    Ok(Words { message: answer.commit.message, author })
}

async fn get(http: &Client, url: &str, token: Option<&Secret>) -> Result<(StatusCode, Bytes), reqwest::Error> {
    let mut request =
        http.get(url).header("Accept", "application/vnd.github+json").header("X-GitHub-Api-Version", "2022-11-28");
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let answer = request.send().await?;
    Ok((answer.status(), answer.bytes().await?))
}
