//! Every recorded answer of a real Heron, sent to the client as it came over the wire: what the client makes of it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use streamgauge::heron::api::{Api, Submission};
use streamgauge::heron::tracker::{Answer, Tracker};
use streamgauge::heron::{Error, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(20);

/// The recordings of a folder, by name.
fn recordings(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/heron").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), std::fs::read_to_string(file).unwrap().replace('\r', ""))).collect()
}

/// A server that gives one answer, interim `100 Continue` and all, to whatever is asked.
async fn serve(recorded: &str) -> String {
    let at = recorded.find("HTTP/1.1 ").unwrap();
    let (interim, answer) = match recorded[at..].strip_prefix("HTTP/1.1 100 Continue\n\n") {
        Some(answer) => ("HTTP/1.1 100 Continue\r\n\r\n", answer),
        None => ("", &recorded[at..]),
    };
    let (head, body) = answer.split_once("\n\n").unwrap();
    let body = body.strip_suffix('\n').unwrap_or(body);
    let head: Vec<&str> = head.lines().filter(|line| !line.to_lowercase().starts_with("content-length")).collect();
    let length = body.len();
    let answer =
        format!("{interim}{}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}", head.join("\r\n"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            whole_request(&mut stream).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

/// Reads a request to its end, by its length or its last chunk.
async fn whole_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let chunked = head.contains("transfer-encoding: chunked");
            let whole = if chunked { body.ends_with("0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) };
            if whole {
                return;
            }
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

fn target(url: &str) -> Target {
    Target {
        service_url: url.to_owned(),
        tracker_url: url.to_owned(),
        cluster: "local".into(),
        role: "root".into(),
        environment: "default".into(),
        topology: "wc".into(),
        ..Target::default()
    }
}

/// What the call that this recording answers makes of it.
async fn acted(name: &str, recorded: &str) -> String {
    let target = target(&serve(recorded).await);
    let api = Api::new(&target).unwrap();
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/heron");
    let (definition, jar) = (data.join("wc.defn"), data.join("WordCount.java"));
    let submission = Submission { definition: &definition, jar: &jar, config: &[] };
    let dry = recorded.lines().next().unwrap().contains("dry_run");
    let wanted = ["count:2".parse().unwrap()];
    let told = |outcome: Result<(), Error>| outcome.map(|()| "done".to_owned());
    let outcome = match name {
        _ if name.contains("submit") && dry => api.plan(&target, submission, LIMIT).await.map(|plan| planned(&plan)),
        _ if name.contains("submit") => told(api.submit(&target, submission, LIMIT).await),
        _ if name.contains("kill") || name.starts_with("delete") => told(api.kill(&target, LIMIT).await),
        _ if name.contains("deactivate") => told(api.deactivate(&target, LIMIT).await),
        _ if name.contains("activate") => told(api.activate(&target, LIMIT).await),
        _ if name.contains("restart") => told(api.restart(&target, Some(1), LIMIT).await),
        _ if name.contains("update") && dry => {
            api.update_plan(&target, &wanted, LIMIT).await.map(|plan| planned(&plan))
        }
        _ if name.contains("update") => told(api.update(&target, &wanted, LIMIT).await),
        _ => api.version().await,
    };
    outcome.unwrap_or_else(|error| error.to_string()).replace(&target.service_url, "http://heron")
}

fn planned(plan: &streamgauge::heron::packing::Plan) -> String {
    let components: Vec<String> = plan.components().iter().map(|c| format!("{} {}", c.name, c.parallelism)).collect();
    format!("a plan: {}", components.join(", "))
}

#[tokio::test]
async fn every_recorded_answer_of_the_api_server_is_understood() {
    let mut lines = Vec::new();
    for (name, recorded) in recordings("apiserver") {
        // A HEAD has no body to understand.
        if name != "head-version" {
            lines.push(format!("{name} → {}", acted(&name, &recorded).await));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// What the client hears from the tracker in this recording. What it never asks for is read as the facts of a topology: such an
/// answer, from a wrong path or a server in between, must not be taken for any.
async fn heard(name: &str, recorded: &str) -> String {
    let target = target(&serve(recorded).await);
    let tracker = Tracker::new(&target).unwrap();
    let now = Timestamp::now();
    match name {
        _ if name.starts_with("runtimestate") => told(tracker.runtime_state(&target).await, |state| {
            format!("{} stream managers registered", state.stmgrs.values().filter(|one| one.is_registered).count())
        }),
        _ if name.starts_with("exceptions") && !name.contains("summary") => {
            told(tracker.exceptions(&target, "count").await, |logs| format!("{} exceptions", logs.len()))
        }
        _ if name.starts_with("timeline") => {
            told(tracker.timeline(&target, "sentence", "__emit-count/default", now, now).await, |line| {
                format!("{:?}", line.of("__emit-count/default"))
            })
        }
        _ => told(tracker.info(&target).await, |info| {
            let (up, state) = (info.physical_plan.instances.len(), &info.execution_state);
            format!("{up} instances up, {} since {}", state.status, state.submitted_at())
        }),
    }
}

fn told<T>(answer: Result<Answer<T>, Error>, known: impl Fn(T) -> String) -> String {
    match answer.unwrap() {
        Answer::Known(it) => known(it),
        Answer::Unknown => "no such topology".to_owned(),
        Answer::Unclear(words) => format!("unclear: {}", words.chars().take(120).collect::<String>()),
    }
}

#[tokio::test]
async fn every_recorded_answer_of_both_trackers_is_understood() {
    let mut lines = Vec::new();
    for folder in ["tracker-0.20.4", "tracker-0.20.5"] {
        // The root sends a browser on; without the rest of the server that never ends.
        for (name, recorded) in recordings(folder).into_iter().filter(|(name, _)| name != "get_") {
            lines.push(format!("{folder}/{name} → {}", heard(&name, &recorded).await));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}
