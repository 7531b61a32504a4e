//! An inbox with GitHub's answers: commit statuses and comments are kept, and can be read. Answers, errors and limits are those of
//! GitHub's reference (docs.github.com/rest, version 2022-11-28).

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Verifier;
use serde::Serialize;
use serde_json::{Value, json};

/// The most characters of a comment.
const BODY_LIMIT: usize = 65_536;
/// The most characters of a status' description.
const DESCRIPTION_LIMIT: usize = 140;
/// The most items of a page.
const PAGE_LIMIT: usize = 100;
/// Where the API begins, as on an Enterprise Server.
pub const API_PATH: &str = "/api/v3";
/// The one repository.
pub const REPOSITORY: &str = "ads/preprocessor";
/// The token that the sandbox's GitHub takes.
pub const TOKEN: &str = "ghp_sandbox";
/// Whose token it is.
pub const LOGIN: &str = "streamgauge-sandbox";
/// The token of the App's installation.
const INSTALLATION_TOKEN: &str = "ghs_sandbox";
/// The ID of the App's installation.
const INSTALLATION: u64 = 4711;
/// A commit that is not there.
pub const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// A commit's status as it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The commit.
    pub sha: String,
    /// What was sent.
    pub body: Value,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comment {
    /// Its ID.
    pub id: u64,
    /// The pull request.
    pub number: u64,
    /// Who wrote it.
    pub login: String,
    /// Its text.
    pub body: String,
    /// How often it was changed.
    pub updates: usize,
}

/// A call as it came in and was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// `POST` and the like.
    pub method: String,
    /// The path below the API's base.
    pub path: String,
    /// What stands behind the question mark.
    pub query: String,
    /// What was sent; null when it was nothing.
    pub body: Value,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The answer; null when it is nothing.
    pub answer: Value,
}

/// How the next calls are to fail, in order, one call each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A secondary limit: 403 with this Retry-After, in seconds.
    Secondary(u32),
    /// The primary limit: 403, nothing left, until so many seconds from now.
    Primary(u32),
    /// This HTTP status with this message and, in the header X-Accepted-GitHub-Permissions, these rights.
    Refused(u16, &'static str, &'static str),
    /// This HTTP status, as a proxy on the way gives it.
    Status(u16),
    /// The call is done, and the answer gets lost on its way.
    Lost,
    /// The repository is at this place now.
    Moved(String),
    /// The call passes: a place in the order for one that is not to fail.
    Pass,
}

/// A GitHub App that may write.
#[derive(Debug, Clone)]
struct App {
    id: String,
    public_key: Vec<u8>,
}

#[derive(Debug, Default)]
struct Kept {
    statuses: Vec<Status>,
    comments: Vec<Comment>,
    last_id: u64,
    calls: Vec<Call>,
    faults: VecDeque<Fault>,
    app: Option<App>,
}

/// The inbox; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Inbox(Arc<Mutex<Kept>>);

impl Inbox {
    /// All statuses, in the order in which they came.
    pub fn statuses(&self) -> Vec<Status> {
        self.with(|kept| kept.statuses.clone())
    }

    /// The comments of a pull request, the oldest first.
    pub fn comments(&self, number: u64) -> Vec<Comment> {
        self.with(|kept| kept.comments.iter().filter(|comment| comment.number == number).cloned().collect())
    }

