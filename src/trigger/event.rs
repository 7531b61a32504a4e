//! What GitHub tells a webhook, as far as it starts runs; strangers choose most of it.

use serde::Deserialize;

use super::error::Error;

/// The most that GitHub sends, in bytes.
pub(super) const LARGEST: usize = 25 << 20;
/// How much of a text goes into an annotation, in bytes: all annotations of an object share 256 KiB.
const LONGEST_TEXT: usize = 8 << 10;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// Something happened to a pull request.
    PullRequest(PullRequest),
    /// A branch was pushed.
    Branch(String),
    /// A tag was pushed.
    Tag(String),
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PullRequest {
    /// opened, synchronize, …
    pub action: String,
    pub number: u64,
    pub branch: String,
    pub base_branch: String,
    /// What the payload calls `pull_request.base.sha`: the base branch's head as GitHub knew it at the event.
    pub base_commit: String,
    /// The repository that it comes from, when that is another one, or none any more.
    pub fork: Option<String>,
    pub labels: Vec<String>,
    /// The label that this event has given to it.
    pub label: Option<String>,
    /// Whether this event approves it, a fork's.
    pub approved: bool,
}

/// An event, each of its values checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub subject: Subject,
    /// The commit to test, 40 hex digits; none where a branch or tag was deleted.
    pub commit: Option<String>,
    /// The commit that a push came after.
    pub before: Option<String>,
    /// `owner/name`.
    pub repository: String,
    /// The repository's page.
    pub url: String,
    /// The commit's author of a push, who opened a pull request; a stranger's text.
    pub author: String,
    /// The commit's message, which only a push carries; a stranger's text.
    pub message: Option<String>,
    /// The files that the commits of a push name.
    pub files: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    action: String,
    pull_request: Option<Pull>,
    label: Option<Label>,
    repository: Repository,
    #[serde(rename = "ref")]
    reference: Option<String>,
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    deleted: bool,
    head_commit: Option<Commit>,
    #[serde(default)]
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    head: Side,
    base: Side,
    user: Option<User>,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    #[serde(default)]
    html_url: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    message: String,
    author: Option<Author>,
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
}

#[derive(Deserialize)]
struct Author {
    name: Option<String>,
}

impl Event {
    /// Reads a payload. `kind` is what GitHub's header X-GitHub-Event says; where it is empty, the payload shows it.
    pub fn read(payload: &[u8], kind: &str) -> Result<Self, Error> {
        let payload: Payload =
            serde_json::from_slice(payload).map_err(|error| Error::Payload { why: error.to_string() })?;
        let known = match (&payload.pull_request, &payload.reference) {
            (Some(_), _) => "pull_request",
            (None, Some(_)) if !payload.after.is_empty() => "push",
            _ => return Err(Error::Payload { why: "it is neither of a pull request nor of a push".to_owned() }),
        };
        if !["", known].contains(&kind) {
            return Err(Error::Payload { why: format!("it is of a {known}, and --event-type says {kind}") });
        }
        let repository = full_name(&payload.repository.full_name)?;
        let url = page(&payload.repository.html_url, &repository)?;
        match &payload.pull_request {
            Some(_) => Self::of_pull_request(payload, repository, url),
            None => Self::of_push(payload, repository, url),
        }
    }

    fn of_pull_request(payload: Payload, repository: String, url: String) -> Result<Self, Error> {
        let Some(pull) = payload.pull_request else {
            return Err(Error::Payload { why: "it has no pull request".to_owned() });
        };
        let own = |side: &Side| side.repo.as_ref().is_some_and(|repo| repo.full_name.eq_ignore_ascii_case(&repository));
        let fork = match &pull.head.repo {
            _ if own(&pull.head) => None,
            Some(repo) => Some(full_name(&repo.full_name)?),
            None => Some("a repository that is gone".to_owned()),
        };
        if pull.number == 0 {
            return Err(value("pull_request.number", "0", "a number from 1 on"));
        }
        let subject = PullRequest {
            action: word("action", payload.action)?,
            number: pull.number,
            branch: branch("pull_request.head.ref", &pull.head.reference)?,
            base_branch: branch("pull_request.base.ref", &pull.base.reference)?,
            base_commit: commit("pull_request.base.sha", &pull.base.sha)?,
            fork,
            labels: pull.labels.into_iter().map(|label| label.name).collect(),
            label: payload.label.map(|label| label.name),
            approved: false,
        };
        Ok(Self {
            subject: Subject::PullRequest(subject),
            commit: Some(commit("pull_request.head.sha", &pull.head.sha)?),
            before: None,
            repository,
            url,
            author: text(&pull.user.map(|user| user.login).unwrap_or_default()),
            message: None,
            files: None,
        })
    }

