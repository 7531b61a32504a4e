//! Histories in folders and clouds: written once, whoever writes at the same time, and read as people read them.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod cloud;

use std::path::Path;
use std::process::{Command, Output};

use cloud::{Cloud, SECRET};
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use streamgauge::history::{Error, Filter, History, open};
use streamgauge::report::{App, Component, Direction, Load, Metric, Report, Run, Status, Verdict, render};
use tempfile::TempDir;

/// A run of this minute, its branch and commit, with so many transformers that each carry 350/s.
fn run(minute: u32, id: &str, branch: &str, commit: &str, transformers: u32) -> Report {
    let metric = |name: &str, unit: &str, direction, value| Metric {
        name: name.into(),
        unit: unit.into(),
        direction,
        value: Some(value),
        samples: 50,
        ..Metric::default()
    };
    let tps = f64::from(transformers) * 350.0;
    let status = if tps < 10_000.0 { Status::Fail } else { Status::Pass };
    let component = |name: &str, parallelism| Component { name: name.into(), parallelism, ..Component::default() };
    Report {
        run: Some(Run {
            id: id.into(),
            branch: branch.into(),
            base_branch: if branch == "main" { String::new() } else { "main".into() },
            commit: commit.into(),
            message: format!("Use {transformers} transformers\n\nbody"),
            started_at: Some(format!("2026-01-05T10:{minute:02}:00Z").parse().unwrap()),
            ..Run::default()
        }),
        app: Some(App {
            engine: "heron".into(),
            name: "preprocessor".into(),
            components: vec![component("kafkaSpout", 1), component("transformer", transformers)],
            ..App::default()
        }),
        load: Some(Load {
            rate: 10_000.0,
            planned: 600_000,
            verdict: Some(Verdict { status: Status::Pass, cause: "as planned".into() }),
            ..Load::default()
        }),
        metrics: vec![
            metric("spout_tps", "records/s", Direction::Higher, tps.min(10_000.0)),
            metric("complete_latency", "ms", Direction::Lower, 1_000.0 / f64::from(transformers)),
            metric("lag", "records", Direction::Lower, (10_000.0 - tps).max(0.0) * 60.0),
        ],
        verdict: Some(Verdict { status, cause: "so".into() }),
        ..Report::default()
    }
}

/// A folder of settings, as a Secret is mounted.
fn credentials(settings: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in settings {
        std::fs::write(folder.path().join(name), format!("{value}\n")).unwrap();
    }
    std::fs::create_dir(folder.path().join("..2026_01_05")).unwrap();
    folder
}

fn s3(cloud: &Cloud, secret: &str) -> History {
    let endpoint = format!("http://{}", cloud.address);
    let settings = credentials(&[
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ]);
    open("s3://perf/some/where", Some(settings.path())).unwrap()
}

async fn ids(history: &History, app: &str, filter: Filter) -> Vec<String> {
    let reports = history.reports(app, &filter).await.unwrap();
    reports.into_iter().map(|report| report.run.unwrap().id).collect()
}

/// What every history does, wherever it is.
async fn keeps_and_finds(history: &History) {
    assert_eq!(ids(history, "", Filter::default()).await, [""; 0]);
    let runs = [
        run(1, "a-1", "main", "aaaa", 28),
        run(2, "b-1", "feature/x & more", "bbbb", 29),
        run(3, "b-2", "feature/x & more", "bbbb", 29),
        run(4, "c-1", "main", "cccc", 28),
        Report { app: Some(App { name: "../other".into(), ..App::default() }), ..run(5, "o-1", "main", "cccc", 1) },
    ];
    for report in &runs {
        history.keep(report, "").await.unwrap();
    }
    let again = history.keep(&runs[1], "").await.unwrap();
    assert_eq!(again, "preprocessor/feature%2Fx%20%26%20more/bbbb/20260105T100200.000Z-b-1.json");
    let other = run(2, "b-1", "feature/x & more", "bbbb", 30);
    assert!(matches!(history.keep(&other, "").await, Err(Error::Other { .. })));

    assert_eq!(ids(history, "", Filter::default()).await, ["o-1", "c-1", "b-2", "b-1", "a-1"]);
    assert_eq!(ids(history, "../other", Filter::default()).await, ["o-1"]);
    let filter = |branch: &str, commit: &str, last| Filter { branch: branch.into(), commit: commit.into(), last };
    assert_eq!(ids(history, "preprocessor", filter("main", "", None)).await, ["c-1", "a-1"]);
    assert_eq!(ids(history, "preprocessor", filter("feature/x & more", "bb", Some(1))).await, ["b-2"]);
    assert_eq!(history.reports("preprocessor", &filter("", "aaaa", None)).await.unwrap(), [runs[0].clone()]);
    let before = async |report: &Report| history.previous(report).await.unwrap().map(|found| found.run.unwrap().id);
    assert_eq!(before(&runs[2]).await.as_deref(), Some("b-1"));
    assert_eq!(
        before(&runs[1]).await.as_deref(),
        Some("a-1"),
        "the first of its branch has the base branch's before it"
    );
    assert_eq!(before(&runs[0]).await, None);
}

