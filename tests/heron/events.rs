//! What happened to a topology inside the window, as the tracker of either generation shows it.

use jiff::Timestamp;
use serde_json::{Value, json};
use streamgauge::heron::{self, events::Address};
use streamgauge::report::{App, Component, Event};
use streamgauge::step::Exit;

use super::{Bench, GENERATIONS, Generation};

/// The recorded topology was submitted at 09:15:29 and threw its first exception at 09:16:23.
fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

/// The recorded topology as a deployment notes it.
fn deployed(bench: &Bench) -> App {
    let mut info: Value = serde_json::from_str(&super::fake::recorded("tracker-0.20.5/info").2).unwrap();
    let instances = info["physical_plan"]["instances"].as_object().unwrap().values();
    let address = Address {
        tracker_url: bench.fake.url.clone(),
        cluster: "local".into(),
        role: "root".into(),
        environment: "default".into(),
        instances: instances.map(|one| (text(&one["id"]), text(&one["stmgr_id"]))).collect(),
        stream_managers: serde_json::from_value(info["physical_plan"]["stmgrs"].take()).unwrap(),
        ..Address::default()
    };
    let component = |name: &str| Component { name: name.into(), ..Component::default() };
    App {
        engine: "heron".into(),
        name: "wc".into(),
        components: ["sentence", "split", "count"].map(component).into(),
        submission_time: Some(1_795_425_329),
        ready_at: Some(at("09:15:50")),
        address: serde_json::to_value(address).unwrap().as_object().unwrap().clone(),
        ..App::default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The events of the window 09:16:00 to 09:20:00, a line each.
async fn told(bench: &Bench) -> String {
    let events = heron::events(&deployed(bench), (at("09:16:00"), at("09:20:00"))).await.unwrap();
    let line = |event: &Event| format!("{:?}: {}", event.kind, event.told(at("09:16:00")));
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_topology_that_just_runs_has_no_events() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        bench.fake.heron().startup = std::time::Duration::ZERO;
        bench.fake.heron().ages =
            vec![("container_1_split_3", 1_795_425_360, 31.0), ("container_1_split_3", 1_795_425_420, 91.0)];
        assert_eq!(told(&bench).await, "");
    }
}

#[tokio::test]
async fn exceptions_of_the_window_are_told_and_others_are_not() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        (bench.fake.heron().startup, bench.fake.heron().exceptions) = (std::time::Duration::ZERO, 1);
        let lines = told(&bench).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines, @"Exception: count container_1_count_5 threw java.lang.RuntimeException: deliberate error number 5000 23 s into the window");
        }
        let later = heron::events(&deployed(&bench), (at("09:16:25"), at("09:20:00"))).await.unwrap();
        assert_eq!(later, []);
    }
}

#[tokio::test]
async fn an_instance_that_was_started_anew_is_told_with_its_time() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        bench.fake.heron().startup = std::time::Duration::ZERO;
        let first = at("09:16:10").as_second();
        // The second word comes from a JVM of 40 s.
        bench.fake.heron().ages = vec![
            ("container_2_split_2", first, 40.0),
            ("container_2_split_2", first + 60, 100.0),
            ("container_2_split_2", first + 120, 40.0),
        ];
        bench.fake.heron().change = Some(|info| info["physical_plan"]["stmgrs"]["stmgr-2"]["pid"] = json!(99));
        let lines = told(&bench).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines, @"
            Restart: split container_2_split_2 restarted 120 s into the window
            Restart: count container_2_count_4 restarted since it was ready
            ");
        }
    }
}

