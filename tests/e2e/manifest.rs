//! `apply-manifest` against a real API server, with its controllers: in this process, and as the user would see it.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use streamgauge::kubernetes::gone::{Old, gone};
use streamgauge::kubernetes::{Cluster, Connection, Kind, Object, Wait};
use streamgauge::manifest::program::{Args, run};
use streamgauge::step::{Exit, Failure, Step};

use crate::catalog::ROOT;
use crate::cluster::{Namespace, PATIENCE};

/// What a container of the tests needs to pass the restricted profile.
const RESTRICTED: &str = "securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, \
    capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";

/// Manifests in a folder of their own, and the namespace they are for.
struct Bench {
    space: Namespace,
    folder: tempfile::TempDir,
    kubeconfig: String,
}

impl Bench {
    fn new(purpose: &str, files: &[(&str, String)]) -> Self {
        let kubeconfig = std::env::var("KUBECONFIG").expect("KUBECONFIG is set by hack/e2e");
        let bench = Self { space: Namespace::new(purpose), folder: tempfile::tempdir().unwrap(), kubeconfig };
        for (name, text) in files {
            std::fs::write(bench.folder.path().join(name), text).unwrap();
        }
        bench
    }

    /// Runs the program with these arguments, and gives its results.
    fn apply(&self, args: &[&str]) -> Result<Value, Failure> {
        let manifests = self.folder.path().display().to_string();
        let results = tempfile::tempdir().unwrap();
        let names = ["objects", "changed", "ready-at"];
        let result = names.map(|name| format!("--result={name}={}/{name}", results.path().display()));
        let patience = format!("{}s", PATIENCE.as_secs());
        let mut words = vec!["apply-manifest", "--manifests", &manifests];
        // Its own deadline and namespace, where the test does not say otherwise.
        for (flag, value) in [("--timeout", &patience), ("--namespace", &self.space.name)] {
            words.extend(if args.contains(&flag) { vec![] } else { vec![flag, value] });
        }
        words.extend(["--kubeconfig", &self.kubeconfig]);
        words.extend(result.iter().map(String::as_str));
        words.extend(args);
        let args = Args::try_parse_from(&words).unwrap();
        let step = Step::new(args.step.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let exit = runtime.block_on(run(args, &step))?;
        assert_eq!(exit, Exit::Done);
        let read = |name| std::fs::read_to_string(results.path().join(name)).unwrap_or_default();
        Ok(names.into_iter().map(|name| (name.to_owned(), json!(read(name)))).collect())
    }

    /// Why it did not do it.
    #[track_caller]
    fn refused(&self, args: &[&str]) -> (Exit, String) {
        let failure = self.apply(args).unwrap_err();
        (failure.exit(), failure.to_string())
    }

    fn is_there(&self, object: &str) -> bool {
        self.space.kubectl(&["get", object]).ok
    }
}

/// A workload of the test image that runs this command.
fn workload(kind: &str, name: &str, more: &str, command: &str) -> String {
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let selector = if kind == "Job" { "" } else { "selector: {matchLabels: {app: NAME}}, " };
    let restart = if kind == "Job" { "Never" } else { "Always" };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: NAME}}\nspec: {{{more}{selector}template: {{metadata: {{labels: {{app: NAME}}}}, \
         spec: {{restartPolicy: {restart}, terminationGracePeriodSeconds: 1, containers: [{{name: app, image: \"test.local/busybox:1\", \
         command: [sh, -c, \"{command}\"], {RESTRICTED}}}]}}}}}}\n"
    )
    .replace("NAME", name)
}

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: b}}\n")
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n"
    )
}

const FOREVER: &str = "exec sleep 3600";

#[test]
fn an_application_is_created_changed_left_alone_and_deleted() {
    let deployment = workload("Deployment", "web", "replicas: 1, ", FOREVER);
    let bench = Bench::new(
        "manifest",
        &[("web.yaml", format!("{}---\n{}", deployment, service("web"))), ("config.yml", config("web"))],
    );
    let two = ["--set", "Deployment/web:spec.replicas=2"];

    let first = bench.apply(&two).unwrap();
    assert_eq!((&first["objects"], &first["changed"]), (&json!("3"), &json!("3")));
    assert!(first["ready-at"].as_str().unwrap().ends_with('Z'), "{first}");
    let web = bench.space.get("deployment/web");
    assert_eq!((&web["spec"]["replicas"], &web["status"]["availableReplicas"]), (&json!(2), &json!(2)));
    assert_eq!(web["metadata"]["labels"]["streamgauge.dev/run"], "none");

    assert_eq!(bench.apply(&two).unwrap()["changed"], "0");
    let labelled = [&two[..], &["--add", "ConfigMap:metadata.labels[\"app.kubernetes.io/part-of\"]=1"]].concat();
    assert_eq!(bench.apply(&labelled).unwrap()["changed"], "1");
    let labels = &bench.space.get("configmap/web")["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/part-of"], "1");

    bench.apply(&["--delete"]).unwrap();
    for kind in ["deployment", "service", "configmap"] {
        assert!(!bench.is_there(&format!("{kind}/web")), "{kind} is still there");
    }
    let pods = bench.space.kubectl(&["get", "pods", "-l", "app=web", "-o", "name"]).text();
    assert_eq!(pods, "", "deleted in the foreground, pods are gone first");
    bench.apply(&["--delete"]).unwrap();
}

#[test]
fn a_field_of_another_manager_is_told_by_name_and_left_alone_until_it_is_taken_by_force() {
    let bench = Bench::new("conflict", &[("web.yaml", workload("Deployment", "web", "replicas: 1, ", FOREVER))]);
    bench.apply(&[]).unwrap();
    bench.space.kubectl(&["scale", "deployment/web", "--replicas=2"]).text();
    let set = ["--set", "spec.replicas=3"];
    let (exit, words) = bench.refused(&set);
    assert_eq!(exit, Exit::Refused);
    assert!(words.contains("spec.replicas by \"kubectl\"") && words.contains("--force-conflicts"), "{words}");
    assert_eq!(bench.space.get("deployment/web")["spec"]["replicas"], 2);
    bench.apply(&[&set[..], &["--force-conflicts"]].concat()).unwrap();
    assert_eq!(bench.space.get("deployment/web")["spec"]["replicas"], 3);
}

#[test]
fn when_one_object_would_be_refused_none_is_applied() {
    let bench = Bench::new(
        "whole",
        &[("a.yaml", config("a")), ("web.yaml", workload("Deployment", "web", "replica: 1, ", FOREVER))],
    );
    let (exit, words) = bench.refused(&[]);
    assert_eq!(exit, Exit::Refused);
    assert!(words.contains("cannot apply Deployment/web") && words.contains("spec.replica"), "{words}");
    assert!(!bench.is_there("configmap/a"));
    let (exit, words) = bench.refused(&["--set", "spec.replicas=2"]);
    assert_eq!(exit, Exit::Usage);
    assert!(words.contains("spec has replica, selector, template, and no replicas"), "{words}");
}

#[test]
fn a_dry_run_changes_nothing_even_where_kinds_and_namespaces_are_new() {
    let name = "streamgauge-never-made";
    let space = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    let inside = config("a").replace("{name: a}", &format!("{{name: a, namespace: {name}}}"));
    let kind = definition("dry.e2e.streamgauge.dev", "Dry");
    let object = "apiVersion: dry.e2e.streamgauge.dev/v1\nkind: Dry\nmetadata: {name: a}\nspec: {x: y}\n";
    let bench = Bench::new("dry", &[("all.yaml", [space, inside, kind, object.to_owned()].join("---\n"))]);
    assert_eq!(bench.apply(&["--dry-run", "--namespace", ""]).unwrap()["changed"], "4");
    assert!(!bench.is_there(&format!("namespace/{name}")));
    assert!(!bench.is_there("crd/dries.dry.e2e.streamgauge.dev"));
}

#[test]
fn jobs_are_waited_for_and_a_failed_one_is_told_at_once() {
    let bench = Bench::new("job", &[("job.yaml", workload("Job", "load", "backoffLimit: 0, ", "exit 0"))]);
    bench.apply(&[]).unwrap();
    assert_eq!(bench.space.get("job/load")["status"]["succeeded"], 1);
    let bench = Bench::new("job", &[("job.yaml", workload("Job", "load", "backoffLimit: 0, ", "exit 3"))]);
    let (exit, words) = bench.refused(&[]);
    assert_eq!(exit, Exit::Refused);
    assert!(words.contains("Job/load will not become ready: BackoffLimitExceeded"), "{words}");
}

#[test]
fn a_stateful_set_is_waited_for_to_its_last_replica() {
    let set = workload("StatefulSet", "store", "replicas: 2, serviceName: store, ", FOREVER);
    let bench = Bench::new("stateful", &[("store.yaml", format!("{set}---\n{}", service("store")))]);
    bench.apply(&[]).unwrap();
    assert_eq!(bench.space.get("statefulset/store")["status"]["readyReplicas"], 2);
    bench.apply(&["--delete"]).unwrap();
    assert!(!bench.is_there("pod/store-0"));
}

#[test]
fn images_and_crashes_are_told_by_pod_and_container() {
    // Without the seconds it counts as available between its start and its exit.
    let bench = Bench::new("broken", &[("web.yaml", workload("Deployment", "web", "minReadySeconds: 60, ", "exit 7"))]);
    let (exit, words) = bench.refused(&["--patience", "1s"]);
    assert_eq!(exit, Exit::Refused);
    assert!(words.contains("Pod/web-") && words.contains("container app: "), "{words}");
    assert!(words.contains("exit code 7"), "{words}");
    let image = "spec.template.spec.containers[0].image=test.local/none:1";
    let never = "spec.template.spec.containers[name=app].imagePullPolicy=Never";
    let (_, words) = bench.refused(&["--set", image, "--add", never]);
    assert!(words.contains("ErrImageNeverPull"), "{words}");
}

#[test]
fn who_may_not_make_pods_is_told_why_at_the_deadline() {
    let set = workload("StatefulSet", "store", "serviceName: store, ", FOREVER)
        .replace("runAsNonRoot: true", "runAsNonRoot: false");
    let bench = Bench::new("admission", &[("store.yaml", set)]);
    let (exit, words) = bench.refused(&["--timeout", "15s"]);
    assert_eq!(exit, Exit::Deadline);
    assert!(words.contains("0 of 1 replicas are ready") && words.contains("violates PodSecurity"), "{words}");
}

/// A CustomResourceDefinition of a group of its own.
fn definition(group: &str, kind: &str) -> String {
    let single = kind.to_lowercase();
    let plural = single.strip_suffix('y').map_or_else(|| format!("{single}s"), |stem| format!("{stem}ies"));
    let open = "{type: object, x-kubernetes-preserve-unknown-fields: true}";
    let version = if group == "flink.apache.org" { "v1beta1" } else { "v1" };
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {plural}.{group}}}\nspec: {{group: {group}, \
         scope: Namespaced, names: {{kind: {kind}, plural: {plural}, singular: {single}}}, versions: [{{name: {version}, served: true, \
         storage: true, subresources: {{status: {{}}}}, schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {open}, status: {open}}}}}}}}}]}}\n"
    )
}

