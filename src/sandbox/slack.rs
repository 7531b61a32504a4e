//! An inbox with Slack's answers: what a program sends is kept, and can be read. Limits and errors are those of Slack's reference
//! (docs.slack.dev/reference/methods and .../block-kit, as of November 2026).

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most characters that Slack takes in a message's `text`; longer ones it cuts or refuses.
const TEXT_LIMIT: usize = 40_000;
/// The most blocks of a message.
const BLOCKS_LIMIT: usize = 50;
/// The most characters of a section's text.
const SECTION_LIMIT: usize = 3000;
/// The most fields of a section.
const FIELDS_LIMIT: usize = 10;
/// The most characters of a field.
const FIELD_LIMIT: usize = 2000;
/// The most characters of a header.
const HEADER_LIMIT: usize = 150;
/// The most elements of a context block or of actions.
const ELEMENTS_LIMIT: [(&str, usize); 2] = [("context", 10), ("actions", 25)];
/// The most characters of an address.
const URL_LIMIT: usize = 3000;
/// The most characters of a picture's description.
const ALT_LIMIT: usize = 2000;
/// The most characters of all blocks together, as far as it is known.
const MESSAGE_LIMIT: usize = 13_200;
/// The largest file that the inbox takes, in bytes.
const FILE_LIMIT: usize = 8 << 20;
/// The path of the sandbox's incoming webhook.
pub const WEBHOOK_PATH: &str = "/services/T00000000/B00000000/sandbox";
/// The token that the sandbox's Slack takes.
pub const TOKEN: &str = "xoxb-sandbox";

/// A message as it came in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// The channel it was sent to; none by webhook.
    pub channel: Option<String>,
    /// The time stamp that is its name in Slack; none by webhook.
    pub ts: Option<String>,
    /// What was sent; of a message that was changed, what it is now.
    pub body: Value,
    /// How often it was changed.
    pub updates: usize,
}

impl Message {
    /// The first message of the thread it is in, where it is an answer.
    pub fn thread_ts(&self) -> Option<&str> {
        self.body["thread_ts"].as_str()
    }
}

/// A file as it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upload {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many bytes were announced.
    pub length: usize,
    /// Its title, once it was shared.
    pub title: String,
    /// The channel's ID it was shared in; none as long as it is private.
    pub channel: Option<String>,
    /// The first message of the thread it was shared in.
    pub thread_ts: Option<String>,
    /// Its content.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// How the next calls are to fail, in order, one call each.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// 429 with this Retry-After, in seconds.
    RateLimited(u32),
    /// `ok: false` with this error's name, on HTTP 200.
    Error(String),
    /// This HTTP status, with an empty body.
    Status(u16),
    /// The call is done, and the answer gets lost on its way: what comes is not one of Slack's.
    Lost,
    /// The call passes: a place in the order for one that is not to fail.
    Pass,
}

#[derive(Debug, Default)]
struct Kept {
    messages: Vec<Message>,
    files: Vec<Upload>,
    faults: VecDeque<Fault>,
}

/// The inbox; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Inbox(Arc<Mutex<Kept>>);

impl Inbox {
    /// All messages, in the order in which they came.
    pub fn messages(&self) -> Vec<Message> {
        self.with(|kept| kept.messages.clone())
    }

    /// All files, in the order in which they came.
    pub fn files(&self) -> Vec<Upload> {
        self.with(|kept| kept.files.clone())
    }

    /// Lets a coming call fail; several in the order in which they were asked for.
    pub fn fail_next(&self, fault: Fault) {
        self.with(|kept| kept.faults.push_back(fault));
    }

    /// Takes a message away, as a person can.
    pub fn delete(&self, ts: &str) {
        self.with(|kept| kept.messages.retain(|message| message.ts.as_deref() != Some(ts)));
    }

    /// What was said, as text: each thread's first message, then its answers and files.
    pub fn transcript(&self) -> String {
        let (messages, files) = (self.messages(), self.files());
        let mut out = String::new();
        for first in messages.iter().filter(|message| message.thread_ts().is_none()) {
            _ = writeln!(out, "{}:", first.channel.as_deref().unwrap_or("by webhook"));
            say(&mut out, "  ", first);
            let Some(ts) = &first.ts else { continue };
            messages
                .iter()
                .filter(|message| message.thread_ts() == Some(ts))
                .for_each(|answer| say(&mut out, "    ", answer));
            for file in files.iter().filter(|file| file.thread_ts.as_ref() == Some(ts)) {
                _ = writeln!(out, "    [{}: {}, {} bytes]", file.name, file.title, file.bytes.len());
            }
        }
        out
    }

