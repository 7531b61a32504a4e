//! A Heron for tests: the recorded answers of a real one, and as much state as makes them follow one another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::{Value, json};

/// The tracker's two incompatible generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Up to 0.20.4: every answer in an envelope.
    Enveloped,
    /// 0.20.5: bare answers.
    Bare,
}

/// What a test can say and see of this Heron.
#[derive(Debug)]
pub struct Heron {
    pub generation: Generation,
    /// The topology wc, once it is submitted.
    pub topology: Option<Topology>,
    /// What was submitted, field by field.
    pub form: BTreeMap<String, String>,
    /// The requests that change something.
    pub changes: Vec<String>,
    /// A recorded answer to every submission, in place of taking it.
    pub refuse_submit: Option<&'static str>,
    /// When somebody else's topology of the name was submitted, that comes just before the next submission.
    pub rival: Option<i64>,
    /// How many submissions after a kill still meet the old topology.
    pub echoes: u32,
    /// A recorded answer to every kill, in place of killing.
    pub refuse_kill: Option<&'static str>,
    /// A recorded answer to every other verb, in place of acting.
    pub refuse_act: Option<&'static str>,
    /// How many kills find no scheduler yet.
    pub kills_too_early: u32,
    /// Whether a scheduler service runs: without it, killing what is missing is a success.
    pub scheduler_service: bool,
    /// How long the tracker shows a topology after it was killed.
    pub remembers: Duration,
    /// How many looks the tracker answers with a gateway's HTML.
    pub falters: u32,
    /// How many looks after a submission the tracker still answers for the topology before it.
    pub stale_looks: u32,
    /// How long instances take to come up.
    pub startup: Duration,
    /// An instance that never comes up.
    pub missing_instance: Option<&'static str>,
    /// Whether stream managers register.
    pub registers: bool,
    /// Whether each look finds one more exception.
    pub throws: bool,
    /// How many of the recorded exceptions there are.
    pub exceptions: u32,
    /// What is wrong with the next answers of the tracker once something was submitted, the last first.
    pub troubles: Vec<Trouble>,
    /// Whether the topology is paused.
    pub paused: bool,
    /// What is otherwise in the tracker's `/info` than recorded.
    pub change: Option<fn(&mut Value)>,
    /// What the instances of a component said of their JVM's age: (instance, Unix seconds, age).
    pub ages: Vec<(&'static str, i64, f64)>,
    submissions: i64,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// It comes late.
    Slow(Duration),
    /// It is a 500 without words.
    Empty,
    /// It is a gateway's HTML.
    Gateway,
}

#[derive(Debug, Clone)]
pub struct Topology {
    pub submitted: i64,
    pub since: Instant,
    pub killed: Option<Instant>,
}

impl Topology {
    /// The one of the recorded answers: alice submitted it at 2026-11-23T09:15:29Z.
    pub fn recorded() -> Self {
        Self { submitted: 1_795_425_329, since: Instant::now(), killed: None }
    }
}

/// A running server.
#[derive(Clone)]
pub struct Fake {
    pub url: String,
    heron: Arc<Mutex<Heron>>,
}

impl Fake {
    /// Starts one on a free port; it serves the API server's and the tracker's paths.
    pub async fn start(generation: Generation) -> Self {
        let heron = Heron {
            generation,
            topology: None,
            form: BTreeMap::new(),
            changes: Vec::new(),
            refuse_submit: None,
            rival: None,
            echoes: 0,
            refuse_kill: None,
            refuse_act: None,
            kills_too_early: 0,
            scheduler_service: true,
            remembers: Duration::from_millis(300),
            falters: 0,
            stale_looks: 0,
            startup: Duration::from_millis(700),
            missing_instance: None,
            registers: true,
            throws: false,
            exceptions: 0,
            troubles: Vec::new(),
            paused: false,
            change: None,
            ages: Vec::new(),
            submissions: 0,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { url, heron: Arc::new(Mutex::new(heron)) };
        let router = Router::new()
            .route("/api/v1/version", get(|| async { recorded("apiserver/version") }))
            .route("/api/v1/topologies", post(submit))
            .route("/api/v1/topologies/{cluster}/{role}/{env}/{name}", delete(kill))
            .route("/api/v1/topologies/{cluster}/{role}/{env}/{name}/{verb}", post(verb))
            .route("/topologies/info", get(info))
            .route("/topologies/runtimestate", get(runtime_state))
            .route("/topologies/exceptions", get(exceptions))
            .route("/topologies/metricstimeline", get(timeline))
            .fallback(|| async { recorded("apiserver/root") })
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        fake
    }

    pub fn heron(&self) -> MutexGuard<'_, Heron> {
        self.heron.lock().unwrap()
    }
}

impl Heron {
    /// A recorded answer of the tracker.
    fn tracked(&self, name: &str) -> (StatusCode, HeaderMap, String) {
        let folder = if self.generation == Generation::Bare { "tracker-0.20.5" } else { "tracker-0.20.4" };
        recorded(&format!("{folder}/{name}"))
    }