/// Stands in for a controller: writes these statuses one after another, each some time after the one before.
fn controller(space: &str, object: &str, statuses: Vec<Value>) -> std::thread::JoinHandle<()> {
    let (space, object) = (space.to_owned(), object.to_owned());
    std::thread::spawn(move || {
        let kubectl = |args: &[&str]| {
            let output = std::process::Command::new("kubectl").args(["--namespace", &space]).args(args).output();
            output.is_ok_and(|output| output.status.success())
        };
        let began = std::time::Instant::now();
        while !kubectl(&["get", &object]) {
            assert!(began.elapsed() < PATIENCE, "{object} was not made");
            std::thread::sleep(Duration::from_millis(100));
        }
        for status in statuses {
            // As long as a program takes that asks twice a second to see one before the other.
            std::thread::sleep(Duration::from_secs(2));
            let patch = json!({"status": status}).to_string();
            assert!(kubectl(&["patch", &object, "--subresource=status", "--type=merge", "-p", &patch]), "{object}");
        }
    })
}

#[test]
fn a_new_kind_is_served_before_its_object_and_the_condition_of_that_is_waited_for() {
    let group = format!("p{}.e2e.streamgauge.dev", std::process::id());
    let object = format!("apiVersion: {group}/v1\nkind: Gauge\nmetadata: {{name: a}}\nspec: {{x: y}}\n");
    let bench = Bench::new("custom", &[("all.yaml", format!("{object}---\n{}", definition(&group, "Gauge")))]);
    let gauge = format!("gauges.{group}/a");
    let condition =
        |status: &str| json!({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": status}]});
    let acts = controller(&bench.space.name, &gauge, vec![condition("False"), condition("True")]);
    bench.apply(&["--set", "Gauge/a:spec.x=z"]).unwrap();
    let now = bench.space.get(&gauge);
    acts.join().unwrap();
    assert_eq!((&now["spec"]["x"], &now["status"]["conditions"][0]["status"]), (&json!("z"), &json!("True")));
    bench.apply(&["--delete"]).unwrap();
    assert!(!bench.is_there(&gauge));
    bench.space.kubectl(&["delete", "crd", &format!("gauges.{group}")]).text();
    bench.apply(&["--delete"]).unwrap();
}

#[test]
fn a_flink_deployment_is_ready_when_its_operator_calls_it_stable_and_its_job_runs() {
    let definition = definition("flink.apache.org", "FlinkDeployment");
    let object = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: word-count}\n\
                  spec: {image: \"flink:2.2.1\", job: {jarURI: \"local:///a.jar\", state: running}}\n";
    let bench = Bench::new("flink", &[("crd.yaml", definition), ("job.yaml", object.to_owned())]);
    let status = |lifecycle: &str, job: &str, error: &str| {
        json!({"observedGeneration": 1, "lifecycleState": lifecycle, "jobManagerDeploymentStatus": "READY",
            "jobStatus": {"state": job}, "error": error})
    };
    let job = "flinkdeployment/word-count";
    let statuses = vec![status("DEPLOYED", "RECONCILING", ""), status("STABLE", "RUNNING", "")];
    let acts = controller(&bench.space.name, job, statuses);
    bench.apply(&[]).unwrap();
    assert_eq!(bench.space.get(job)["status"]["jobStatus"]["state"], "RUNNING");
    acts.join().unwrap();

    bench.space.kubectl(&["delete", job]).text();
    let error = r#"{"type": "ReconciliationException", "message": "no jar at local:///a.jar"}"#;
    let acts = controller(&bench.space.name, job, vec![status("FAILED", "FAILED", error)]);
    let (exit, words) = bench.refused(&[]);
    acts.join().unwrap();
    assert_eq!(exit, Exit::Refused);
    assert!(words.contains("FlinkDeployment/word-count will not become ready"), "{words}");
    assert!(words.contains("no jar at local:///a.jar"), "{words}");
    bench.apply(&["--delete"]).unwrap();
}

#[test]
fn what_was_there_before_and_what_another_run_has_taken_is_kept() {
    let bench = Bench::new("kept", &[("a.yaml", config("old")), ("b.yaml", config("new"))]);
    bench.space.kubectl(&["create", "configmap", "old"]).text();
    let report = |run: &str| {
        let path = bench.folder.path().join(format!("{run}.report"));
        std::fs::write(&path, json!({"schemaVersion": 1, "run": {"id": run}}).to_string()).unwrap();
        format!("--report={}", path.display())
    };
    let (first, second) = (report("run-1"), report("run-2"));
    bench.apply(&[&first, "--name", "maps", "--set", "ConfigMap/new:data.a=secret-free"]).unwrap();
    bench.apply(&[&second]).unwrap();
    assert_eq!(bench.space.get("configmap/new")["metadata"]["labels"]["streamgauge.dev/run"], "run-2");
    bench.apply(&["--delete", &first]).unwrap();
    assert!(bench.is_there("configmap/new"), "it is the second run's by now");
    bench.apply(&["--delete", &second]).unwrap();
    assert!(!bench.is_there("configmap/new"));
    assert!(bench.is_there("configmap/old"), "it was there before");

    let told = std::fs::read_to_string(bench.folder.path().join("run-1.report")).unwrap();
    let app = &serde_json::from_str::<Value>(&told).unwrap()["app"];
    assert_eq!((&app["engine"], &app["name"]), (&json!("manifest"), &json!("maps")));
    assert_eq!(app["properties"]["ConfigMap/new:data.a"], "secret-free");
    assert!(app["readyAt"].is_string(), "{app}");
}

#[test]
fn the_rights_of_the_sample_are_enough_and_a_missing_one_is_told_as_its_rule() {
    let all = [
        workload("Deployment", "web", "", FOREVER),
        service("web"),
        config("web"),
        workload("Job", "load", "", "exit 0"),
    ];
    let mut bench = Bench::new("rights", &[("all.yaml", all.join("---\n"))]);
    bench.space.apply(&Path::new(ROOT).join("config/deployer.yaml"));
    bench.kubeconfig = kubeconfig_of(&bench, "streamgauge-deployer");
    bench.apply(&[]).unwrap();
    bench.apply(&["--delete"]).unwrap();

    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n\
                   spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n";
    std::fs::write(bench.folder.path().join("ingress.yaml"), ingress).unwrap();
    let (exit, words) = bench.refused(&[]);
    assert_eq!(exit, Exit::Refused);
    assert!(words.contains("lacks the right to get ingresses.networking.k8s.io in namespace"), "{words}");
    assert!(words.contains("apiGroups: [\"networking.k8s.io\"], resources: [ingresses], verbs: [get]"), "{words}");
    assert!(!bench.is_there("deployment/web"), "nothing is applied");
}

/// A kubeconfig of a ServiceAccount, beside the manifests but not one of them.
fn kubeconfig_of(bench: &Bench, account: &str) -> String {
    let token = bench.space.kubectl(&["create", "token", account]).text();
    let admin = bench.space.kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]).json();
    let user = json!({"name": account, "user": {"token": token.trim()}});
    let context = json!({"name": "it", "context": {"cluster": admin["clusters"][0]["name"], "user": account}});
    let config = json!({"apiVersion": "v1", "kind": "Config", "clusters": admin["clusters"], "users": [user],
        "contexts": [context], "current-context": "it"});
    let path = bench.folder.path().join("it.kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn an_object_takes_the_place_of_an_old_one_once_all_of_that_is_gone() {
    let set = workload("StatefulSet", "store", "serviceName: store, ", FOREVER);
    let bench = Bench::new("replace", &[("store.yaml", set), ("map.yaml", config("old"))]);
    bench.space.kubectl(&["create", "configmap", "old"]).text();
    let uid = |object: &str| bench.space.get(object)["metadata"]["uid"].clone();
    bench.apply(&["--replace"]).unwrap();
    let first = ["statefulset/store", "pod/store-0", "configmap/old"].map(uid);
    assert_eq!(bench.apply(&["--replace=false"]).unwrap()["changed"], "0");
    assert_eq!(bench.apply(&["--replace"]).unwrap()["changed"], "1");
    let second = ["statefulset/store", "pod/store-0", "configmap/old"].map(uid);
    assert_ne!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
    assert_eq!(first[2], second[2], "what others have made stays");
    bench.apply(&["--delete"]).unwrap();
    let cluster = Connection {
        kubeconfig: bench.kubeconfig.clone(),
        namespace: bench.space.name.clone(),
        ..Connection::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = Cluster::connect(&cluster).await.unwrap();
        let kind = cluster.kind("apps/v1", "StatefulSet").await.unwrap();
        assert_eq!(kind, Kind::stateful_set());
        let store = Object::new(kind, cluster.namespace(), "store");
        let labels = "app=store".to_owned();
        let pods = Old::Labelled { kind: Kind::pod(), namespace: cluster.namespace().to_owned(), labels };
        gone(&cluster, &[Old::Named(store), pods], &mut Wait::within(PATIENCE)).await.unwrap();
    });
}

