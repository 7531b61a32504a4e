//! The stand-in for Heron against recorded answers of a real one (tests/data/heron): each recorded request is sent to the
//! stand-in, and status, headers and body compared but for what differs from run to run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prost::Message;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use streamgauge::heron::definition::{
    Bolt, Component, ComponentObjectSpec, Config, ConfigEntry, Grouping, InputStream, OutputStream, SchemaKey, Spout,
    StreamId, StreamSchema, Topology, TopologyState,
};
use streamgauge::sandbox::heron::Heron;
use streamgauge::sandbox::{Options, SinkRules};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

fn config(pairs: &[(&str, &str)]) -> Option<Config> {
    let entry = |(key, value): &(&str, &str)| ConfigEntry {
        key: (*key).to_owned(),
        value: Some((*value).to_owned()),
        serialized_value: None,
        r#type: Some(1),
    };
    Some(Config { kvs: pairs.iter().map(entry).collect() })
}

fn component(name: &str, parallelism: &str) -> Component {
    Component {
        name: name.to_owned(),
        class_name: None,
        config: config(&[("topology.component.parallelism", parallelism)]),
        serialized_object: Some(vec![0xAC, 0xED]),
        spec: ComponentObjectSpec::JavaSerializedObject.into(),
    }
}

fn output(component: &str) -> OutputStream {
    let stream = StreamId { id: "default".to_owned(), component_name: component.to_owned() };
    OutputStream { stream, schema: StreamSchema { keys: vec![SchemaKey { key: "word".to_owned() }] } }
}

fn input(component: &str, grouping: Grouping) -> InputStream {
    let stream = StreamId { id: "default".to_owned(), component_name: component.to_owned() };
    InputStream { stream, gtype: grouping.into(), grouping_fields: None, custom_grouping_object: None }
}

/// sentence → split → count, as the recorded topologies were.
fn topology(name: &str, id: &str, parallelism: &str, settings: &[(&str, &str)]) -> Vec<u8> {
    let split = Bolt {
        comp: component("split", parallelism),
        inputs: vec![input("sentence", Grouping::Shuffle)],
        outputs: vec![output("split")],
    };
    let count =
        Bolt { comp: component("count", parallelism), inputs: vec![input("split", Grouping::Fields)], outputs: vec![] };
    Topology {
        id: id.to_owned(),
        name: name.to_owned(),
        spouts: vec![Spout { comp: component("sentence", "1"), outputs: vec![output("sentence")] }],
        bolts: vec![split, count],
        state: TopologyState::Running.into(),
        topology_config: config(settings),
    }
    .encode_to_vec()
}