    fn of_push(payload: Payload, repository: String, url: String) -> Result<Self, Error> {
        let reference = payload.reference.unwrap_or_default();
        let subject = match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
            (Some(name), _) => Subject::Branch(branch("ref", name)?),
            (None, Some(name)) => Subject::Tag(branch("ref", name)?),
            _ => return Err(value("ref", &reference, "refs/heads/BRANCH or refs/tags/TAG")),
        };
        let files = payload.commits.iter().flat_map(|one| [&one.added, &one.removed, &one.modified]).flatten();
        let mut files: Vec<String> = files.cloned().collect();
        files.sort();
        files.dedup();
        let author = payload.head_commit.as_ref().and_then(|head| head.author.as_ref()?.name.clone());
        let there = |name, sha: &str| if is_nothing(sha) { Ok(None) } else { commit(name, sha).map(Some) };
        let after = there("after", &payload.after)?;
        Ok(Self {
            subject,
            commit: after.filter(|_| !payload.deleted),
            before: if payload.before.is_empty() { None } else { there("before", &payload.before)? },
            repository,
            url,
            author: text(&author.unwrap_or_default()),
            message: payload.head_commit.map(|head| head.message),
            files: Some(files),
        })
    }

    /// What GitHub calls this kind of event.
    pub fn kind(&self) -> &'static str {
        match self.subject {
            Subject::PullRequest(_) => "pull_request",
            Subject::Branch(_) | Subject::Tag(_) => "push",
        }
    }

    /// The pull request, when it is about one.
    pub fn pull_request(&self) -> Option<&PullRequest> {
        match &self.subject {
            Subject::PullRequest(pull) => Some(pull),
            _ => None,
        }
    }
}

/// A stranger's text as an annotation takes it, and the environment of a Step from there: no control characters but tabs and
/// line ends, and not too long.
pub(super) fn text(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !c.is_control() || ['\n', '\t'].contains(c)).collect();
    let mut kept = kept.trim().to_owned();
    if kept.len() > LONGEST_TEXT {
        kept.truncate(kept.floor_char_boundary(LONGEST_TEXT - '…'.len_utf8()));
        kept.push('…');
    }
    kept
}

fn value(name: &'static str, value: &str, wanted: &'static str) -> Error {
    Error::Value { name, value: value.chars().take(100).collect(), wanted }
}

/// A commit's name: 40 hex digits.
pub(super) fn commit(name: &'static str, sha: &str) -> Result<String, Error> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match sha.len() == 40 && sha.chars().all(hex) {
        true => Ok(sha.to_owned()),
        false => Err(value(name, sha, "a commit of 40 hex digits")),
    }
}

/// Git's name for no commit.
fn is_nothing(sha: &str) -> bool {
    sha.len() == 40 && sha.bytes().all(|byte| byte == b'0')
}

fn word(name: &'static str, text: String) -> Result<String, Error> {
    match !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
        true => Ok(text),
        false => Err(value(name, &text, "one of GitHub's words")),
    }
}

fn full_name(text: &str) -> Result<String, Error> {
    let part = |part: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !part.is_empty() && part.len() <= 100 && part.chars().all(letter) && ![".", ".."].contains(&part)
    };
    match text.split_once('/') {
        Some((owner, name)) if part(owner) && part(name) => Ok(text.to_owned()),
        _ => Err(value("full_name", text, "OWNER/NAME")),
    }
}

