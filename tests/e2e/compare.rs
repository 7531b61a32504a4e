//! `compare-applications`, a Heron topology and a Flink job under one load: on the cluster, and by the local runner, whose
//! manifests go to the cluster too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use streamgauge::local::{self, Cancel, Line, Request};
use streamgauge::report::{Metric, Part, Report};
use streamgauge::sandbox::kafka;
use streamgauge::step::KeyValue;
use tokio::sync::watch;

use crate::bench::{Bench, Params, bind, block_on};
use crate::catalog::{ROOT, documents};
use crate::cluster::succeeded;

const RATE: f64 = 300.0;

#[test]
fn a_topology_and_a_job_are_given_one_load_and_compared_in_one_report() {
    let bench = Bench::start_with_flink("compare");
    bench.space.apply(&Path::new(ROOT).join("config/deployer.yaml"));
    let manifests = format!("--from-file={ROOT}/examples/redis");
    bench.space.kubectl(&["create", "configmap", "shared-cache", &manifests]).text();

    let report = on_the_cluster(&bench);
    assert_compared(&report);
    assert_nothing_is_left(&bench);

    let report = on_this_computer(&bench);
    assert_compared(&report);
    assert_nothing_is_left(&bench);
}

fn on_the_cluster(bench: &Bench) -> Report {
    let sample = format!("{ROOT}/pipelines/compare-applications/samples/compare-applications.yaml");
    let mut run = documents(&std::fs::read_to_string(sample).unwrap()).remove(0);
    run["metadata"] = json!({"name": "compare"});
    let own = params(bench);
    let given = run["spec"]["params"].as_array_mut().unwrap();
    given.retain(|param| own.iter().all(|(name, _)| param["name"] != *name));
    given.extend(own.into_iter().map(|(name, value)| json!({"name": name, "value": value})));
    let claim = json!({"persistentVolumeClaim": {"claimName": "files"}, "subPath": "reports/compare"});
    bind(&mut run, "report", claim);
    // A node of two CPUs has to do for steps side by side.
    let small = json!({"requests": {"cpu": "20m", "memory": "64Mi"}});
    let deployer = |task: &str| json!({"pipelineTaskName": task, "serviceAccountName": "streamgauge-deployer", "computeResources": small});
    let others = ["begin", "deploy-heron", "deploy-flink", "load", "measure-heron", "measure-flink", "collect"];
    let others = others.map(|task| json!({"pipelineTaskName": task, "computeResources": small}));
    run["spec"]["taskRunSpecs"] = ["apply", "delete-manifest"].map(deployer).into_iter().chain(others).collect();
    let run = bench.space.create(&run.to_string());
    let ended = bench.ended(&run);
    for (task, run) in &ended.tasks {
        println!("{task}: {}", succeeded(run)["message"]);
    }
    println!("{}", ended.told);
    assert!(
        ended.task("collect").is_some(),
        "{:#}\n{}",
        ended.run["status"],
        bench.space.logs("pipelineRun", "compare")
    );
    assert!(ended.told.contains("*preprocessor, preprocessor: "), "{}", ended.told);
    let report = ended.report.unwrap();
    assert_eq!(ended.run["status"]["results"][0]["value"], report.verdict.as_ref().unwrap().status.as_str());
    report
}

fn on_this_computer(bench: &Bench) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = std::env::var("KUBECONFIG").expect("KUBECONFIG is set by hack/e2e");
    std::fs::create_dir(folder.path().join("kubeconfig")).unwrap();
    std::fs::copy(kubeconfig, folder.path().join("kubeconfig/kubeconfig")).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let pair = |key: &str, value: String| KeyValue { key: key.to_owned(), value };
    let jar = |engine: &str| format!("{ROOT}/examples/{engine}-preprocessor/target/{engine}-preprocessor.jar");
    let own = [
        ("manifests", json!(["redis.yaml"])),
        ("manifest-namespace", json!(bench.space.name)),
        ("role", json!("ads")),
        ("heron-jar", json!(jar("heron"))),
        ("flink-jar", json!(jar("flink"))),
    ];
    let request = Request {
        file: PathBuf::from(format!("{ROOT}/pipelines/compare-applications/compare-applications.yaml")),
        params: params(bench).into_iter().chain(own).map(|(key, value)| pair(key, text(&value))).collect(),
        workspaces: vec![
            pair("report", folder.path().join("report").display().to_string()),
            pair("manifests", format!("{ROOT}/examples/redis")),
            pair("kubeconfig", folder.path().join("kubeconfig").display().to_string()),
        ],
        programs: Path::new(env!("CARGO_BIN_EXE_streamgauge")).parent().map(Path::to_owned),
        ..Request::default()
    };
    let (_keep, cancel) = watch::channel(Cancel::No);
    let print = |line: &Line| println!("[{} : {}] {}", line.task, line.step, line.text);
    let run = block_on(local::execute(&request, Arc::new(print), cancel)).unwrap();
    println!("{}", local::describe(&run));
    let page = std::fs::read_to_string(folder.path().join("report/report.html")).unwrap();
    assert!(page.contains("preprocessor (heron)") && page.contains("preprocessor (flink)"));
    let report = std::fs::read(folder.path().join("report/report.json")).unwrap();
    serde_json::from_slice(&report).unwrap()
}

