//! `send-slack` against a server that answers as Slack does: errors come with HTTP 200, waits with 429.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use streamgauge::slack::{Args, run};
use streamgauge::step::{Exit, Failure, KeyValue, Step, StepArgs};

/// What the server answers to messages, one after the other, and what it was sent.
#[derive(Default)]
struct Slack {
    answers: Vec<Response>,
    received: Vec<(HeaderMap, Value)>,
}

type Shared = Arc<Mutex<Slack>>;

async fn take(State(slack): State<Shared>, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    let mut slack = slack.lock().unwrap();
    slack.received.push((headers, message));
    slack.answers.remove(0)
}

/// Starts the server and gives its address.
async fn slack(answers: Vec<Response>) -> (String, Shared) {
    let shared = Arc::new(Mutex::new(Slack { answers, received: Vec::new() }));
    let link = json!({ "ok": true, "permalink": "https://example.slack.com/archives/C1/p1" });
    let app = axum::Router::new()
        .route("/api/chat.postMessage", post(take))
        .route("/api/chat.getPermalink", get(async || Json(link)))
        .route("/services/{*secret}", post(take))
        .with_state(Arc::clone(&shared));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    (address, shared)
}

/// Runs the program as its command line would, with `secret` in the file that `flag` names.
async fn send(server: &str, flag: &str, secret: &str, more: &[&str]) -> (Result<Exit, Failure>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let ts = dir.path().join("ts");
    let api = format!("{server}/api");
    let file = file.display().to_string();
    let mut words = vec!["send-slack", "--api-url", &api, flag, &file, "--status", "Failed", "--tasks", "load=Failed"];
    words.extend(more);
    let args = <Args as clap::Parser>::parse_from(words);
    let result = vec![KeyValue { key: "ts".into(), value: ts.display().to_string() }];
    let step = Step::new(StepArgs { result, ..StepArgs::default() });
    let outcome = run(args, &step).await;
    (outcome, std::fs::read_to_string(ts).unwrap_or_default())
}

fn ok() -> Response {
    Json(json!({ "ok": true, "channel": "C1", "ts": "1700000000.000100" })).into_response()
}

fn error(word: &str) -> Response {
    Json(json!({ "ok": false, "error": word })).into_response()
}

#[tokio::test]
async fn a_message_is_posted_with_the_token_and_its_ts_is_a_result() {
    let (server, slack) = slack(vec![ok()]).await;
    let (outcome, ts) = send(&server, "--token-file", "xoxb-secret", &["--channel", "#perf"]).await;
    assert_eq!(outcome.unwrap(), Exit::Done);
    assert_eq!(ts, "1700000000.000100");
    let slack = slack.lock().unwrap();
    let (headers, message) = &slack.received[0];
    assert_eq!(headers["authorization"], "Bearer xoxb-secret");
    assert_eq!(message["channel"], "#perf");
    assert!(message["text"].as_str().unwrap().contains("task `load`: Failed"), "{message}");
}

#[tokio::test]
async fn slack_is_waited_for_when_it_asks_for_it() {
    let wait = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], "").into_response();
    let (server, slack) = slack(vec![wait, ok()]).await;
    let (outcome, _) = send(&server, "--token-file", "xoxb-secret", &["--channel", "C1"]).await;
    assert_eq!(outcome.unwrap(), Exit::Done);
    assert_eq!(slack.lock().unwrap().received.len(), 2);
}

#[tokio::test]
async fn an_error_that_comes_with_http_200_is_an_error() {
    let (server, _) = slack(vec![error("channel_not_found")]).await;
    let (outcome, ts) = send(&server, "--token-file", "xoxb-secret", &["--channel", "#nope"]).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    assert_eq!(ts, "");
    insta::assert_snapshot!(failure, @"Slack refused the message: channel_not_found (is the channel's name or ID right, and can the bot see it?)");
}

#[tokio::test]
async fn a_webhook_takes_the_message_and_gives_no_ts() {
    let (server, slack) = slack(vec!["ok".into_response()]).await;
    let url = format!("{server}/services/T0/B0/secret");
    let (outcome, ts) = send(&server, "--webhook-url-file", &url, &[]).await;
    assert_eq!(outcome.unwrap(), Exit::Done);
    assert_eq!(ts, "");
    assert!(!slack.lock().unwrap().received[0].0.contains_key("authorization"));
}

#[tokio::test]
async fn a_webhooks_refusal_is_told_without_its_address() {
    let (server, _) = slack(vec![(StatusCode::NOT_FOUND, "no_service").into_response()]).await;
    let url = format!("{server}/services/T0/B0/secret");
    let failure = send(&server, "--webhook-url-file", &url, &[]).await.0.unwrap_err();
    insta::assert_snapshot!(failure, @"Slack refused the message: no_service (is the channel's name or ID right, and can the bot see it?)");
}

#[tokio::test]
async fn an_answer_that_is_not_slacks_never_shows_the_secret() {
    let page = (StatusCode::BAD_GATEWAY, "<html>proxy does not know xoxb-secret</html>").into_response();
    let (server, _) = slack(vec![page]).await;
    let failure = send(&server, "--token-file", "xoxb-secret", &["--channel", "C1"]).await.0.unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("answered HTTP 502") && text.contains("***") && !text.contains("xoxb"), "{text}");
}

#[tokio::test]
async fn a_secret_that_is_not_mounted_is_named() {
    let words =
        ["send-slack", "--channel", "C1", "--token-file", "/nowhere/token", "--webhook-url-file", "/nowhere/url"];
    let args = <Args as clap::Parser>::parse_from(words);
    let failure = run(args, &Step::new(StepArgs::default())).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    insta::assert_snapshot!(failure, @"no Slack secret: /nowhere/token or /nowhere/url is not there; mount the Secret");
}

#[test]
fn arguments_that_make_no_sense_reach_the_report_and_leave_the_results_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (report, ts) = (dir.path().join("report.json"), dir.path().join("ts"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_send-slack"))
        .args(["--tasks", "load", "--report"])
        .arg(&report)
        .arg(format!("--result=ts={}", ts.display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(said, @r#"send-slack: invalid value 'load' for '--tasks [<NAME=STATUS/REASON>...]': "load" is not key=value"#);
    let report = streamgauge::report::read(&report).unwrap().unwrap();
    assert_eq!(report.errors[0].exit_code, 2);
    assert_eq!(std::fs::read_to_string(ts).unwrap(), "");
}
