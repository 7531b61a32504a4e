//! `set-github-status` and `comment-github-pr` against the sandbox's inbox, and what they send against GitHub's own description of
//! its API, of which `openapi.json` holds the facts (hack/github-openapi).

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod api;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use openssl::rsa::Rsa;
use streamgauge::github::{comment, status};
use streamgauge::report::{self, App, Load, Metric, Report, Run, Status, Verdict};
use streamgauge::sandbox::github::{Fault, Inbox, LOGIN, NO_COMMIT, REPOSITORY, TOKEN};
use streamgauge::step::{Exit, Failure, Step};

const SHA: &str = "c0ffee0123456789c0ffee0123456789c0ffee01";
const PULL_REQUEST: u64 = 12;

/// GitHub, and a folder with a Secret.
struct Bench {
    inbox: Inbox,
    api_url: String,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let inbox = Inbox::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_url = format!("http://{}/api/v3", listener.local_addr().unwrap());
        let router = inbox.router();
        tokio::spawn(async { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        Self { inbox, api_url, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The flags that a Task gives.
    fn flags(&self, report: &str) -> Vec<String> {
        vec![
            format!("--api-url={}", self.api_url),
            format!("--token-file={}", self.file("token").display()),
            format!("--app-id-file={}", self.file("app-id").display()),
            format!("--private-key-file={}", self.file("private-key.pem").display()),
            format!("--report={}", self.file(report).display()),
            "--status=Succeeded".to_owned(),
            "--timeout=20s".to_owned(),
        ]
    }

    async fn set_status(&self, report: &Report, more: &[&str]) -> Result<Exit, Failure> {
        report::update(&self.file("report.json"), |file| file.clone_from(report)).unwrap();
        let words = ["set-github-status".to_owned()].into_iter().chain(self.flags("report.json"));
        let args = status::Args::parse_from(words.chain(more.iter().map(|word| (*word).to_owned())));
        let step = Step::new(args.step.clone());
        status::run(args, &step).await
    }

    async fn comment(&self, report: &Report, more: &[&str]) -> Result<Exit, Failure> {
        let name = format!("{}.json", report.run.as_ref().unwrap().id);
        report::update(&self.file(&name), |file| file.clone_from(report)).unwrap();
        let settle = more.iter().all(|word| !word.starts_with("--settle")).then(|| "--settle=0.2s".to_owned());
        let words = ["comment-github-pr".to_owned()].into_iter().chain(self.flags(&name)).chain(settle);
        let args = comment::Args::parse_from(words.chain(more.iter().map(|word| (*word).to_owned())));
        let step = Step::new(args.step.clone());
        comment::run(args, &step).await
    }

    /// The text of the one comment that there is of us.
    fn only_comment(&self) -> String {
        let comments = self.inbox.comments(PULL_REQUEST);
        let ours: Vec<&str> =
            comments.iter().filter(|one| one.login.starts_with(LOGIN)).map(|one| one.body.as_str()).collect();
        assert_eq!(ours.len(), 1, "{ours:#?}");
        ours[0].to_owned()
    }

    /// The commits' messages in the table, from above.
    fn rows(&self) -> Vec<String> {
        let comment = self.only_comment();
        let cells = comment.lines().filter(|line| line.starts_with("| ") && line.contains("transformers"));
        cells.map(|line| line.split(" | ").next().unwrap().rsplit("Use ").next().unwrap().to_owned()).collect()
    }
}

/// A run of a commit with this many transformers, the later the more.
fn report(transformers: u32) -> Report {
    let status = if transformers > 28 { Status::Pass } else { Status::Fail };
    let metric = |name: &str, unit: &str, value| Metric {
        name: name.into(),
        unit: unit.into(),
        value: Some(value),
        ..Metric::default()
    };
    Report {
        run: Some(Run {
            id: format!("run-{transformers}"),
            pipeline: "performance-test".into(),
            started_at: Timestamp::from_second(1_767_607_920 + i64::from(transformers)).ok(),
            repository: format!("https://ghe.example/{REPOSITORY}"),
            commit: SHA.into(),
            message: format!("Use {transformers} transformers\n\nstreamgauge: transformer-parallelism={transformers}"),
            author: "ads".into(),
            pull_request: PULL_REQUEST.to_string(),
            ..Run::default()
        }),
        app: Some(App {
            name: "preprocessor".into(),
            engine: "heron".into(),
            properties: [("transformer.parallelism".to_owned(), transformers.into())].into_iter().collect(),
            ..App::default()
        }),
        load: Some(Load { rate: 10_000.0, ..Load::default() }),
        metrics: vec![
            metric("spout_tps", "records/s", f64::from(transformers) * 350.0),
            metric("complete_latency", "ms", 353.0),
            metric("lag", "records", 12_370.0),
        ],
        verdict: Some(Verdict { status, cause: format!("{transformers} × 350/s") }),
        ..Report::default()
    }
}

#[tokio::test]
async fn a_commit_is_pending_and_then_what_the_run_came_to() {
    let bench = Bench::start().await;
    let started = Report { verdict: None, ..report(28) };
    let start = ["--phase=start", "--duration-min=30", "--data-count-per-second=10000", "--context=perf/preprocessor"];
    bench.set_status(&started, &start).await.unwrap();
    let end = ["--context=perf/preprocessor", "--link=https://tekton.example/run-28"];
    assert_eq!(bench.set_status(&report(28), &end).await.unwrap(), Exit::Done);
    let statuses = bench.inbox.statuses();
    assert!(statuses.iter().all(|status| status.sha == SHA));
    let told: Vec<String> = statuses.iter().map(|status| status.body.to_string()).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    {"state":"pending","description":"running: 30 min, 18,000,000 records at 10,000/s","context":"perf/preprocessor"}
    {"state":"failure","description":"failed: 28 × 350/s","context":"perf/preprocessor","target_url":"https://tekton.example/run-28"}
    "#);
    api::assert_described(&bench.inbox.calls());
}

#[tokio::test]
async fn what_is_no_full_sha_is_refused_before_anything_is_sent() {
    let bench = Bench::start().await;
    for sha in ["c0ffee", "main", &SHA.replace('c', "x"), "../../../user"] {
        let failure = bench.set_status(&report(28), &["--commit", sha]).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("is not a commit's full SHA of 40 hex digits"), "{failure}");
    }
    assert!(bench.inbox.calls().is_empty());
}

#[tokio::test]
async fn refusals_say_what_github_said_and_what_to_do() {
    let bench = Bench::start().await;
    let mut said = Vec::new();
    let mut refused = async |more: &[&str]| {
        let failure = bench.set_status(&report(28), more).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Refused);
        said.push(failure.to_string());
    };
    refused(&["--repository=ads/secret"]).await;
    refused(&["--commit", NO_COMMIT]).await;
    bench.inbox.fail_next(Fault::Refused(403, "Resource not accessible by personal access token", "statuses=write"));
    refused(&[]).await;
    std::fs::write(bench.file("token"), "ghp_old").unwrap();
    refused(&[]).await;
    insta::assert_snapshot!(said.join("\n"), @r"
    GitHub refused to set the commit's status: HTTP 404, Not Found (is the name right, and may the token see it? GitHub says so of private repositories too)
    GitHub refused to set the commit's status: HTTP 422, No commit found for SHA: 0000000000000000000000000000000000000000 (the commit has to be pushed before it can have a status)
    GitHub refused to set the commit's status: HTTP 403, Resource not accessible by personal access token (give the token the permission statuses=write)
    GitHub refused to set the commit's status: HTTP 401, Bad credentials (the token is not valid, or not any more: renew the Secret)
    ");
}

#[tokio::test]
async fn github_is_waited_for_as_far_as_the_timeout_goes() {
    let bench = Bench::start().await;
    bench.inbox.fail_next(Fault::Secondary(1));
    bench.inbox.fail_next(Fault::Status(502));
    bench.inbox.fail_next(Fault::Lost);
    bench.set_status(&report(28), &[]).await.unwrap();
    assert_eq!(bench.inbox.calls().len(), 4);
    for _ in 0..4 {
        bench.inbox.fail_next(Fault::Secondary(0));
    }
    let failure = bench.set_status(&report(28), &[]).await.unwrap_err();
    assert!(failure.to_string().starts_with("GitHub lets nobody set the commit's status for another 1 s"), "{failure}");
    assert_eq!(bench.inbox.calls().len(), 8);
    bench.inbox.fail_next(Fault::Primary(3_000));
    let failure = bench.set_status(&report(28), &[]).await.unwrap_err();
    assert!(failure.to_string().starts_with("GitHub lets nobody set the commit's status for another 300"), "{failure}");
}

#[tokio::test]
async fn a_repository_that_has_moved_is_told_and_the_token_stays() {
    let bench = Bench::start().await;
    let there = format!("{}/repos/{REPOSITORY}", bench.api_url);
    bench.inbox.fail_next(Fault::Moved(there.clone()));
    let failure = bench.set_status(&report(28), &["--repository=ads/old"]).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!("GitHub has moved the repository: it answers from {there}; give its new name with --repository")
    );
    assert!(bench.inbox.statuses().is_empty());
}

#[tokio::test]
async fn an_app_signs_in_with_its_key_and_asks_for_no_more_than_it_needs() {
    let bench = Bench::start().await;
    let key = Rsa::generate(2048).unwrap();
    std::fs::remove_file(bench.file("token")).unwrap();
    std::fs::write(bench.file("app-id"), "12345\n").unwrap();
    std::fs::write(bench.file("private-key.pem"), key.private_key_to_pem().unwrap()).unwrap();
    let failure = bench.set_status(&report(28), &[]).await.unwrap_err();
    assert!(
        failure.to_string().starts_with("GitHub refused to find the App's installation on the repository: HTTP 401"),
        "{failure}"
    );

    bench.inbox.install_app("12345", &key.public_key_to_pem().unwrap());
    bench.set_status(&report(28), &[]).await.unwrap();
    assert_eq!(bench.inbox.statuses()[0].body["state"], "failure");
    bench.comment(&report(28), &[]).await.unwrap();
    bench.comment(&report(29), &[]).await.unwrap();
    assert_eq!(bench.rows(), ["29 transformers", "28 transformers"]);
    assert_eq!(bench.inbox.comments(PULL_REQUEST)[0].login, format!("{LOGIN}[bot]"));
    let calls = bench.inbox.calls();
    let asked: Vec<String> =
        calls.iter().filter(|call| call.path.ends_with("access_tokens")).map(|call| call.body.to_string()).collect();
    assert_eq!(asked[0], r#"{"repositories":["preprocessor"],"permissions":{"statuses":"write"}}"#);
    assert_eq!(asked[1], r#"{"repositories":["preprocessor"],"permissions":{"pull_requests":"write"}}"#);
    assert!(!calls.iter().any(|call| call.path.ends_with("/user")));
    api::assert_described(&calls);
}

#[tokio::test]
async fn a_secret_that_is_not_mounted_is_named() {
    let bench = Bench::start().await;
    std::fs::remove_file(bench.file("token")).unwrap();
    let failure = bench.set_status(&report(28), &[]).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    let folder = bench.folder.path().display();
    assert_eq!(
        failure.to_string(),
        format!("no GitHub secret: {folder}/token or {folder}/app-id is not there; mount the Secret")
    );
}

#[tokio::test]
async fn a_pull_request_has_one_comment_with_the_newest_result_and_all_runs() {
    let bench = Bench::start().await;
    for transformers in [27, 28, 29] {
        bench.comment(&report(transformers), &["--link=https://tekton.example/run"]).await.unwrap();
    }
    let comment = bench.only_comment();
    let shown = comment.split("<!-- streamgauge rows:").next().unwrap();
    let (top, table) = shown.split_once("<!-- streamgauge table -->").unwrap();
    assert!(top.contains("## PASS: preprocessor (heron)") && top.contains("(<https://tekton.example/run>)"), "{top}");
    insta::assert_snapshot!(table.trim(), @r"
    ### Runs of this pull request

    | commit | settings changed | load | TPS | latency | lag | verdict | against the baseline |
    |---|---|---:|---:|---:|---:|---|---|
    | c0ffee0123456789c0ffee0123456789c0ffee01 Use 29 transformers | transformer.parallelism 28 → 29 | 10,000/s | 10,150/s | 353 ms | 12,370 records | ✅ [pass](https://tekton.example/run) | – |
    | c0ffee0123456789c0ffee0123456789c0ffee01 Use 28 transformers | transformer.parallelism 27 → 28 | 10,000/s | 9,800/s | 353 ms | 12,370 records | ❌ [fail](https://tekton.example/run) | – |
    | c0ffee0123456789c0ffee0123456789c0ffee01 Use 27 transformers | – | 10,000/s | 9,450/s | 353 ms | 12,370 records | ❌ [fail](https://tekton.example/run) | – |
    ");
    api::assert_described(&bench.inbox.calls());
}

#[tokio::test]
async fn a_run_that_has_lost_its_report_is_on_top_of_those_before_it() {
    let bench = Bench::start().await;
    bench.comment(&report(29), &[]).await.unwrap();
    let repository = format!("https://ghe.example/{REPOSITORY}");
    let lost = Run { id: "lost".into(), repository, pull_request: PULL_REQUEST.to_string(), ..Run::default() };
    bench
        .comment(&Report { run: Some(lost), ..Report::default() }, &["--name=performance-test preprocessor"])
        .await
        .unwrap();
    let comment = bench.only_comment();
    let (top, table) = comment.split_once("<!-- streamgauge table -->").unwrap();
    assert!(!top.contains("PASS"), "{top}");
    let first = table.lines().find(|line| line.starts_with("| ") && !line.starts_with("| commit")).unwrap();
    assert!(!first.contains("Use 29 transformers"), "{table}");
    assert!(table.contains("Use 29 transformers"), "{table}");
}

#[tokio::test]
async fn telling_twice_changes_nothing() {
    let bench = Bench::start().await;
    bench.comment(&report(28), &[]).await.unwrap();
    let before = bench.only_comment();
    bench.comment(&report(28), &[]).await.unwrap();
    assert_eq!(bench.only_comment(), before);
    assert_eq!(bench.inbox.comments(PULL_REQUEST)[0].updates, 0);
}

#[tokio::test]
async fn a_comment_beyond_the_first_page_is_found() {
    let bench = Bench::start().await;
    (0..120).for_each(|number| _ = bench.inbox.comment(PULL_REQUEST, "ann", &format!("comment {number}")));
    bench.comment(&report(28), &[]).await.unwrap();
    bench.comment(&report(29), &[]).await.unwrap();
    assert_eq!(bench.rows(), ["29 transformers", "28 transformers"]);
    assert_eq!(bench.inbox.comments(PULL_REQUEST).len(), 121);
}

#[tokio::test]
async fn a_comment_of_somebody_else_is_left_alone_whatever_it_says() {
    let bench = Bench::start().await;
    bench.comment(&report(28), &[]).await.unwrap();
    let copied = bench.only_comment().replace("Use 28", "Use 9,000");
    let id = bench.inbox.comments(PULL_REQUEST)[0].id;
    bench.inbox.delete(id);
    bench.inbox.comment(PULL_REQUEST, "mallory", &copied);
    bench.comment(&report(29), &[]).await.unwrap();
    assert_eq!(bench.rows(), ["29 transformers"]);
    assert_eq!(bench.inbox.comments(PULL_REQUEST)[0].body, copied);
}

#[tokio::test]
async fn runs_that_end_at_one_time_share_one_comment_and_lose_no_row() {
    let bench = Bench::start().await;
    let reports: Vec<Report> = (26..32).map(report).collect();
    let [a, b, c, d, e, f] = &reports[..] else { unreachable!() };
    let done = tokio::join!(
        bench.comment(a, &[]),
        bench.comment(b, &[]),
        bench.comment(c, &[]),
        bench.comment(d, &[]),
        bench.comment(e, &[]),
        bench.comment(f, &[])
    );
    for outcome in [done.0, done.1, done.2, done.3, done.4, done.5] {
        assert_eq!(outcome.unwrap(), Exit::Done);
    }
    let wanted: Vec<String> = (26..32).rev().map(|number| format!("{number} transformers")).collect();
    assert_eq!(bench.rows(), wanted);
    assert!(bench.only_comment().contains("**31 × 350/s**"));
}

#[tokio::test]
async fn a_row_that_another_run_writes_over_is_put_back() {
    let bench = Bench::start().await;
    bench.comment(&report(27), &[]).await.unwrap();
    let id = bench.inbox.comments(PULL_REQUEST)[0].id;
    // What the run of 28 would write that has read the comment before the run of 29 wrote.
    bench.comment(&report(28), &[]).await.unwrap();
    let stale = bench.only_comment();
    let overwrite = async {
        while !bench.only_comment().contains("Use 29 transformers") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.inbox.edit(id, &stale);
    };
    let newest = report(29);
    let (told, ()) = tokio::join!(bench.comment(&newest, &["--settle=0.5s"]), overwrite);
    told.unwrap();
    assert_eq!(bench.rows(), ["29 transformers", "28 transformers", "27 transformers"]);
}

#[tokio::test]
async fn a_comment_whose_answer_got_lost_is_not_doubled() {
    let bench = Bench::start().await;
    // Who writes, the list, and the comment itself.
    for fault in [Fault::Pass, Fault::Pass, Fault::Lost] {
        bench.inbox.fail_next(fault);
    }
    bench.comment(&report(28), &[]).await.unwrap();
    assert_eq!(bench.rows(), ["28 transformers"]);
}

#[tokio::test]
async fn what_people_write_beside_the_table_stays_and_what_they_break_is_begun_anew() {
    let bench = Bench::start().await;
    bench.comment(&report(28), &[]).await.unwrap();
    let id = bench.inbox.comments(PULL_REQUEST)[0].id;
    let edited = format!("Look at the lag!\n\n{}\n\n> and at the TPS", bench.only_comment()).replace('\n', "\r\n");
    bench.inbox.edit(id, &edited);
    bench.comment(&report(29), &[]).await.unwrap();
    let comment = bench.only_comment();
    assert!(
        comment.starts_with("Look at the lag!\n\n<!--") && comment.ends_with("-->\n\n> and at the TPS"),
        "{comment}"
    );
    assert_eq!(bench.rows(), ["29 transformers", "28 transformers"]);

    bench.inbox.edit(id, &comment.replace("\"rows\":", "\"lines\":"));
    bench.comment(&report(30), &[]).await.unwrap();
    assert_eq!(bench.rows(), ["30 transformers"]);
}

#[tokio::test]
async fn the_comment_that_a_person_deletes_comes_back_with_the_next_run() {
    let bench = Bench::start().await;
    bench.comment(&report(28), &[]).await.unwrap();
    bench.inbox.delete(bench.inbox.comments(PULL_REQUEST)[0].id);
    bench.comment(&report(29), &[]).await.unwrap();
    assert_eq!(bench.rows(), ["29 transformers"]);
}

#[tokio::test]
async fn text_of_strangers_arrives_as_text() {
    let bench = Bench::start().await;
    let hostile = "Use 28 transformers --> <img src=x> @ads/all | ](javascript:x) <!-- streamgauge end --> `";
    let mut of_a_stranger = report(28);
    let run = of_a_stranger.run.as_mut().unwrap();
    (run.message, run.author) = (hostile.into(), "@everyone <b>".into());
    of_a_stranger.app.as_mut().unwrap().name = "a\nb --> c".into();
    of_a_stranger.app.as_mut().unwrap().properties.insert("x|y".into(), "--> <script>".into());
    of_a_stranger.verdict.as_mut().unwrap().cause = hostile.into();
    bench.comment(&of_a_stranger, &[]).await.unwrap();
    let comment = bench.only_comment();
    for forbidden in ["<img", "<script", "<b>", "@ads", "@everyone"] {
        assert!(!comment.contains(forbidden), "{forbidden} in {comment}");
    }
    let shown = comment.split("<!-- streamgauge rows:").next().unwrap();
    assert_eq!(shown.matches("](javascript").count(), shown.matches(r"\](javascript").count(), "{shown}");
    let mut next = report(29);
    next.app.as_mut().unwrap().name = "a\nb --> c".into();
    bench.comment(&next, &[]).await.unwrap();
    assert_eq!(bench.only_comment().matches("<!-- streamgauge").count(), 4);
    assert_eq!(bench.rows().len(), 2);
    bench.set_status(&of_a_stranger, &[]).await.unwrap();
    api::assert_described(&bench.inbox.calls());
}

#[tokio::test]
async fn a_run_without_a_pull_request_is_refused() {
    let bench = Bench::start().await;
    let mut push = report(28);
    push.run.as_mut().unwrap().pull_request = String::new();
    let failure = bench.comment(&push, &[]).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    insta::assert_snapshot!(failure, @r#""" is not a pull request's number: give --pull-request, or begin-report the pull request"#);
}

#[tokio::test]
async fn github_being_down_reaches_the_report_and_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let (token, report, url) =
        (folder.path().join("token"), folder.path().join("report.json"), folder.path().join("url"));
    std::fs::write(&token, TOKEN).unwrap();
    // A port that nobody listens on: it was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_comment-github-pr"))
        .args(["--pull-request=12", "--repository", REPOSITORY])
        .arg(format!("--api-url=http://{closed}"))
        .arg(format!("--token-file={}", token.display()))
        .arg(format!("--report={}", report.display()))
        .arg(format!("--result=url={}", url.display()))
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let error = &report::read(&report).unwrap().unwrap().errors[0];
    assert!(error.message.starts_with("GitHub did not answer at 127.0.0.1"), "{}", error.message);
    assert_eq!(std::fs::read_to_string(url).unwrap(), "");
}
