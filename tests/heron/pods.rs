//! On Kubernetes: a topology is gone when its pods are. The API server here is a stand-in that knows no more than that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::{Bench, Generation};

/// An API server with a topology's StatefulSet and pod, which go after this many looks.
async fn kubernetes(looks: u32) -> (String, Arc<AtomicU32>) {
    let left = Arc::new(AtomicU32::new(looks));
    let router = Router::new()
        .route("/api/v1/namespaces/heron/pods", get(pods))
        .route("/apis/apps/v1/namespaces/heron/statefulsets/wc-executors", get(stateful_set))
        .fallback(|| async { missing() })
        .with_state(Arc::clone(&left));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, left)
}

async fn pods(State(left): State<Arc<AtomicU32>>) -> Response {
    let there = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |looks| looks.checked_sub(1)).is_ok();
    let pod = json!({"metadata": {"name": "wc-executors-1", "namespace": "heron"}});
    let items = if there { vec![pod] } else { Vec::new() };
    axum::Json(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})).into_response()
}

async fn stateful_set(State(left): State<Arc<AtomicU32>>) -> Response {
    match left.load(Ordering::Relaxed) {
        0 => missing(),
        _ => axum::Json(json!({"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": {"name": "wc-executors"}}))
            .into_response(),
    }
}

fn missing() -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound",
        "message": "not found", "code": 404});
    (StatusCode::NOT_FOUND, axum::Json(status)).into_response()
}

/// Runs the program with a kubeconfig for this API server; its exit code and what it said.
async fn run(bench: &Bench, program: &'static str, server: &str, words: Vec<String>) -> (Option<i32>, String) {
    let config = bench.path("kubeconfig");
    let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}]});
    std::fs::write(&config, text.to_string()).unwrap();
    let run = move || std::process::Command::new(program).args(&words[1..]).env("KUBECONFIG", config).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn a_topology_is_gone_when_its_pods_are() {
    let bench = Bench::running(Generation::Bare).await;
    let (server, left) = kubernetes(3).await;
    let words = bench.words("delete-heron-app", &["--kubernetes-namespace=heron"]);
    let (code, said) = run(&bench, env!("CARGO_BIN_EXE_delete-heron-app"), &server, words).await;
    assert_eq!((code, left.load(Ordering::Relaxed)), (Some(0), 0), "{said}");
}

#[tokio::test]
async fn pods_that_stay_are_named_and_nothing_is_submitted_among_them() {
    let bench = Bench::running(Generation::Bare).await;
    let (server, _) = kubernetes(u32::MAX).await;
    let words = bench.deploy_words("wc.WordCount", &["--replace", "--kubernetes-namespace=heron", "--timeout=6s"]);
    let (code, said) = run(&bench, env!("CARGO_BIN_EXE_deploy-heron-app"), &server, words).await;
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("Pod/wc-executors-1"), "{said}");
    assert!(said.contains("was killed for it, so none of that name runs now"), "{said}");
    assert_eq!(bench.changes(), ["kill local/root/default/wc"]);
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_is_told_before_anything_is_killed() {
    let bench = Bench::running(Generation::Bare).await;
    let words = bench.deploy_words("wc.WordCount", &["--replace", "--kubernetes-namespace=heron"]);
    let (code, said) = run(&bench, env!("CARGO_BIN_EXE_deploy-heron-app"), "http://127.0.0.1:1", words).await;
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(bench.changes(), [""; 0]);
}