#[tokio::test]
async fn a_folder_keeps_reports_and_their_pages() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not there yet/history 1%");
    let history = open(&place.display().to_string(), None).unwrap();
    keeps_and_finds(&history).await;
    let page = place.join("preprocessor/main/aaaa/20260105T100100.000Z-a-1.html");
    assert_eq!(std::fs::read_to_string(page).unwrap(), render::html(&run(1, "a-1", "main", "aaaa", 28)));
    // What others left there is not in the way.
    std::fs::write(place.join("preprocessor/main/aaaa/20260105T100000.000Z-old.json"), "{}").unwrap();
    std::fs::write(place.join("preprocessor/main/aaaa/20260105T100101.000Z-new.json"), r#"{"schemaVersion": 9}"#)
        .unwrap();
    std::fs::write(place.join("preprocessor/main/aaaa/notes.txt"), "mine").unwrap();
    std::fs::write(place.join("report.json"), "mine").unwrap();
    assert_eq!(ids(&history, "preprocessor", Filter::default()).await, ["c-1", "b-2", "b-1", "a-1"]);
    let file = format!("file://{}", folder.path().join("not there yet").display()).replace(' ', "%20");
    assert_eq!(
        ids(&open(&format!("{file}/history 1%25"), None).unwrap(), "../other", Filter::default()).await,
        ["o-1"]
    );
}

#[tokio::test]
async fn s3_keeps_reports_signed_page_by_page_and_only_where_there_is_none() {
    let cloud = Cloud::start().await;
    keeps_and_finds(&s3(&cloud, SECRET)).await;
    assert!(cloud.held().pages > 10, "{} pages for {} objects", cloud.held().pages, cloud.keys().len());
    assert!(cloud.keys().iter().all(|key| key.starts_with("some/where/")), "{:?}", cloud.keys());

    // Of two writers at a time S3 may refuse both.
    cloud.held().conflicts = 1;
    s3(&cloud, SECRET).keep(&run(9, "d-1", "main", "dddd", 28), "").await.unwrap();
    assert!(cloud.keys().iter().any(|key| key.ends_with("d-1.json")));

    let error = s3(&cloud, "another key").reports("", &Filter::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot list the reports in the history s3://perf/some/where: "), "{error}");
    assert!(error.contains("SignatureDoesNotMatch") && !error.contains("another key"), "{error}");
}

#[tokio::test]
async fn google_and_azure_keep_reports_only_where_there_is_none() {
    let google = Cloud::start().await;
    let endpoint = format!("http://{}", google.address);
    let settings = credentials(&[("GOOGLE_BASE_URL", &endpoint), ("GOOGLE_BEARER_TOKEN", "t0ken")]);
    keeps_and_finds(&open("gs://perf/some/where", Some(settings.path())).unwrap()).await;
    assert!(google.held().pages > 10);

    let azure = Cloud::start().await;
    let endpoint = format!("http://{}", azure.address);
    let settings = credentials(&[
        ("AZURE_STORAGE_ENDPOINT", &endpoint),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "aHVudGVyMg=="),
    ]);
    keeps_and_finds(&open("az://perf/some/where", Some(settings.path())).unwrap()).await;
    assert!(azure.held().pages > 10);
}