    /// All calls, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|kept| kept.calls.clone())
    }

    /// Lets a coming call fail; several in the order in which they were asked for.
    pub fn fail_next(&self, fault: Fault) {
        self.with(|kept| kept.faults.push_back(fault));
    }

    /// Writes a comment as a person does; gives its ID.
    pub fn comment(&self, number: u64, login: &str, body: &str) -> u64 {
        self.with(|kept| kept.comment(number, login, body))
    }

    /// Changes a comment as a person does who may.
    pub fn edit(&self, id: u64, body: &str) {
        self.with(|kept| {
            kept.comments
                .iter_mut()
                .filter(|comment| comment.id == id)
                .for_each(|comment| comment.body = body.to_owned());
        });
    }

    /// Deletes a comment as a person does.
    pub fn delete(&self, id: u64) {
        self.with(|kept| kept.comments.retain(|comment| comment.id != id));
    }

    /// Lets a GitHub App in that is installed on the repository, known by its public key in PEM.
    pub fn install_app(&self, id: &str, public_key: &[u8]) {
        self.with(|kept| kept.app = Some(App { id: id.to_owned(), public_key: public_key.to_owned() }));
    }

    /// All that arrived, as Markdown: the statuses, and the comments of each pull request.
    pub fn markdown(&self) -> String {
        let (statuses, mut comments) = self.with(|kept| (kept.statuses.clone(), kept.comments.clone()));
        let mut out = format!(
            "# {REPOSITORY}\n\n## Commit statuses\n\n| commit | context | state | description | link |\n|---|---|---|---|---|\n"
        );
        for Status { sha, body } in &statuses {
            let text = |name: &str| body[name].as_str().unwrap_or_default().replace('|', "\\|").replace('<', "&lt;");
            let (context, state, description) = (text("context"), text("state"), text("description"));
            _ = writeln!(out, "| {} | {context} | {state} | {description} | {} |", &sha[..8], text("target_url"));
        }
        comments.sort_by_key(|comment| (comment.number, comment.id));
        for comment in &comments {
            _ = write!(out, "\n## Pull request {}, {}\n\n{}\n", comment.number, comment.login, comment.body);
        }
        out
    }

    /// The inbox's routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route(&format!("{API_PATH}/{{*path}}"), any(answer))
            .route("/markdown", get(async |State(inbox): State<Inbox>| inbox.markdown()))
            .with_state(self.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        // A panic of another handler leaves no half-made state behind.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn comment(&mut self, number: u64, login: &str, body: &str) -> u64 {
        self.last_id += 1;
        let comment = Comment { id: self.last_id, number, login: login.to_owned(), body: body.to_owned(), updates: 0 };
        self.comments.push(comment);
        self.last_id
    }
}