/// The repository's page, which has its name at the end.
fn page(url: &str, repository: &str) -> Result<String, Error> {
    let host = url.strip_suffix(repository).and_then(|rest| rest.strip_suffix('/'));
    let host = host.and_then(|rest| rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://")));
    let letter = |c: char| c.is_ascii_alphanumeric() || ".:/_~-".contains(c);
    match host.is_some_and(|host| !host.is_empty() && host.chars().all(letter)) {
        true => Ok(url.to_owned()),
        false => Err(value("repository.html_url", url, "the repository's page")),
    }
}

/// A branch's or tag's name by git's own rules (git-check-ref-format), and one that Tekton does not take for a variable.
fn branch(name: &'static str, text: &str) -> Result<String, Error> {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let strange = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let whole = text.len() <= 255 && !text.starts_with('-') && !text.ends_with('.') && text != "@";
    let right =
        whole && text.split('/').all(part) && !text.contains("..") && !text.contains("@{") && !text.contains(strange);
    match right {
        false => Err(value(name, text, "a name that git allows")),
        true if text.contains("$(") => Err(value(name, text, "a name without $(, which Tekton takes for a variable")),
        true => Ok(text.to_owned()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A payload as GitHub sends it when a pull request's branch was pushed, without what is not read.
    pub fn payload() -> Value {
        let repo = json!({"full_name": "ads/preprocessor", "html_url": "https://git.example/ads/preprocessor"});
        json!({
            "action": "synchronize", "number": 12,
            "pull_request": {
                "number": 12, "title": "Use 29 transformers", "user": {"login": "mona"}, "labels": [{"name": "perf"}],
                "head": {"ref": "more-transformers", "sha": "c0ffee0123456789c0ffee0123456789c0ffee01", "repo": repo},
                "base": {"ref": "staging/ads", "sha": "ba5e000000000000000000000000000000000001", "repo": repo},
            },
            "repository": repo, "before": "0123456789012345678901234567890123456789", "after": "c0ffee0123456789c0ffee0123456789c0ffee01",
        })
    }

    /// A payload of a push.
    pub fn push(reference: &str) -> Value {
        json!({
            "ref": reference, "before": "ba5e000000000000000000000000000000000001", "after": "c0ffee0123456789c0ffee0123456789c0ffee01",
            "created": false, "deleted": false, "forced": false,
            "repository": {"full_name": "ads/preprocessor", "html_url": "https://git.example/ads/preprocessor"},
            "head_commit": {"message": "Use 29 transformers", "author": {"name": "Mona", "email": "mona@example.com"}},
            "commits": [{"message": "Use 29 transformers", "added": ["a.txt"], "removed": [], "modified": ["src/b.rs"]}],
        })
    }

    pub fn read(payload: &Value) -> Result<Event, Error> {
        Event::read(payload.to_string().as_bytes(), "")
    }

    fn with(path: &str, value: Value) -> String {
        let mut payload = payload();
        *payload.pointer_mut(path).unwrap() = value;
        read(&payload).map(|event| format!("{event:?}")).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn a_pull_request_is_read() {
        let event = read(&payload()).unwrap();
        let pull = event.pull_request().unwrap();
        assert_eq!((pull.action.as_str(), pull.number, pull.fork.as_deref()), ("synchronize", 12, None));
        assert_eq!((pull.branch.as_str(), pull.base_branch.as_str()), ("more-transformers", "staging/ads"));
        assert_eq!(event.commit.as_deref(), Some("c0ffee0123456789c0ffee0123456789c0ffee01"));
        assert_eq!((event.kind(), event.author.as_str(), event.message), ("pull_request", "mona", None));
    }

    #[test]
    fn a_push_is_read_with_its_message_and_files() {
        let event = read(&push("refs/heads/staging/ads")).unwrap();
        assert_eq!(event.subject, Subject::Branch("staging/ads".into()));
        assert_eq!((event.author.as_str(), event.message.as_deref()), ("Mona", Some("Use 29 transformers")));
        assert_eq!(event.files.unwrap(), ["a.txt", "src/b.rs"]);
        assert_eq!(read(&push("refs/tags/v1")).unwrap().subject, Subject::Tag("v1".into()));
        let mut deleted = push("refs/heads/old");
        deleted["deleted"] = json!(true);
        deleted["after"] = json!("0".repeat(40));
        deleted["head_commit"] = Value::Null;
        assert_eq!(read(&deleted).unwrap().commit, None);
    }

    #[test]
    fn values_that_are_not_what_github_sends_are_refused_by_name() {
        let told = [
            with("/pull_request/head/sha", json!("c0ffee")),
            with("/pull_request/head/sha", json!("c0ffee0123456789c0ffee0123456789c0ffee0;")),
            with("/pull_request/number", json!(0)),
            with("/pull_request/number", json!("12; rm -rf /")),
            with("/pull_request/head/ref", json!("a b")),
            with("/pull_request/head/ref", json!("$(params.jar)")),
            with("/repository/full_name", json!("ads/../x")),
            with("/repository/html_url", json!("javascript:alert(1)//ads/preprocessor")),
            with("/action", json!("$(id)")),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
        the payload's pull_request.head.sha is "c0ffee", not a commit of 40 hex digits
        the payload's pull_request.head.sha is "c0ffee0123456789c0ffee0123456789c0ffee0;", not a commit of 40 hex digits
        the payload's pull_request.number is "0", not a number from 1 on
        the payload cannot be understood: invalid type: string "12; rm -rf /", expected u64 at line 1 column 75
        the payload's pull_request.head.ref is "a b", not a name that git allows
        the payload's pull_request.head.ref is "$(params.jar)", not a name without $(, which Tekton takes for a variable
        the payload's full_name is "ads/../x", not OWNER/NAME
        the payload's repository.html_url is "javascript:alert(1)//ads/preprocessor", not the repository's page
        the payload's action is "$(id)", not one of GitHub's words
        "#);
    }

    #[test]
    fn branches_are_judged_as_git_judges_them() {
        let right = ["main", "staging/ads", "a.b", "feature/a\"b", "x;y", "ünïcode", "a@b"];
        let wrong = [
            "", "a b", "/a", "a/", "a//b", ".a", "a/.b", "a..b", "a.lock", "a.lock/b", "a~b", "a^b", "a:b", "a?b",
            "a*b", "a[b", "a\\b", "a.", "a@{b", "-a", "a\nb", "a\u{7f}",
        ];
        let git = |name: &str| {
            let mut git = std::process::Command::new("git");
            git.args(["check-ref-format", "--branch", name]).output().unwrap().status.success()
        };
        for name in right {
            assert!(branch("ref", name).is_ok() && git(name), "{name:?}");
        }
        for name in wrong {
            assert!(branch("ref", name).is_err() && !git(name), "{name:?}");
        }
    }

    #[test]
    fn a_pull_request_of_another_repository_is_a_forks() {
        let fork = |repo: Value| {
            let mut payload = payload();
            payload["pull_request"]["head"]["repo"] = repo;
            read(&payload).unwrap().pull_request().unwrap().fork.clone()
        };
        assert_eq!(fork(json!({"full_name": "mallory/preprocessor"})).as_deref(), Some("mallory/preprocessor"));
        assert_eq!(fork(Value::Null).as_deref(), Some("a repository that is gone"));
        assert_eq!(fork(json!({"full_name": "Ads/Preprocessor"})), None);
    }

    #[test]
    fn a_strangers_text_keeps_its_lines_and_loses_what_no_environment_takes() {
        assert_eq!(text("a\0b\u{1b}[31m\r\n\tc $(id)\n"), "ab[31m\n\tc $(id)");
        let long = text(&"ü".repeat(9000));
        assert!(long.len() <= LONGEST_TEXT && long.ends_with("ü…"));
    }

    #[test]
    fn what_is_of_another_kind_is_refused() {
        let told =
            |payload: &Value, kind: &str| Event::read(payload.to_string().as_bytes(), kind).unwrap_err().to_string();
        assert!(told(&payload(), "push").contains("it is of a pull_request, and --event-type says push"));
        let ping = json!({"zen": "x", "repository": payload()["repository"]});
        assert!(told(&ping, "").contains("neither of a pull request nor of a push"));
    }
}