fn wc() -> Vec<u8> {
    let settings = [
        ("topology.component.rammap", "sentence:419430400,split:419430400,count:419430400"),
        ("topology.team.environment", "default"),
        ("topology.container.disk", "2147483648"),
        ("topology.enable.message.timeouts", "true"),
        ("topology.debug", "false"),
        ("topology.max.spout.pending", "200"),
        ("topology.stateful.spill.state", "false"),
        ("topology.name", "wc"),
        ("topology.team.name", "root"),
        ("topology.component.jvmopts", r#"{"Y291bnQ=":"LURjb3VudC5wcm9wPTE="}"#),
        ("topology.stateful.spill.state.location", "./spilled-state/"),
        ("my.user.config", "hello"),
        ("topology.component.parallelism", "1"),
        ("topology.stmgrs", "2"),
        ("topology.reliability.mode", "ATLEAST_ONCE"),
        ("topology.message.timeout.secs", "30"),
    ];
    topology("wc", "wc5aa710d4-ab59-4755-8e74-95cd08327db4", "2", &settings)
}

fn mini() -> Vec<u8> {
    let settings = [
        ("topology.component.cpumap", "sentence:0.500000,split:0.500000,count:0.500000"),
        ("topology.component.rammap", "sentence:314572800,split:314572800,count:314572800"),
        ("topology.container.cpu", "4.0"),
        ("topology.container.ram.padding", "536870912"),
        ("topology.container.disk", "21474836480"),
        ("topology.stmgrs", "1"),
    ];
    topology("mini", "mini999ca4b4-81bc-40f8-b705-37cf3efa08fc", "1", &settings)
}

/// A recorded request with its answer.
struct Recorded {
    name: String,
    request: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Recorded {
    fn read(folder: &str, name: &str) -> Self {
        let text = std::fs::read_to_string(format!("{DATA}/heron/{folder}/{name}.txt")).unwrap().replace('\r', "");
        let (head, rest) = text.split_once("HTTP/1.1 ").unwrap();
        let request = head.lines().next().unwrap().trim_start_matches("# curl ").to_owned();
        let rest = rest.strip_prefix("100 Continue\n\nHTTP/1.1 ").unwrap_or(rest);
        let (head, body) = rest.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').next().unwrap().parse().unwrap();
        let pair = |line: &str| {
            let (key, value) = line.split_once(": ").unwrap();
            (key.to_lowercase(), value.to_owned())
        };
        let headers = lines.map(pair).collect();
        Self { name: name.to_owned(), request, status, headers, body: body.trim_end().to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Sends the request to `base` and compares the answers.
    async fn replay(&self, client: &Client, base: &str) {
        let words: Vec<&str> = self.request.split(' ').collect();
        let path = words.last().unwrap().split_once("://").unwrap().1.split_once('/').unwrap().1;
        let options = self.request.rsplit_once(' ').map_or("", |(options, _)| options);
        let mut method = Method::GET;
        let (mut form, mut data, mut kind) = (None, None::<Vec<&str>>, "application/x-www-form-urlencoded".to_owned());
        let options = format!(" {options}");
        for option in options.split(" -").skip(1) {
            match option.split_at(1) {
                ("X", value) => method = value.trim().parse().unwrap(),
                ("H", value) => kind = value.split_once(": ").unwrap().1.to_owned(),
                ("d", value) => data.get_or_insert_default().push(value.trim()),
                ("F", value) => form = Some(part(form.unwrap_or_default(), &value[1..])),
                other => panic!("{}: what is {other:?}", self.name),
            }
        }
        let mut request = client.request(method, format!("{base}/{path}"));
        if let Some(data) = data {
            request = request.header("content-type", kind).body(data.join("&"));
        }
        if let Some(form) = form {
            request = request.multipart(form);
        }
        let answer = request.send().await.unwrap();
        let place = format!("{}: {}", self.name, self.request);
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let got = answer.text().await.unwrap();
        assert_eq!(status, self.status, "{place}\n{got}");
        for name in ["content-type", "server", "allow"] {
            let own = headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(own, self.header(name), "{name} of {place}");
        }
        let at = |location: &str| location.split_once("://").unwrap().1.split_once('/').unwrap().1.to_owned();
        let own = headers.get("location").map(|value| at(value.to_str().unwrap()));
        assert_eq!(own, self.header("location").map(at), "location of {place}");
        match serde_json::from_str::<Value>(&self.body) {
            Ok(expected) => assert_eq!(mask(serde_json::from_str(&got).unwrap()), mask(expected), "{place}"),
            Err(_) => assert_eq!(got.trim_end(), self.body, "{place}"),
        }
    }
}

fn part(form: Form, field: &str) -> Form {
    let (name, value) = field.split_once('=').unwrap();
    let file_name = value.split_once(";filename=").map(|(_, name)| name.to_owned());
    if !value.starts_with('@') && file_name.is_none() {
        return form.text(name.to_owned(), value.to_owned());
    }
    let path = value.split(';').next().unwrap();
    let bytes = match path {
        "@captures/wc.defn" => wc(),
        "@captures/cli/mini.defn" => mini(),
        "" => Vec::new(),
        _ => b"PK, or so".to_vec(),
    };
    let file_name = file_name.unwrap_or_else(|| path.rsplit('/').next().unwrap().to_owned());
    form.part(name.to_owned(), Part::bytes(bytes).file_name(file_name))
}

/// Takes out what differs from run to run: times, addresses, ids, and the order of lists that Heron keeps in hash sets.
fn mask(value: Value) -> Value {
    const VOLATILE: [&str; 15] = [
        "submission_time",
        "executiontime",
        "host",
        "port",
        "shell_port",
        "pid",
        "cwd",
        "logfile",
        "joburl",
        "logfiles",
        "http_endpoint",
        "controller_port",
        "server_port",
        "stats_port",
        "hostname",
    ];
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let value = match (key.as_str(), &value) {
                    (key, _) if VOLATILE.contains(&key) => json!("*"),
                    ("interval", seconds) if seconds.as_i64() > Some(1_000_000_000) => json!("*"),
                    ("response", Value::String(text)) => pieces(text),
                    ("message", Value::String(text)) if text.contains("read/parse content") => {
                        json!(format!("… {}", text.rsplit('/').next().unwrap()))
                    }
                    _ => mask(value),
                };
                (key, value)
            })
            .collect(),
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(mask).collect();
            list.sort_by_key(Value::to_string);
            Value::Array(list)
        }
        Value::String(text) if text == "host1" => json!("localhost"),
        Value::String(text) if text.split_once('.').is_some_and(|(_, rest)| rest.len() == 6) => json!("N"),
        other => other,
    }
}