/// An answer: HTTP status, headers and body.
type Answer = (StatusCode, Vec<(&'static str, String)>, Value);

fn ok(status: StatusCode, body: Value) -> Answer {
    (status, Vec::new(), body)
}

fn refuse(status: u16, message: &str) -> Answer {
    let body =
        json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
    ok(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
}

fn invalid(resource: &str, field: &str, message: &str) -> Answer {
    let (status, headers, mut body) = refuse(422, "Validation Failed");
    body["errors"] = json!([{"resource": resource, "code": "custom", "field": field, "message": message}]);
    (status, headers, body)
}

/// What is known of a call.
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn answer(State(inbox): State<Inbox>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().trim_start_matches(API_PATH).to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    let fault = inbox.with(|kept| kept.faults.pop_front());
    let lost = fault == Some(Fault::Lost);
    let (status, headers, body) = match fault {
        None | Some(Fault::Pass | Fault::Lost) => inbox.with(|kept| kept.answer(&asked)),
        Some(fault) => fault.answer(),
    };
    inbox.with(|kept| {
        kept.calls.push(Call {
            method: asked.method.to_string(),
            path: asked.path.clone(),
            query: asked.query.clone(),
            body: serde_json::from_slice(&asked.body).unwrap_or_default(),
            status: status.as_u16(),
            answer: body.clone(),
        });
    });
    if lost {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let mut response = match body {
        Value::Null => Response::new(Body::empty()),
        Value::String(text) => text.into_response(),
        body => Json(body).into_response(),
    };
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl Fault {
    fn answer(self) -> Answer {
        match self {
            Self::Secondary(seconds) => {
                let (status, _, body) = refuse(
                    403,
                    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                );
                (status, vec![("retry-after", seconds.to_string())], body)
            }
            Self::Primary(seconds) => {
                let (status, _, body) = refuse(403, "API rate limit exceeded for user ID 1.");
                let reset = Timestamp::now().as_second() + i64::from(seconds);
                let headers = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset.to_string())];
                (status, headers, body)
            }
            Self::Refused(status, message, permissions) => {
                let (status, _, body) = refuse(status, message);
                (status, vec![("x-accepted-github-permissions", permissions.to_owned())], body)
            }
            Self::Moved(to) => {
                let (status, _, body) = refuse(301, "Moved Permanently");
                (status, vec![("location", to)], body)
            }
            Self::Status(code) => {
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                ok(status, Value::String("<html>a proxy</html>".to_owned()))
            }
            Self::Lost | Self::Pass => ok(StatusCode::OK, Value::Null),
        }
    }
}

impl Kept {
    fn answer(&mut self, asked: &Asked) -> Answer {
        if !asked.headers.contains_key(header::USER_AGENT) {
            let text =
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
            return ok(StatusCode::FORBIDDEN, Value::String(text.to_owned()));
        }
        let given = asked.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = given.and_then(|value| value.strip_prefix("Bearer ").or(value.strip_prefix("token "))) else {
            return refuse(401, "Requires authentication");
        };
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        let is_app = self.app.as_ref().is_some_and(|app| app.signed(token));
        let (owner, name) = REPOSITORY.split_once('/').unwrap_or_default();
        match parts.as_slice() {
            ["app", "installations", id, "access_tokens"] if asked.method == Method::POST => match is_app {
                true if *id == INSTALLATION.to_string() => installation_token(&asked.body),
                true => refuse(404, "Not Found"),
                false => refuse(401, "A JSON web token could not be decoded"),
            },
            ["repos", of, repo, "installation"] if asked.method == Method::GET => match is_app {
                true if (*of, *repo) == (owner, name) => ok(StatusCode::OK, self.installation()),
                true => refuse(404, "Not Found"),
                false => refuse(401, "A JSON web token could not be decoded"),
            },
            _ if ![TOKEN, INSTALLATION_TOKEN].contains(&token) => refuse(401, "Bad credentials"),
            ["user"] if token == INSTALLATION_TOKEN => refuse(403, "Resource not accessible by integration"),
            ["user"] => ok(StatusCode::OK, user(LOGIN)),
            ["repos", of, repo, rest @ ..] if (*of, *repo) == (owner, name) => self.in_repository(asked, token, rest),
            _ => refuse(404, "Not Found"),
        }
    }

    fn in_repository(&mut self, asked: &Asked, token: &str, path: &[&str]) -> Answer {
        let login = if token == TOKEN { LOGIN.to_owned() } else { format!("{LOGIN}[bot]") };
        let body = match asked.method {
            Method::POST | Method::PATCH => match serde_json::from_slice::<Value>(&asked.body) {
                Ok(body) => body,
                Err(_) => return refuse(400, "Problems parsing JSON"),
            },
            _ => Value::Null,
        };
        let id = |text: &str| text.parse::<u64>().unwrap_or_default();
        match (asked.method.as_str(), path) {
            ("POST", ["statuses", sha]) => self.set_status(sha, body),
            ("GET", ["issues", number, "comments"]) => self.list(id(number), asked),
            ("POST", ["issues", number, "comments"]) if id(number) > 0 => match wrong_body(&body) {
                Some(refused) => refused,
                None => {
                    let id = self.comment(id(number), &login, body["body"].as_str().unwrap_or_default());
                    ok(
                        StatusCode::CREATED,
                        self.comments.iter().find(|comment| comment.id == id).map(shown).unwrap_or_default(),
                    )
                }
            },
            ("PATCH", ["issues", "comments", number]) => {
                let Some(comment) = self.comments.iter_mut().find(|comment| comment.id == id(number)) else {
                    return refuse(404, "Not Found");
                };
                if let Some(refused) = wrong_body(&body) {
                    return refused;
                }
                comment.body = body["body"].as_str().unwrap_or_default().to_owned();
                comment.updates += 1;
                ok(StatusCode::OK, shown(comment))
            }
            ("DELETE", ["issues", "comments", number]) => {
                let before = self.comments.len();
                self.comments.retain(|comment| comment.id != id(number));
                match self.comments.len() < before {
                    true => ok(StatusCode::NO_CONTENT, Value::Null),
                    false => refuse(404, "Not Found"),
                }
            }
            _ => refuse(404, "Not Found"),
        }
    }

    fn set_status(&mut self, sha: &str, body: Value) -> Answer {
        let is_sha = sha.len() == 40 && sha.chars().all(|c| c.is_ascii_hexdigit());
        if !is_sha || sha == NO_COMMIT {
            return refuse(422, &format!("No commit found for SHA: {sha}"));
        }
        if !matches!(body["state"].as_str(), Some("error" | "failure" | "pending" | "success")) {
            return invalid("Status", "state", "state is not included in the list");
        }
        let description = body["description"].as_str().unwrap_or_default();
        if description.chars().count() > DESCRIPTION_LIMIT {
            return invalid("Status", "description", "description is too long (maximum is 140 characters)");
        }
        let url = body["target_url"].as_str();
        if url.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return invalid("Status", "target_url", "target_url must use http(s) scheme");
        }
        self.statuses.push(Status { sha: sha.to_owned(), body: body.clone() });
        let context = body["context"].as_str().unwrap_or("default");
        ok(
            StatusCode::CREATED,
            json!({
                "url": format!("https://sandbox/repos/{REPOSITORY}/statuses/{sha}"), "avatar_url": null, "id": self.statuses.len(),
                "node_id": "SC_1", "state": body["state"], "description": body["description"], "target_url": body["target_url"],
                "context": context, "created_at": "2026-01-05T10:12:00Z", "updated_at": "2026-01-05T10:12:00Z", "creator": user(LOGIN),
            }),
        )
    }

    /// A page of a pull request's comments, with the addresses of the others.
    fn list(&self, number: u64, asked: &Asked) -> Answer {
        let param = |name: &str| {
            let pairs = super::heron::form(asked.query.as_bytes());
            pairs.into_iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<usize>().ok())
        };
        let (size, page) = (param("per_page").unwrap_or(30).clamp(1, PAGE_LIMIT), param("page").unwrap_or(1).max(1));
        let all: Vec<Value> = self.comments.iter().filter(|comment| comment.number == number).map(shown).collect();
        let items: Vec<Value> = all.iter().skip((page - 1) * size).take(size).cloned().collect();
        let last = all.len().div_ceil(size).max(1);
        let host = asked.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let link = |page: usize, rel: &str| {
            format!("<http://{host}{API_PATH}{}?per_page={size}&page={page}>; rel=\"{rel}\"", asked.path)
        };
        let headers = match page < last {
            true => vec![("link", format!("{}, {}", link(page + 1, "next"), link(last, "last")))],
            false => Vec::new(),
        };
        (StatusCode::OK, headers, Value::Array(items))
    }

    fn installation(&self) -> Value {
        let app = self.app.as_ref().map_or("", |app| &app.id);
        json!({
            "id": INSTALLATION, "app_id": app.parse::<u64>().unwrap_or(1), "app_slug": LOGIN, "target_id": 1,
            "target_type": "Organization", "single_file_name": null, "repository_selection": "selected",
            "access_tokens_url": "https://sandbox/access_tokens", "html_url": "https://sandbox/installation",
            "repositories_url": "https://sandbox/repositories", "events": [], "account": user("ads"),
            "permissions": {"statuses": "write", "pull_requests": "write"}, "created_at": "2026-01-05T10:12:00Z",
            "updated_at": "2026-01-05T10:12:00Z", "suspended_by": null, "suspended_at": null,
        })
    }
}

impl App {
    /// Whether this App has signed the token, and it holds now: for ten minutes at most.
    fn signed(&self, token: &str) -> bool {
        let verify = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let (header, claims) = signed.split_once('.')?;
            let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
            let (header, claims) = (read(header)?, read(claims)?);
            let key = PKey::public_key_from_pem(&self.public_key).ok()?;
            let mut verifier = Verifier::new(MessageDigest::sha256(), &key).ok()?;
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            let good = verifier.verify_oneshot(&signature, signed.as_bytes()).ok()?;
            let (now, from, to) = (Timestamp::now().as_second(), claims["iat"].as_i64()?, claims["exp"].as_i64()?);
            Some(
                good && header["alg"] == "RS256"
                    && claims["iss"] == self.id
                    && from <= now
                    && now < to
                    && to <= now + 600,
            )
        };
        verify().unwrap_or(false)
    }
}

