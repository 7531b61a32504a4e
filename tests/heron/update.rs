//! `update-heron-app` against the sandbox's Heron, which updates as the real one does, and against recorded answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use streamgauge::heron::{self, deploy, update};
use streamgauge::report::{self, App, EventKind, Report};
use streamgauge::sandbox::Options;
use streamgauge::sandbox::heron::Heron;
use streamgauge::step::{Exit, Failure, Step};

use super::{Bench, Generation};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

/// The sandbox's Heron with the topology wc running: sentence 1, split 2, count 2.
struct Sandbox {
    heron: Heron,
    folder: tempfile::TempDir,
}

impl Sandbox {
    async fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runner = PathBuf::from(DATA).join("sandbox/runner.sh");
        let options = Options {
            heron_cluster: "local".to_owned(),
            heron_start_delay: Duration::from_millis(1200),
            runner_command: Some(vec!["sh".to_owned(), runner.display().to_string()]),
            dir: folder.path().to_owned(),
            ..Options::default()
        };
        let heron = Heron::start(&options, folder.path()).await.unwrap();
        let sandbox = Self { heron, folder };
        std::fs::write(sandbox.path("wc.jar"), "PK a jar").unwrap();
        let mut words = sandbox.words("deploy-heron-app");
        words.extend([format!("--java={DATA}/heron/java"), "--main-class=wc.WordCount".to_owned()]);
        words.push(format!("--jar={}", sandbox.path("wc.jar").display()));
        words.extend(more.iter().map(|word| (*word).to_owned()));
        let args = deploy::Args::try_parse_from(words).unwrap();
        let step = Step::new(args.step.clone());
        assert_eq!(deploy::run(args, &step).await.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn words(&self, program: &str) -> Vec<String> {
        let mut words = vec![program.to_owned()];
        words.extend(["--cluster=local", "--role=root", "--environment=default", "--topology=wc"].map(str::to_owned));
        words.push(format!("--service-url={}", self.heron.service_url()));
        words.push(format!("--tracker-url={}", self.heron.tracker_legacy_url()));
        words.push(format!("--report={}", self.path("report.json").display()));
        words.push("--ready-hold=300ms".to_owned());
        words
    }

    async fn update(&self, more: &[&str]) -> Result<Exit, String> {
        let mut words = self.words("update-heron-app");
        words.extend(more.iter().map(|word| (*word).to_owned()));
        let args = update::Args::try_parse_from(words).unwrap();
        let step = Step::new(args.step.clone());
        update::run(args, &step).await.map_err(|failure| format!("{}: {failure}", failure.exit().code()))
    }

    fn app(&self) -> App {
        report::read(&self.path("report.json")).unwrap().unwrap().app.unwrap()
    }

    fn parallelism(&self) -> Vec<(String, u32)> {
        self.app().components.into_iter().map(|component| (component.name, component.parallelism)).collect()
    }
}

fn counts(sentence: u32, split: u32, count: u32) -> Vec<(String, u32)> {
    vec![("sentence".into(), sentence), ("split".into(), split), ("count".into(), count)]
}

#[tokio::test]
async fn components_are_updated_and_the_report_says_what_really_runs() {
    let sandbox = Sandbox::start(&[]).await;
    assert_eq!(sandbox.parallelism(), counts(1, 2, 2));
    assert_eq!(sandbox.update(&["--dry-run", "--component-parallelism", "split:4"]).await, Ok(Exit::Done));
    assert_eq!(sandbox.parallelism(), counts(1, 2, 2));
    let first = sandbox.app().ready_at.unwrap();
    assert_eq!(sandbox.update(&["--component-parallelism", "split:3", "count:1"]).await, Ok(Exit::Done));
    assert_eq!(sandbox.parallelism(), counts(1, 3, 1));
    let app = sandbox.app();
    assert!(app.ready_at.unwrap() > first);
    assert_eq!(app.components[1].kind, "bolt", "what was known stays");
    // What was wanted happened before the window: it is no event of it. The stand-in for instances throws when it starts.
    let mut events = heron::events(&app, (app.ready_at.unwrap(), jiff::Timestamp::now())).await.unwrap();
    events.retain(|event| event.kind != EventKind::Exception);
    assert_eq!(events, []);
    // Again is done already.
    assert_eq!(sandbox.update(&["--component-parallelism", "split:3"]).await, Ok(Exit::Done));
    sandbox.heron.stop().await;
}

#[tokio::test]
async fn a_topology_that_was_deployed_paused_is_activated_deactivated_and_restarted() {
    let sandbox = Sandbox::start(&[]).await;
    assert_eq!(sandbox.update(&["--deactivate"]).await, Ok(Exit::Done));
    assert_eq!(sandbox.update(&["--deactivate=true"]).await, Ok(Exit::Done));
    let before = sandbox.app().address;
    // A restart leaves it paused.
    assert_eq!(sandbox.update(&["--restart"]).await, Ok(Exit::Done));
    assert_ne!(sandbox.app().address["streamManagers"], before["streamManagers"]);
    assert_eq!(sandbox.update(&["--activate"]).await, Ok(Exit::Done));
    assert_eq!(sandbox.update(&["--restart=1", "--deactivate"]).await, Ok(Exit::Done));
    insta::assert_snapshot!(sandbox.update(&["--restart=99"]).await.unwrap_err(), @r#"4: cannot restart topology "wc": Heron's API server says (500): Failed to restart topology 'wc'"#);
    sandbox.heron.stop().await;
}

#[tokio::test]
async fn a_restart_nobody_asked_for_is_noticed() {
    let sandbox = Sandbox::start(&[]).await;
    let app = sandbox.app();
    let url = format!("{}/api/v1/topologies/local/root/default/wc/restart", sandbox.heron.service_url());
    let answer = reqwest::Client::new().post(url).form(&[("container_id", "-1")]).send().await.unwrap();
    assert!(answer.status().is_success());
    let events = heron::events(&app, (app.ready_at.unwrap(), jiff::Timestamp::now())).await.unwrap();
    assert!(events.iter().any(|event| event.text == "container_1_sentence_1 restarted"), "{events:?}");
    sandbox.heron.stop().await;
}

#[tokio::test]
async fn wrong_changes_are_refused_before_they_are_sent() {
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().startup = Duration::ZERO;
    let update = async |more: &[&str]| bench.told(run(&bench, more).await);
    let mut told = vec![
        update(&[]).await,
        update(&["--activate", "--deactivate"]).await,
        update(&["--dry-run", "--activate"]).await,
        update(&["--component-parallelism", "count:1", "count:2"]).await,
        update(&["--component-parallelism", "nope:3"]).await,
        update(&["--topology=Wc", "--kubernetes-namespace=heron", "--activate"]).await,
    ];
    bench.fake.heron().topology = None;
    told.push(update(&["--activate"]).await);
    insta::assert_snapshot!(told.join("\n"), @r#"
2: nothing to do: give --component-parallelism, --restart, --activate or --deactivate
2: give --activate or --deactivate, not both
2: --dry-run needs --component-parallelism: nothing else has a plan to show
2: --component-parallelism names "count" twice
2: topology "wc" has no component "nope": it has count, sentence, split
2: topology "Wc" cannot run on Kubernetes, where names are lower case: name it so in its main and in --topology
4: topology "wc" is not running in default: deploy it first
"#);
    assert_eq!(bench.changes(), [""; 0]);
    let words = bench.words("update-heron-app", &["--component-parallelism", "count:0"]);
    assert!(update::Args::try_parse_from(words).is_err(), "0 destroys the topology");
}

async fn run(bench: &Bench, more: &[&str]) -> Result<Exit, Failure> {
    let args = update::Args::try_parse_from(bench.words("update-heron-app", more)).unwrap();
    let step = Step::new(args.step.clone());
    update::run(args, &step).await
}

#[tokio::test]
async fn what_is_so_already_is_done_and_what_heron_refuses_is_told() {
    let bench = Bench::running(Generation::Enveloped).await;
    bench.fake.heron().startup = Duration::ZERO;
    bench.fake.heron().refuse_act = Some("apiserver/mini-update-same");
    let outcome = run(&bench, &["--component-parallelism", "count:2", "--ready-hold=0"]).await;
    assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    assert_eq!(bench.changes(), [""; 0], "it is so already");
    bench.fake.heron().refuse_act = Some("apiserver/activate-before-tmanager");
    insta::assert_snapshot!(bench.told(run(&bench, &["--activate", "--timeout=2s"]).await), @r#"4: cannot activate topology "wc": Heron's API server says (500): Failed to get scheduler location from state manager; if this stays, its state has to be taken out of Heron by hand"#);
}

#[tokio::test]
async fn an_update_that_outlasts_the_deadline_goes_on_in_heron() {
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().startup = Duration::ZERO;
    let outcome = run(&bench, &["--component-parallelism", "count:3", "--timeout=3s"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"5: topology "wc" is not updated after Ns: count: 2 of 3 instances; Heron goes on with it"#);
    assert_eq!(bench.changes(), ["update wc"]);
}

#[tokio::test]
async fn a_change_of_something_that_no_report_knows_makes_one() {
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().startup = Duration::ZERO;
    let path = bench.path("report.json");
    let outcome = run(&bench, &["--activate", "--ready-hold=0", &format!("--report={}", path.display())]).await;
    assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    let read = |path: &Path| -> Report { report::read(path).unwrap().unwrap() };
    let app = read(&path).app.unwrap();
    assert_eq!((app.engine.as_str(), app.name.as_str(), app.components.len()), ("heron", "wc", 3));
    assert_eq!(app.deployed_at, None, "it was not deployed by this run, so it is not its to delete");
}