/// The pieces of a dry run's text, sorted.
fn pieces(text: &str) -> Value {
    let mut pieces: Vec<&str> =
        text.split(['\n', '{']).map(|piece| piece.trim_end_matches([',', ' ', ']', '}'])).collect();
    pieces.sort_unstable();
    json!(pieces)
}

fn options(dir: &Path) -> Options {
    let runner = PathBuf::from(DATA).join("sandbox/runner.sh");
    Options {
        heron_cluster: "local".to_owned(),
        heron_start_delay: Duration::from_secs(2),
        runner_command: Some(vec!["sh".to_owned(), runner.display().to_string()]),
        dir: dir.to_owned(),
        ..Options::default()
    }
}

async fn replay(heron: &Heron, client: &Client, base: &str, folder: &str, names: &[&str]) {
    let base = match base {
        "" => heron.service_url(),
        other => other,
    };
    for name in names {
        Recorded::read(folder, name).replay(client, base).await;
    }
}

async fn get(client: &Client, url: String) -> Value {
    serde_json::from_str(&client.get(url).send().await.unwrap().text().await.unwrap()).unwrap()
}

/// Waits until the physical plan of a topology of local/root has this many instances.
async fn up(heron: &Heron, client: &Client, environ: &str, name: &str, instances: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let url =
        format!("{}/topologies/physicalplan?cluster=local&environ={environ}&topology={name}", heron.tracker_url());
    while get(client, url.clone()).await["instances"].as_object().map(serde_json::Map::len) != Some(instances) {
        assert!(Instant::now() < deadline, "{name} never came up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_api_server_answers_as_the_real_one() {
    let dir = tempfile::tempdir().unwrap();
    let heron = Heron::start(&options(dir.path()), dir.path()).await.unwrap();
    let client = Client::new();
    let api = async |names: &[&str]| replay(&heron, &client, "", "apiserver", names).await;
    api(&["root", "notfound", "file-get", "version", "get-topologies", "get-one", "put-topologies"]).await;
    api(&["activate-missing", "deactivate-missing", "kill-missing", "kill-missing-badcluster", "restart-missing"])
        .await;
    api(&["restart-missing-nobody", "update-missing", "delete-encoded"]).await;
    api(&["submit-empty", "submit-json", "submit-nonmultipart", "submit-missing-def", "submit-badcluster"]).await;
    api(&["submit-bad-defn", "submit-empty-defn", "submit-defn-not-file", "submit-topology-not-file"]).await;
    api(&["submit-file-ext-txt-dryrun", "submit-name-slash", "submit-name-space", "submit-name-empty"]).await;
    api(&["submit-cluster-case", "submit-no-env-dryrun", "submit-dryrun-false", "submit-dryrun-bogus"]).await;
    api(&["submit-dryrun-TABLE", "submit-dryrun-COLORED_TABLE", "submit-dryrun-RAW", "submit-dryrun-JSON"]).await;
    api(&["submit-dryrun-json", "submit-dryrun-raw", "submit-dryrun-name-mismatch"]).await;

    api(&["submit-ok", "activate-before-tmanager", "submit-dup-immediately", "submit-dup-dryrun"]).await;
    api(&["submit-duplicate", "submit-duplicate-otherrole", "kill-wrong-env", "kill-wrong-role", "mini-submit"]).await;
    up(&heron, &client, "default", "wc", 5).await;
    up(&heron, &client, "test", "mini", 3).await;

    api(&["mini-activate", "mini-activate-already-running", "mini-activate-wrong-env"]).await;
    api(&["mini-deactivate", "mini-deactivate-again", "mini-restart-badcontainer", "mini-restart-nan"]).await;
    api(&["mini-restart-container1", "mini-restart-all-again", "mini-restart-emptyform"]).await;
    up(&heron, &client, "test", "mini", 3).await;
    api(&["update-badcomponent", "update-badformat", "update-badnumber", "update-emptyform", "update-noparams"]).await;
    api(&["update-otherparam", "update-runtime-config", "mini-update-badcomponent", "mini-update-badnumber"]).await;
    api(&["mini-update-same", "mini-update-wrongenv", "mini-update-dryrun", "mini-update-dryrun-table"]).await;
    api(&["mini-update-comma", "mini-update-two-params", "mini-update-containers-dryrun"]).await;
    api(&["mini-update-negative", "mini-update-zero-dryrun", "mini-update-real"]).await;
    up(&heron, &client, "test", "mini", 4).await;
    api(&["wc-update-count-1", "update-on-paused-dryrun", "wc-deactivate", "wc-reactivate"]).await;
    up(&heron, &client, "default", "wc", 4).await;

    api(&["update-zero", "kill-ok", "kill-again", "mini-kill-crashing"]).await;
    api(&["submit-name-mismatch-real", "mismatch-kill-zzz", "mismatch-kill-mini"]).await;
    heron.stop().await;
}

#[tokio::test]
async fn the_tracker_of_0_20_5_answers_as_the_real_one() {
    let dir = tempfile::tempdir().unwrap();
    let heron = Heron::start(&options(dir.path()), dir.path()).await.unwrap();
    let client = Client::new();
    replay(&heron, &client, "", "apiserver", &["submit-ok"]).await;
    up(&heron, &client, "default", "wc", 5).await;
    heard(&heron, &client).await;
    let names = [
        "clusters",
        "config",
        "config-role",
        "exceptions-badcomp",
        "exceptionsummary",
        "executionstate",
        "health",
        "info",
        "info-role",
        "info-badcluster",
        "info-badrole",
        "info-missing",
        "info-missing-param",
        "logicalplan",
        "logicalplan-missing",
        "machines",
        "machines-filter",
        "metadata",
        "metrics-badcomponent",
        "metrics-count",
        "metrics-missing-param",
        "metrics-missing-topology",
        "metrics-nometricname",
        "metrics-sentence",
        "metrics-sentence-inst",
        "metrics-stmgr",
        "notfound",
        "packingplan",
        "physicalplan",
        "runtimestate",
        "schedulerlocation",
        "states",
        "states-filter",
        "states-none",
        "timeline-bad",
        "topologies",
        "topologies-cluster-unknown",
        "topologies-role",
        "topologies-role-other",
    ];
    replay(&heron, &client, heron.tracker_url(), "tracker-0.20.5", &names).await;
    same_exceptions("tracker-0.20.5", &client, heron.tracker_url(), |body| body).await;
}

#[tokio::test]
async fn the_tracker_of_0_20_4_answers_as_the_real_one() {
    let dir = tempfile::tempdir().unwrap();
    let heron = Heron::start(&options(dir.path()), dir.path()).await.unwrap();
    let client = Client::new();
    replay(&heron, &client, "", "apiserver", &["submit-ok"]).await;
    up(&heron, &client, "default", "wc", 5).await;
    heard(&heron, &client).await;
    replay(&heron, &client, "", "apiserver", &["wc-deactivate"]).await;
    let names = [
        "config",
        "config-missing",
        "exceptions-badcomp",
        "executionstate",
        "executionstate-missing",
        "get_clusters",
        "get_machines",
        "get_machines_cluster_local_environ_default_topology_wc",
        "get_topologies",
        "get_topologies_cluster_nope",
        "get_topologies_role_nobody",
        "get_topologies_states",
        "get_topologies_states_cluster_local_environ_default",
        "info",
        "info-role",
        "info-badrole",
        "info-missing",
        "info-missing-param",
        "logicalplan",
        "logicalplan-missing",
        "metadata",
        "metadata-missing",
        "metrics",
        "metrics-badcomp",
        "metrics-missing-topology",
        "metrics-nometric",
        "notfound",
        "packingplan",
        "packingplan-missing",
        "physicalplan",
        "physicalplan-missing",
        "runtimestate",
        "runtimestate-missing",
        "schedulerlocation",
        "schedulerlocation-missing",
        "timeline-bad",
    ];
    replay(&heron, &client, heron.tracker_legacy_url(), "tracker-0.20.4", &names).await;
    same_exceptions("tracker-0.20.4", &client, heron.tracker_legacy_url(), |body| body["result"].clone()).await;
}

/// Waits until the first metrics came.
async fn heard(heron: &Heron, client: &Client) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while scrape(heron, client, "wc", 1).await.matches("uptime").count() < 2 {
        assert!(Instant::now() < deadline, "no metrics");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An exception has the recorded one's fields, times in the recorded form.
async fn same_exceptions(folder: &str, client: &Client, base: &str, unwrap: impl Fn(Value) -> Value) {
    let recorded = unwrap(serde_json::from_str(&Recorded::read(folder, "exceptions").body).unwrap())[0].clone();
    let url = format!("{base}/topologies/exceptions?cluster=local&environ=default&topology=wc&component=count");
    let own = unwrap(get(client, url).await)[0].clone();
    let shape = |value: &Value| -> Vec<(String, usize)> {
        let fields = value.as_object().unwrap().iter();
        fields
            .map(|(key, value)| (key.clone(), if key.ends_with("time") { value.as_str().unwrap().len() } else { 0 }))
            .collect()
    };
    assert_eq!(shape(&own), shape(&recorded));
    assert_eq!(own["instance_id"], recorded["instance_id"]);
    assert_eq!(own["logging"], recorded["logging"]);
}

async fn scrape(heron: &Heron, client: &Client, topology: &str, container: u32) -> String {
    let answer = client.get(format!("{}/metrics/{topology}/{container}", heron.sink_url())).send().await.unwrap();
    assert!(answer.headers().get("content-type").is_none());
    answer.text().await.unwrap()
}

/// Metric names with the names of their labels, in order.
fn forms(text: &str) -> Vec<(String, Vec<String>)> {
    text.lines()
        .map(|line| {
            let (name, rest) = line.split_once('{').unwrap();
            let labels = rest.split_once('}').unwrap().0.split("\",");
            (name.to_owned(), labels.map(|label| label.split('=').next().unwrap().to_owned()).collect())
        })
        .collect()
}

#[tokio::test]
async fn the_sink_writes_lines_of_the_recorded_form() {
    let dir = tempfile::tempdir().unwrap();
    let heron = Heron::start(&options(dir.path()), dir.path()).await.unwrap();
    let client = Client::new();
    replay(&heron, &client, "", "apiserver", &["submit-ok"]).await;
    heard(&heron, &client).await;
    let text = scrape(&heron, &client, "wc", 1).await;
    let all = format!("{text}{}", scrape(&heron, &client, "wc", 2).await);

    let recorded = ["c1-1795427973", "c2-1795427973"].map(|name| {
        std::fs::read_to_string(format!("{DATA}/heron/prometheus-sink-kubernetes-rules/{name}.txt")).unwrap()
    });
    let recorded: Vec<_> = recorded.iter().flat_map(|text| forms(text)).collect();
    let unknown: Vec<_> = forms(&all)
        .into_iter()
        // The recorded topology had no Kafka lag; a first export lacks the type, as a recorded one of later times cannot.
        .filter(|(name, labels)| {
            !name.contains("kafka_offset")
                && (labels.iter().any(|label| label == "component_type") || name.contains("back_pressure"))
        })
        .filter(|(name, _)| !recorded.iter().any(|(known, _)| known == name))
        .collect();
    assert!(unknown.is_empty(), "not in any recorded scrape: {unknown:?}");
    let order: Vec<_> = forms(&all).into_iter().filter(|(_, labels)| !labels.is_sorted()).collect();
    assert!(order.is_empty(), "labels out of order: {order:?}");

    let place = r#"cluster_role_env="local/root/default""#;
    let emitted = format!(
        r#"heron_emit_count{{{place},component="sentence",component_type="spout",context="default",instance_id="container_1_sentence_1",topology="wc"}} 14352.0 "#
    );
    let executed = format!(
        r#"heron_execute_count{{{place},component="count",component_type="bolt",context="split/default",dest_component="split",instance_id="container_1_count_5",topology="wc"}} 69632.0 "#
    );
    let blocked = format!(
        r#"heron_time_spent_back_pressure_by_compid{{{place},component="__stmgr__",instance_id="stmgr-1",metric_instance_id="container_1_count_5",topology="wc"}} 8548.0 "#
    );
    for line in [emitted, executed, blocked] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(text.contains(r#"partition="3",topic="in/partition_3",topology="wc"} 5.0 "#), "{text}");
    assert!(text.contains("5.9522963806E10"), "large numbers in Java's form");
    // The context of counts sticks to what follows them, as in the real sink.
    assert!(text.lines().any(|line| line.starts_with("heron_jvm_uptime_secs{") && line.contains("context=")), "{text}");
    assert!(!text.contains('#'));
    // container_2_count_4 exported once only: its type is not known yet.
    assert!(
        all.lines().filter(|line| line.contains("container_2_count_4")).all(|line| !line.contains("component_type"))
    );
}

#[tokio::test]
async fn without_rules_the_stream_is_in_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { heron_sink_rules: SinkRules::None, ..options(dir.path()) };
    let heron = Heron::start(&options, dir.path()).await.unwrap();
    let client = Client::new();
    replay(&heron, &client, "", "apiserver", &["submit-ok"]).await;
    heard(&heron, &client).await;
    let text = scrape(&heron, &client, "wc", 1).await;
    for name in ["heron_emit_count_default", "heron_execute_count_split_default", "heron_complete_latency_default"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name}{{"))), "{name} is not in\n{text}");
    }
    assert!(!text.contains("context="));
}

#[tokio::test]
async fn a_topology_that_dies_is_seen_and_one_that_is_killed_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    let script = dir.path().join("dies.sh");
    std::fs::write(&script, "echo '{\"event\":\"running\"}'\necho out of memory >&2\nexit 3\n").unwrap();
    options.runner_command = Some(vec!["sh".to_owned(), script.display().to_string()]);
    let heron = Heron::start(&options, dir.path()).await.unwrap();
    let client = Client::new();
    replay(&heron, &client, "", "apiserver", &["submit-ok"]).await;
    up(&heron, &client, "default", "wc", 5).await;
    let one = |what: &str| format!("topologies/{what}?cluster=local&environ=default&topology=wc");
    let exceptions = get(&client, format!("{}/{}&component=split", heron.tracker_url(), one("exceptions"))).await;
    assert_eq!(exceptions.as_array().unwrap().len(), 2, "one for each instance: {exceptions}");
    assert!(exceptions[0]["stacktrace"].as_str().unwrap().contains("out of memory"));
    let state = get(&client, format!("{}/{}", heron.tracker_legacy_url(), one("runtimestate"))).await;
    assert_eq!(state["result"]["stmgrs"]["stmgr-1"]["is_registered"], false);

    replay(&heron, &client, "", "apiserver", &["kill-ok"]).await;
    // The tracker learns of it later.
    let known = get(&client, format!("{}/{}", heron.tracker_url(), one("metadata"))).await;
    assert_eq!(known["jobname"], "wc");
    let deadline = Instant::now() + Duration::from_secs(30);
    while get(&client, format!("{}/{}", heron.tracker_url(), one("metadata"))).await.is_object() {
        assert!(Instant::now() < deadline, "the tracker never forgot it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    replay(&heron, &client, "", "apiserver", &["submit-ok"]).await;
}