    /// An answer of the tracker's generation.
    fn tell(&self, result: Value) -> Response {
        let body = match self.generation {
            Generation::Bare => result,
            Generation::Enveloped => {
                json!({"status": "success", "tracker_version": "", "executiontime": 0.1, "message": "", "result": result})
            }
        };
        axum::Json(body).into_response()
    }

    /// The topology, as long as the tracker shows it.
    fn shown(&self) -> Option<&Topology> {
        let shown = |topology: &&Topology| topology.killed.is_none_or(|killed| killed.elapsed() < self.remembers);
        self.topology.as_ref().filter(shown)
    }
}

/// A recorded answer: its status, content type and body.
pub fn recorded(name: &str) -> (StatusCode, HeaderMap, String) {
    let path = format!("{}/tests/data/heron/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let answer = text.rsplit_once("HTTP/1.1 ").unwrap().1;
    let (head, body) = answer.split_once("\n\n").unwrap();
    let mut headers = HeaderMap::new();
    if let Some((_, kind)) = head.split_once("Content-Type: ").or_else(|| head.split_once("content-type: ")) {
        headers.insert(header::CONTENT_TYPE, kind.lines().next().unwrap().parse().unwrap());
    }
    (StatusCode::from_bytes(&head.as_bytes()[..3]).unwrap(), headers, body.trim().to_owned())
}

async fn submit(State(fake): State<Fake>, mut form: Multipart) -> impl IntoResponse {
    let mut fields = BTreeMap::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let (name, file) = (field.name().unwrap().to_owned(), field.file_name().map(str::to_owned));
        let bytes = field.bytes().await.unwrap();
        let told = match file {
            Some(file) => format!("file {file} of {} bytes", bytes.len()),
            None => String::from_utf8(bytes.to_vec()).unwrap(),
        };
        fields.insert(name, told);
    }
    let mut heron = fake.heron();
    if fields.contains_key("dry_run") {
        heron.form = fields;
        return recorded(heron.refuse_submit.unwrap_or("apiserver/submit-dryrun-TABLE"));
    }
    heron.changes.push(format!("submit {}", fields["name"]));
    if let Some(name) = heron.refuse_submit {
        return recorded(name);
    }
    if let Some(submitted) = heron.rival.take() {
        heron.topology = Some(Topology { submitted, since: Instant::now(), killed: None });
        return recorded("apiserver/submit-duplicate");
    }
    let running = heron.topology.as_ref().is_some_and(|topology| topology.killed.is_none());
    if running || heron.echoes > 0 {
        heron.echoes = heron.echoes.saturating_sub(1);
        return recorded("apiserver/submit-duplicate");
    }
    heron.form = fields;
    heron.submissions += 1;
    let submitted = Topology::recorded().submitted + 100 * heron.submissions;
    heron.topology = Some(Topology { submitted, since: Instant::now(), killed: None });
    recorded("apiserver/submit-ok")
}

async fn kill(
    State(fake): State<Fake>,
    Path((cluster, role, environment, name)): Path<(String, String, String, String)>,
) -> impl IntoResponse {
    let mut heron = fake.heron();
    heron.changes.push(format!("kill {cluster}/{role}/{environment}/{name}"));
    if let Some(name) = heron.refuse_kill {
        return recorded(name);
    }
    if heron.kills_too_early > 0 {
        heron.kills_too_early -= 1;
        return recorded("apiserver/kill-missing");
    }
    let service = heron.scheduler_service;
    match &mut heron.topology {
        Some(topology) if topology.killed.is_none() => topology.killed = Some(Instant::now()),
        _ if service => return recorded("apiserver/kill-missing"),
        _ => {}
    }
    recorded("apiserver/kill-ok")
}

async fn verb(
    State(fake): State<Fake>,
    Path((_, _, _, name, verb)): Path<(String, String, String, String, String)>,
) -> impl IntoResponse {
    let mut heron = fake.heron();
    heron.changes.push(format!("{verb} {name}"));
    if let Some(name) = heron.refuse_act {
        return recorded(name);
    }
    if name == "nope" {
        return recorded("apiserver/activate-missing");
    }
    match verb.as_str() {
        "activate" => (heron.paused = false, recorded("apiserver/mini-activate")).1,
        "deactivate" => (heron.paused = true, recorded("apiserver/mini-deactivate")).1,
        "restart" => recorded("apiserver/mini-restart-container1"),
        _ => recorded("apiserver/mini-update-dryrun"),
    }
}

async fn info(State(fake): State<Fake>) -> Response {
    let trouble = match &mut *fake.heron() {
        heron if heron.submissions > 0 => heron.troubles.pop(),
        _ => None,
    };
    match trouble {
        Some(Trouble::Slow(time)) => tokio::time::sleep(time).await,
        Some(Trouble::Empty) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Trouble::Gateway) => {
            return (StatusCode::BAD_GATEWAY, axum::response::Html("<title>502 Bad Gateway</title>")).into_response();
        }
        None => {}
    }
    let mut heron = fake.heron();
    if heron.falters > 0 {
        heron.falters -= 1;
        return (StatusCode::BAD_GATEWAY, axum::response::Html("<title>502 Bad Gateway</title>")).into_response();
    }
    if heron.submissions > 0 && heron.stale_looks > 0 {
        heron.stale_looks -= 1;
        return heron.tracked("info").into_response();
    }
    let Some(topology) = heron.shown() else {
        return heron.tracked("info-missing").into_response();
    };
    let mut info: Value = serde_json::from_str(&heron.tracked("info").2).unwrap();
    if heron.generation == Generation::Enveloped {
        info = info["result"].take();
    }
    // Already while nothing is up: so does 0.20.5.
    info["execution_state"]["status"] = json!(if heron.paused { "Paused" } else { "Running" });
    info["execution_state"]["submission_time"] = json!(topology.submitted);
    if topology.since.elapsed() < heron.startup {
        info["physical_plan"] = json!({"instances": {}, "stmgrs": {}});
    } else if let Some(instance) = heron.missing_instance {
        info["physical_plan"]["instances"].as_object_mut().unwrap().remove(instance).unwrap();
    }
    if let Some(change) = heron.change {
        change(&mut info);
    }
    heron.tell(info)
}

