//! Every Task and every StepAction by itself, from its samples.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use streamgauge::sandbox::kafka;

use crate::bench::Bench;
use crate::catalog::{ROOT, documents, files};
use crate::cluster::succeeded;

/// The samples in the order of a test: what one leaves, the next one needs.
const SAMPLES: [&str; 18] = [
    "begin-report/samples/begin-report",
    "apply-manifest/samples/apply-manifest",
    "deploy-flink-app/samples/deploy-flink-app-jar-in-workspace",
    "deploy-flink-app/samples/deploy-flink-app",
    "delete-flink-app/samples/delete-flink-app",
    BY_FLINK,
    "deploy-heron-app/samples/deploy-heron-app-jar-in-workspace",
    "deploy-heron-app/samples/deploy-heron-app",
    "update-heron-app/samples/update-heron-app",
    "deploy-dataloader/samples/deploy-dataloader",
    "get-prometheus-metric/samples/get-prometheus-metric",
    "keep-report/samples/keep-report",
    "plan-capacity/samples/plan-capacity",
    "send-slack/samples/send-slack",
    "set-github-status/samples/set-github-status",
    "comment-github-pr/samples/comment-github-pr",
    "delete-heron-app/samples/delete-heron-app",
    "apply-manifest/samples/apply-manifest-delete",
];

/// No StepAction has this one again.
const BY_FLINK: &str = "deploy-dataloader/samples/load-by-flink";

/// The one of a Pipeline, which no StepAction has.
const SHARDED: &str = "deploy-dataloader/samples/sharded-load";

/// What it joins comes from a Pipeline: compare-applications runs its Task.
const COLLECT: &str = "collect-reports/samples/collect-reports";

/// What it claims it claims for a run that is there: the tests of claims have such.
const CLAIM: &str = "claim-environment/samples/claim-environment";

/// What a sample's parameters have to be in this sandbox.
fn params(bench: &Bench) -> Vec<(&'static str, Value)> {
    let endpoints = &bench.endpoints;
    let servers = &endpoints.kafka_bootstrap_servers;
    vec![
        (
            "set",
            json!([
                "Deployment/redis:spec.template.spec.containers[name=redis].image=test.local/busybox:1",
                "Deployment/redis:spec.template.spec.containers[name=redis].command=[httpd, -f, -p, \"6379\"]",
            ]),
        ),
        ("add", json!(["Deployment/redis:metadata.labels.build=1"])),
        ("rest-url", json!(endpoints.flink_rest_url)),
        ("flink-url", json!(endpoints.flink_rest_url)),
        ("flink-parallelism", json!("2")),
        ("flink-source-config", json!(plain(bench))),
        ("flink-target-config", json!(plain(bench))),
        (
            "args",
            json!([
                format!("--kafka.input.bootstrap.servers={servers}"),
                format!("--kafka.input.topic={}", kafka::TARGET_TOPIC),
                format!("--kafka.output.bootstrap.servers={servers}"),
                format!("--kafka.output.topic={}", kafka::OUTPUT_TOPIC)
            ]),
        ),
        ("service-url", json!(endpoints.heron_service_url)),
        ("tracker-url", json!(endpoints.heron_tracker_url)),
        ("cluster", json!("sandbox")),
        ("source-bootstrap-servers", json!(servers)),
        ("target-bootstrap-servers", json!(servers)),
        ("duration-min", json!("0.2")),
        ("data-count-per-second", json!("300")),
        ("rate", json!("300")),
        ("endpoint", json!(endpoints.prometheus_url)),
        ("warm-up", json!("4s")),
        ("api-url", json!(endpoints.slack_api_url)),
        (
            "properties",
            json!([
                "topology.name=preprocessor",
                "transformer.parallelism=2",
                format!("kafka.input.bootstrap.servers={servers}"),
                format!("kafka.input.topic={}", kafka::TARGET_TOPIC),
                format!("kafka.output.bootstrap.servers={servers}"),
                format!("kafka.output.topic={}", kafka::OUTPUT_TOPIC)
            ]),
        ),
        (
            "pack-params",
            json!([
                "topology=preprocessor",
                "cluster=sandbox",
                "role=ads",
                "environment=staging",
                "export_interval=1",
                "scrape_interval=1"
            ]),
        ),
    ]
}

/// The settings of a client, on the computer that Flink's TaskManager runs on: this Kafka asks for nothing.
fn plain(bench: &Bench) -> String {
    let path = bench.endpoints.dir.join("client.properties");
    std::fs::write(&path, "security.protocol=PLAINTEXT\n").unwrap();
    path.display().to_string()
}

/// Sets parameters wherever the sample has them, of the run or of a step; these two it leaves to their defaults.
fn set(value: &mut Value, own: &[(&str, Value)]) {
    if let Some(params) = value.get_mut("params").and_then(Value::as_array_mut) {
        let has = |params: &[Value], name: &str| params.iter().any(|param| param["name"] == name);
        for (needs, missing) in [("channel", "api-url"), ("pack", "warm-up")] {
            if has(params, needs) && !has(params, missing) {
                params.push(json!({"name": missing}));
            }
        }
        for param in params {
            if let Some((_, value)) = own.iter().find(|(name, _)| param["name"] == *name) {
                param["value"] = value.clone();
            }
        }
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| set(field, own)),
        Value::Array(items) => items.iter_mut().for_each(|item| set(item, own)),
        _ => {}
    }
}

/// Runs a sample with this sandbox's addresses and volume, and gives its results.
fn run(bench: &Bench, catalog: &str, sample: &str) -> Value {
    let mut run = document(catalog, sample);
    let mut own = params(bench);
    if sample.contains("github") {
        own.insert(0, ("api-url", json!(bench.endpoints.github_api_url)));
    }
    set(&mut run, &own);
    done(bench, run, &format!("reports/{catalog}"))
}

