//! Claims against an API server that refuses what has changed in between.

use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use super::{Args, claim};
use crate::claim::Error;
use crate::kubernetes::fake::Fake;
use crate::kubernetes::{Kind, Wait};

const LEASE: &str = "streamgauge-staging";

fn pipeline_run(name: &str, made: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "tests", "uid": format!("uid-{name}"), "creationTimestamp": made}, "spec": {}})
}

fn end(fake: &Fake, name: &str) {
    let mut run = fake.get(&Kind::pipeline_run(), name);
    run["status"]["conditions"] = json!([{"type": "Succeeded", "status": "True"}]);
    fake.put(&Kind::pipeline_run(), run);
}

async fn with_runs(names: &[&str]) -> Fake {
    let fake = Fake::start().await;
    for (second, name) in names.iter().enumerate() {
        fake.put(&Kind::pipeline_run(), pipeline_run(name, &format!("2026-01-05T10:00:0{second}Z")));
    }
    fake
}

fn args(name: &str, more: &[&str]) -> Args {
    let uid = format!("uid-{name}");
    let words = ["claim-environment", "--environment=staging", "--run", name, "--run-uid", &uid];
    Args::try_parse_from(words.iter().chain(more)).unwrap()
}

/// Claims within so many milliseconds.
async fn hold(fake: &Fake, name: &str, more: &[&str], within: u64) -> Result<(), Error> {
    let cluster = fake.cluster().await;
    let mut wait = Wait::within(Duration::from_millis(within)).asking_every(Duration::from_millis(10));
    claim(&args(name, more), &cluster).hold(&mut wait).await
}

async fn release(fake: &Fake, name: &str) {
    let cluster = fake.cluster().await;
    claim(&args(name, &[]), &cluster).release(&mut Wait::within(Duration::from_secs(10))).await.unwrap();
}