async fn timeline(State(fake): State<Fake>, Query(asked): Query<BTreeMap<String, String>>) -> Response {
    let heron = fake.heron();
    let mut instances = json!({});
    for (instance, time, age) in heron.ages.iter().filter(|age| age.0.contains(&asked["component"])) {
        instances[instance][time.to_string()] = match heron.generation {
            Generation::Bare => json!(format!("{age:?}")),
            Generation::Enveloped => json!(format!("{age:.6}")),
        };
    }
    heron.tell(json!({"component": asked["component"], "timeline": {"__jvm-uptime-secs": instances}}))
}

async fn runtime_state(State(fake): State<Fake>) -> Response {
    let heron = fake.heron();
    match heron.generation {
        Generation::Enveloped if heron.shown().is_some() => {
            let mut state: Value = serde_json::from_str(&heron.tracked("runtimestate").2).unwrap();
            state["result"]["stmgrs"]["stmgr-2"]["is_registered"] = json!(heron.registers);
            axum::Json(state).into_response()
        }
        _ => heron.tracked("runtimestate").into_response(),
    }
}

async fn exceptions(State(fake): State<Fake>, Query(asked): Query<BTreeMap<String, String>>) -> Response {
    let mut heron = fake.heron();
    if asked["component"] != "count" {
        return heron.tell(json!([]));
    }
    if heron.throws {
        heron.exceptions += 1;
    }
    let body: Value = serde_json::from_str(&heron.tracked("exceptions").2).unwrap();
    let all = body.get("result").unwrap_or(&body).as_array().unwrap();
    let some = all.iter().take(heron.exceptions as usize).cloned().collect();
    heron.tell(some)
}
