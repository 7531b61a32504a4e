//! Dry runs, paused starts, rivals, and servers that answer slowly, by halves or not at all.

use std::time::Duration;

use streamgauge::step::Exit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fake::Trouble;
use super::{Bench, GENERATIONS, Generation, Topology};

#[tokio::test]
async fn a_dry_run_shows_what_would_be_and_changes_nothing() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        let outcome = bench.deploy("wc.WordCount", &["--dry-run", "--replace", "--properties", "a=1"]).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert_eq!(bench.changes(), [""; 0]);
        assert_eq!(bench.fake.heron().form["dry_run_format"], "TABLE");
        let app = bench.report().app.unwrap();
        assert_eq!((app.deployed_at, app.ready_at), (None, None));
        let (split, dry_run) = (&app.components[1], app.dry_run.unwrap());
        assert_eq!((split.kind.as_str(), split.parallelism, split.cpu), ("bolt", 2, Some(1.0)));
        assert!(dry_run.packing_plan.starts_with("Total number of containers: 2"), "{}", dry_run.packing_plan);
        assert_eq!(dry_run.replaces, "wc of 2026-11-23T09:15:29Z, submitted by alice, Running");
    }
}

#[tokio::test]
async fn a_dry_run_prints_settings_components_and_plan() {
    let bench = Bench::running(Generation::Bare).await;
    let words = bench.deploy_words("wc.WordCount", &["--dry-run=true", "--properties", "a=1", "db.password=x"]);
    let run = move || std::process::Command::new(env!("CARGO_BIN_EXE_deploy-heron-app")).args(&words[1..]).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let (before, plan) = shown.split_once("Total number").unwrap();
    insta::assert_snapshot!(before, @r"
    topology wc would be submitted to local/root/default
    properties  a=1
    properties  db.password=***
    replaces    wc of 2026-11-23T09:15:29Z, submitted by alice, Running: without --replace the deployment would be refused

    component  kind   parallelism  cpu     ram     disk
    sentence   spout            1  0.5  400 MB  1024 MB
    split      bolt             2    1  400 MB  1024 MB
    count      bolt             2    1  400 MB  1024 MB
    ");
    assert!(plan.contains("|     split |       3 | 1.0 |      400 |      1024 |"), "{plan}");
}

#[tokio::test]
async fn a_topology_that_is_to_start_paused_is_ready_when_it_is_paused_with_all_instances() {
    for generation in GENERATIONS {
        let bench = Bench::new(generation).await;
        bench.fake.heron().paused = true;
        let options = bench.path("options");
        let write = format!("options={}", options.display());
        let outcome = bench.deploy("wc.WordCount", &["--deploy-deactivated", "--properties", &write]).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert!(std::fs::read_to_string(options).unwrap().contains("cmdline.topology.initial.state=PAUSED"));
        bench.fake.heron().paused = false;
        let outcome = bench.deploy("wc.WordCount", &["--deploy-deactivated", "--replace", "--timeout=4s"]).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(bench.told(outcome), @r#"5: topology "wc" is not running after Ns: status is "Running"; it was left as it is, delete-heron-app removes it"#);
        }
    }
}

#[tokio::test]
async fn slow_half_and_broken_answers_while_it_starts_are_not_yet() {
    for generation in GENERATIONS {
        let bench = Bench::new(generation).await;
        let slow = Trouble::Slow(Duration::from_millis(700));
        bench.fake.heron().troubles = vec![Trouble::Gateway, slow, Trouble::Empty];
        let tracker = format!("--tracker-url={}", halving(&bench, 3).await);
        let outcome = bench.deploy("wc.WordCount", &[&tracker]).await;
        assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        assert_eq!(bench.fake.heron().troubles.len(), 0);
    }
    let bench = Bench::new(Generation::Bare).await;
    let tracker = format!("--tracker-url={}", halving(&bench, u32::MAX).await);
    let outcome = bench.deploy("wc.WordCount", &["--timeout=3s", &tracker]).await;
    let told = bench.told(outcome);
    assert!(
        told.starts_with(r#"5: topology "wc" is not running after Ns: the tracker says: its answer broke off: "#),
        "{told}"
    );
}

/// The tracker behind a server that breaks off its first answers after a submission.
async fn halving(bench: &Bench, mut halves: u32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let fake = bench.fake.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && client.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            if halves > 0 && fake.heron().topology.is_some() {
                halves -= 1;
                let half = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"execution_state\": {";
                let _ = client.write_all(half).await;
                continue;
            }
            request.truncate(request.len().saturating_sub(2));
            request.extend_from_slice(b"Connection: close\r\n\r\n");
            let mut server = TcpStream::connect(fake.url.trim_start_matches("http://")).await.unwrap();
            server.write_all(&request).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    url
}

#[tokio::test]
async fn somebody_elses_topology_that_comes_meanwhile_is_left_alone() {
    // While main runs.
    let bench = Bench::running(Generation::Bare).await;
    let outcome = {
        let java = format!("--java={}", slow_java(&bench));
        let words = ["--replace", &java];
        let deployment = bench.deploy("wc.WordCount", &words);
        let rival = async {
            super::until("main to run", || bench.path("main-runs").exists()).await;
            bench.fake.heron().topology = Some(Topology { submitted: 1_795_425_999, ..Topology::recorded() });
            std::fs::write(bench.path("go-on"), "").unwrap();
        };
        tokio::join!(deployment, rival).0
    };
    insta::assert_snapshot!(bench.told(outcome), @r#"4: topology "wc" was submitted by alice at 2026-11-23T09:26:39Z while this deployment was under way: it was left alone; deploy one at a time"#);
    assert_eq!(bench.changes(), [""; 0]);

    // Between the kill and the submission.
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().rival = Some(1_795_425_999);
    let outcome = bench.deploy("wc.WordCount", &["--replace"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"4: topology "wc" was submitted by alice at 2026-11-23T09:26:39Z while this deployment was under way: it was left alone; deploy one at a time"#);
    assert_eq!(bench.changes(), ["kill local/root/default/wc", "submit wc"]);
    assert_eq!(bench.report().app.unwrap().deployed_at, None, "it is not this run's to delete");
}

/// A JVM that waits until it may go on.
fn slow_java(bench: &Bench) -> String {
    use std::os::unix::fs::PermissionsExt;
    let (path, folder) = (bench.path("slow-java"), bench.path(""));
    let (folder, java) = (folder.display(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/heron/java"));
    let script = format!(
        "#!/bin/sh\ntouch {folder}/main-runs\nwhile [ ! -e {folder}/go-on ]; do sleep 0.05; done\nexec {java} \"$@\"\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_topology_that_was_killed_for_one_that_is_refused_is_named() {
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().refuse_submit = Some("apiserver/submit-bad-defn");
    let outcome = bench.deploy("wc.WordCount", &["--replace"]).await;
    insta::assert_snapshot!(bench.told(outcome), @r#"
    4: cannot submit topology "wc": Heron's API server says (500): Failed to read/parse content of /tmp/XXXX/bad.defn
    the topology "wc" of 2026-11-23T09:15:29Z was killed for it, so none of that name runs now
    "#);
}
