//! `performance-test` on the cluster beside the same on the local runner.

use serde_json::{Value, json};
use streamgauge::local::RunStatus;
use streamgauge::report::Status;
use streamgauge::sandbox::{github, kafka};

use crate::bench::{Bench, Ended, Params, SECRETS, bind};
use crate::cluster::succeeded;

/// Text of a stranger: what shells, JSON, Tekton, Kubernetes and Slack each might take for more than text.
const HOSTILE: &str = "q\"uo'te $(id) `id` \"}} \\n <!channel> <https://x|y> &amp; $(params.slack-channel) $(params.commit-message) \
    $(tasks.status) $(tasks.load.results.rate) $(workspaces.slack.path) $(context.pipelineRun.name) $(results.topology.path) \
    $(HOSTNAME) $(PATH) $(KUBERNETES_SERVICE_HOST) $(COMMIT_AUTHOR) $$(id) ${PATH} {{ .x }}\n\nsecond\tparagraph $(id)";

const COMMIT: &str = "c0ffee1234567890c0ffee1234567890c0ffee12";
const PULL_REQUEST: u64 = 12;

/// Fifteen seconds of little load, for a commit of a pull request.
fn short() -> Params {
    vec![
        ("duration-min", "0.25".into()),
        ("data-count-per-second", "300".into()),
        ("repository", github::REPOSITORY.into()),
        ("commit", COMMIT.into()),
        ("pull-request", PULL_REQUEST.to_string().into()),
    ]
}

/// What Slack gets of foreign text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A run is repeated where the computer was too busy to carry the load, here or there.
const TRIES: usize = 3;

#[test]
fn a_green_run_is_what_the_local_runner_gives_and_hostile_text_stays_text() {
    let bench = Bench::start("green");
    let annotations = [("streamgauge.dev/commit-message", HOSTILE), ("streamgauge.dev/author", "$(id) <@U1>")];
    let here = (0..TRIES).map(|_| bench.run_here(&short(), &annotations)).find(|(_, report)| passed(report));
    let (local, local_report) = here.expect("a run on this computer passes");
    let there = (0..TRIES).map(|number| on_the_cluster(&bench, &format!("green-{number}"), &annotations));
    let (ended, files) =
        there.into_iter().find(|(_, files)| passed(&report(files))).expect("a run on the cluster passes");
    let cluster_report = report(&files);

    assert_eq!(local.status, RunStatus::Completed);
    assert_eq!(ended.reason(), "Completed", "{:#}", ended.run["status"]);
    for task in &local.tasks {
        let there = ended.task(&task.name).unwrap_or_else(|| panic!("{} did not run on the cluster", task.name));
        assert_eq!(succeeded(there)["reason"], task.reason.as_str(), "{}", task.name);
        let names =
            |results: Vec<&str>| results.into_iter().map(ToOwned::to_owned).collect::<std::collections::BTreeSet<_>>();
        let results = there["status"]["results"].as_array().cloned().unwrap_or_default();
        let there = names(results.iter().filter_map(|result| result["name"].as_str()).collect());
        assert_eq!(there, names(task.results.keys().map(String::as_str).collect()), "{}", task.name);
    }
    assert_eq!(local.tasks.len(), ended.tasks.len());
    for (name, part) in [("verdict", "status"), ("summary", "cause")] {
        let there = result(&ended.run, name);
        assert_eq!(words(&there), words(&local.results[name].to_string()));
        assert!(there.ends_with(cluster_report["verdict"][part].as_str().unwrap()), "{there}");
    }
    assert_eq!(
        result(ended.task("load").unwrap(), "records"),
        local.task("load").unwrap().results["records"].to_string()
    );
    let differences = differences("", &local_report, &cluster_report);
    assert!(differences.is_empty(), "{differences:#?}");

    for report in [&local_report, &cluster_report] {
        assert_eq!(report["run"]["message"], HOSTILE);
        assert_eq!(report["run"]["author"], "$(id) <@U1>");
    }
    // Slack gets the beginning of so long a line.
    let first = escaped(&HOSTILE[..HOSTILE.find(" $(PATH)").unwrap()]);
    assert!(ended.told.contains(&format!("`c0ffee12` {first} ")), "{}", ended.told);
    assert!(ended.told.contains(" · by $(id) &lt;@U1&gt;"), "{}", ended.told);
    assert!(!ended.told.contains("<!channel>"));
    told_github(&bench, &ended);
    assert!(files.iter().any(|(name, text)| name == "report.md" && text.contains("pass")));
    let html = &files.iter().find(|(name, _)| name == "report.html").unwrap().1;
    assert!(!html.contains("<@U1>") && !html.contains("<!channel>"), "{html}");
    assert!(!bench.topologies().contains("preprocessor"), "{}", bench.topologies());
    deploys_from_a_workspace(&bench);
    bench.assert_no_secret();
    for (_, text) in &files {
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)));
    }
}

