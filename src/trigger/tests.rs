//! The subcommand as a receiver of webhooks calls it: with a repository, a clone, a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args as _, FromArgMatches};
use serde_json::{Value, json};

use super::event::tests::{payload, push};
use super::{Args, run};
use crate::kubernetes::Kind;
use crate::kubernetes::fake::Fake;
use crate::step::{Exit, Failure, Step};

const PIPELINE: &str = r#"apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: NAME
  annotations:
    pipe.linecorp.com/event: |
      pull_request: {branches: [staging/**], types: [synchronize]}
    streamgauge.dev/commit-parameters: |
      transformer-parallelism: integer 1..200
      properties: text
spec:
  params:
    - {name: commit, default: ""}
    - {name: branch, default: ""}
    - {name: fork-point, default: ""}
    - {name: pull-request, default: ""}
    - {name: source-topic}
    - {name: transformer-parallelism, default: "10"}
    - {name: properties, type: array, default: [a=1]}
  workspaces:
    - {name: report}
  tasks:
    - name: say
      params: [{name: text, value: "$(params.commit) $(params.pull-request) $(params.transformer-parallelism)"}]
      workspaces: [{name: report}]
      taskSpec:
        params: [{name: text}]
        workspaces: [{name: report}]
        steps:
          - name: say
            image: busybox
            env:
              - name: MESSAGE
                valueFrom: {fieldRef: {fieldPath: "metadata.annotations['streamgauge.dev/commit-message']"}}
            command: [sh, -c, 'printf "%s\n%s" "$1" "$MESSAGE" >"$2/said"', say]
            args: ["$(params.text)", "$(workspaces.report.path)"]
"#;

/// A repository with a Pipeline, and an event.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(event: &Value) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.write("repo/perf/performance-test.yaml", &PIPELINE.replace("NAME", "performance-test"));
        bench.write("repo/charts/template.yaml", "{{ this: is no YAML");
        bench.write("event.json", &event.to_string());
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn event(&self, change: impl FnOnce(&mut Value)) {
        let mut event = payload();
        change(&mut event);
        self.write("event.json", &event.to_string());
    }

    async fn trigger(&self, more: &[&str]) -> Result<Exit, Failure> {
        self.trigger_in(&self.path("repo").display().to_string(), more).await
    }

    async fn trigger_in(&self, place: &str, more: &[&str]) -> Result<Exit, Failure> {
        let command = Args::augment_args(clap::Command::new("trigger"));
        let event = self.path("event.json").display().to_string();
        let matches = command.try_get_matches_from(["trigger", place, "--event", &event].iter().chain(more)).unwrap();
        let args = Args::from_arg_matches(&matches).unwrap();
        let step = Step::new(args.step.clone());
        run(args, &step).await
    }

    /// Why nothing was started.
    async fn refused(&self, more: &[&str]) -> String {
        let failure = self.trigger(more).await.unwrap_err();
        failure.to_string().replace(&self.folder.path().display().to_string(), "FOLDER")
    }

    /// Makes the repository a clone with a branch off a base, puts its commits into the event, and gives base, fork point and head.
    fn commit(&self, message: &str) -> [String; 3] {
        let git = |args: &[&str]| git(&self.path("repo"), args);
        git(&["init", "--quiet", "--initial-branch=staging"]);
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "Begin"]);
        let fork_point = git(&["rev-parse", "HEAD"]);
        git(&["commit", "--quiet", "--allow-empty", "-m", "The base goes on"]);
        let base = git(&["rev-parse", "HEAD"]);
        git(&["checkout", "--quiet", "-b", "topic", &fork_point]);
        self.write("repo/src/a.rs", "");
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", message]);
        let head = git(&["rev-parse", "HEAD"]);
        self.event(|event| {
            event["pull_request"]["head"]["sha"] = json!(head);
            event["pull_request"]["base"]["sha"] = json!(base);
        });
        [base, fork_point, head]
    }

    fn template(&self) -> String {
        let run = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
            "metadata": {"generateName": "performance-test-", "annotations": {"kept": "yes"}},
            "spec": {"pipelineRef": {"name": "performance-test"},
                "params": [{"name": "source-topic", "value": "events"}, {"name": "properties", "value": ["b=2"]},
                    {"name": "transformer-parallelism", "value": "28"}],
                "workspaces": [{"name": "report", "emptyDir": {}}]}});
        self.write("template.yaml", &run.to_string());
        self.path("template.yaml").display().to_string()
    }
}

fn git(folder: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=Mona", "-c", "user.email=mona@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").arg("-C").arg(folder).args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const SET: &str =
    "Try 29\n\nBecause \"28\" $(params.jar) are saturated.\n\nstreamgauge: transformer-parallelism=29 properties=c=3\n";

#[tokio::test]
async fn an_event_starts_one_run_in_the_cluster_with_what_the_commit_says() {
    let bench = Bench::new(&payload());
    let [_, fork_point, head] = bench.commit(SET);
    let (fake, template) = (Fake::start().await, bench.template());
    let kubeconfig = fake.kubeconfig().display().to_string();
    let words = ["--run", "--kubeconfig", &kubeconfig, "--template", &template, "--param=source-topic=ads-events"];
    assert_eq!(bench.trigger(&words).await.unwrap(), Exit::Done);
    let name = format!("performance-test-12-{}", &head[..12]);
    let run = fake.get(&Kind::pipeline_run(), &name);
    let params: Vec<String> = run["spec"]["params"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{}={}", one["name"], one["value"]))
        .collect();
    let wanted = [
        r#""branch"="more-transformers""#.to_owned(),
        format!(r#""commit"="{head}""#),
        format!(r#""fork-point"="{fork_point}""#),
        r#""properties"=["b=2","c=3"]"#.to_owned(),
        r#""pull-request"="12""#.to_owned(),
        r#""source-topic"="ads-events""#.to_owned(),
        r#""transformer-parallelism"="29""#.to_owned(),
    ];
    assert_eq!(params, wanted, "only what the Pipeline has");
    let annotations = &run["metadata"]["annotations"];
    assert_eq!(annotations["streamgauge.dev/commit-message"], SET.trim());
    assert_eq!((&annotations["streamgauge.dev/author"], &annotations["kept"]), (&json!("Mona"), &json!("yes")));
    assert_eq!(
        (&run["metadata"]["generateName"], &run["spec"]["workspaces"][0]["name"]),
        (&Value::Null, &json!("report"))
    );

    // GitHub delivers again, or somebody does for it.
    assert_eq!(bench.trigger(&words).await.unwrap(), Exit::Done);
    assert_eq!(fake.changes(), [format!("POST {name}")]);
}

#[tokio::test]
async fn what_does_not_match_starts_nothing() {
    let bench = Bench::new(&payload());
    let fake = Fake::start().await;
    let (kubeconfig, template) = (fake.kubeconfig().display().to_string(), bench.template());
    let start = ["--run", "--kubeconfig", &kubeconfig, "--template", &template, "--message=x"];
    for change in [
        |event: &mut Value| event["action"] = json!("opened"),
        |event: &mut Value| event["pull_request"]["base"]["ref"] = json!("main"),
        |event: &mut Value| event["pull_request"]["head"]["repo"]["full_name"] = json!("mallory/preprocessor"),
        |event: &mut Value| *event = push("refs/heads/staging/ads"),
    ] {
        bench.event(change);
        assert_eq!(bench.trigger(&start).await.unwrap(), Exit::Done);
    }
    assert_eq!(fake.changes(), [""; 0]);
    bench.event(|event| event["pull_request"]["head"]["repo"]["full_name"] = json!("mallory/preprocessor"));
    bench.trigger(&[&start[..], &["--fork-label=ok-to-test"]].concat()).await.unwrap();
    assert_eq!(fake.changes(), [""; 0]);
    bench.trigger(&[&start[..], &["--fork-label=perf"]].concat()).await.unwrap();
    assert_eq!(fake.changes().len(), 1);
}

#[tokio::test]
async fn the_label_that_approves_a_forks_pull_request_starts_the_run_of_its_newest_commit() {
    let bench = Bench::new(&payload());
    let fake = Fake::start().await;
    let (kubeconfig, template) = (fake.kubeconfig().display().to_string(), bench.template());
    let start = ["--run", "--kubeconfig", &kubeconfig, "--template", &template, "--message=x", "--fork-label=perf"];
    let labeled = |event: &mut Value, label: &str| {
        event["action"] = json!("labeled");
        event["label"] = json!({"name": label});
    };
    bench.event(|event| labeled(event, "perf"));
    bench.trigger(&start).await.unwrap();
    bench.event(|event| {
        labeled(event, "bug");
        event["pull_request"]["head"]["repo"]["full_name"] = json!("mallory/preprocessor");
    });
    bench.trigger(&start).await.unwrap();
    assert_eq!(fake.changes(), [""; 0], "one of the repository's own, and another label");
    bench.event(|event| {
        labeled(event, "perf");
        event["pull_request"]["head"]["repo"]["full_name"] = json!("mallory/preprocessor");
    });
    bench.trigger(&start).await.unwrap();
    assert_eq!(fake.changes().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_run_as_asked_is_told_before_anything_is_started() {
    let bench = Bench::new(&payload());
    let fake = Fake::start().await;
    let (kubeconfig, template) = (fake.kubeconfig().display().to_string(), bench.template());
    let start = ["--run", "--kubeconfig", &kubeconfig, "--template", &template];
    let with = |message: &str| {
        [&start[..], &[&format!("--message=Try\n\nstreamgauge: {message}")]]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let mut told = Vec::new();
    for message in
        ["jar=evil.jar", "transformer-parallelism=lots", "transformer-parallelism=1000", "transformer-parallelism"]
    {
        let words = with(message);
        told.push(bench.refused(&words.iter().map(String::as_str).collect::<Vec<_>>()).await);
    }
    told.push(bench.refused(&start).await);
    told.push(bench.refused(&[&start[..3], &["--message=x"]].concat()).await);
    told.push(bench.refused(&[&start[..], &["--message=x", "--param=topic=x"]].concat()).await);
    bench.event(|event| event["pull_request"]["head"]["sha"] = json!("$(id)"));
    told.push(bench.refused(&start).await);
    bench.event(|event| event["pull_request"]["title"] = json!("x".repeat(26 << 20)));
    told.push(bench.refused(&start).await);
    bench.event(|_| {});
    bench.write("repo/other.yml", &PIPELINE.replace("NAME", "performance-test"));
    told.push(bench.refused(&start).await);
    bench.write("repo/other.yml", &PIPELINE.replace("NAME", "other").replace("types:", "type:"));
    told.push(bench.refused(&start).await);
    assert_eq!(fake.changes(), [""; 0]);
    insta::assert_snapshot!(told.join("\n"), @r#"
    the commit's message cannot be followed: it sets "jar", and properties, transformer-parallelism may be set for performance-test, as streamgauge.dev/commit-parameters says there
    the commit's message cannot be followed: transformer-parallelism is "lots", not a whole number from 1 to 200
    the commit's message cannot be followed: transformer-parallelism is "1000", not a whole number from 1 to 200
    the commit's message cannot be followed: "transformer-parallelism" is not key=value
    Pipeline performance-test takes parameters from the commit's message, and that is not known: give --message, a clone that has the commit, or --api-url
    a run of performance-test needs source-topic, report: give --template, a PipelineRun of yours with its parameters and workspaces, or --param
    --param topic: no Pipeline that runs has such a parameter
    the payload's pull_request.head.sha is "$(id)", not a commit of 40 hex digits
    the payload has 26214401 bytes; GitHub sends 26214400 at most
    Pipeline performance-test is in FOLDER/repo/other.yml and in FOLDER/repo/perf/performance-test.yaml, and a run could only be of one of them: name the folder that is meant
    FOLDER/repo/other.yml: annotation pipe.linecorp.com/event: pull_request: unknown field `type`, expected one of `types`, `branches`, `branches-ignore`, `tags`, `tags-ignore`, `paths`, `paths-ignore`
    "#);
}

#[tokio::test]
async fn an_unsigned_event_starts_nothing_where_a_secret_is_given() {
    let bench = Bench::new(&payload());
    bench.write("secret", "only-for-this-test\n");
    let secret = format!("--secret-file={}", bench.path("secret").display());
    let told = bench.refused(&[&secret, &format!("--signature=sha256={}", "0".repeat(64)), "--message=x"]).await;
    assert!(told.starts_with("the payload's signature is not that of the webhook's secret"), "{told}");
}

#[tokio::test]
async fn files_are_known_from_a_clone_or_a_list() {
    let bench = Bench::new(&payload());
    let paths = PIPELINE
        .replace("NAME", "performance-test")
        .replace("types: [synchronize]", "types: [synchronize], paths: ['src/**']");
    bench.write("repo/perf/performance-test.yaml", &paths);
    let told = bench.refused(&["--message=x"]).await;
    assert!(told.contains("the changed files are not known: give --changed-files"), "{told}");
    let fake = Fake::start().await;
    let (kubeconfig, template) = (fake.kubeconfig().display().to_string(), bench.template());
    let start = ["--run", "--kubeconfig", &kubeconfig, "--template", &template, "--message=x"];
    bench.write("files", "README.md\n");
    let files = bench.path("files").display().to_string();
    bench.trigger(&[&start[..], &["--changed-files", &files]].concat()).await.unwrap();
    assert_eq!(fake.changes(), [""; 0]);
    bench.commit("Change src/a.rs");
    bench.trigger(&start).await.unwrap();
    assert_eq!(fake.changes().len(), 1);
}

#[tokio::test]
async fn the_message_comes_from_github_where_no_clone_has_it() {
    let bench = Bench::new(&payload());
    let fake = Fake::start().await;
    let (kubeconfig, template) = (fake.kubeconfig().display().to_string(), bench.template());
    static FIRST: AtomicBool = AtomicBool::new(true);
    let router = axum::Router::new().fallback(|uri: axum::http::Uri, headers: axum::http::HeaderMap| async move {
        if FIRST.swap(false, Ordering::Relaxed) {
            return (axum::http::StatusCode::BAD_GATEWAY, axum::Json(json!({"message": "Server Error"})));
        }
        assert_eq!(uri.path(), "/api/v3/repos/ads/preprocessor/commits/c0ffee0123456789c0ffee0123456789c0ffee01");
        match headers.get("Authorization").map(|value| value.to_str().unwrap()) {
            Some("Bearer t0ken") => (
                axum::http::StatusCode::OK,
                axum::Json(json!({"commit": {"message": SET, "author": {"name": "Mona"}}})),
            ),
            _ => (axum::http::StatusCode::NOT_FOUND, axum::Json(json!({"message": "Not Found"}))),
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("--api-url=http://{}/api/v3", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let start = ["--run", "--kubeconfig", &kubeconfig, "--template", &template, &api];
    let told = bench.refused(&start).await;
    assert!(told.ends_with("404 Not Found, Not Found; is a --token-file needed?"), "{told}");
    bench.write("token", "t0ken\n");
    let token = format!("--token-file={}", bench.path("token").display());
    bench.trigger(&[&start[..], &[&token]].concat()).await.unwrap();
    let run = fake.get(&Kind::pipeline_run(), "performance-test-12-c0ffee012345");
    assert_eq!(run["metadata"]["annotations"]["streamgauge.dev/commit-message"], SET.trim());
    let param = run["spec"]["params"].as_array().unwrap().iter().find(|one| one["name"] == "fork-point").unwrap();
    assert_eq!(
        param["value"], "ba5e000000000000000000000000000000000001",
        "the payload's, where no clone knows better"
    );
}

#[tokio::test]
async fn the_same_runs_on_this_computer() {
    let bench = Bench::new(&payload());
    let [.., head] = bench.commit(SET);
    let report = bench.path("report");
    // Pipelines and commits need not be in one repository.
    bench.write("pipelines/performance-test.yaml", &PIPELINE.replace("NAME", "performance-test"));
    let (pipelines, clone) =
        (bench.path("pipelines").display().to_string(), format!("--clone={}", bench.path("repo").display()));
    let workspace = format!("--workspace=report={}", report.display());
    let words = ["--local", &workspace, "--param=source-topic=x", &clone];
    assert_eq!(bench.trigger_in(&pipelines, &words).await.unwrap(), Exit::Done);
    assert_eq!(std::fs::read_to_string(report.join("said")).unwrap(), format!("{head} 12 29\n{}", SET.trim()));
}

#[tokio::test]
async fn the_catalogs_own_pipelines_run_for_commits_to_a_staging_branch() {
    let bench = Bench::new(&payload());
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let found = super::pipelines::find(&pipelines).unwrap();
    assert_eq!(
        found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["compare-applications", "performance-test"]
    );
    let event = super::event::Event::read(&std::fs::read(bench.path("event.json")).unwrap(), "pull_request").unwrap();
    assert_eq!(found.iter().filter(|one| one.on.refusal(&event).is_none()).count(), 1, "of each commit, one test");
}

/// A file of triggers/.
fn sample(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("triggers").join(path);
    serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_samples_give_only_what_the_pipeline_has() {
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/performance-test");
    let pipeline = super::pipelines::find(&pipelines).unwrap().remove(0);
    let template = sample("tekton-triggers/template.yaml").remove(0)["spec"]["resourcetemplates"][0].clone();
    let runs = [
        sample("pipe/run.yaml").remove(0),
        sample("pipelines-as-code/.tekton/performance-test.yaml").remove(0),
        template,
    ];
    for run in &runs {
        let names = |list: &str| -> Vec<String> {
            let items = run["spec"][list].as_array().into_iter().flatten();
            items.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        let of_event = |name: &String| super::pipelines::OF_EVENT.contains(&name.as_str());
        for name in names("params").iter().filter(|name| !of_event(name)) {
            assert!(pipeline.spec.params.iter().any(|param| param.name == *name), "{name} of {run:#}");
        }
        let needed = pipeline.spec.params.iter().filter(|param| param.default.is_none());
        assert!(needed.clone().all(|param| names("params").contains(&param.name)));
        assert!(names("workspaces").iter().all(|name| pipeline.spec.workspaces.iter().any(|one| one.name == *name)));
        assert!(names("workspaces").contains(&"report".to_owned()));
    }
}

#[tokio::test]
async fn the_workflow_of_github_actions_starts_what_the_annotation_says() {
    let workflow = sample("github-actions/performance-test.yaml").remove(0);
    // Its own filter is the Pipeline's, and `on` is no truth in YAML 1.2.
    let pipeline = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/performance-test/performance-test.yaml"),
    );
    let pipeline: Value = serde_saphyr::from_str(&pipeline.unwrap()).unwrap();
    let annotation = pipeline["metadata"]["annotations"]["pipe.linecorp.com/event"].as_str().unwrap();
    assert_eq!(workflow["on"], serde_saphyr::from_str::<Value>(annotation).unwrap());
    let script = workflow["jobs"]["trigger"]["steps"][1]["run"].as_str().unwrap();
    let line = script.lines().find(|line| line.starts_with("streamgauge trigger")).unwrap().replace('"', "");
    let command = Args::augment_args(clap::Command::new("trigger"));
    let words = line.replace("$GITHUB_EVENT_NAME", "pull_request");
    command.try_get_matches_from(words.split_whitespace().skip(1)).unwrap();
}
