//! The calls to GitHub's REST API (docs.github.com/rest, version 2022-11-28).

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::access::{Access, Credentials, Repository, jwt};
use super::error::Error;
use crate::step::{self, Failure, Secret};

/// How often a call is tried while GitHub cannot be reached or fails.
const TRIES: u32 = 4;

/// The wait between such tries.
const PAUSE: Duration = Duration::from_secs(1);

/// The wait that GitHub asks for where it names none: at least a minute after a secondary limit.
const LIMIT_PAUSE: Duration = Duration::from_secs(60);

/// The most pages of a list that are read; a page has 100 items.
const PAGES: u32 = 100;

/// A connection to the API, for one repository.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    api_url: String,
    repository: Repository,
    token: Secret,
    /// Who writes with this token; none where GitHub does not say.
    login: Option<String>,
    deadline: Instant,
}

/// A comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comment {
    /// Its ID; a later comment has a larger one.
    pub id: u64,
    /// Its text.
    #[serde(default)]
    pub body: String,
    /// Its address.
    #[serde(default)]
    pub html_url: String,
    /// Who wrote it.
    #[serde(default)]
    pub user: Option<User>,
}

/// Who wrote something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The user's name.
    pub login: String,
}

/// A commit's status.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CommitStatus {
    /// `pending`, `success`, `failure` or `error`.
    pub state: &'static str,
    /// What it comes to, in 140 characters.
    pub description: String,
    /// What tells it from other statuses of the commit.
    pub context: String,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

/// What is needed of an App's installation.
#[derive(Debug, Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    app_slug: String,
}

/// What is needed of a token of an installation.
#[derive(Deserialize)]
struct Token {
    token: String,
}

/// Whether a call may be sent again when nobody knows whether it arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It comes to the same.
    Safe,
    /// It would do the work twice.
    Doubles,
}

/// A call to be made.
struct Call<'a> {
    operation: &'a str,
    method: Method,
    url: String,
    body: Option<Value>,
    repeat: Repeat,
}

impl Call<'_> {
    fn limited(&self, pause: Duration) -> Error {
        Error::RateLimited { operation: self.operation.to_owned(), seconds: pause.as_secs() }
    }
}

impl Client {
    /// Opens a connection for a repository. An App asks for a token with just this permission: `statuses` or `pull_requests`.
    pub async fn connect(
        access: &Access,
        of_report: &str,
        permission: &str,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let (repository, api_url) = access.target(of_report)?;
        let http = step::client(Duration::from_secs(30)).map_err(|error| Error::Unreachable {
            host: api_url.clone(),
            reason: error.to_string(),
            sent: false,
        })?;
        let deadline = Instant::now() + timeout;
        let with = |token: Secret| Self {
            http: http.clone(),
            api_url: api_url.clone(),
            repository: repository.clone(),
            token,
            login: None,
            deadline,
        };
        match access.credentials()? {
            Credentials::Token(token) => Ok(with(token)),
            Credentials::App { id, key, path } => {
                let app = with(Secret::of(jwt(&id, &key, &path, Timestamp::now())?));
                let (token, slug) = app.installation(permission).await?;
                Ok(Self { login: (!slug.is_empty()).then(|| format!("{slug}[bot]")), ..with(token) })
            }
        }
    }

    /// The token of the App's installation on this repository, and the App's name.
    async fn installation(&self, permission: &str) -> Result<(Secret, String), Error> {
        let operation = "find the App's installation on the repository";
        let found: Installation = self.json(self.call(operation, Method::GET, "/installation")).await?;
        let asked = json!({ "repositories": [self.repository.name], "permissions": { permission: "write" } });
        let call = Call {
            operation: "make a token of the App's installation",
            method: Method::POST,
            url: format!("{}/app/installations/{}/access_tokens", self.api_url, found.id),
            body: Some(asked),
            repeat: Repeat::Safe,
        };
        let made: Token = self.json(call).await?;
        Ok((Secret::of(made.token), found.app_slug))
    }

    /// Sets a status of a commit. The newest of a context is the one that counts, so that repeating it changes nothing.
    pub async fn set_status(&self, sha: &str, status: &CommitStatus) -> Result<(), Error> {
        let mut call = self.call("set the commit's status", Method::POST, &format!("/statuses/{sha}"));
        call.body = serde_json::to_value(status).ok();
        self.send(&call).await.map(|_| ())
    }