/// The commit has its status, and the pull request one comment with a row for each run, here and there, in which a stranger's text
/// is text.
fn told_github(bench: &Bench, ended: &Ended) {
    let statuses = bench.github.statuses();
    assert!(statuses.iter().all(|status| status.sha == COMMIT && status.body["context"] == "streamgauge/preprocessor"));
    let states: Vec<&str> = statuses.iter().map(|status| status.body["state"].as_str().unwrap()).collect();
    assert_eq!(states[states.len() - 2..], ["pending", "success"]);
    let last = &statuses[statuses.len() - 1].body["description"];
    assert_eq!(*last, result(&ended.run, "summary"), "{:#}", ended.run["status"]);
    let comments = bench.github.comments(PULL_REQUEST);
    assert_eq!(comments.len(), 1, "{comments:#?}");
    let body = &comments[0].body;
    let run = ended.run["metadata"]["name"].as_str().unwrap();
    assert_eq!(statuses[statuses.len() - 1].body["target_url"], format!("https://tekton.example/{run}"));
    assert!(body.contains(run) && body.contains("carried 300/s"), "{body}");
    assert!(!body.contains("<!channel>") && !body.contains("<https://x|y>"), "{body}");
    let rows = body.lines().filter(|line| line.starts_with(&format!("| {COMMIT} "))).count();
    assert!(rows >= 2, "{body}");
}

/// Where the jar is in a workspace and the Task runs by itself.
fn deploys_from_a_workspace(bench: &Bench) {
    let taskrun = |task: &str, params: Params, workspaces: Value| {
        let target = [
            ("service-url", bench.endpoints.heron_service_url.as_str()),
            ("tracker-url", &bench.endpoints.heron_tracker_url),
            ("cluster", "sandbox"),
            ("role", "ads"),
            ("environment", "staging"),
            ("topology", "from-a-workspace"),
        ];
        let params: Vec<Value> = target
            .map(|(name, value)| (name, json!(value)))
            .into_iter()
            .chain(params)
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let run = bench.space.create(
            &json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"generateName": format!("{task}-")}, "spec": {
                "taskRef": {"name": task}, "params": params, "workspaces": workspaces,
                "podTemplate": {"securityContext": {"fsGroup": 65532}}}})
            .to_string(),
        );
        let ended = bench.space.ended(&run);
        assert_eq!(
            succeeded(&ended)["status"],
            "True",
            "{}",
            bench.space.logs("taskRun", run.rsplit('/').next().unwrap())
        );
    };
    let servers = &bench.endpoints.kafka_bootstrap_servers;
    let properties = json!([
        "topology.name=from-a-workspace",
        format!("kafka.input.bootstrap.servers={servers}"),
        format!("kafka.input.topic={}", kafka::TARGET_TOPIC),
        format!("kafka.output.bootstrap.servers={servers}"),
        format!("kafka.output.topic={}", kafka::OUTPUT_TOPIC),
    ]);
    let jar = vec![
        ("jar", json!("heron-preprocessor.jar")),
        ("main-class", json!("streamgauge.example.preprocessor.PreprocessorTopology")),
        ("properties", properties),
    ];
    taskrun(
        "deploy-heron-app",
        jar,
        json!([{"name": "report", "emptyDir": {}}, {"name": "app",
        "persistentVolumeClaim": {"claimName": "files"}, "subPath": "app"}]),
    );
    assert!(bench.topologies().contains("from-a-workspace"));
    taskrun("delete-heron-app", Vec::new(), json!([]));
    assert!(!bench.topologies().contains("from-a-workspace"));
}