fn document(catalog: &str, sample: &str) -> Value {
    let path = Path::new(ROOT).join(catalog).join(format!("{sample}.yaml"));
    documents(&std::fs::read_to_string(&path).unwrap()).remove(0)
}

/// Runs it with the report in this folder of the sandbox's volume, and gives its results.
fn done(bench: &Bench, mut run: Value, reports: &str) -> Value {
    bench.space.kubectl(&["exec", "files", "--", "mkdir", "-p", &format!("/files/{reports}")]).text();
    for workspace in run["spec"]["workspaces"].as_array_mut().into_iter().flatten() {
        if let Some(claim) = workspace.get_mut("persistentVolumeClaim") {
            claim["claimName"] = json!("files");
        }
        if workspace["name"] == "report" {
            workspace["subPath"] = json!(reports);
        }
    }
    let name = bench.space.create(&run.to_string());
    let ended = bench.space.ended(&name);
    let (kind, of) = name.split_once('/').unwrap();
    let logs = bench.space.logs(if kind == "taskrun" { "taskRun" } else { "pipelineRun" }, of);
    assert_eq!(succeeded(&ended)["status"], "True", "{name}: {}\n{logs}", succeeded(&ended));
    let results = ended["status"]["results"].as_array().cloned().unwrap_or_default();
    results.into_iter().map(|result| (result["name"].as_str().unwrap().to_owned(), result["value"].clone())).collect()
}

#[test]
fn every_task_and_stepaction_does_its_job_from_its_sample() {
    let bench = Bench::start_with_flink("samples");
    bench.space.apply(&Path::new(ROOT).join("config/deployer.yaml"));
    bench.space.kubectl(&["exec", "files", "--", "mkdir", "/files/source"]).text();
    bench.space.kubectl(&["cp", &format!("{ROOT}/examples/redis/redis.yaml"), "files:/files/source/redis.yaml"]).text();
    for catalog in ["tasks", "stepactions"] {
        let there: BTreeSet<String> = files(&[catalog], |path| path.contains("/samples/")).into_iter().collect();
        let of_tasks = |sample: &&str| catalog == "tasks" || ![BY_FLINK, SHARDED].contains(sample);
        let known: Vec<&str> = SAMPLES.into_iter().chain([SHARDED, COLLECT, CLAIM]).filter(of_tasks).collect();
        let known = known.iter().map(|sample| format!("{ROOT}/{catalog}/{sample}.yaml")).collect();
        assert_eq!(there, known, "a sample that these tests do not run");
        let results = SAMPLES.map(|sample| if of_tasks(&sample) { run(&bench, catalog, sample) } else { Value::Null });
        let [
            _,
            applied,
            job_in_workspace,
            job_in_image,
            _,
            by_flink,
            in_workspace,
            in_image,
            _,
            load,
            measured,
            kept,
            planned,
            told,
            status,
            comment,
            ..,
        ] = results;
        assert_ne!(job_in_workspace["job-id"], job_in_image["job-id"]);
        if catalog == "tasks" {
            assert_eq!(
                (&by_flink["records"], &by_flink["load-verdict"]),
                (&json!("3600"), &json!("pass")),
                "{by_flink}"
            );
        }
        assert_eq!((&applied["objects"], &applied["changed"]), (&json!("2"), &json!("2")));
        assert!(!bench.space.kubectl(&["get", "deployment/redis"]).ok, "it is deleted at the end");
        assert_eq!(in_workspace["topology"], "preprocessor");
        assert_eq!(in_image["topology"], "preprocessor");
        assert_eq!(load["records"], "3600");
        assert_eq!(load["load-verdict"], "pass", "{load}");
        assert_eq!(measured["verdict"], "pass", "{measured}");
        assert!(kept["key"].as_str().unwrap().starts_with("preprocessor/"), "{kept}");
        assert!(planned["plan"].as_str().unwrap().starts_with("kafkaSpout=1 transformer="), "{planned}");
        assert!(told["permalink"].as_str().unwrap().starts_with("https://"), "{told}");
        assert_eq!(status["state"], "success", "{status}");
        assert!(comment["url"].as_str().unwrap().starts_with("https://"), "{comment}");
        let report =
            bench.space.kubectl(&["exec", "files", "--", "cat", &format!("/files/reports/{catalog}/report.json")]);
        assert_eq!(report.json()["load"]["visible"], 3600);
    }
}

#[test]
fn shards_of_a_matrix_share_a_load() {
    let bench = Bench::start("sharded");
    let mut run = document("tasks", SHARDED);
    // The Pipeline in it only declares its parameters.
    let own = params(&bench);
    for param in run["spec"]["params"].as_array_mut().unwrap() {
        if let Some((_, value)) = own.iter().find(|(name, _)| param["name"] == *name) {
            param["value"] = value.clone();
        }
    }
    // Both shards must find room on a node with two cores.
    run["spec"]["taskRunSpecs"] =
        json!([{"pipelineTaskName": "load", "computeResources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]);
    let done = done(&bench, run, "reports/sharded");
    assert_eq!((&done["records"], &done["load-verdict"]), (&json!("3600"), &json!("pass")), "{done}");
    let load =
        &bench.space.kubectl(&["exec", "files", "--", "cat", "/files/reports/sharded/report.json"]).json()["load"];
    assert_eq!(
        (&load["shards"], &load["planned"], &load["visible"]),
        (&json!(2), &json!(3600), &json!(3600)),
        "{load}"
    );
}