fn installation_token(body: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (_, name) = REPOSITORY.split_once('/').unwrap_or_default();
    let repositories = body["repositories"].as_array().map(Vec::as_slice).unwrap_or_default();
    if repositories.iter().any(|repository| repository != name) {
        return refuse(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        );
    }
    let granted = ["statuses", "pull_requests"];
    let asked = body["permissions"].as_object().cloned().unwrap_or_default();
    if asked.keys().any(|name| !granted.contains(&name.as_str())) {
        return refuse(422, "The permissions requested are not granted to this installation.");
    }
    ok(
        StatusCode::CREATED,
        json!({"token": INSTALLATION_TOKEN, "expires_at": "2036-01-05T11:12:00Z", "permissions": asked}),
    )
}

fn wrong_body(body: &Value) -> Option<Answer> {
    match body["body"].as_str() {
        None | Some("") => Some(invalid("IssueComment", "body", "Body can't be blank")),
        Some(text) if text.chars().count() > BODY_LIMIT => {
            Some(invalid("IssueComment", "body", "Body is too long (maximum is 65536 characters)"))
        }
        Some(_) => None,
    }
}

fn user(login: &str) -> Value {
    json!({"login": login, "id": 1, "type": "User"})
}

fn shown(comment: &Comment) -> Value {
    let Comment { id, number, login, body, .. } = comment;
    json!({
        "id": id, "node_id": format!("IC_{id}"), "body": body, "user": user(login),
        "url": format!("https://sandbox/repos/{REPOSITORY}/issues/comments/{id}"),
        "html_url": format!("https://sandbox/{REPOSITORY}/pull/{number}#issuecomment-{id}"),
        "issue_url": format!("https://sandbox/repos/{REPOSITORY}/issues/{number}"),
        "created_at": "2026-01-05T10:12:00Z", "updated_at": "2026-01-05T10:12:00Z",
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::sandbox::Server;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn call(server: &Server, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{API_PATH}{path}", server.url());
        let request =
            reqwest::Client::new().request(method, url).bearer_auth(TOKEN).header("user-agent", "test").json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    #[tokio::test]
    async fn what_github_would_refuse_is_refused_in_its_words() {
        let server = Server::start(LOOPBACK, Inbox::default().router()).await.unwrap();
        let sha = "c0ffee0123456789c0ffee0123456789c0ffee01";
        let status = |sha: &str| format!("/repos/{REPOSITORY}/statuses/{sha}");
        let comments = format!("/repos/{REPOSITORY}/issues/12/comments");
        for (path, body, code, words) in [
            (status(sha), json!({"state": "green"}), 422, "state is not included"),
            (status(sha), json!({"state": "error", "description": "x".repeat(141)}), 422, "maximum is 140"),
            (status(NO_COMMIT), json!({"state": "error"}), 422, "No commit found for SHA"),
            (status("c0ffee"), json!({"state": "error"}), 422, "No commit found for SHA"),
            ("/repos/ads/secret/statuses/c0ffee".to_owned(), json!({"state": "error"}), 404, "Not Found"),
            (comments.clone(), json!({"body": "x".repeat(65_537)}), 422, "maximum is 65536"),
            (comments, json!({}), 422, "blank"),
        ] {
            let (got, answer) = call(&server, Method::POST, &path, body).await;
            assert!(got == code && answer.to_string().contains(words), "{path}: {got} {answer}");
        }
    }

    #[tokio::test]
    async fn nobody_gets_in_without_a_name_and_a_token() {
        let server = Server::start(LOOPBACK, Inbox::default().router()).await.unwrap();
        let url = format!("{}{API_PATH}/user", server.url());
        let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
        let http = reqwest::Client::new();
        assert_eq!(status(http.get(&url).bearer_auth(TOKEN)).await, 403);
        assert_eq!(status(http.get(&url).header("user-agent", "test")).await, 401);
        assert_eq!(status(http.get(&url).header("user-agent", "test").bearer_auth("ghp_other")).await, 401);
        assert_eq!(status(http.get(&url).header("user-agent", "test").bearer_auth(TOKEN)).await, 200);
    }

    #[tokio::test]
    async fn a_long_list_comes_in_pages() {
        let inbox = Inbox::default();
        let server = Server::start(LOOPBACK, inbox.router()).await.unwrap();
        (0..31).for_each(|number| _ = inbox.comment(12, "ann", &format!("comment {number}")));
        let url = format!("{}{API_PATH}/repos/{REPOSITORY}/issues/12/comments", server.url());
        let get = reqwest::Client::new().get(&url).header("user-agent", "test").bearer_auth(TOKEN);
        let answer = get.send().await.unwrap();
        let link = answer.headers()["link"].to_str().unwrap().to_owned();
        assert_eq!(link, format!("<{url}?per_page=30&page=2>; rel=\"next\", <{url}?per_page=30&page=2>; rel=\"last\""));
        assert_eq!(answer.json::<Value>().await.unwrap().as_array().unwrap().len(), 30);
        let (_, rest) =
            call(&server, Method::GET, &format!("/repos/{REPOSITORY}/issues/12/comments?page=2"), Value::Null).await;
        assert_eq!(rest[0]["body"], "comment 30");
    }

    #[tokio::test]
    async fn what_arrived_can_be_read() {
        let inbox = Inbox::default();
        let server = Server::start(LOOPBACK, inbox.router()).await.unwrap();
        let sha = "c0ffee0123456789c0ffee0123456789c0ffee01";
        let path = format!("/repos/{REPOSITORY}/statuses/{sha}");
        call(&server, Method::POST, &path, json!({"state": "success", "context": "perf", "description": "a | b"}))
            .await;
        inbox.comment(12, "ann", "Looks good");
        let page = reqwest::get(format!("{}/markdown", server.url())).await.unwrap().text().await.unwrap();
        assert!(page.contains(r"| c0ffee01 | perf | success | a \| b |  |"), "{page}");
        assert!(page.ends_with("## Pull request 12, ann\n\nLooks good\n"), "{page}");
    }
}
