//! Heron's own command line in the place of its API server. The stand-in `tests/data/heron/heron` is first compared with the
//! recordings of the real one.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use streamgauge::step::Exit;

use super::{Bench, Generation};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/heron");

/// The stand-in with the stand-in for a JVM.
fn command_line(bench: &Bench) -> PathBuf {
    let path = bench.path("heron");
    let script = format!("#!/bin/sh\nJAVA={DATA}/java exec python3 {DATA}/heron \"$@\"\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A line without its time and colours.
fn plain(text: &str) -> String {
    let text = text.replace("\u{1b}[0m", "").replace("\u{1b}[31m", "").replace("\u{1b}[32m", "");
    let line = |line: &str| match line.split_once("] [") {
        Some((time, rest)) if time.starts_with("[20") => format!("[{rest}"),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_stand_in_for_the_command_line_says_what_the_real_one_said() {
    let cases: [(&str, Option<&'static str>); 15] = [
        ("cli-activate", None),
        ("cli-activate-missing", None),
        ("cli-deactivate", None),
        ("cli-kill", None),
        ("cli-kill-missing", Some("apiserver/kill-missing")),
        ("cli-restart", None),
        ("cli-submit-badclass", None),
        ("cli-submit-badcluster", Some("apiserver/submit-badcluster")),
        ("cli-submit-badext", None),
        ("cli-submit-badjvmprop", None),
        ("cli-submit-dup", Some("apiserver/submit-duplicate")),
        ("cli-submit-nofile", None),
        ("cli-update-bad", Some("apiserver/mini-update-badcomponent")),
        ("cli-update-bad2", None),
        ("cli-update-dryrun", None),
    ];
    for (name, refusal) in cases {
        let bench = Bench::running(Generation::Bare).await;
        if !name.contains("dup") {
            bench.fake.heron().topology = Some(super::Topology::recorded());
        }
        (bench.fake.heron().refuse_submit, bench.fake.heron().refuse_kill) = (refusal, refusal);
        bench.fake.heron().refuse_act = refusal;
        let recorded = std::fs::read_to_string(format!("{DATA}/cli/{name}.txt")).unwrap();
        let (call, rest) = recorded.split_once('\n').unwrap();
        let words = call.trim_start_matches("$ heron ").replace("http://localhost:9000", &bench.fake.url);
        let program = command_line(&bench);
        std::fs::create_dir_all(bench.path("topo")).unwrap();
        std::fs::write(bench.path("topo/wc.jar"), "PK a jar").unwrap();
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let folder = bench.path("");
        let run = move || Command::new(program).args(words).current_dir(folder).output().unwrap();
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let said = |bytes: &[u8]| plain(&String::from_utf8_lossy(bytes));
        let own = format!(
            "{}\n{}\nexit code: {}",
            said(&output.stdout).trim(),
            said(&output.stderr).trim(),
            output.status.code().unwrap()
        );
        let mut own: Vec<&str> = own.lines().map(str::trim_end).filter(|line| told_by_both(line)).collect();
        let recorded = plain(rest).replace("'wx'", "'wc'");
        let mut recorded: Vec<&str> = recorded.lines().map(str::trim_end).filter(|line| told_by_both(line)).collect();
        // Recordings hold both streams in one.
        own.sort_unstable();
        recorded.sort_unstable();
        assert_eq!(own, recorded, "{name}");
    }
}

/// What a JVM, the usage and the list of arguments say differs.
fn told_by_both(line: &str) -> bool {
    let own = ["[INFO]: MAIN", "[INFO]: {", "[INFO]: making", "usage:", "             ", "Error: ", "Caused by: "];
    !line.is_empty() && !own.iter().any(|start| line.starts_with(start))
}

fn with(program: &std::path::Path, more: &[&str]) -> Vec<String> {
    let mut words = vec![format!("--heron-cli={}", program.display())];
    words.extend(more.iter().map(|word| (*word).to_owned()));
    words
}

async fn deploy(bench: &Bench, class: &str, more: &[&str]) -> Result<Exit, streamgauge::step::Failure> {
    let words = with(&command_line(bench), more);
    bench.deploy(class, &words.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test]
async fn a_topology_is_deployed_replaced_and_deleted_by_the_command_line() {
    for generation in super::GENERATIONS {
        let bench = Bench::running(generation).await;
        let (told, options) = (bench.path("told"), bench.path("options"));
        let (tell, write) = (format!("tell={}", told.display()), format!("options={}", options.display()));
        let more = [
            "--replace",
            "--properties",
            "a=b",
            "c.d=e f",
            "note=x=y,z",
            &tell,
            &write,
            "--config-properties",
            "k=v",
            "--",
            "wc",
            "--fast",
        ];
        let outcome = deploy(&bench, "wc.WordCount", &more).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert_eq!(bench.changes(), ["kill local/root/default/wc", "submit wc"]);
        let words = std::fs::read_to_string(told).unwrap();
        assert!(words.contains("-Da=b\n-Dc.d=e f\n-Dnote=x=y,z\n"), "{words}");
        assert!(words.ends_with("wc.WordCount\nwc\n--fast\n"), "{words}");
        assert!(std::fs::read_to_string(options).unwrap().contains("cmdline.topology.initial.state=RUNNING"));
        assert_eq!(bench.fake.heron().form["k"], "v");
        let app = bench.report().app.unwrap();
        let split = app.components.iter().find(|component| component.name == "split").unwrap();
        assert_eq!((split.kind.as_str(), split.parallelism, split.cpu), ("bolt", 2, Some(1.0)));
        assert_eq!(app.components.iter().find(|component| component.name == "sentence").unwrap().kind, "spout");

        let words = with(&command_line(&bench), &[]);
        let outcome = bench.delete(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert_eq!(bench.changes().len(), 3);
    }
}

#[tokio::test]
async fn a_topology_of_another_name_is_neither_killed_nor_submitted_by_the_command_line() {
    let bench = Bench::running(Generation::Bare).await;
    let outcome = deploy(&bench, "wc.WordCount", &["--topology=other", "--replace"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"2: main class wc.WordCount made topology "wc" but --topology is "other": nothing was submitted; make both the same"#);
    assert_eq!(bench.changes(), [""; 0]);
}

#[tokio::test]
async fn what_the_command_line_says_becomes_one_clear_error() {
    let bench = Bench::new(Generation::Bare).await;
    let mut told = Vec::new();
    told.push(bench.told(deploy(&bench, "wc.Throws", &[]).await));
    told.push(bench.told(deploy(&bench, "wc.WordCount", &["--service-url=http://127.0.0.1:1"]).await));
    told.push(bench.told(deploy(&bench, "wc.WordCount", &["--", "--dry"]).await));
    told.push(bench.told(deploy(&bench, "wc.WordCount", &["--config-properties", "a=b=c"]).await));
    told.push(bench.told(bench.deploy("wc.WordCount", &["--heron-cli=/no/heron"]).await));
    for name in ["badcluster", "bad-defn"] {
        bench.fake.heron().refuse_submit = Some(format!("apiserver/submit-{name}").leak());
        told.push(bench.told(deploy(&bench, "wc.WordCount", &[]).await));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
4: cannot make topology "wc" in a dry run: Heron's command line says (exit 1): Failed to create topology definition file when executing class 'wc.Throws' of file 'DIR/wc.jar'
Exception in thread "main" java.lang.IllegalStateException: no settings
Caused by: java.io.FileNotFoundException: preprocessor-static.conf
4: cannot make topology "wc" in a dry run: no answer from Heron's API server at http://127.0.0.1:1: [Errno 111] Connection refused; check --service-url
2: the argument "--dry" of main cannot be used with --heron-cli: Heron's command line would take it for its own
2: the property "a" cannot be used: Heron's command line takes config overrides with a single '=' only
2: cannot start Heron's command line /no/heron: name it with --heron-cli
  because: No such file or directory (os error 2)
4: cannot make topology "wc" in a dry run: Heron's command line says (exit 1): Unknown cluster nope expecting 'local'; check --cluster
4: cannot make topology "wc" in a dry run: Heron's command line says (exit 1): Failed to read/parse content of /tmp/XXXX/bad.defn
"#);
    assert_eq!(bench.changes(), [""; 0]);
}

#[tokio::test]
async fn a_command_line_that_hangs_is_ended_with_the_program() {
    let bench = Bench::running(Generation::Bare).await;
    let (program, pid_file) = (bench.path("heron"), bench.path("pid"));
    std::fs::write(&program, format!("#!/bin/sh\necho $$ >{0}.part\nmv {0}.part {0}\nsleep 600\n", pid_file.display()))
        .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let words = bench.words("delete-heron-app", &[&format!("--heron-cli={}", program.display())]);
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_delete-heron-app"));
    let mut child = child.args(&words[1..]).kill_on_drop(true).stderr(std::process::Stdio::null()).spawn().unwrap();
    super::until("the command line to start", || pid_file.exists()).await;
    let left_behind: i32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    let id = i32::try_from(child.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(143));
    super::until("the command line to end", || !PathBuf::from(format!("/proc/{left_behind}")).exists()).await;
}