fn holder(fake: &Fake) -> String {
    fake.get(&Kind::lease(), LEASE)["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

const PATIENT: u64 = 20_000;
const PULL_REQUEST: [&str; 3] = ["--repository=https://git.example/ads/p", "--pull-request=12", "--supersede"];

#[tokio::test]
async fn the_first_run_gets_the_environment_and_getting_it_again_changes_nothing() {
    let fake = with_runs(&["a"]).await;
    hold(&fake, "a", &PULL_REQUEST, PATIENT).await.unwrap();
    hold(&fake, "a", &PULL_REQUEST, PATIENT).await.unwrap();
    assert_eq!(fake.changes(), [format!("POST {LEASE}")]);
    let lease = fake.get(&Kind::lease(), LEASE);
    assert_eq!(lease["spec"]["holderIdentity"], "tests/a uid-a");
    assert_eq!(lease["metadata"]["annotations"]["streamgauge.dev/pull-request"], "https://git.example/ads/p#12");
    assert_eq!(lease["metadata"]["annotations"]["streamgauge.dev/commit"], "", "nobody said it");
    // A MicroTime, as 2026-01-05T10:12:00.123456Z: the API server takes no other.
    let time = lease["spec"]["acquireTime"].as_str().unwrap();
    assert_eq!((time.len(), time.find('.')), (27, Some(19)), "{time}");
}

#[tokio::test]
async fn a_second_run_waits_for_the_end_of_the_first_and_says_for_whom_at_its_deadline() {
    let fake = with_runs(&["a", "b"]).await;
    hold(&fake, "a", &PULL_REQUEST, PATIENT).await.unwrap();
    let error = hold(&fake, "b", &[], 200).await.unwrap_err();
    assert!(matches!(error, Error::Held { .. }), "{error}");
    let words = error.to_string();
    assert!(
        words.contains("staging is still not free after 0 s: it is held by tests/a (https://git.example/ads/p#12)"),
        "{words}"
    );
    let (waited, ()) = tokio::join!(hold(&fake, "b", &[], PATIENT), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(holder(&fake), "tests/a uid-a");
        end(&fake, "a");
    });
    waited.unwrap();
    assert_eq!(holder(&fake), "tests/b uid-b");
    let lease = fake.get(&Kind::lease(), LEASE);
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
    assert_eq!(lease["metadata"]["annotations"]["streamgauge.dev/pull-request"], "", "b is of no pull request");
    assert!(fake.get(&Kind::pipeline_run(), "a")["spec"]["status"].is_null(), "nobody ended it");
}

#[tokio::test]
async fn a_holder_that_is_gone_or_whose_name_another_run_has_now_holds_nothing() {
    let fake = with_runs(&["a", "b", "c"]).await;
    hold(&fake, "a", &[], PATIENT).await.unwrap();
    fake.delete(&Kind::pipeline_run(), "a");
    hold(&fake, "b", &[], PATIENT).await.unwrap();
    let mut again = pipeline_run("b", "2026-01-05T11:00:00Z");
    again["metadata"]["uid"] = json!("another");
    fake.put(&Kind::pipeline_run(), again);
    hold(&fake, "c", &[], PATIENT).await.unwrap();
    assert_eq!(holder(&fake), "tests/c uid-c");
}

#[tokio::test]
async fn of_many_that_want_a_free_environment_at_once_each_has_it_alone() {
    let names = ["a", "b", "c", "d", "e"];
    let fake = with_runs(&names).await;
    let one = async |name: &str| {
        hold(&fake, name, &[], PATIENT).await.unwrap();
        assert_eq!(holder(&fake), format!("tests/{name} uid-{name}"));
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(holder(&fake), format!("tests/{name} uid-{name}"), "nobody took it while it was held");
        end(&fake, name);
    };
    tokio::join!(one("a"), one("b"), one("c"), one("d"), one("e"));
    assert_eq!(fake.get(&Kind::lease(), LEASE)["spec"]["leaseTransitions"], 4);
}

#[tokio::test]
async fn a_later_commits_run_ends_the_earlier_one_gracefully_and_waits_for_its_end() {
    let fake = with_runs(&["a", "b"]).await;
    hold(&fake, "a", &PULL_REQUEST, PATIENT).await.unwrap();
    let (held, ()) = tokio::join!(hold(&fake, "b", &PULL_REQUEST, PATIENT), async {
        while fake.get(&Kind::pipeline_run(), "a")["spec"]["status"] != "CancelledRunFinally" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(holder(&fake), "tests/a uid-a", "its finally tasks still run");
        end(&fake, "a");
    });
    held.unwrap();
    assert_eq!(holder(&fake), "tests/b uid-b");
    assert_eq!(
        fake.changes(),
        [format!("POST {LEASE}"), "PATCH a".into(), format!("PUT {LEASE}")],
        "it was asked once"
    );
}

#[tokio::test]
async fn an_earlier_commits_run_gives_way_and_one_of_the_same_second_waits() {
    let fake = with_runs(&["a", "b"]).await;
    hold(&fake, "b", &PULL_REQUEST, PATIENT).await.unwrap();
    let error = hold(&fake, "a", &PULL_REQUEST, PATIENT).await.unwrap_err();
    assert!(matches!(error, Error::Superseded { .. }), "{error}");
    assert!(error.to_string().contains("superseded: staging is held by tests/b"), "{error}");
    fake.put(&Kind::pipeline_run(), pipeline_run("twin", "2026-01-05T10:00:01Z"));
    let error = hold(&fake, "twin", &PULL_REQUEST, 200).await.unwrap_err();
    assert!(matches!(error, Error::Held { .. }), "{error}");
    assert_eq!(fake.changes(), [format!("POST {LEASE}")], "nothing was ended");
}

#[tokio::test]
async fn a_run_of_another_pull_request_is_waited_for_and_never_ended() {
    let fake = with_runs(&["a", "b"]).await;
    hold(&fake, "a", &PULL_REQUEST, PATIENT).await.unwrap();
    for other in [
        ["--repository=https://git.example/ads/p", "--pull-request=13"],
        ["--repository=https://git.example/x/p", "--pull-request=12"],
    ] {
        let error = hold(&fake, "b", &[other[0], other[1], "--supersede"], 200).await.unwrap_err();
        assert!(matches!(error, Error::Held { .. }), "{error}");
    }
    let without = ["--repository=https://git.example/ads/p", "--pull-request=12"];
    assert!(matches!(hold(&fake, "b", &without, 200).await, Err(Error::Held { .. })));
    assert_eq!(fake.changes(), [format!("POST {LEASE}")]);
}

#[tokio::test]
async fn two_pipelines_of_one_commit_take_turns_and_a_later_commit_ends_the_one_that_tests() {
    let fake = with_runs(&["a", "b", "c"]).await;
    let of = |commit: &'static str| [PULL_REQUEST[0], PULL_REQUEST[1], PULL_REQUEST[2], "--commit", commit];
    hold(&fake, "b", &of("c0ffee01"), PATIENT).await.unwrap();
    for name in ["a", "c"] {
        let error = hold(&fake, name, &of("c0ffee01"), 200).await.unwrap_err();
        assert!(matches!(error, Error::Held { .. }), "{error}");
    }
    assert_eq!(fake.changes(), [format!("POST {LEASE}")], "nothing was ended");
    let error = hold(&fake, "c", &of("c0ffee02"), 200).await.unwrap_err();
    assert!(matches!(error, Error::Held { .. }), "{error}");
    assert_eq!(fake.changes(), [format!("POST {LEASE}"), "PATCH b".into()]);
}

#[tokio::test]
async fn who_is_no_run_of_the_cluster_holds_nothing() {
    let fake = with_runs(&[]).await;
    let error = hold(&fake, "performance-test-x7k", &[], PATIENT).await.unwrap_err();
    assert!(matches!(error, Error::NoRun { .. }), "{error}");
    assert_eq!(fake.changes(), [""; 0]);
}

#[tokio::test]
async fn only_the_holder_gives_the_environment_back() {
    let fake = with_runs(&["a", "b"]).await;
    release(&fake, "a").await;
    hold(&fake, "a", &[], PATIENT).await.unwrap();
    release(&fake, "b").await;
    assert_eq!(holder(&fake), "tests/a uid-a");
    release(&fake, "a").await;
    hold(&fake, "b", &[], PATIENT).await.unwrap();
    assert_eq!(holder(&fake), "tests/b uid-b");
}

#[tokio::test]
async fn a_person_may_keep_an_environment_too() {
    let fake = with_runs(&["a"]).await;
    fake.put(&Kind::lease(), json!({"metadata": {"name": LEASE}, "spec": {"holderIdentity": "alice"}}));
    let error = hold(&fake, "a", &[], 200).await.unwrap_err();
    assert!(error.to_string().contains("it is held by \"alice\""), "{error}");
}

#[test]
fn an_environment_has_a_name_that_a_lease_can_have() {
    let long = "x".repeat(51);
    for wrong in ["", "Staging", "a/b", "a b", "staging-", &long] {
        let words = ["claim-environment", "--run=a", "--run-uid=b", "--environment", wrong];
        assert!(Args::try_parse_from(words).is_err(), "{wrong:?} was taken");
    }
}