fn on_the_cluster(bench: &Bench, name: &str, annotations: &[(&str, &str)]) -> (Ended, Vec<(String, String)>) {
    let mut params = short();
    // As in the samples of triggers/.
    params.push(("link", "https://tekton.example/$(context.pipelineRun.name)".into()));
    let run = bench.create(name, &params, |run| {
        for (key, value) in annotations {
            run["metadata"]["annotations"][*key] = json!(value);
        }
        bind(run, "github", json!({"secret": {"secretName": "github"}}));
    });
    let ended = bench.ended(&run);
    let files = bench.report_files(name);
    assert_eq!(files.len(), 3, "{}: {:#}", ended.told, ended.run["status"]);
    (ended, files)
}

fn report(files: &[(String, String)]) -> Value {
    serde_json::from_str(&files[0].1).unwrap()
}

fn passed(report: &Value) -> bool {
    report["verdict"]["status"] == Status::Pass.as_str()
}

fn result(run: &Value, name: &str) -> String {
    let results = run["status"]["results"].as_array().unwrap();
    let found =
        results.iter().find(|result| result["name"] == name).unwrap_or_else(|| panic!("no {name}: {results:?}"));
    found["value"].as_str().unwrap().to_owned()
}

/// A sentence without its numbers: signs, points and commas between digits belong to them.
fn words(text: &str) -> String {
    let parts = text.split(|c: char| c.is_ascii_digit() || ".,-−".contains(c));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#")
}

/// How two reports of the same inputs differ, apart from what must: names and times of the run, and what was measured.
fn differences(path: &str, here: &Value, there: &Value) -> Vec<String> {
    let last = path.rsplit('.').next().unwrap_or_default();
    // The run's own name, moments, and the measurements themselves: how they went, how many scrapes fell into the window,
    // latencies and memory of two different processes.
    let own = [
        "id",
        "startedAt",
        "finishedAt",
        "deployedAt",
        "readyAt",
        "submissionTime",
        "slack",
        "window",
        "series",
        "samples",
        "warnings",
    ];
    let noise = ["interval", "sendDelay", "ackLatency", "latency", "late", "bytes", "perSecond", "runHeader", "value"];
    if own.contains(&last) || noise.contains(&last) {
        return if here.is_null() == there.is_null() {
            Vec::new()
        } else {
            vec![format!("{path}: {here} and {there}")]
        };
    }
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter()
                .flat_map(|key| differences(&format!("{path}.{key}"), &here[key.as_str()], &there[key.as_str()]))
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .flat_map(|(number, (a, b))| differences(&format!("{path}[{number}]"), a, b))
            .collect(),
        // Causes name what was measured, queries the stretch of time.
        (Value::String(a), Value::String(b)) if ["cause", "query"].contains(&last) && words(a) == words(b) => {
            Vec::new()
        }
        // The rate reached, and limits that follow from it.
        (Value::Number(a), Value::Number(b)) if ["achievedRate", "limit"].contains(&last) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (a - b).abs() <= 0.02 * a.abs().max(b.abs()) { Vec::new() } else { vec![format!("{path}: {a} and {b}")] }
        }
        _ if here == there => Vec::new(),
        _ => vec![format!("{path}: {here} and {there}")],
    }
}
