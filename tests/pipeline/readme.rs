//! Every command of README.md is run: `hack/demo`, `hack/test` and `hack/e2e` by continuous integration, the others here or
//! there, but for the benchmark: what that shows is of worth only from a computer that does nothing else.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use streamgauge::report;
use tokio::process::Command;

use crate::bench::{Bench, PIPELINE};

/// The commands in the README's `sh` blocks, each with its continuation lines.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string("README.md").unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    joined.iter().flat_map(|block| block.lines()).map(ToOwned::to_owned).collect()
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The names of the objects in a list.
fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn the_readme_has_no_command_that_nobody_runs() {
    let commands = commands();
    // What a user may take instead of ours, and the tests do not bring.
    let elsewhere = ["docker ", "skopeo ", "kind ", "ctr ", "syft ", "trivy ", "rust-audit-info "];
    let ours = commands.iter().filter(|line| !elsewhere.iter().any(|tool| line.starts_with(tool)));
    let programs: Vec<&str> = ours.map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(
        programs,
        [
            "hack/demo",
            "hack/test",
            "hack/e2e",
            "hack/bench loader",
            "target/release/streamgauge run pipelines/performance-test/performance-test.yaml",
            "kustomize edit set image streamgauge=registry.example/team/streamgauge:0.1.0 \
             streamgauge-java=registry.example/team/streamgauge-java:0.1.0",
            "kubectl apply -k .",
            "kubectl apply -f config/secrets/slack.yaml",
            "kubectl create -f pipelines/performance-test/samples/performance-test.yaml",
            "tkn bundle push registry.example/team/streamgauge-catalog:0.1.0",
            "hack/image",
        ]
    );
    let ci = std::fs::read_to_string(".ci/run").unwrap();
    for command in ["hack/test ", "hack/e2e ", "hack/image", "hack/demo\n"] {
        assert!(ci.contains(command), ".ci/run does not run {command}");
    }
}

#[tokio::test]
async fn the_readmes_own_run_works_with_ones_own_addresses() {
    let bench = Bench::start(50_000, Duration::from_secs(1)).await;
    let endpoints = bench.sandbox.endpoints();
    let (report, history) = (bench.folder.path().join("report"), bench.folder.path().join("history"));
    std::fs::create_dir(&report).unwrap();
    let mut command = commands().into_iter().find(|line| line.contains("streamgauge run")).unwrap();
    for (theirs, ours) in [
        ("target/release/streamgauge", env!("CARGO_BIN_EXE_streamgauge")),
        ("http://heron-apiserver:9000", &endpoints.heron_service_url),
        ("http://heron-tracker:8888", &endpoints.heron_tracker_url),
        ("http://prometheus:9090", &endpoints.prometheus_url),
        ("kafka-production:9092", &endpoints.kafka_bootstrap_servers),
        ("kafka-staging:9092", &endpoints.kafka_bootstrap_servers),
        ("cluster=kubernetes", "cluster=sandbox"),
        ("secrets/slack", &endpoints.slack_token_dir.display().to_string()),
        ("out/report", &report.display().to_string()),
        ("out/history", &history.display().to_string()),
        ("duration-min=30", "duration-min=0.25"),
        ("data-count-per-second=10000", "data-count-per-second=1000"),
    ] {
        assert!(command.contains(theirs), "{theirs} is not in {command}");
        command = command.replace(theirs, ours);
    }
    let more = format!(
        " --param slack-api-url={} --param metric-params=export_interval=1 --param metric-params=scrape_interval=1",
        endpoints.slack_api_url
    );
    let status = Command::new("sh").arg("-c").arg(command + &more).kill_on_drop(true).status().await.unwrap();
    let told = report::read(&report.join("report.json")).unwrap().unwrap();
    let verdict = told.verdict.unwrap();
    assert!(status.success(), "{status}: {verdict:?}");
    let baseline = told.baseline.unwrap();
    assert_eq!((baseline.asked.as_str(), baseline.runs.len()), ("branch:main", 0), "{baseline:?}");
    let kept = streamgauge::history::open(&history.display().to_string(), None).unwrap();
    let kept = kept.reports("preprocessor", &streamgauge::history::Filter::default()).await.unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(bench.sandbox.slack().messages().len(), 1);
    bench.stop().await;
}

/// Where the Tasks, StepActions or Pipelines of these folders are.
fn manifests(kinds: &[&str]) -> Vec<String> {
    let mut there = Vec::new();
    for kind in kinds {
        let folders = std::fs::read_dir(kind).unwrap().flatten().filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        there.extend(names.iter().map(|name| format!("{kind}/{name}/{name}.yaml")));
    }
    there
}

#[test]
fn a_cluster_is_given_every_task_stepaction_and_pipeline() {
    let listed = yaml(Path::new("kustomization.yaml"));
    let listed: Vec<&str> = listed["resources"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    let there = manifests(&["tasks", "stepactions", "pipelines"]);
    assert_eq!(listed[..there.len()], there);
    assert_eq!(listed[there.len()..], ["config/service-account.yaml", "config/images/images.yaml"]);
}

#[test]
fn a_bundle_is_given_every_task_and_the_pipelines_that_use_it() {
    let command = commands().into_iter().find(|line| line.starts_with("tkn bundle push")).unwrap();
    let files: Vec<&str> = command.split_whitespace().filter(|word| word.ends_with(".yaml")).collect();
    let mut there = manifests(&["tasks"]);
    there.extend(
        manifests(&["pipelines"])
            .iter()
            .map(|path| format!("config/resolvers/bundles/{}", Path::new(path).file_name().unwrap().to_str().unwrap())),
    );
    assert_eq!(files, there);
}

/// What the samples say of pods and volumes is what `tkn` is given in files.
#[test]
fn samples_and_the_files_for_tkn_say_the_same() {
    let template = yaml(Path::new("config/pod-template.yaml"));
    let claim = yaml(Path::new("config/volume-claim-template.yaml"));
    let run = yaml(Path::new("pipelines/performance-test/samples/performance-test.yaml"));
    assert_eq!(run["spec"]["taskRunTemplate"]["podTemplate"], template);
    assert_eq!(run["spec"]["workspaces"][0]["volumeClaimTemplate"], claim);
    for manifest in manifests(&["tasks"]) {
        let path = Path::new(&manifest);
        let sample = path.with_file_name("samples").join(path.file_name().unwrap());
        assert_eq!(yaml(&sample)["spec"]["podTemplate"], template, "{manifest}");
    }
}

#[test]
fn the_sample_run_gives_the_pipeline_what_it_wants() {
    let sample = yaml(Path::new("pipelines/performance-test/samples/performance-test.yaml"));
    let pipeline = yaml(Path::new(PIPELINE));
    assert_eq!(sample["spec"]["pipelineRef"]["name"], pipeline["metadata"]["name"]);
    let declared = &pipeline["spec"]["params"];
    let given = names(&sample["spec"]["params"]);
    for name in &given {
        assert!(names(declared).contains(name), "{name} is no parameter of the Pipeline");
    }
    for param in declared.as_array().unwrap().iter().filter(|param| param["default"].is_null()) {
        assert!(given.contains(&param["name"].as_str().unwrap()), "{} is not given", param["name"]);
    }
}