/// What the sample's parameters have to be in this sandbox.
fn params(bench: &Bench) -> Params {
    let endpoints = &bench.endpoints;
    let servers = endpoints.kafka_bootstrap_servers.as_str();
    let intervals = json!(["export_interval=1", "scrape_interval=1"]);
    vec![
        ("duration-min", json!("0.5")),
        ("data-count-per-second", json!(RATE.to_string())),
        ("warm-up", json!("10s")),
        ("service-url", json!(endpoints.heron_service_url)),
        ("tracker-url", json!(endpoints.heron_tracker_url)),
        ("cluster", json!("sandbox")),
        ("flink-rest-url", json!(endpoints.flink_rest_url)),
        ("source-bootstrap-servers", json!(servers)),
        ("source-topic", json!(kafka::SOURCE_TOPIC)),
        ("target-bootstrap-servers", json!(servers)),
        ("target-topic", json!(kafka::TARGET_TOPIC)),
        ("heron-output-topic", json!(kafka::OUTPUT_TOPIC)),
        ("flink-output-topic", json!(kafka::OUTPUT_TOPIC)),
        ("prometheus-endpoint", json!(endpoints.prometheus_url)),
        ("heron-metric-params", intervals.clone()),
        ("flink-metric-params", intervals),
        ("slack-api-url", json!(endpoints.slack_api_url)),
        ("spout-parallelism", json!("1")),
        ("transformer-parallelism", json!("2")),
        ("publisher-parallelism", json!("1")),
        (
            "manifest-settings",
            json!([
                "Deployment/redis:spec.template.spec.containers[name=redis].image=test.local/busybox:1",
                "Deployment/redis:spec.template.spec.containers[name=redis].command=[httpd, -f, -p, \"6379\"]",
            ]),
        ),
    ]
}

/// Each application was measured by itself, under the load that both were given. How well a busy computer lets them carry it is
/// not this test's matter.
fn assert_compared(report: &Report) {
    let load = report.load.as_ref().unwrap();
    assert_eq!([load.planned, load.visible], [(RATE * 30.0) as u64; 2]);
    let verdict = report.verdict.as_ref().unwrap();
    let names: Vec<&str> = report.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["heron", "flink"]);
    for (part, [source, sink]) in report.parts.iter().zip([["kafkaSpout", "publisher"], ["source", "sink"]]) {
        let app = part.app.as_ref().unwrap();
        assert_eq!((app.engine.as_str(), app.name.as_str()), (part.name.as_str(), "preprocessor"));
        assert_eq!(app.components.len(), 3, "{:?}", app.components);
        assert!(part.load.is_none() && part.errors.is_empty(), "{:?}", part.errors);
        for component in [source, "transformer", sink] {
            let tps = tps(part, component).unwrap_or_else(|| panic!("no TPS of {component} in {:#?}", part.metrics));
            assert!((tps - RATE).abs() < RATE * 0.2, "{component}: {tps}/s");
        }
        let own = part.verdict.as_ref().unwrap();
        assert!(verdict.cause.contains(&format!("{}: {}", part.name, own.cause)), "{}", verdict.cause);
    }
}

fn tps(part: &Part, component: &str) -> Option<f64> {
    let wanted = |metric: &&Metric| metric.name == "tps" && metric.component == component;
    part.metrics.iter().find(wanted)?.value
}

fn assert_nothing_is_left(bench: &Bench) {
    assert!(!bench.topologies().contains("preprocessor"), "{}", bench.topologies());
    let jobs = format!("{}/jobs/overview", bench.endpoints.flink_rest_url.as_deref().unwrap());
    let jobs: Value = block_on(async { reqwest::get(jobs).await.unwrap().json().await.unwrap() });
    let ended = ["CANCELED", "FINISHED"];
    let alive = jobs["jobs"].as_array().unwrap().iter().filter(|job| !ended.contains(&job["state"].as_str().unwrap()));
    assert_eq!(alive.count(), 0, "{jobs:#}");
    assert!(!bench.space.kubectl(&["get", "deployment/redis"]).ok, "its manifest is deleted");
}