    /// Who writes with this token. A token of an installation may not ask, then nobody knows.
    pub async fn login(&self) -> Result<Option<String>, Error> {
        if self.login.is_some() {
            return Ok(self.login.clone());
        }
        let mut call = self.call("ask whose token it is", Method::GET, "");
        call.url = format!("{}/user", self.api_url);
        match self.json::<User>(call).await {
            Ok(user) => Ok(Some(user.login)),
            Err(error) if matches!(error.status(), Some(403 | 404)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All comments of a pull request, the oldest first.
    pub async fn comments(&self, number: u64) -> Result<Vec<Comment>, Error> {
        let mut call = self.call("list the comments", Method::GET, &format!("/issues/{number}/comments?per_page=100"));
        let mut comments: Vec<Comment> = Vec::new();
        for _ in 0..PAGES {
            let (headers, body) = self.send(&call).await?;
            comments.extend(self.parse::<Vec<Comment>>(&body)?);
            match next(&headers) {
                Some(url) => call.url = self.own(url)?,
                None => break,
            }
        }
        comments.sort_by_key(|comment| comment.id);
        Ok(comments)
    }

    /// Writes a new comment.
    pub async fn create_comment(&self, number: u64, body: &str) -> Result<Comment, Error> {
        let mut call = self.call("write the comment", Method::POST, &format!("/issues/{number}/comments"));
        (call.body, call.repeat) = (Some(json!({ "body": body })), Repeat::Doubles);
        self.json(call).await
    }

    /// Puts another text in the place of a comment's.
    pub async fn update_comment(&self, id: u64, body: &str) -> Result<Comment, Error> {
        let mut call = self.call("change the comment", Method::PATCH, &format!("/issues/comments/{id}"));
        call.body = Some(json!({ "body": body }));
        self.json(call).await
    }

    /// Deletes a comment; one that is gone is no error.
    pub async fn delete_comment(&self, id: u64) -> Result<(), Error> {
        let call = self.call("delete the doubled comment", Method::DELETE, &format!("/issues/comments/{id}"));
        match self.send(&call).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// A call about the repository.
    fn call<'a>(&self, operation: &'a str, method: Method, path: &str) -> Call<'a> {
        let Repository { owner, name, .. } = &self.repository;
        let url = format!("{}/repos/{owner}/{name}{path}", self.api_url);
        Call { operation, method, url, body: None, repeat: Repeat::Safe }
    }

    async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let (_, body) = self.send(&call).await?;
        self.parse(&body)
    }

    fn parse<T: DeserializeOwned>(&self, body: &str) -> Result<T, Error> {
        serde_json::from_str(body).map_err(|_| self.not_github(200, body))
    }

    /// Makes a call until it is done or refused, and gives the answer's headers and body.
    async fn send(&self, call: &Call<'_>) -> Result<(HeaderMap, String), Error> {
        let mut tries = 1;
        loop {
            let again = tries < TRIES;
            let repeatable = call.repeat == Repeat::Safe && again;
            let pause = match self.request(call).send().await {
                Ok(response) => {
                    let (status, url) = (response.status().as_u16(), response.url().clone());
                    let headers = response.headers().clone();
                    match response.text().await {
                        // A redirected POST has become a GET on its way: what answers is not what was asked.
                        _ if reqwest::Url::parse(&call.url).is_ok_and(|asked| asked != url) => {
                            return Err(Error::Moved { to: url.to_string() });
                        }
                        Ok(body) if (200..300).contains(&status) => return Ok((headers, body)),
                        Ok(_) if status >= 500 && repeatable => PAUSE,
                        Ok(body) => match limit(status, &headers, &body, Timestamp::now()) {
                            Some(pause) if again && self.has(pause) => pause,
                            Some(pause) => return Err(call.limited(pause)),
                            None => return Err(self.refused(call.operation, status, &headers, &body)),
                        },
                        Err(_) if repeatable => PAUSE,
                        Err(error) => return Err(self.unreachable(&error, true)),
                    }
                }
                Err(error) if (error.is_connect() && again) || repeatable => PAUSE,
                Err(error) => return Err(self.unreachable(&error, !error.is_connect())),
            };
            tracing::info!("GitHub asks to wait, or is not there: trying again in {} s", pause.as_secs());
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    fn request(&self, call: &Call<'_>) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(call.method.clone(), &call.url)
            .bearer_auth(self.token.expose())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        match &call.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// Whether there is time for a wait.
    fn has(&self, pause: Duration) -> bool {
        pause < self.deadline.saturating_duration_since(Instant::now())
    }

    /// The address of a list's next page, as long as it is this server's: the token goes along.
    fn own(&self, url: String) -> Result<String, Error> {
        let origin = |url: &str| reqwest::Url::parse(url).map(|url| url.origin()).ok();
        match origin(&url) == origin(&self.api_url) {
            true => Ok(url),
            false => Err(Error::Moved { to: url }),
        }
    }

    fn refused(&self, operation: &str, status: u16, headers: &HeaderMap, body: &str) -> Error {
        let Ok(answer) = serde_json::from_str::<Value>(body) else { return self.not_github(status, body) };
        let Some(message) = answer["message"].as_str() else { return self.not_github(status, body) };
        let message =
            self.token.redact(&[message.to_owned()].into_iter().chain(details(&answer)).collect::<Vec<_>>().join(": "));
        let hint = hint(status, &message, headers);
        Error::Refused { operation: operation.to_owned(), status, message, hint }
    }

    fn not_github(&self, status: u16, body: &str) -> Error {
        let body = self.token.redact(body).chars().take(200).collect();
        Error::NotGitHub { host: self.host(), status, body }
    }

    fn unreachable(&self, error: &reqwest::Error, sent: bool) -> Error {
        Error::Unreachable { host: self.host(), reason: step::describe_http_error(error), sent }
    }

    fn host(&self) -> String {
        let url = reqwest::Url::parse(&self.api_url).ok();
        url.and_then(|url| Some(url.host_str()?.to_owned())).unwrap_or_else(|| self.api_url.clone())
    }
}

/// What a validation error (422) says of single fields.
fn details(answer: &Value) -> Vec<String> {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors
        .iter()
        .map(|error| match error["message"].as_str().or(error.as_str()) {
            Some(message) => message.to_owned(),
            None => {
                [&error["field"], &error["code"]].into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            }
        })
        .collect()
}

/// What a person can do about an answer.
fn hint(status: u16, message: &str, headers: &HeaderMap) -> Option<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    Some(match status {
        401 => "the token is not valid, or not any more: renew the Secret".to_owned(),
        403 if header("x-github-sso").is_some() => {
            "authorize the token for the organization's single sign-on".to_owned()
        }
        403 if message.contains("locked") => "the conversation is locked".to_owned(),
        403 => match (header("x-accepted-github-permissions"), header("x-accepted-oauth-scopes")) {
            (Some(permissions), _) => format!("give the token the permission {permissions}"),
            (None, Some(scopes)) => format!("give the token one of the scopes {scopes}"),
            (None, None) => "give the token the right to do this".to_owned(),
        },
        404 => "is the name right, and may the token see it? GitHub says so of private repositories too".to_owned(),
        410 => "the repository has no issues, or it is gone".to_owned(),
        422 if message.contains("No commit found") => {
            "the commit has to be pushed before it can have a status".to_owned()
        }
        _ => return None,
    })
}

/// How long GitHub asks to wait before anything else (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api); none
/// where it refuses for another reason.
fn limit(status: u16, headers: &HeaderMap, body: &str, now: Timestamp) -> Option<Duration> {
    if !matches!(status, 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<i64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs(seconds.max(1).unsigned_abs()));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let left = number("x-ratelimit-reset").map(|reset| reset - now.as_second() + 1);
        return Some(left.map_or(LIMIT_PAUSE, |seconds| Duration::from_secs(seconds.max(1).unsigned_abs())));
    }
    (status == 429 || body.contains("secondary rate limit")).then_some(LIMIT_PAUSE)
}

/// The address of the next page, of the header Link (RFC 8288).
fn next(headers: &HeaderMap) -> Option<String> {
    let link = headers.get("link")?.to_str().ok()?;
    let next = link.split(',').find(|part| part.split(';').skip(1).any(|param| param.trim() == "rel=\"next\""))?;
    let url = next.split(';').next()?.trim();
    Some(url.strip_prefix('<')?.strip_suffix('>')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn github_is_waited_for_as_long_as_it_asks() {
        let now = Timestamp::from_second(1_000).unwrap();
        let wait = |status: u16, pairs: &[(&'static str, &str)], body: &str| {
            limit(status, &headers(pairs), body, now).map(|pause| pause.as_secs())
        };
        assert_eq!(wait(403, &[("retry-after", "30")], ""), Some(30));
        assert_eq!(wait(429, &[("retry-after", "0")], ""), Some(1));
        assert_eq!(wait(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1100")], ""), Some(101));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")], ""), Some(1));
        assert_eq!(wait(403, &[], "You have exceeded a secondary rate limit."), Some(60));
        assert_eq!(wait(429, &[], ""), Some(60));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "4999")], "Resource not accessible"), None);
        assert_eq!(wait(404, &[("retry-after", "30")], ""), None);
    }

    #[test]
    fn the_next_page_is_where_the_header_says() {
        let link = "<https://h/c?page=1>; rel=\"prev\", <https://h/c?page=3>; rel=\"next\", <https://h/c?page=9>; rel=\"last\"";
        assert_eq!(next(&headers(&[("link", link)])).unwrap(), "https://h/c?page=3");
        assert_eq!(next(&headers(&[("link", "<https://h/c?page=1>; rel=\"prev\"")])), None);
        assert_eq!(next(&HeaderMap::new()), None);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = |status: u16, message: &str, pairs: &[(&'static str, &str)]| {
            hint(status, message, &headers(pairs)).unwrap_or_default()
        };
        let not_accessible = "Resource not accessible by personal access token";
        assert_eq!(
            said(403, not_accessible, &[("x-accepted-github-permissions", "statuses=write")]),
            "give the token the permission statuses=write"
        );
        assert_eq!(
            said(403, "Must have admin rights", &[("x-accepted-oauth-scopes", "repo")]),
            "give the token one of the scopes repo"
        );
        assert!(said(404, "Not Found", &[]).contains("private repositories"));
        assert_eq!(said(422, "Validation Failed", &[]), "");
    }
}
