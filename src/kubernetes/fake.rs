//! For tests: an API server that keeps objects as the real one does as far as claims and new runs need it: names are taken once,
//! and what has changed since it was read is not overwritten.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Cluster, Connection, Kind, Object};

/// What it keeps, and what it was told to change.
#[derive(Debug, Default)]
struct Store {
    objects: BTreeMap<String, Value>,
    version: u64,
    changes: Vec<String>,
}

/// An API server on a free port of this computer, as long as its runtime.
pub(crate) struct Fake {
    store: Arc<Mutex<Store>>,
    folder: tempfile::TempDir,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let store = Arc::new(Mutex::new(Store::default()));
        let router = Router::new().fallback(answer).with_state(store.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": server}}], "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "tests"}}]});
        std::fs::write(folder.path().join("kubeconfig"), config.to_string()).unwrap();
        Self { store, folder }
    }

    /// The file that says how to reach it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub(crate) async fn cluster(&self) -> Cluster {
        let kubeconfig = self.kubeconfig().display().to_string();
        Cluster::connect(&Connection { kubeconfig, ..Connection::default() }).await.unwrap()
    }

    /// Puts an object there, as somebody else would.
    pub(crate) fn put(&self, kind: &Kind, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.store.lock().unwrap().keep(&path(kind, &name), object);
    }

    pub(crate) fn get(&self, kind: &Kind, name: &str) -> Value {
        self.store.lock().unwrap().objects.get(&path(kind, name)).cloned().unwrap_or_default()
    }

    pub(crate) fn delete(&self, kind: &Kind, name: &str) {
        self.store.lock().unwrap().objects.remove(&path(kind, name));
    }

    /// Each change that a client made: the method and the object's name.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.store.lock().unwrap().changes.clone()
    }
}

fn path(kind: &Kind, name: &str) -> String {
    let object = Object::new(kind.clone(), "tests", name);
    format!(
        "/apis/{}/namespaces/tests/{}/{}",
        object.kind.resource.api_version, object.kind.resource.plural, object.name
    )
}

impl Store {
    fn keep(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    /// Whether the object may be written over this one.
    fn is_stale(&self, path: &str, new: &Value) -> bool {
        let given = &new["metadata"]["resourceVersion"];
        !given.is_null() && self.objects.get(path).is_some_and(|old| old["metadata"]["resourceVersion"] != *given)
    }
}

async fn answer(State(store): State<Arc<Mutex<Store>>>, method: Method, uri: Uri, body: axum::body::Bytes) -> Response {
    let mut store = store.lock().unwrap();
    let content: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = content["metadata"]["name"].as_str().unwrap_or_default();
    let path = if method == Method::POST { format!("{}/{name}", uri.path()) } else { uri.path().to_owned() };
    let old = store.objects.get(&path).cloned();
    let new = match (&method, old) {
        (&Method::GET, Some(object)) => return Json(object).into_response(),
        (&Method::POST, Some(_)) => return failure(StatusCode::CONFLICT, "AlreadyExists"),
        (&Method::POST, None) => content,
        (_, None) => return failure(StatusCode::NOT_FOUND, "NotFound"),
        (..) if store.is_stale(&path, &content) => return failure(StatusCode::CONFLICT, "Conflict"),
        (&Method::PUT, Some(_)) => content,
        (&Method::PATCH, Some(mut object)) => {
            merge(&mut object, content);
            object
        }
        (..) => return failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    };
    store.changes.push(format!("{method} {}", path.rsplit('/').next().unwrap_or_default()));
    Json(store.keep(&path, new)).into_response()
}

/// A JSON merge patch (RFC 7386).
fn merge(object: &mut Value, patch: Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                match value {
                    Value::Null => drop(object.remove(&key)),
                    value => merge(object.entry(key).or_insert(Value::Null), value),
                }
            }
        }
        (object, patch) => *object = patch,
    }
}

fn failure(code: StatusCode, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
        "message": reason, "code": code.as_u16()});
    (code, Json(status)).into_response()
}
