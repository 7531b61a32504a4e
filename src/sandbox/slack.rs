//! An inbox with Slack's answers: what a program sends is kept, and can be read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
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
/// The most characters of a section block's text.
const SECTION_LIMIT: usize = 3000;
/// The most characters of a header block's text.
const HEADER_LIMIT: usize = 150;
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
    /// What was sent.
    pub body: Value,
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
}

#[derive(Debug, Default)]
struct Kept {
    messages: Vec<Message>,
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

    /// Lets a coming call fail; several in the order in which they were asked for.
    pub fn fail_next(&self, fault: Fault) {
        self.with(|kept| kept.faults.push_back(fault));
    }

    /// The inbox's routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/chat.postMessage", post(post_message))
            .route("/api/chat.getPermalink", get(permalink).post(permalink))
            .route("/services/{*path}", post(webhook))
            .route("/messages", get(async |State(inbox): State<Inbox>| Json(inbox.messages())))
            .with_state(self.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        // A panic of another handler leaves no half-made state behind.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fault(&self) -> Option<Response> {
        Some(match self.with(|kept| kept.faults.pop_front())? {
            Fault::RateLimited(seconds) => {
                let body = json!({"ok": false, "error": "ratelimited"});
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], Json(body))
                    .into_response()
            }
            Fault::Error(name) => refuse(&name),
            Fault::Status(code) => {
                StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            }
        })
    }

    fn keep(&self, channel: &str, body: Value) -> String {
        self.with(|kept| {
            let ts = format!("1767607{:03}.{:06}", kept.messages.len() % 1000, 100 + kept.messages.len());
            kept.messages.push(Message { channel: Some(channel.to_owned()), ts: Some(ts.clone()), body });
            ts
        })
    }
}

fn refuse(name: &str) -> Response {
    Json(json!({"ok": false, "error": name})).into_response()
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

async fn post_message(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(fault) = inbox.fault().or_else(|| unauthorized(&headers)) {
        return fault;
    }
    let Some(body) = parse(&headers, &body) else { return refuse("invalid_json") };
    let channel = body["channel"].as_str().unwrap_or_default().to_owned();
    if channel.is_empty() {
        return refuse("channel_not_found");
    }
    if let Some(name) = wrong_content(&body) {
        return refuse(name);
    }
    let text = body["text"].clone();
    let ts = inbox.keep(&channel, body);
    let message = json!({"type": "message", "subtype": "bot_message", "text": text, "ts": ts});
    Json(json!({"ok": true, "channel": channel, "ts": ts, "message": message})).into_response()
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
    let too_long = |block: &Value| {
        let limit = if block["type"] == "header" { HEADER_LIMIT } else { SECTION_LIMIT };
        block["text"]["text"].as_str().is_some_and(|text| text.is_empty() || text.chars().count() > limit)
    };
    (blocks.len() > BLOCKS_LIMIT || blocks.iter().any(too_long)).then_some("invalid_blocks")
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
    if let Some(fault) = inbox.fault().or_else(|| unauthorized(&headers)) {
        return fault;
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
}

async fn webhook(State(inbox): State<Inbox>, Path(path): Path<String>, body: Bytes) -> Response {
    if let Some(fault) = inbox.fault() {
        return fault;
    }
    if format!("/services/{path}") != WEBHOOK_PATH {
        return (StatusCode::NOT_FOUND, "no_service").into_response();
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    if let Some(name) = wrong_content(&body) {
        return (StatusCode::BAD_REQUEST, name).into_response();
    }
    inbox.with(|kept| kept.messages.push(Message { channel: None, ts: None, body }));
    "ok".into_response()
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
