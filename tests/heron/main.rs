//! The Heron programs against a Heron made of recorded answers, with a script in the place of the JVM.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod cli;
mod events;
mod fake;
mod pods;
mod recorded;
mod unsteady;
mod update;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use fake::{Fake, Generation, Topology};
use streamgauge::heron::{delete, deploy};
use streamgauge::report::{self, App, Report, Run, Status, Verdict};
use streamgauge::step::{Exit, Failure, Step};

const GENERATIONS: [Generation; 2] = [Generation::Enveloped, Generation::Bare];

/// A Heron, and a folder for what a step reads and writes.
struct Bench {
    fake: Fake,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new(generation: Generation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("wc.jar"), "PK a jar").unwrap();
        Self { fake: Fake::start(generation).await, folder }
    }

    /// A Heron on which the topology of the recorded answers runs.
    async fn running(generation: Generation) -> Self {
        let bench = Self::new(generation).await;
        bench.fake.heron().topology = Some(Topology::recorded());
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn result(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn report(&self) -> Report {
        report::read(&self.path("report.json")).unwrap().unwrap()
    }

    /// The arguments that every run needs, but for those that `more` gives.
    fn words(&self, program: &str, more: &[&str]) -> Vec<String> {
        let (url, dir) = (self.fake.url.as_str(), self.folder.path().display());
        let mut words: Vec<String> =
            [("cluster", "local"), ("role", "root"), ("environment", "default"), ("topology", "wc")]
                .into_iter()
                .chain([("service-url", url), ("tracker-url", url)])
                .map(|(flag, value)| format!("--{flag}={value}"))
                .collect();
        if program == "deploy-heron-app" {
            words.push(format!("--report={dir}/report.json"));
            words.push(format!("--java={}/tests/data/heron/java", env!("CARGO_MANIFEST_DIR")));
            words.push(format!("--jar={dir}/wc.jar"));
            words.push("--ready-hold=600ms".to_owned());
            let results = ["topology", "submitted-at", "ready-at"];
            words.extend(results.map(|name| format!("--result={name}={dir}/{name}")));
        }
        words.retain(|word| {
            let flag = word.split_inclusive('=').next().unwrap();
            !more.iter().any(|given| given.starts_with(flag))
        });
        words.insert(0, program.to_owned());
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    fn deploy_words(&self, class: &str, more: &[&str]) -> Vec<String> {
        self.words("deploy-heron-app", &[&[format!("--main-class={class}").as_str()], more].concat())
    }

    async fn deploy(&self, class: &str, more: &[&str]) -> Result<Exit, Failure> {
        let args = deploy::Args::try_parse_from(self.deploy_words(class, more)).unwrap();
        let step = Step::new(args.step.clone());
        deploy::run(args, &step).await
    }

    async fn delete(&self, more: &[&str]) -> Result<Exit, Failure> {
        let args = delete::Args::try_parse_from(self.words("delete-heron-app", more)).unwrap();
        let step = Step::new(args.step.clone());
        delete::run(args, &step).await
    }

    fn changes(&self) -> Vec<String> {
        self.fake.heron().changes.clone()
    }

    /// The exit code and the message, without what differs from run to run.
    fn told(&self, outcome: Result<Exit, Failure>) -> String {
        let failure = outcome.expect_err("it was done");
        let message = failure.to_string();
        let message = message.replace(&self.fake.url, "http://heron");
        let message = message.replace(&self.folder.path().display().to_string(), "DIR");
        let (before, rest) = message.split_once(" after ").unwrap_or((&message, ""));
        let message = match rest.trim_start_matches(|c: char| c.is_ascii_digit()) {
            "" => before.to_owned(),
            rest => format!("{before} after N{rest}"),
        };
        format!("{}: {message}", failure.exit().code())
    }
}

#[tokio::test]
async fn a_topology_is_submitted_and_waited_for_with_either_tracker() {
    for generation in GENERATIONS {
        let bench = Bench::new(generation).await;
        let told = bench.path("told");
        let tell = format!("tell={}", told.display());
        let more = [
            "--properties",
            "kafka.input.parallelism=1",
            "note=a b=c",
            &tell,
            "--config-properties",
            "heron.metrics.export.interval.sec=10",
            "--",
            "wc",
            "--fast",
        ];
        let began = Instant::now();
        let outcome = bench.deploy("wc.WordCount", &more).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert!(began.elapsed() >= Duration::from_millis(1300), "neither startup nor hold was waited for");

        let words = std::fs::read_to_string(told).unwrap().replace(&bench.folder.path().display().to_string(), "DIR");
        insta::allow_duplicates! {
            insta::assert_snapshot!(words.trim().replace('\n', " | "), @"-client | -Xmx1g | -Dkafka.input.parallelism=1 | -Dnote=a b=c | -Dtell=DIR/told | -cp | DIR/wc.jar | wc.WordCount | wc | --fast");
            insta::assert_debug_snapshot!(bench.fake.heron().form, @r#"
            {
                "cluster": "local",
                "definition": "file wc.defn of 1510 bytes",
                "environment": "default",
                "heron.metrics.export.interval.sec": "10",
                "name": "wc",
                "role": "root",
                "topology": "file wc.jar of 8 bytes",
                "user": "root",
            }
            "#);
        }
        let report = bench.report();
        assert_eq!(report.environment.as_ref().unwrap().fingerprint["heron"], "0.20.5-incubating");
        let app = report.app.unwrap();
        assert_eq!(app.properties["note"], "a b=c");
        let split = &app.components[1];
        assert_eq!((split.name.as_str(), split.parallelism, split.cpu), ("split", 2, Some(1.0)));
        assert_eq!(app.components[0].cpu, Some(0.5), "what main asked for stands");
        assert!(app.ready_at.unwrap() > app.deployed_at.unwrap());
        assert_eq!(bench.result("topology"), "wc");
        assert_eq!(
            bench.result("ready-at").parse::<jiff::Timestamp>().unwrap().as_millisecond(),
            app.ready_at.unwrap().as_millisecond()
        );
        assert!(bench.result("submitted-at") < bench.result("ready-at"));
    }
}

#[tokio::test]
async fn a_topology_under_another_name_is_neither_submitted_nor_killed() {
    let bench = Bench::running(Generation::Bare).await;
    let outcome = bench.deploy("wc.WordCount", &["--topology=other", "--replace"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"2: main class wc.WordCount made topology "wc" but --topology is "other": nothing was submitted; make both the same"#);
    assert_eq!(bench.changes(), [""; 0]);
}

#[tokio::test]
async fn a_main_that_fails_is_told_by_its_exception() {
    let bench = Bench::new(Generation::Bare).await;
    let outcome = bench.deploy("wc.Throws", &[]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"
    4: main class wc.Throws failed (exit status: 1):
    Exception in thread "main" java.lang.IllegalStateException: no settings
    Caused by: java.io.FileNotFoundException: preprocessor-static.conf
    "#);
    assert_eq!(bench.changes(), [""; 0]);
    assert_eq!(bench.report().app.unwrap().name, "wc", "the report knows the application however it ends");
}

#[tokio::test]
async fn a_main_that_makes_no_topology_or_several_is_told() {
    let bench = Bench::new(Generation::Bare).await;
    insta::assert_snapshot!(bench.told(bench.deploy("wc.Silent", &[]).await), @r#"
    4: main class wc.Silent ended well but made no topology: does it call HeronSubmitter.submitTopology?
    nothing to submit
    "#);
    insta::assert_snapshot!(bench.told(bench.deploy("wc.Twice", &[]).await), @"4: main class wc.Twice made several topologies (one, two): one is meant, so none was submitted");
    insta::assert_snapshot!(bench.told(bench.deploy("wc.Garbage", &[]).await), @r#"
    4: cannot read the topology that main class wc.Garbage made
      because: failed to decode Protobuf message: invalid wire type value: 6
    "#);
    insta::assert_snapshot!(bench.told(bench.deploy("wc.WordCount", &["--java=/no/java"]).await), @r#"
    2: cannot start /no/java: name a Java runtime with --java
      because: No such file or directory (os error 2)
    "#);
    assert_eq!(bench.changes(), [""; 0]);
}

#[tokio::test]
async fn wrong_arguments_are_refused_before_anything_is_done() {
    let bench = Bench::new(Generation::Bare).await;
    insta::assert_snapshot!(bench.told(bench.deploy("wc.WordCount", &["--properties", "a=1", "a=2"]).await), @r#"2: the property "a" cannot be used: it is given twice, as "1" and as "2""#);
    insta::assert_snapshot!(bench.told(bench.deploy("wc.WordCount", &["--config-properties", "dry_run=false"]).await), @r#"2: the property "dry_run" cannot be used: the API server's form has a field of this name, so it is no config override"#);
    insta::assert_snapshot!(bench.told(bench.deploy("wc.Word,Count", &[]).await), @r#"2: --main-class "wc.Word,Count" cannot be used: HERON_OPTIONS, which tells it to the topology's main, cannot carry ',', '=' or '%%%%'"#);
    std::fs::remove_file(bench.path("wc.jar")).unwrap();
    insta::assert_snapshot!(bench.told(bench.deploy("wc.WordCount", &[]).await), @r#"
    2: cannot read the topology's jar DIR/wc.jar
      because: No such file or directory (os error 2)
    "#);
}

#[tokio::test]
async fn a_topology_that_runs_already_is_left_alone() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        let outcome = bench.deploy("wc.WordCount", &[]).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(bench.told(outcome), @r#"4: topology "wc" is already running in default (submitted 2026-11-23T09:15:29Z by alice); pass --replace to kill it first"#);
        }
        assert_eq!(bench.changes(), [""; 0]);
    }
}

#[tokio::test]
async fn a_topology_that_runs_already_is_replaced_where_that_is_wanted() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        (bench.fake.heron().echoes, bench.fake.heron().kills_too_early) = (1, 1);
        let outcome = bench.deploy("wc.WordCount", &["--replace=true"]).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        let kill = "kill local/root/default/wc";
        assert_eq!(bench.changes(), [kill, kill, "submit wc", "submit wc"]);
        assert!(bench.fake.heron().topology.as_ref().unwrap().submitted > Topology::recorded().submitted);
    }
}

#[tokio::test]
async fn the_topology_that_was_killed_is_not_taken_for_the_new_one() {
    let bench = Bench::running(Generation::Bare).await;
    (bench.fake.heron().stale_looks, bench.fake.heron().startup) = (2, Duration::from_secs(600));
    let outcome = bench.deploy("wc.WordCount", &["--replace", "--ready-hold=0", "--timeout=4s"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"5: topology "wc" is not running after Ns: sentence: 0 of 1 instances, split: 0 of 2 instances, count: 0 of 2 instances; it was left as it is, delete-heron-app removes it"#);
}

#[tokio::test]
async fn a_tracker_that_falters_is_asked_again() {
    let bench = Bench::new(Generation::Enveloped).await;
    bench.fake.heron().falters = 2;
    let outcome = bench.deploy("wc.WordCount", &[]).await;
    assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    bench.fake.heron().falters = 2;
    let outcome = bench.delete(&[]).await;
    assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    assert_eq!(bench.changes(), ["submit wc", "kill local/root/default/wc"]);
}

#[tokio::test]
async fn a_tracker_that_never_tells_is_told() {
    let bench = Bench::new(Generation::Enveloped).await;
    bench.fake.heron().falters = u32::MAX;
    insta::assert_snapshot!(bench.told(bench.deploy("wc.WordCount", &["--timeout=2s"]).await), @r#"4: cannot tell whether topology "wc" is running: the tracker says: 502 Bad Gateway (502); check --tracker-url"#);
    insta::assert_snapshot!(bench.told(bench.delete(&["--timeout=2s"]).await), @r#"5: topology "wc" is not gone after Ns: the tracker cannot tell: 502 Bad Gateway (502); cannot kill topology "wc": Heron's API server says (500): Failed to get scheduler location from state manager; if this stays, its state has to be taken out of Heron by hand"#);
}

#[tokio::test]
async fn a_name_that_is_in_use_elsewhere_is_refused_once() {
    let bench = Bench::new(Generation::Bare).await;
    bench.fake.heron().refuse_submit = Some("apiserver/submit-duplicate");
    let outcome = bench.deploy("wc.WordCount", &["--replace"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"4: cannot submit topology "wc": Heron's API server says (500): Topology 'wc' already exists; it may run under another role or environment"#);
    assert_eq!(bench.changes(), ["submit wc"]);
}

#[tokio::test]
async fn every_refusal_of_a_submission_is_told_in_the_servers_words() {
    let bench = Bench::new(Generation::Bare).await;
    let mut told = Vec::new();
    for name in ["badcluster", "missing-def", "bad-defn", "topology-not-file", "nonmultipart", "name-slash"] {
        bench.fake.heron().refuse_submit = Some(format!("apiserver/submit-{name}").leak());
        told.push(bench.told(bench.deploy("wc.WordCount", &[]).await));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    4: cannot submit topology "wc": Heron's API server says (422): Unknown cluster nope expecting 'local'; check --cluster
    4: cannot submit topology "wc": Heron's API server says (422): Validation failed missing required params: [definition]
    4: cannot submit topology "wc": Heron's API server says (500): Failed to read/parse content of /tmp/XXXX/bad.defn
    4: cannot submit topology "wc": Heron's API server says (500): Cannot invoke "String.isEmpty()" because "segment" is null
    4: cannot submit topology "wc": Heron's API server says (415): Error 415 Unsupported Media Type
    4: cannot submit topology "wc": Heron's API server says (500): Error 500 Request failed.
    "#);
}

#[tokio::test]
async fn a_topology_that_never_comes_up_is_told_by_what_is_missing() {
    for generation in GENERATIONS {
        let bench = Bench::new(generation).await;
        bench.fake.heron().missing_instance = Some("container_2_split_2");
        let outcome = bench.deploy("wc.WordCount", &["--timeout=3s"]).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(bench.told(outcome), @r#"5: topology "wc" is not running after Ns: split: 1 of 2 instances; it was left as it is, delete-heron-app removes it"#);
        }
        assert_eq!((bench.result("topology"), bench.result("ready-at")), ("wc".into(), String::new()));
        assert_eq!(bench.changes(), ["submit wc"]);
    }
}

#[tokio::test]
async fn a_topology_with_growing_exceptions_is_not_running() {
    for generation in GENERATIONS {
        let bench = Bench::new(generation).await;
        bench.fake.heron().throws = true;
        let outcome = bench.deploy("wc.WordCount", &["--timeout=3s"]).await;
        let told = bench.told(outcome);
        let (before, after) = told.split_once(" new exceptions").unwrap();
        let told =
            format!("{} N new exceptions{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end());
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @r#"5: topology "wc" is not running after Ns: N new exceptions: java.lang.RuntimeException: deliberate error number 35000; it was left as it is, delete-heron-app removes it"#);
        }
    }
}

#[tokio::test]
async fn a_stream_manager_that_does_not_register_is_waited_for_where_the_tracker_can_tell() {
    let bench = Bench::new(Generation::Enveloped).await;
    bench.fake.heron().registers = false;
    let outcome = bench.deploy("wc.WordCount", &["--timeout=3s"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"5: topology "wc" is not running after Ns: stmgr-2 not registered; it was left as it is, delete-heron-app removes it"#);
}

#[tokio::test]
async fn servers_that_are_down_are_told_by_their_argument() {
    let bench = Bench::new(Generation::Bare).await;
    let outcome = bench.deploy("wc.WordCount", &["--service-url=http://127.0.0.1:1"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"4: cannot ask for the version: no answer from Heron's API server at http://127.0.0.1:1/: Connection refused (os error 111); check --service-url"#);
    let outcome = bench.deploy("wc.WordCount", &["--tracker-url=http://127.0.0.1:1"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"4: cannot ask for topology "wc": no answer from Heron's tracker at http://127.0.0.1:1/: Connection refused (os error 111); check --tracker-url"#);
    insta::assert_snapshot!(bench.told(bench.delete(&["--service-url=http://127.0.0.1:1"]).await), @r#"4: cannot kill topology "wc": no answer from Heron's API server at http://127.0.0.1:1/: Connection refused (os error 111); check --service-url"#);
    let wrong = format!("--service-url={}/elsewhere", bench.fake.url);
    insta::assert_snapshot!(bench.told(bench.deploy("wc.WordCount", &[&wrong]).await), @"4: cannot ask for the version: Heron's API server says (404): Error 404 Not Found; is --service-url the API server's address?");
    assert_eq!(bench.changes(), [""; 0]);
}

#[tokio::test]
async fn a_topology_is_killed_and_waited_for() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        bench.fake.heron().remembers = Duration::from_millis(1500);
        let began = Instant::now();
        let outcome = bench.delete(&[]).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert!(began.elapsed() >= Duration::from_millis(1500), "the tracker still knew it");
        assert_eq!(bench.changes(), ["kill local/root/default/wc"]);
    }
}

#[tokio::test]
async fn with_a_report_only_the_runs_own_topology_is_killed() {
    for (deployed, submission, killed) in [(false, None, false), (true, Some(1), false), (true, None, true)] {
        let bench = Bench::running(Generation::Bare).await;
        let path = bench.path("report.json");
        let app =
            App { deployed_at: deployed.then(jiff::Timestamp::now), submission_time: submission, ..App::default() };
        report::update(&path, |report| report.app = Some(app)).unwrap();
        let outcome = bench.delete(&[&format!("--report={}", path.display())]).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert_eq!(!bench.changes().is_empty(), killed, "deployed {deployed}, submission {submission:?}");
    }
}

#[tokio::test]
async fn a_deployment_keeps_the_run_and_nothing_that_was_measured_before() {
    let bench = Bench::new(Generation::Bare).await;
    let old = Verdict { status: Status::Pass, cause: "carried 10,000/s".into() };
    let run = Run { id: "run-1".into(), ..Run::default() };
    report::update(&bench.path("report.json"), |report| (report.run, report.verdict) = (Some(run), Some(old))).unwrap();
    assert!(bench.deploy("wc.WordCount", &["--service-url=http://127.0.0.1:1"]).await.is_err());
    let report = bench.report();
    assert_eq!(report.verdict, None);
    assert_eq!(report.run.unwrap().id, "run-1");
}

#[tokio::test]
async fn a_topology_that_is_missing_is_deleted_already() {
    let deleted = async |generation, service| {
        let bench = Bench::new(generation).await;
        bench.fake.heron().scheduler_service = service;
        let outcome = bench.delete(&[]).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    };
    tokio::join!(
        deleted(Generation::Bare, true),
        deleted(Generation::Enveloped, true),
        deleted(Generation::Bare, false),
    );
}

#[tokio::test]
async fn a_topology_that_was_only_just_submitted_is_killed_once_it_can_be() {
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().kills_too_early = 2;
    let outcome = bench.delete(&[]).await;
    assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    assert_eq!(bench.changes().len(), 3);
}

#[tokio::test]
async fn a_topology_of_another_role_or_environment_is_not_killed() {
    let bench = Bench::running(Generation::Bare).await;
    let mut told = Vec::new();
    for name in ["apiserver/kill-wrong-role", "apiserver/kill-wrong-env"] {
        bench.fake.heron().refuse_kill = Some(name);
        told.push(bench.told(bench.delete(&[]).await));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    4: cannot kill topology "wc": Heron's API server says (500): cluster/role/environ does not match. Topology 'wc' is running at local/root/default, not local/bob/default; check --cluster, --role and --environment
    4: cannot kill topology "wc": Heron's API server says (500): cluster/role/environ does not match. Topology 'wc' is running at local/root/default, not local/root/prod; check --cluster, --role and --environment
    "#);
}

#[tokio::test]
async fn a_topology_that_does_not_go_is_told() {
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().remembers = Duration::from_secs(600);
    insta::assert_snapshot!(bench.told(bench.delete(&["--timeout=2s"]).await), @r#"5: topology "wc" is not gone after Ns: the tracker still shows it as "Running""#);
    bench.fake.heron().refuse_kill = Some("apiserver/kill-missing");
    insta::assert_snapshot!(bench.told(bench.delete(&["--timeout=2s"]).await), @r#"5: topology "wc" is not gone after Ns: the tracker still shows it as "Running"; cannot kill topology "wc": Heron's API server says (500): Failed to get scheduler location from state manager; if this stays, its state has to be taken out of Heron by hand"#);
}

#[tokio::test]
async fn a_deployment_that_is_stopped_leaves_no_main_behind() {
    let bench = Bench::new(Generation::Bare).await;
    let pid_file = bench.path("pid");
    let words = bench.deploy_words("wc.Hangs", &["--properties", &format!("pid={}", pid_file.display())]);
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_deploy-heron-app"));
    let mut program = program.args(&words[1..]).kill_on_drop(true).stderr(std::process::Stdio::null()).spawn().unwrap();
    until("main to start", || pid_file.exists()).await;
    let left_behind: i32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    let id = i32::try_from(program.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(program.wait().await.unwrap().code(), Some(143));
    let alive = || Path::new(&format!("/proc/{left_behind}")).exists();
    until("main's own child to end", || !alive()).await;
    assert_eq!(bench.report().errors[0].exit_code, 143);
}

/// Waits for something that must happen soon.
async fn until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