    /// The inbox's routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/chat.postMessage", post(post_message))
            .route("/api/chat.update", post(update))
            .route("/api/chat.getPermalink", get(permalink).post(permalink))
            .route("/api/files.getUploadURLExternal", get(upload_url).post(upload_url))
            .route("/api/files.completeUploadExternal", post(complete_upload))
            .route("/upload/{id}", post(upload).layer(DefaultBodyLimit::max(FILE_LIMIT)))
            .route("/services/{*path}", post(webhook))
            .route("/messages", get(async |State(inbox): State<Inbox>| Json(inbox.messages())))
            .route("/files", get(async |State(inbox): State<Inbox>| Json(inbox.files())))
            .route("/files/{id}", get(file))
            .route("/transcript", get(async |State(inbox): State<Inbox>| inbox.transcript()))
            .with_state(self.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        // A panic of another handler leaves no half-made state behind.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does a call, unless it is to fail.
    fn answer(&self, work: impl FnOnce() -> Response) -> Response {
        match self.with(|kept| kept.faults.pop_front()) {
            None | Some(Fault::Pass) => work(),
            Some(Fault::Lost) => {
                work();
                StatusCode::BAD_GATEWAY.into_response()
            }
            Some(Fault::RateLimited(seconds)) => {
                let body = json!({"ok": false, "error": "ratelimited"});
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], Json(body))
                    .into_response()
            }
            Some(Fault::Error(name)) => refuse(&name),
            Some(Fault::Status(code)) => {
                StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            }
        }
    }

    fn keep(&self, channel: &str, body: Value) -> String {
        self.with(|kept| {
            let ts = format!("1767607{:03}.{:06}", kept.messages.len() % 1000, 100 + kept.messages.len());
            let message = Message { channel: Some(channel.to_owned()), ts: Some(ts.clone()), body, updates: 0 };
            kept.messages.push(message);
            ts
        })
    }
}

fn say(out: &mut String, indent: &str, message: &Message) {
    for line in message.body["text"].as_str().unwrap_or_default().lines() {
        _ = writeln!(out, "{indent}{line}");
    }
}

fn refuse(name: &str) -> Response {
    Json(json!({"ok": false, "error": name})).into_response()
}

/// The ID of a channel that was named: of #perf-tests CPERFTESTS, and an ID's own.
fn channel_id(channel: &str) -> String {
    let is_id =
        channel.starts_with(['C', 'G', 'D']) && channel.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    match is_id {
        true => channel.to_owned(),
        false => format!("C{}", channel.to_uppercase().chars().filter(char::is_ascii_alphanumeric).collect::<String>()),
    }
}

/// The token's fault, if it has one.
fn unauthorized(headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.map(|value| value.strip_prefix("Bearer ")) {
        None => Some(refuse("not_authed")),
        Some(Some(TOKEN)) => None,
        Some(_) => Some(refuse("invalid_auth")),
    }
}

/// A body as JSON or as a form, as Slack takes both.
fn parse(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        return serde_json::from_slice(body).ok();
    }
    let pairs = super::heron::form(body);
    Some(Value::Object(pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect()))
}

/// An authorized call's body, or what it is answered.
fn called(headers: &HeaderMap, body: &[u8]) -> Result<Value, Box<Response>> {
    match unauthorized(headers) {
        Some(refused) => Err(Box::new(refused)),
        None => parse(headers, body).ok_or_else(|| Box::new(refuse("invalid_json"))),
    }
}