/// Keeps each of these at the same time as the others, every one from a thread of its own; how many were taken.
fn at_once(history: &History, reports: Vec<Report>) -> usize {
    let begin = std::sync::Barrier::new(reports.len());
    std::thread::scope(|scope| {
        let writers: Vec<_> = reports
            .iter()
            .map(|report| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    begin.wait();
                    match runtime.block_on(history.keep(report, "")) {
                        Ok(_) => 1,
                        Err(Error::Other { .. }) => 0,
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    })
}

#[test]
fn many_writers_at_a_time_lose_nothing_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let history = open(&folder.path().display().to_string(), None).unwrap();
    let many = (0..24).map(|number| run(1, &format!("run-{number}"), "main", "aaaa", 28)).collect();
    assert_eq!(at_once(&history, many), 24);
    assert_eq!(at_once(&history, vec![run(2, "same", "main", "aaaa", 28); 8]), 8);
    let different = (1..=8).map(|transformers| run(3, "other", "main", "aaaa", transformers)).collect();
    assert_eq!(at_once(&history, different), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(ids(&history, "preprocessor", Filter::default())).len(), 26);
}

#[tokio::test]
async fn many_writers_at_a_time_share_a_bucket() {
    let cloud = Cloud::start().await;
    let history = s3(&cloud, SECRET);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..16 {
        // Every second pair writes one key, with different content.
        let report = run(1, &format!("run-{}", number / 2), "main", "aaaa", 28 + number % 2);
        let history = history.clone();
        writers.spawn(async move { history.keep(&report, "").await.is_ok() });
    }
    let taken = writers.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!(taken, 8);
    assert_eq!(ids(&history, "preprocessor", Filter::default()).await.len(), 8);
}

/// The program as a user runs it.
fn streamgauge(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamgauge"));
    command.arg("history").args(args).env_remove("SSL_CERT_FILE").envs(environment.iter().copied());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn people_see_what_changed_and_compare() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let history = open(&place, None).unwrap();
    for report in [
        run(1, "a-1", "main", "aaaa0123456789", 28),
        run(2, "b-1", "feature/x", "bbbb0123456789", 29),
        run(3, "b-2", "feature/x", "bbbb0123456789", 29),
        Report { verdict: None, metrics: Vec::new(), ..run(4, "c-1", "feature/x", "cccc0123456789", 30) },
    ] {
        history.keep(&report, "").await.unwrap();
    }
    let ask = |args: &[&str]| streamgauge(&[&["--history", &place], args].concat(), &[]);
    insta::assert_snapshot!(said(&ask(&["list"])), @r"
    time                  run  application   branch     commit        message              settings changed                              load       TPS  latency             lag  verdict
    2026-01-05T10:04:00Z  c-1  preprocessor  feature/x  cccc01234567  Use 30 transformers  transformer.parallelism 29 → 30  10,000/s for 60 s         –        –               –     none
    2026-01-05T10:03:00Z  b-2  preprocessor  feature/x  bbbb01234567  Use 29 transformers                                   10,000/s for 60 s  10,000/s  34.5 ms       0 records     pass
    2026-01-05T10:02:00Z  b-1  preprocessor  feature/x  bbbb01234567  Use 29 transformers  transformer.parallelism 28 → 29  10,000/s for 60 s  10,000/s  34.5 ms       0 records     pass
    2026-01-05T10:01:00Z  a-1  preprocessor  main       aaaa01234567  Use 28 transformers                                   10,000/s for 60 s   9,800/s  35.7 ms  12,000 records     fail
    ");
    insta::assert_snapshot!(said(&ask(&["list", "--branch", "main", "--last", "1"])), @r"
    time                  run  application   branch  commit        message              settings changed               load      TPS  latency             lag  verdict
    2026-01-05T10:01:00Z  a-1  preprocessor  main    aaaa01234567  Use 28 transformers                    10,000/s for 60 s  9,800/s  35.7 ms  12,000 records     fail
    ");
    let list: serde_json::Value = serde_json::from_str(&said(&ask(&["list", "--output", "json"]))).unwrap();
    assert_eq!(list[2]["settingsChanged"][0]["name"], "transformer.parallelism");
    assert_eq!((list[3]["tps"].as_f64(), list[3]["verdict"].as_str()), (Some(9_800.0), Some("fail")));

    assert_eq!(said(&ask(&["show", "b-1"])), render::text(&run(2, "b-1", "feature/x", "bbbb0123456789", 29)));
    let report: Report = serde_json::from_str(&said(&ask(&["show", "feature/x", "--output", "json"]))).unwrap();
    assert_eq!(report.run.unwrap().id, "c-1", "the newest, though it was not measured");
    let compared = said(&ask(&["compare", "main", "bbbb"]));
    let compared = compared.split("\n\n").next().unwrap();
    insta::assert_snapshot!(compared, @r"
    baseline  a-1 of commit aaaa01234567 on main
    this      b-2, b-1 of commit bbbb01234567 on feature/x
    settings  transformer.parallelism 28 → 29
    ");
    let found: serde_json::Value =
        serde_json::from_str(&said(&ask(&["compare", "a-1", "b-1", "--output", "json"]))).unwrap();
    assert_eq!(found["comparisons"][0]["metric"], "spout_tps");

    let failed = |args: &[&str]| String::from_utf8(ask(args).stderr).unwrap();
    assert!(
        failed(&["show", "gone"]).contains("has no run, commit or branch \"gone\""),
        "{}",
        failed(&["show", "gone"])
    );
    let output = streamgauge(&["list"], &[]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"streamgauge: which history? give --history a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX");
}

/// A certificate for this computer, signed by itself, and the server that has it.
fn certified(folder: &Path) -> SslAcceptor {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "a company's own").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    let now = Timestamp::now().as_second();
    builder.set_not_before(&Asn1Time::from_unix(now - 3600).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(now + 3600).unwrap()).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    std::fs::write(folder.join("ca.pem"), certificate.to_pem().unwrap()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.build()
}

#[test]
fn a_companys_own_authority_and_settings_in_the_environment_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cloud = runtime.block_on(Cloud::start_tls(certified(folder.path())));
    // The server answers on a thread of its own while the program runs.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || runtime.block_on(async { stopped.await.is_ok() }));
    let (endpoint, authority) =
        (format!("https://{}", cloud.address), folder.path().join("ca.pem").display().to_string());
    let mut environment = vec![
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let args = ["--history", "s3://perf", "--timeout", "30s", "list"];
    let refused = streamgauge(&args, &environment);
    assert_eq!(refused.status.code(), Some(4), "{}", String::from_utf8_lossy(&refused.stdout));
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("certificate verify failed"), "{words}");
    environment.push(("SSL_CERT_FILE", &authority));
    assert!(said(&streamgauge(&args, &environment)).starts_with("time"));
    assert_eq!(cloud.held().pages, 1);
    stop.send(()).unwrap();
    assert!(server.join().unwrap());
}