#[tokio::test]
async fn instances_that_were_lost_moved_or_added_are_told() {
    for generation in GENERATIONS {
        let bench = Bench::running(generation).await;
        bench.fake.heron().startup = std::time::Duration::ZERO;
        bench.fake.heron().change = Some(|info| {
            let instances = info["physical_plan"]["instances"].as_object_mut().unwrap();
            instances.remove("container_1_count_5");
            let moved = instances.remove("container_1_split_3").unwrap();
            instances.insert("container_3_split_3".into(), moved.clone());
            instances.insert("container_2_split_8".into(), moved);
            info["physical_plan"]["stmgrs"]["stmgr-2"]["host"] = json!("host2");
        });
        let lines = told(&bench).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines, @"
            Lost: count container_1_count_5 was lost since it was ready
            Moved: split container_1_split_3 moved from container 1 to 3 since it was ready
            Moved: count container_2_count_4 moved from host1 to host2 since it was ready
            Moved: split container_2_split_2 moved from host1 to host2 since it was ready
            Restart: split container_2_split_8 was added since it was ready
            ");
        }
    }
}

#[tokio::test]
async fn a_container_that_is_gone_is_told_where_the_tracker_can_tell() {
    let bench = Bench::running(Generation::Enveloped).await;
    (bench.fake.heron().startup, bench.fake.heron().registers) = (std::time::Duration::ZERO, false);
    insta::assert_snapshot!(told(&bench).await, @"
    Lost: count container_2_count_4 is lost, its stream manager stmgr-2 is not registered since it was ready
    Lost: split container_2_split_2 is lost, its stream manager stmgr-2 is not registered since it was ready
    ");
}

#[tokio::test]
async fn an_instance_that_falls_silent_while_others_speak_is_lost() {
    let bench = Bench::running(Generation::Bare).await;
    bench.fake.heron().startup = std::time::Duration::ZERO;
    let first = at("09:16:10").as_second();
    bench.fake.heron().ages =
        (0..6).map(|minute| ("container_2_split_2", first + 60 * minute, 40.0 + 60.0 * minute as f64)).collect();
    bench.fake.heron().ages.push(("container_1_split_3", first, 40.0));
    insta::assert_snapshot!(told(&bench).await, @"Lost: split container_1_split_3 fell silent 70 s into the window");
}

#[tokio::test]
async fn a_topology_that_was_killed_or_replaced_is_told() {
    for generation in GENERATIONS {
        let bench = Bench::new(generation).await;
        let lines = told(&bench).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines, @"Lost: the application is no longer known to the tracker since it was ready");
        }
        let bench = Bench::running(generation).await;
        bench.fake.heron().topology.as_mut().unwrap().submitted += 60;
        let lines = told(&bench).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines, @"Lost: the application was replaced by one that alice submitted 29 s into the window");
        }
    }
}

#[tokio::test]
async fn a_deployment_notes_how_the_topology_was_when_it_was_ready() {
    for generation in GENERATIONS {
        let bench = Bench::new(generation).await;
        assert_eq!(bench.deploy("wc.WordCount", &[]).await.map_err(|failure| failure.to_string()), Ok(Exit::Done));
        let app = bench.report().app.unwrap();
        assert_eq!(app.address["trackerUrl"], json!(bench.fake.url));
        assert_eq!(app.address["instances"]["container_2_count_4"], json!("stmgr-2"));
        assert_eq!(app.address["streamManagers"]["stmgr-2"]["pid"], json!(30461));
        let window = (app.ready_at.unwrap(), Timestamp::now());
        assert_eq!(heron::events(&app, window).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_tracker_that_cannot_be_asked_is_an_error_and_no_silence() {
    let bench = Bench::running(Generation::Bare).await;
    let mut app = deployed(&bench);
    bench.fake.heron().falters = u32::MAX;
    let error = heron::events(&app, (at("09:16:00"), at("09:20:00"))).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"cannot tell whether topology "wc" is running: the tracker says: 502 Bad Gateway (502); check --tracker-url"#);
    app.address.remove("trackerUrl");
    let error = heron::events(&app, (at("09:16:00"), at("09:20:00"))).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"app.address of topology "wc" in the report is not where a Heron topology can be asked: was it written by another version?"#);
}