async fn post_message(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Response {
    inbox.answer(|| match called(&headers, &body) {
        Ok(body) => inbox.take(body),
        Err(refused) => *refused,
    })
}

async fn update(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Response {
    inbox.answer(|| match called(&headers, &body) {
        Ok(body) => inbox.change(body),
        Err(refused) => *refused,
    })
}

impl Inbox {
    fn take(&self, body: Value) -> Response {
        let channel = body["channel"].as_str().unwrap_or_default();
        if channel.is_empty() {
            return refuse("channel_not_found");
        }
        if let Some(name) = wrong_content(&body) {
            return refuse(name);
        }
        if let Some(thread) = body["thread_ts"].as_str() {
            // A thread hangs on its first message, never on an answer.
            let first = |message: &&Message| message.ts.as_deref() == Some(thread) && message.thread_ts().is_none();
            if !self.messages().iter().any(|message| first(&message)) {
                return refuse("thread_not_found");
            }
        }
        let channel = channel_id(channel);
        let text = body["text"].clone();
        let ts = self.keep(&channel, body);
        let message = json!({"type": "message", "subtype": "bot_message", "text": text, "ts": ts});
        Json(json!({"ok": true, "channel": channel, "ts": ts, "message": message})).into_response()
    }

    fn change(&self, body: Value) -> Response {
        let (channel, ts) = (body["channel"].as_str().unwrap_or_default(), body["ts"].as_str().unwrap_or_default());
        // An update wants the channel's ID: its name is not enough.
        if channel_id(channel) != channel {
            return refuse("channel_not_found");
        }
        if let Some(name) = wrong_content(&body) {
            return refuse(name);
        }
        let changed = self.with(|kept| {
            let same = |message: &&mut Message| {
                message.ts.as_deref() == Some(ts) && message.channel.as_deref() == Some(channel)
            };
            let message = kept.messages.iter_mut().find(same)?;
            for field in ["text", "blocks", "attachments"] {
                if let Some(value) = body.get(field) {
                    message.body[field] = value.clone();
                }
            }
            message.updates += 1;
            Some(())
        });
        match changed {
            Some(()) => Json(json!({"ok": true, "channel": channel, "ts": ts, "text": body["text"]})).into_response(),
            None => refuse("message_not_found"),
        }
    }
}

/// Why Slack would not take a message's text or blocks.
fn wrong_content(body: &Value) -> Option<&'static str> {
    let text = body["text"].as_str().unwrap_or_default();
    // In a form, blocks and attachments come as JSON in a string.
    let blocks = match &body["blocks"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let blocks = blocks.as_array().cloned().unwrap_or_default();
    if text.is_empty() && blocks.is_empty() && body["attachments"].is_null() {
        return Some("no_text");
    }
    if text.chars().count() > TEXT_LIMIT {
        return Some("msg_too_long");
    }
    let all: usize = blocks.iter().map(characters).sum();
    if all > MESSAGE_LIMIT {
        return Some("msg_blocks_too_long");
    }
    (blocks.len() > BLOCKS_LIMIT || !blocks.iter().all(is_block)).then_some("invalid_blocks")
}

/// How many characters of text a block shows.
fn characters(block: &Value) -> usize {
    match block {
        Value::Object(fields) => {
            let text = fields.get("text").and_then(Value::as_str).map_or(0, |text| text.chars().count());
            text + fields.values().filter(|value| !value.is_string()).map(characters).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(characters).sum(),
        _ => 0,
    }
}

/// Whether a block is one that Slack takes, of the kinds that the inbox knows; any other one is refused, as a workspace may do.
fn is_block(block: &Value) -> bool {
    let kind = block["type"].as_str().unwrap_or_default();
    let elements = || block["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let within =
        |kind: &str| ELEMENTS_LIMIT.iter().any(|(of, most)| *of == kind && (1..=*most).contains(&elements().len()));
    match kind {
        "header" => block["text"]["type"] == "plain_text" && is_text(&block["text"], HEADER_LIMIT),
        "section" => {
            let fields = block["fields"].as_array();
            let few = fields.is_none_or(|fields| (1..=FIELDS_LIMIT).contains(&fields.len()));
            let good = fields.is_none_or(|fields| fields.iter().all(|field| is_text(field, FIELD_LIMIT)));
            let text = &block["text"];
            let said = if text.is_null() { fields.is_some() } else { is_text(text, SECTION_LIMIT) };
            few && good && said
        }
        "context" => {
            within(kind)
                && elements().iter().all(|element| element["type"] == "image" || is_text(element, SECTION_LIMIT))
        }
        "actions" => {
            within(kind) && elements().iter().all(|element| is_text(&element["text"], 75) && is_url(&element["url"]))
        }
        "image" => {
            let alt = block["alt_text"].as_str().unwrap_or_default();
            (1..=ALT_LIMIT).contains(&alt.chars().count())
                && (is_url(&block["image_url"]) || block["slack_file"].is_object())
        }
        "divider" => true,
        _ => false,
    }
}

fn is_text(text: &Value, longest: usize) -> bool {
    let length = text["text"].as_str().unwrap_or_default().chars().count();
    matches!(text["type"].as_str(), Some("mrkdwn" | "plain_text")) && (1..=longest).contains(&length)
}

fn is_url(url: &Value) -> bool {
    url.as_str().is_some_and(|url| url.starts_with("http") && url.chars().count() <= URL_LIMIT)
}

#[derive(Debug, Default, Deserialize)]
struct MessageName {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    message_ts: String,
}

async fn permalink(
    State(inbox): State<Inbox>,
    Query(asked): Query<MessageName>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    inbox.answer(|| {
        if let Some(refused) = unauthorized(&headers) {
            return refused;
        }
        let form = parse(&headers, &body).unwrap_or_default();
        let or_form = |value: String, key: &str| {
            if value.is_empty() { form[key].as_str().unwrap_or_default().to_owned() } else { value }
        };
        let (channel, ts) = (or_form(asked.channel, "channel"), or_form(asked.message_ts, "message_ts"));
        let messages = inbox.messages();
        if !messages.iter().any(|message| message.ts.as_ref() == Some(&ts)) {
            return refuse("message_not_found");
        }
        let permalink = format!("https://sandbox.slack.com/archives/{channel}/p{}", ts.replace('.', ""));
        Json(json!({"ok": true, "channel": channel, "permalink": permalink})).into_response()
    })
}

async fn upload_url(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Response {
    inbox.answer(|| {
        let form = match called(&headers, &body) {
            Ok(form) => form,
            Err(refused) => return *refused,
        };
        let name = form["filename"].as_str().unwrap_or_default().to_owned();
        let length =
            form["length"].as_str().and_then(|text| text.parse().ok()).or(form["length"].as_u64().map(|n| n as usize));
        let Some(length) = length.filter(|length| *length > 0 && !name.is_empty()) else {
            return refuse("invalid_arguments");
        };
        let id = inbox.with(|kept| {
            let id = format!("F{:08}", kept.files.len() + 1);
            let file = Upload {
                id: id.clone(),
                name,
                length,
                title: String::new(),
                channel: None,
                thread_ts: None,
                bytes: Vec::new(),
            };
            kept.files.push(file);
            id
        });
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Json(json!({"ok": true, "upload_url": format!("http://{host}/upload/{id}"), "file_id": id})).into_response()
    })
}

async fn upload(State(inbox): State<Inbox>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    inbox.answer(|| {
        // The address is the permission: a token that comes along would be told to whoever serves it.
        if headers.contains_key(header::AUTHORIZATION) {
            return StatusCode::BAD_REQUEST.into_response();
        }
        let taken = inbox.with(|kept| {
            let file = kept.files.iter_mut().find(|file| file.id == id)?;
            file.bytes = body.to_vec();
            Some(file.length == body.len())
        });
        match taken {
            Some(true) => format!("OK - {}", body.len()).into_response(),
            Some(false) => StatusCode::BAD_REQUEST.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    })
}

async fn complete_upload(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Response {
    inbox.answer(|| {
        let body = match called(&headers, &body) {
            Ok(body) => body,
            Err(refused) => return *refused,
        };
        let channel = body["channel_id"].as_str();
        if channel.is_some_and(|channel| channel_id(channel) != channel) {
            return refuse("invalid_channel");
        }
        let (id, title) = (body["files"][0]["id"].as_str(), body["files"][0]["title"].as_str().unwrap_or_default());
        let done = inbox.with(|kept| {
            let file = kept.files.iter_mut().find(|file| Some(file.id.as_str()) == id && !file.bytes.is_empty())?;
            file.title = title.to_owned();
            file.channel = channel.map(ToOwned::to_owned);
            file.thread_ts = body["thread_ts"].as_str().map(ToOwned::to_owned);
            Some(())
        });
        match done {
            Some(()) => Json(json!({"ok": true, "files": [{"id": id, "title": title}]})).into_response(),
            None => refuse("file_not_found"),
        }
    })
}

/// A file's content, to look at.
async fn file(State(inbox): State<Inbox>, Path(id): Path<String>) -> Response {
    match inbox.files().into_iter().find(|file| file.id == id) {
        Some(file) => ([(header::CONTENT_TYPE, "image/png")], file.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn webhook(State(inbox): State<Inbox>, Path(path): Path<String>, body: Bytes) -> Response {
    inbox.answer(|| {
        if format!("/services/{path}") != WEBHOOK_PATH {
            return (StatusCode::NOT_FOUND, "no_service").into_response();
        }
        let Ok(body) = serde_json::from_slice::<Value>(&body) else {
            return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
        };
        if let Some(name) = wrong_content(&body) {
            return (StatusCode::BAD_REQUEST, name).into_response();
        }
        inbox.with(|kept| kept.messages.push(Message { channel: None, ts: None, body, updates: 0 }));
        "ok".into_response()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::sandbox::Server;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    async fn post(server: &Server, token: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/chat.postMessage", server.url());
        let answer = reqwest::Client::new().post(url).bearer_auth(token).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    #[tokio::test]
    async fn a_message_is_kept_and_has_a_permalink() {
        let inbox = Inbox::default();
        let server = Server::start(LOOPBACK, inbox.router()).await.unwrap();
        let (status, answer) = post(&server, TOKEN, json!({"channel": "C1", "text": "hello"})).await;
        assert_eq!((status, &answer["ok"]), (200, &json!(true)));
        let ts = answer["ts"].as_str().unwrap();
        assert_eq!(inbox.messages()[0].body["text"], "hello");
        let url = format!("{}/api/chat.getPermalink?channel=C1&message_ts={ts}", server.url());
        let answer = reqwest::Client::new().get(url).bearer_auth(TOKEN).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["permalink"], format!("https://sandbox.slack.com/archives/C1/p{}", ts.replace('.', "")));
    }

    #[tokio::test]
    async fn what_slack_would_refuse_is_refused_with_ok_false_on_200() {
        let server = Server::start(LOOPBACK, Inbox::default().router()).await.unwrap();
        let block = json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(3001)}});
        for (token, body, error) in [
            ("xoxb-other", json!({"channel": "C1", "text": "a"}), "invalid_auth"),
            (TOKEN, json!({"text": "a"}), "channel_not_found"),
            (TOKEN, json!({"channel": "C1"}), "no_text"),
            (TOKEN, json!({"channel": "C1", "text": "x".repeat(40_001)}), "msg_too_long"),
            (TOKEN, json!({"channel": "C1", "text": "a", "blocks": [block]}), "invalid_blocks"),
        ] {
            assert_eq!(post(&server, token, body).await, (200, json!({"ok": false, "error": error})));
        }
    }

    #[test]
    fn blocks_are_held_against_slacks_limits() {
        let text = |kind: &str, length: usize| json!({"type": kind, "text": "x".repeat(length)});
        let section = |length| json!({"type": "section", "text": text("mrkdwn", length)});
        let fields = |count, length| json!({"type": "section", "fields": vec![text("mrkdwn", length); count]});
        let header = |kind: &str, length| json!({"type": "header", "text": text(kind, length)});
        let context = |count| json!({"type": "context", "elements": vec![text("mrkdwn", 9); count]});
        for good in [section(3000), fields(10, 2), fields(1, 2000), header("plain_text", 150), context(10)] {
            assert!(is_block(&good), "{good}");
        }
        let wrong =
            [section(3001), section(0), fields(11, 2), fields(1, 2001), header("plain_text", 151), header("mrkdwn", 9)];
        for wrong in
            wrong.into_iter().chain([context(11), context(0), json!({"type": "section"}), json!({"type": "novel"})])
        {
            assert!(!is_block(&wrong), "{wrong} was taken");
        }
        let refused = |blocks: Vec<Value>| wrong_content(&json!({"text": "a", "blocks": blocks}));
        assert_eq!(refused(vec![section(9); 51]), Some("invalid_blocks"));
        assert_eq!(refused(vec![section(3000); 5]), Some("msg_blocks_too_long"));
        assert_eq!(refused(vec![section(9); 50]), None);
    }

    #[tokio::test]
    async fn faults_come_once_and_in_order() {
        let inbox = Inbox::default();
        let server = Server::start(LOOPBACK, inbox.router()).await.unwrap();
        inbox.fail_next(Fault::RateLimited(1));
        inbox.fail_next(Fault::Error("is_archived".to_owned()));
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            let (status, answer) = post(&server, TOKEN, json!({"channel": "C1", "text": "a"})).await;
            outcomes.push((status, answer["error"].as_str().unwrap_or("none").to_owned()));
        }
        assert_eq!(outcomes.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [429, 200, 200]);
        assert_eq!(
            outcomes.iter().map(|(_, error)| error.as_str()).collect::<Vec<_>>(),
            ["ratelimited", "is_archived", "none"]
        );
        assert_eq!(inbox.messages().len(), 1);
    }

    #[tokio::test]
    async fn the_webhook_answers_in_plain_text() {
        let inbox = Inbox::default();
        let server = Server::start(LOOPBACK, inbox.router()).await.unwrap();
        let send = async |path: &str| {
            let request =
                reqwest::Client::new().post(format!("{}{path}", server.url())).json(&json!({"text": "hello"}));
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(send(WEBHOOK_PATH).await, (200, "ok".to_owned()));
        assert_eq!(send("/services/T/B/other").await, (404, "no_service".to_owned()));
        assert_eq!(inbox.messages().len(), 1);
    }
}
