//! `send-slack` against the sandbox's inbox, which answers as Slack does: errors come with HTTP 200, waits with 429.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::PathBuf;

use clap::Parser;
use serde_json::Value;
use streamgauge::report::{self, App, Load, Metric, Report, Run, Status, StepError, Verdict};
use streamgauge::sandbox::slack::{Fault, Inbox, Message, TOKEN, WEBHOOK_PATH};
use streamgauge::slack::{Args, run};
use streamgauge::step::{Exit, Failure, Step};

/// Slack, and a folder with a Secret and what the steps of a run share.
struct Bench {
    inbox: Inbox,
    server: String,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let inbox = Inbox::default();
        let server = serve(inbox.router()).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        Self { inbox, server, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the report as the steps before have left it.
    fn report(&self, report: &Report) {
        let kept = report::read(&self.file("report.json")).unwrap().unwrap_or_default().other;
        report::update(&self.file("report.json"), |file| *file = Report { other: kept, ..report.clone() }).unwrap();
    }

    /// Runs the program as a Task does.
    async fn send(&self, more: &[&str]) -> Result<Exit, Failure> {
        let flags = [
            format!("--api-url={}/api", self.server),
            format!("--token-file={}", self.file("token").display()),
            format!("--webhook-url-file={}", self.file("webhook-url").display()),
            format!("--report={}", self.file("report.json").display()),
            format!("--result=ts={}", self.file("ts").display()),
            format!("--result=thread-ts={}", self.file("thread-ts").display()),
        ];
        let unless = |flag: &str, word: String| more.iter().all(|word| !word.starts_with(flag)).then_some(word);
        let channel = unless("--channel", "--channel=#perf-tests".to_owned());
        let history = unless("--history", format!("--history={}", self.file("history").display()));
        let words = ["send-slack".to_owned()].into_iter().chain(flags).chain(channel).chain(history);
        let args = Args::parse_from(words.chain(more.iter().map(|word| (*word).to_owned())));
        let step = Step::new(args.step.clone());
        run(args, &step).await
    }

    fn result(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn messages(&self) -> Vec<Message> {
        self.inbox.messages()
    }
}

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

fn text(message: &Message) -> &str {
    message.body["text"].as_str().unwrap()
}

const START: [&str; 3] = ["--phase=start", "--duration-min=30", "--data-count-per-second=10000"];
const END: [&str; 1] = ["--status=Succeeded"];
const FAILED: [&str; 3] = ["--status=Failed", "--tasks", "load=Failed"];

/// A run of a pull request's commit, measured and judged.
fn measured(id: &str, pull_request: &str) -> Report {
    let metric = |name: &str, unit: &str, component: &str, value: f64| Metric {
        name: name.into(),
        component: component.into(),
        unit: unit.into(),
        value: Some(value),
        series: (0..30).map(|second| (1_767_607_920.0 + f64::from(second), value + f64::from(second % 5))).collect(),
        samples: 30,
        ..Metric::default()
    };
    Report {
        run: Some(Run {
            id: id.into(),
            started_at: Some("2026-01-05T10:00:00Z".parse().unwrap()),
            repository: "ads/preprocessor".into(),
            commit: "c0ffee0123456789".into(),
            message: "Use <28> transformers\n\nbody".into(),
            author: "ann <ann@example>".into(),
            pull_request: pull_request.into(),
            ..Run::default()
        }),
        app: Some(App { name: "preprocessor".into(), ..App::default() }),
        load: Some(Load {
            planned: 600_000,
            acked: 600_000,
            rate: 10_000.0,
            achieved_rate: 9_999.0,
            ..Load::default()
        }),
        metrics: vec![
            metric("tps", "records/s", "transformer", 9_800.4),
            metric("spout_tps", "records/s", "", 9_803.0),
            metric("complete_latency", "ms", "", 812.3),
            metric("lag", "records", "", 11_900.0),
        ],
        verdict: Some(Verdict { status: Status::Fail, cause: "transformer saturated: 9,800/s < 10,000/s".into() }),
        ..Report::default()
    }
}

fn begun(id: &str, pull_request: &str) -> Report {
    let Report { run, app, .. } = measured(id, pull_request);
    Report { run, app, ..Report::default() }
}

#[tokio::test]
async fn a_run_is_told_as_it_begins_and_the_same_message_says_how_it_ended() {
    let bench = Bench::start().await;
    bench.report(&begun("run-1", "12"));
    bench.send(&START).await.unwrap();
    let started = bench.messages();
    insta::assert_snapshot!(text(&started[0]), @r"
    :hourglass_flowing_sand: *preprocessor: running*
    30 min, 18,000,000 records at 10,000/s
    run-1 · `c0ffee01` Use &lt;28&gt; transformers · by ann &lt;ann@example&gt; · pull request 12
    ");
    let ts = bench.result("ts");
    assert_eq!(started[0].ts.as_deref(), Some(ts.as_str()));

    bench.report(&measured("run-1", "12"));
    bench.send(&END).await.unwrap();
    let ended = bench.messages();
    assert_eq!((ended.len(), ended[0].updates, bench.result("ts")), (1, 1, ts));
    insta::assert_snapshot!(serde_json::to_string_pretty(&ended[0].body["blocks"]).unwrap().replace("\\n", "\n"), @r#"
    [
      {
        "type": "header",
        "text": {
          "type": "plain_text",
          "text": ":x: preprocessor: fail",
          "emoji": true
        }
      },
      {
        "type": "section",
        "text": {
          "type": "mrkdwn",
          "text": "transformer saturated: 9,800/s &lt; 10,000/s",
          "verbatim": true
        }
      },
      {
        "type": "section",
        "fields": [
          {
            "type": "mrkdwn",
            "text": "*Load*
    10,000/s",
            "verbatim": true
          },
          {
            "type": "mrkdwn",
            "text": "*TPS*
    9,803/s",
            "verbatim": true
          },
          {
            "type": "mrkdwn",
            "text": "*Latency*
    812 ms",
            "verbatim": true
          },
          {
            "type": "mrkdwn",
            "text": "*Lag*
    11,900 records",
            "verbatim": true
          }
        ]
      },
      {
        "type": "section",
        "text": {
          "type": "mrkdwn",
          "text": "```load  600,000 of 600,000 records at 10,000/s (reached 9,999/s)

    metric                     value  samples
    spout TPS                9,803/s       30
    complete latency          812 ms       30
    lag               11,900 records       30

    component    parallelism      TPS  TPS/instance  busy  capacity  back-pressure
    transformer            –  9,800/s             –     –         –              –```",
          "verbatim": true
        }
      },
      {
        "type": "context",
        "elements": [
          {
            "type": "mrkdwn",
            "text": "run-1",
            "verbatim": true
          },
          {
            "type": "mrkdwn",
            "text": "`c0ffee01` Use &lt;28&gt; transformers",
            "verbatim": true
          },
          {
            "type": "mrkdwn",
            "text": "by ann &lt;ann@example&gt;",
            "verbatim": true
          },
          {
            "type": "mrkdwn",
            "text": "pull request 12",
            "verbatim": true
          }
        ]
      }
    ]
    "#);
}

#[tokio::test]
async fn all_runs_of_a_pull_request_are_one_thread() {
    let bench = Bench::start().await;
    for (id, pull_request) in [("run-1", "12"), ("run-2", "12"), ("run-3", "13"), ("run-4", "")] {
        std::fs::remove_file(bench.file("report.json")).ok();
        bench.report(&begun(id, pull_request));
        bench.send(&START).await.unwrap();
        bench.report(&measured(id, pull_request));
        bench.send(&END).await.unwrap();
    }
    let messages = bench.messages();
    let threads: Vec<Option<&str>> = messages.iter().map(Message::thread_ts).collect();
    let first = messages[0].ts.as_deref();
    assert_eq!(threads, [None, first, None, None]);
    assert!(messages.iter().all(|message| message.updates == 1));

    // Somebody deletes the thread's first message: a new thread begins, and goes on.
    bench.inbox.delete(first.unwrap());
    for id in ["run-5", "run-6"] {
        std::fs::remove_file(bench.file("report.json")).unwrap();
        bench.report(&measured(id, "12"));
        bench.send(&END).await.unwrap();
    }
    let messages = bench.messages();
    let (fifth, sixth) = (&messages[3], &messages[4]);
    assert_eq!((fifth.thread_ts(), sixth.thread_ts()), (None, fifth.ts.as_deref()));
    assert_eq!(Some(bench.result("thread-ts").as_str()), fifth.ts.as_deref());
}

#[tokio::test]
async fn a_run_that_begins_while_another_goes_on_is_in_its_thread() {
    let bench = Bench::start().await;
    for id in ["run-1", "run-2"] {
        std::fs::remove_file(bench.file("report.json")).ok();
        bench.report(&begun(id, "12"));
        bench.send(&START).await.unwrap();
    }
    let messages = bench.messages();
    let threads: Vec<Option<&str>> = messages.iter().map(Message::thread_ts).collect();
    assert_eq!(threads, [None, messages[0].ts.as_deref()]);
}

#[tokio::test]
async fn what_the_history_cannot_say_keeps_no_news_back() {
    let bench = Bench::start().await;
    bench.report(&begun("run-1", "12"));
    bench.send(&[START[0], "--history=s3://user:secret@bucket"]).await.unwrap();
    assert_eq!(bench.messages().len(), 1);
}

#[tokio::test]
async fn a_thread_can_be_named_by_its_key_or_its_first_message() {
    let bench = Bench::start().await;
    let told = async |more: &[&str]| {
        std::fs::remove_file(bench.file("report.json")).ok();
        bench.send(more).await.unwrap();
        bench.result("thread-ts")
    };
    let first = told(&["--thread-key=nightly"]).await;
    assert_eq!(told(&["--thread-key=nightly"]).await, first);
    assert_ne!(told(&["--thread-key=weekly"]).await, first);
    assert_eq!(told(&["--thread-ts", &first]).await, first);
}

#[tokio::test]
async fn the_chart_comes_into_the_thread_once() {
    let bench = Bench::start().await;
    bench.report(&measured("run-1", "12"));
    bench.send(&["--status=Succeeded", "--chart=true"]).await.unwrap();
    bench.send(&["--status=Succeeded", "--chart=true"]).await.unwrap();
    let files = bench.inbox.files();
    assert_eq!(files.len(), 1);
    let file = &files[0];
    assert!(file.bytes.starts_with(b"\x89PNG") && file.length == file.bytes.len());
    assert_eq!(file.title, "preprocessor: the run over its window");
    assert_eq!((file.channel.as_deref(), &file.thread_ts), (Some("CPERFTESTS"), &bench.messages()[0].ts));
    let transcript = bench.inbox.transcript();
    assert!(transcript.starts_with("CPERFTESTS:\n  :x: *preprocessor: fail*\n"), "{transcript}");
    assert!(transcript.contains("    [streamgauge.png: preprocessor: the run over its window, "), "{transcript}");
}

#[tokio::test]
async fn a_chart_that_slack_does_not_take_is_no_failure() {
    let bench = Bench::start().await;
    bench.report(&measured("run-1", "12"));
    // The message and its address, then the place for the file.
    for fault in [Fault::Pass, Fault::Pass, Fault::Error("missing_scope".into())] {
        bench.inbox.fail_next(fault);
    }
    assert_eq!(bench.send(&["--status=Succeeded", "--chart"]).await.unwrap(), Exit::Done);
    assert_eq!((bench.messages().len(), bench.inbox.files().len()), (1, 0));
}

#[tokio::test]
async fn blocks_that_slack_does_not_take_are_sent_as_text() {
    let bench = Bench::start().await;
    bench.report(&measured("run-1", "12"));
    bench.inbox.fail_next(Fault::Error("invalid_blocks".into()));
    bench.send(&END).await.unwrap();
    let message = &bench.messages()[0];
    assert_eq!(message.body["blocks"], Value::Array(Vec::new()));
    assert!(text(message).contains("```load  600,000 of 600,000 records"), "{message:?}");
    bench.inbox.fail_next(Fault::Error("msg_blocks_too_long".into()));
    bench.send(&END).await.unwrap();
    assert_eq!((bench.messages().len(), bench.messages()[0].updates), (1, 1));
}

#[tokio::test]
async fn whatever_a_report_holds_slack_takes_its_blocks() {
    let bench = Bench::start().await;
    let mut huge = measured("run-1", "12");
    let long = "<&> ```".repeat(500);
    huge.verdict.as_mut().unwrap().cause = long.clone();
    huge.app.as_mut().unwrap().name = long.clone();
    let run = huge.run.as_mut().unwrap();
    (run.message, run.author, run.id) = (long.clone(), long.clone(), long.clone());
    huge.metrics =
        (0..60).map(|number| Metric { name: format!("{number} {long}"), ..huge.metrics[0].clone() }).collect();
    huge.errors = vec![StepError::now(&long, 4, long.clone()); 40];
    for ending in [&["--status=Succeeded"][..], &FAILED] {
        std::fs::remove_file(bench.file("report.json")).ok();
        huge.verdict = huge.verdict.filter(|_| ending.len() == 1);
        bench.report(&huge);
        bench.send(ending).await.unwrap();
        let message = bench.messages().pop().unwrap();
        assert!(!message.body["blocks"].as_array().unwrap().is_empty());
        assert!(!message.body.to_string().contains("<&"));
    }
}

#[tokio::test]
async fn slack_is_waited_for_when_it_asks_for_it() {
    let bench = Bench::start().await;
    bench.inbox.fail_next(Fault::RateLimited(0));
    bench.send(&FAILED).await.unwrap();
    assert!(text(&bench.messages()[0]).contains("task `load`: Failed"));
}

#[tokio::test]
async fn a_wait_that_is_longer_than_there_is_time_leaves_the_message_to_the_next_try() {
    let bench = Bench::start().await;
    bench.inbox.fail_next(Fault::RateLimited(3600));
    let failure = bench.send(&END).await.unwrap_err();
    assert!(failure.to_string().starts_with("Slack refused the message: ratelimited"), "{failure}");
    bench.send(&END).await.unwrap();
    assert_eq!(bench.messages().len(), 1);
}

#[tokio::test]
async fn a_message_whose_answer_got_lost_is_not_sent_again() {
    let bench = Bench::start().await;
    bench.report(&begun("run-1", "12"));
    bench.inbox.fail_next(Fault::Lost);
    let failure = bench.send(&START).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    assert!(failure.to_string().contains("answered HTTP 502, not as Slack does"), "{failure}");
    let again = bench.send(&START).await.unwrap_err();
    insta::assert_snapshot!(again, @"an earlier try to tell Slack got no answer, so the message may be there: look into the channel; it is not sent again");
    assert_eq!(bench.messages().len(), 1);
    // How the run ended is another message: people must hear of it.
    bench.report(&measured("run-1", "12"));
    bench.send(&END).await.unwrap();
    bench.send(&END).await.unwrap();
    assert_eq!(bench.messages().iter().map(|message| message.updates).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn an_update_whose_answer_got_lost_is_made_again() {
    let bench = Bench::start().await;
    bench.report(&begun("run-1", "12"));
    bench.send(&START).await.unwrap();
    bench.inbox.fail_next(Fault::Lost);
    bench.send(&END).await.unwrap();
    assert_eq!((bench.messages().len(), bench.messages()[0].updates), (1, 2));
}

#[tokio::test]
async fn a_message_that_was_refused_is_sent_by_the_next_try() {
    let bench = Bench::start().await;
    bench.inbox.fail_next(Fault::Error("not_in_channel".into()));
    let failure = bench.send(&END).await.unwrap_err();
    insta::assert_snapshot!(failure, @"Slack refused the message: not_in_channel (invite the bot to the channel, or give it the scope chat:write.public)");
    assert_eq!(bench.result("ts"), "");
    bench.send(&END).await.unwrap();
    assert_eq!(bench.messages().len(), 1);
}

#[tokio::test]
async fn a_message_that_was_deleted_is_posted_anew() {
    let bench = Bench::start().await;
    bench.report(&begun("run-1", ""));
    bench.send(&START).await.unwrap();
    bench.inbox.delete(&bench.result("ts"));
    bench.send(&END).await.unwrap();
    assert_eq!((bench.messages().len(), bench.messages()[0].updates), (1, 0));
}

#[tokio::test]
async fn two_channels_can_be_told_of_one_run() {
    let bench = Bench::start().await;
    bench.report(&begun("run-1", "12"));
    for channel in ["--channel=#perf-tests", "--channel=#ads"] {
        bench.send(&[&START[..], &[channel]].concat()).await.unwrap();
    }
    bench.send(&["--status=Succeeded", "--channel=#ads"]).await.unwrap();
    assert_eq!(bench.messages().iter().map(|message| message.updates).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn a_template_makes_the_message() {
    let bench = Bench::start().await;
    bench.report(&measured("run-1", "12"));
    let template = bench.file("message.j2");
    std::fs::write(&template, "{{ verdict.status }} of {{ report.run.message | first_line }}").unwrap();
    let flag = format!("--template={}", template.display());
    let failure = bench.send(&["--status=Succeeded", &flag]).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    // People hear of the run all the same, and of the template.
    assert!(text(&bench.messages()[0]).starts_with(":x: *preprocessor: fail*"));
    assert!(text(&bench.messages()[0]).contains("unknown filter"), "{}", text(&bench.messages()[0]));
    std::fs::write(&template, "{{ verdict.status }} of {{ report.run.message }}, {{ figures.tps }}").unwrap();
    bench.send(&["--status=Succeeded", &flag]).await.unwrap();
    assert_eq!(text(&bench.messages()[0]), "fail of Use &lt;28&gt; transformers\n\nbody, 9,803/s");
}

#[tokio::test]
async fn a_webhook_takes_the_message_and_gives_no_ts() {
    let bench = Bench::start().await;
    std::fs::remove_file(bench.file("token")).unwrap();
    std::fs::write(bench.file("webhook-url"), format!("{}{WEBHOOK_PATH}", bench.server)).unwrap();
    bench.report(&measured("run-1", "12"));
    bench.inbox.fail_next(Fault::RateLimited(0));
    assert_eq!(bench.send(&["--status=Succeeded", "--chart"]).await.unwrap(), Exit::Done);
    let message = &bench.messages()[0];
    assert_eq!((message.channel.as_deref(), bench.result("ts")), (None, String::new()));
    assert_eq!(message.body["blocks"][0]["type"], "header");
    assert_eq!(bench.send(&END).await.unwrap(), Exit::Done);
    assert_eq!(bench.messages().len(), 1, "it has taken this one");
    std::fs::write(bench.file("webhook-url"), format!("{}{WEBHOOK_PATH}?another", bench.server)).unwrap();
    assert_eq!(bench.send(&END).await.unwrap(), Exit::Done);
    assert_eq!(bench.messages().len(), 2, "another webhook is told too");
    assert_eq!(bench.send(&[&END[..], &["--channel=ads"]].concat()).await.unwrap(), Exit::Done);
    assert_eq!(bench.messages().len(), 3, "and so is another channel");

    std::fs::remove_file(bench.file("report.json")).unwrap();
    bench.inbox.fail_next(Fault::Lost);
    bench.send(&START).await.unwrap_err();
    insta::assert_snapshot!(bench.send(&START).await.unwrap_err(), @"an earlier try to tell Slack got no answer, so the message may be there: look into the channel; it is not sent again");
    assert_eq!(bench.messages().len(), 4);

    std::fs::write(bench.file("webhook-url"), format!("{}/services/T0/B0/secret", bench.server)).unwrap();
    let failure = bench.send(&END).await.unwrap_err();
    insta::assert_snapshot!(failure, @"Slack refused the message: no_service (is the channel's name or ID right, and can the bot see it?)");
}

#[tokio::test]
async fn an_answer_that_is_not_slacks_never_shows_the_secret() {
    use axum::response::IntoResponse;
    let page = (axum::http::StatusCode::FORBIDDEN, format!("<html>proxy does not know {TOKEN}</html>"));
    let mut bench = Bench::start().await;
    bench.server = serve(axum::Router::new().fallback(async || page.into_response())).await;
    let text = bench.send(&FAILED).await.unwrap_err().to_string();
    assert!(text.contains("answered HTTP 403") && text.contains("***") && !text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn a_secret_that_is_not_mounted_is_named() {
    let words =
        ["send-slack", "--channel", "C1", "--token-file", "/nowhere/token", "--webhook-url-file", "/nowhere/url"];
    let args = Args::parse_from(words);
    let step = Step::new(args.step.clone());
    let failure = run(args, &step).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    insta::assert_snapshot!(failure, @"no Slack secret: /nowhere/token or /nowhere/url is not there; mount the Secret");
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_told_of() {
    let bench = Bench::start().await;
    std::fs::write(bench.file("report.json"), "{ half a rep").unwrap();
    bench.send(&FAILED).await.unwrap();
    assert!(text(&bench.messages()[0]).contains("the report cannot be read"), "{:?}", bench.messages());
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