#[test]
fn an_old_object_that_is_on_its_way_out_is_waited_for() {
    let held = config("held").replace("{name: held}", "{name: held, finalizers: [e2e.streamgauge.dev/hold]}");
    let bench = Bench::new("leaving", &[("a.yaml", config("held"))]);
    bench.space.create(&held);
    bench.space.kubectl(&["delete", "configmap/held", "--wait=false"]).text();
    let old = bench.space.get("configmap/held")["metadata"]["uid"].clone();
    std::thread::scope(|scope| {
        let applied = scope.spawn(|| bench.apply(&[]));
        // Time enough for a first look at it.
        std::thread::sleep(Duration::from_secs(2));
        let free = ["patch", "configmap/held", "--type=merge", "-p", "{\"metadata\": {\"finalizers\": null}}"];
        bench.space.kubectl(&free).text();
        applied.join().unwrap().unwrap();
    });
    assert_ne!(bench.space.get("configmap/held")["metadata"]["uid"], old);
}

#[test]
fn what_does_not_go_away_is_told_with_what_holds_it() {
    let held = config("held").replace("{name: held}", "{name: held, finalizers: [e2e.streamgauge.dev/hold]}");
    let bench = Bench::new("held", &[("a.yaml", held)]);
    bench.apply(&[]).unwrap();
    let (exit, words) = bench.refused(&["--delete", "--timeout", "5s"]);
    assert_eq!(exit, Exit::Deadline);
    assert!(words.contains("ConfigMap/held (held by the finalizer e2e.streamgauge.dev/hold)"), "{words}");
    let free = ["patch", "configmap/held", "--type=merge", "-p", "{\"metadata\": {\"finalizers\": null}}"];
    bench.space.kubectl(&free).text();
}

#[test]
fn an_object_for_another_namespace_is_refused_where_one_was_given() {
    let elsewhere = config("a").replace("{name: a}", "{name: a, namespace: elsewhere}");
    let bench = Bench::new("elsewhere", &[("a.yaml", elsewhere)]);
    let (exit, words) = bench.refused(&[]);
    assert_eq!(exit, Exit::Usage);
    assert!(words.contains("is for namespace \"elsewhere\" but --namespace is"), "{words}");
}

#[test]
fn a_server_that_is_not_there_is_told_by_its_address() {
    let mut bench = Bench::new("nobody", &[("a.yaml", config("a"))]);
    let config = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], \
                  users: [{name: u, user: {}}], clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}";
    let path = bench.folder.path().join("nobody.kubeconfig");
    std::fs::write(&path, config).unwrap();
    bench.kubeconfig = path.display().to_string();
    let (exit, words) = bench.refused(&["--timeout", "4s"]);
    assert_ne!(exit, Exit::Done);
    assert!(words.contains("http://127.0.0.1:1 cannot be reached: Connection refused"), "{words}");
}
