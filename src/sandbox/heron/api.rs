//! Heron's API server: its calls, its answers, its mistakes (Heron 0.20.5 behind Jetty, with a scheduler service).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use jiff::Timestamp;
use prost::Message;
use serde_json::{Value, json};

use super::job::Job;
use super::packing::{self, Format, Parallelism};
use super::runner::Runner;
use super::sink::Sink;
use super::{Cluster, form};
use crate::heron::definition::{Topology, TopologyState};

const JETTY: &str = "Jetty(9.4.6.v20170531)";
const SCHEDULER_UNKNOWN: &str = "Failed to get scheduler location from state manager";
/// How long an update or restart waits for the new instances.
const UPDATED: Duration = Duration::from_secs(60);
/// What a package's file name may end with; the API server makes an enum constant of it.
const PACKAGES: [&str; 5] = ["jar", "tar", "pex", "dylib", "so"];

/// The API server's routes.
pub fn router(cluster: Cluster) -> Router {
    const ONE: &str = "/api/v1/topologies/{cluster}/{role}/{environ}/{topology}";
    Router::new()
        .route("/api/v1/topologies", post(submit).fallback(|method, uri| not_allowed("POST,OPTIONS", method, uri)))
        .route(ONE, delete(kill).fallback(|method, uri| not_allowed("DELETE,OPTIONS", method, uri)))
        .route(&format!("{ONE}/{{verb}}"), post(act).fallback(|method, uri| not_allowed("POST,OPTIONS", method, uri)))
        .route("/api/v1/version", get(version))
        .route("/api/v1/{*path}", any(unknown_path))
        .fallback(async |uri: Uri| html(StatusCode::NOT_FOUND, "Not Found", &uri))
        // A topology's jar has all that it needs in it.
        .layer(DefaultBodyLimit::disable())
        .with_state(cluster)
}

fn answer(status: StatusCode, content_type: Option<&str>, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::SERVER, header::HeaderValue::from_static(JETTY));
    if let Some(value) = content_type.and_then(|kind| kind.parse().ok()) {
        answer.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    answer
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    answer(status, Some("application/json"), body.to_string())
}

fn ok(message: String) -> Response {
    json_answer(StatusCode::OK, &json!({"message": message}))
}

/// Nearly all that goes wrong is a 500 with a message.
fn failed(message: impl Into<String>) -> Response {
    json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"message": message.into()}))
}

fn html(status: StatusCode, reason: &str, uri: &Uri) -> Response {
    let code = status.as_u16();
    let body = format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=utf-8\"/>\n<title>Error {code} {reason}\
         </title>\n</head>\n<body><h2>HTTP ERROR {code}</h2>\n<p>Problem accessing {}. Reason:\n<pre>    {reason}</pre></p><hr>\
         <a href=\"http://eclipse.org/jetty\">Powered by Jetty:// 9.4.6.v20170531</a><hr/>\n\n</body>\n</html>\n",
        uri.path()
    );
    let mut answer = answer(status, Some("text/html;charset=iso-8859-1"), body);
    let value = header::HeaderValue::from_static("must-revalidate,no-cache,no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, value);
    answer
}

async fn not_allowed(allow: &'static str, method: Method, uri: Uri) -> Response {
    let mut refused = match method {
        Method::GET => html(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", &uri),
        _ => answer(StatusCode::METHOD_NOT_ALLOWED, None, Body::empty()),
    };
    refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allow));
    refused
}

async fn unknown_path() -> Response {
    let paths = "{\n  \"paths\" : [ \"/api/v1/topologies\", \"/api/v1/version\", \"/api/v1/file\" ]\n}";
    answer(StatusCode::NOT_FOUND, None, paths)
}

async fn version() -> Response {
    let pairs = [
        ("git.revision", "1c5779dcdf19eed888412f3d87b31ebb4b00e07e"),
        ("git.status", "Clean"),
        ("host", "localhost"),
        ("time", "now"),
        ("timestamp", "1677683463000"),
        ("user", "root"),
        ("version", "0.20.5-incubating"),
    ];
    let lines: Vec<String> =
        pairs.iter().map(|(key, value)| format!("  \"heron.build.{key}\" : \"{value}\"")).collect();
    answer(StatusCode::OK, Some("application/json"), format!("{{\n{}\n}}", lines.join(",\n")))
}

/// What a submit sent: fields by name, and files by name with their file names; a file sent as text has none.
#[derive(Default)]
struct Upload {
    fields: BTreeMap<String, String>,
    files: BTreeMap<String, (Option<String>, Bytes)>,
}

impl Upload {
    async fn read(mut multipart: Multipart) -> Result<Self, axum::extract::multipart::MultipartError> {
        let mut upload = Self::default();
        while let Some(part) = multipart.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            if ["definition", "topology"].contains(&name.as_str()) {
                let file_name = part.file_name().map(ToOwned::to_owned);
                upload.files.insert(name, (file_name, part.bytes().await?));
            } else {
                upload.fields.insert(name, part.text().await?);
            }
        }
        Ok(upload)
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map(String::as_str).unwrap_or_default()
    }

    fn missing(&self) -> Vec<&'static str> {
        let fields = ["name", "cluster", "role"].into_iter().filter(|name| !self.fields.contains_key(*name));
        fields.chain(["definition", "topology"].into_iter().filter(|name| !self.files.contains_key(*name))).collect()
    }
}

async fn submit(State(cluster): State<Cluster>, uri: Uri, request: Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let Ok(multipart) = Multipart::from_request(request, &()).await else {
        return html(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type", &uri);
    };
    let Ok(upload) = Upload::read(multipart).await else {
        return html(StatusCode::BAD_REQUEST, "Bad Request", &uri);
    };
    let missing = upload.missing();
    if !missing.is_empty() {
        let message = format!("Validation failed missing required params: [{}]", missing.join(", "));
        let body = json!({"message": message, "errors": {"missing_parameters": missing}});
        return json_answer(StatusCode::UNPROCESSABLE_ENTITY, &body);
    }
    let known = &cluster.settings().cluster;
    if !upload.field("cluster").eq_ignore_ascii_case(known) {
        let message = format!("Unknown cluster {} expecting '{known}'", upload.field("cluster"));
        return json_answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({"message": message}));
    }
    if upload.field("name").contains('/') {
        return html(StatusCode::INTERNAL_SERVER_ERROR, "Request failed.", &uri);
    }
    let (dir, defn, package) = match store(&cluster, &upload) {
        Ok(stored) => stored,
        Err(message) => return failed(message),
    };
    let read = std::fs::read(&defn).ok().and_then(|bytes| Topology::decode(bytes.as_slice()).ok());
    // A definition without a name is none: Heron's reader misses required fields where this one does not.
    let Some(definition) = read.filter(|topology| !topology.name.is_empty()) else {
        return failed(format!("Failed to read/parse content of {}", defn.display()));
    };
    let parallelism = packing::parallelism(&definition);
    let plan = match packing::pack(&definition, &parallelism, packing::containers(&definition)) {
        Ok(plan) => plan,
        Err(message) => return failed(message),
    };
    if upload.fields.contains_key("dry_run") {
        let text = packing::show(&definition.name, &plan, None, Format::parse(upload.field("dry_run_format")));
        return json_answer(StatusCode::OK, &json!({"response": text}));
    }
    let or = |name: &str, other: &str| match upload.fields.get(name) {
        Some(value) if !value.is_empty() => value.clone(),
        _ => other.to_owned(),
    };
    let (name, role) = (upload.field("name").to_owned(), upload.field("role").to_owned());
    let environ = or("environment", "default");
    let mut jobs = cluster.jobs();
    if jobs.get(&name).is_some_and(|job| job.killed.is_none()) {
        return failed(format!("Topology '{name}' already exists"));
    }
    let mut job = Job {
        cluster: known.clone(),
        user: or("user", &role),
        submitted: Timestamp::now(),
        since: Instant::now(),
        paused: definition.state() == TopologyState::Paused,
        wedged: definition.name != name,
        physical: false,
        registered: false,
        killed: None,
        up: BTreeSet::new(),
        exceptions: Vec::new(),
        samples: VecDeque::new(),
        sink: Sink::default(),
        runner: None,
        generation: 0,
        role,
        environ,
        name,
        definition,
        parallelism,
        plan,
        dir,
        package,
        defn,
    };
    if !job.wedged
        && let Err(message) = Runner::start(&cluster, &mut job)
    {
        return failed(format!("Failed to launch topology '{}'\n{message}", job.name));
    }
    let (role, environ, name) = (&job.role, &job.environ, &job.name);
    let body = json!({"name": name, "cluster": upload.field("cluster"), "role": role, "environment": environ});
    let location = format!("http://{host}/topologies/{known}/{role}/{environ}/{name}");
    jobs.insert(job.name.clone(), job);
    let mut created = json_answer(StatusCode::CREATED, &body);
    if let Ok(location) = location.parse() {
        created.headers_mut().insert(header::LOCATION, location);
    }
    created
}

/// Writes the uploaded files into a directory of their own.
fn store(cluster: &Cluster, upload: &Upload) -> Result<(PathBuf, PathBuf, PathBuf), String> {
    let file = |part: &str| {
        let (name, bytes) = upload.files.get(part).cloned().unwrap_or_default();
        // A path in a file name is not for the server to follow.
        let name = name.and_then(|name| Some(std::path::Path::new(&name).file_name()?.to_string_lossy().into_owned()));
        name.map(|name| (name, bytes)).ok_or("Cannot invoke \"String.isEmpty()\" because \"segment\" is null")
    };
    let ((definition, bytes), (package, content)) = (file("definition")?, file("topology")?);
    let suffix = if package.ends_with(".tar.gz") { "tar" } else { package.rsplit('.').next().unwrap_or_default() };
    if !PACKAGES.contains(&suffix) {
        return Err(format!("No enum constant org.apache.heron.common.basics.PackageType.{}", suffix.to_uppercase()));
    }
    let write = || {
        let dir = tempfile::Builder::new().prefix("topology-").tempdir_in(&cluster.settings().dir)?.keep();
        let (defn, jar) = (dir.join(definition), dir.join(package));
        std::fs::write(&defn, bytes)?;
        std::fs::write(&jar, content)?;
        Ok((dir, defn, jar))
    };
    write().map_err(|error: std::io::Error| error.to_string())
}

/// Cluster, role, environment and name, as they stand in a path.
type Place = (String, String, String, String);

/// Looks a topology up as every verb does: by name alone, then compares the rest.
fn find<'a>(jobs: &'a mut BTreeMap<String, Job>, place: &Place) -> Result<&'a mut Job, String> {
    let (cluster, role, environ, name) = place;
    let job = jobs.get_mut(name).filter(|job| job.killed.is_none());
    let job = job.ok_or_else(|| format!("Topology '{name}' does not exist"))?;
    if (cluster, role, environ) == (&job.cluster, &job.role, &job.environ) {
        return Ok(job);
    }
    Err(format!(
        "cluster/role/environ does not match. Topology '{name}' is running at {}/{}/{}, not {cluster}/{role}/{environ}",
        job.cluster, job.role, job.environ
    ))
}

async fn kill(State(cluster): State<Cluster>, Path(place): Path<Place>) -> Response {
    let runner = match find(&mut cluster.jobs(), &place) {
        Err(message) if message.ends_with("does not exist") => return failed(SCHEDULER_UNKNOWN),
        Err(message) => return failed(message),
        Ok(job) if job.wedged => return failed(SCHEDULER_UNKNOWN),
        Ok(job) => {
            job.killed = Some(Instant::now());
            job.runner.take()
        }
    };
    if let Some(runner) = runner {
        runner.stop().await;
    }
    ok(format!("{} killed", place.3))
}

async fn act(
    State(cluster): State<Cluster>,
    Path((role_cluster, role, environ, name, verb)): Path<(String, String, String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let place = (role_cluster, role, environ, name);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let pairs = kind.starts_with("application/x-www-form-urlencoded").then(|| form(&body));
    match verb.as_str() {
        "activate" => switch(&cluster, &place, false),
        "deactivate" => switch(&cluster, &place, true),
        "restart" => match pairs {
            None => html(StatusCode::INTERNAL_SERVER_ERROR, "Request failed.", &uri),
            Some(pairs) => restart(&cluster, &place, &pairs, &uri).await,
        },
        "update" if kind.starts_with("application/json") => {
            answer(StatusCode::BAD_REQUEST, Some("text/plain"), "Can not find a deserializer for non-concrete Map type")
        }
        "update" => match pairs {
            None => json_answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({"message": "no param"})),
            Some(pairs) => update(&cluster, &place, &pairs).await,
        },
        _ => unknown_path().await,
    }
}

/// Why a topology cannot be acted on yet.
fn not_yet(cluster: &Cluster, job: &Job) -> Option<Response> {
    let delay = cluster.settings().start_delay;
    if !job.is_scheduled(delay) {
        return Some(failed(SCHEDULER_UNKNOWN));
    }
    (!job.is_planned(delay)).then(|| failed(format!("Failed to get physical plan for topology '{}'", job.name)))
}

fn switch(cluster: &Cluster, place: &Place, paused: bool) -> Response {
    let mut jobs = cluster.jobs();
    let job = match find(&mut jobs, place) {
        Ok(job) => job,
        Err(message) => return failed(message),
    };
    if let Some(refused) = not_yet(cluster, job) {
        return refused;
    }
    job.paused = paused;
    let verb = if paused { "deactivate" } else { "activate" };
    if let Some(runner) = &job.runner {
        runner.command(verb);
    }
    ok(format!("{} {verb}d", job.name))
}

async fn restart(cluster: &Cluster, place: &Place, pairs: &[(String, String)], uri: &Uri) -> Response {
    let asked = pairs.iter().find(|(key, _)| key == "container_id").map_or("-1", |(_, value)| value);
    let Ok(container) = asked.parse::<i64>() else { return html(StatusCode::BAD_REQUEST, "Bad Request", uri) };
    let old = {
        let mut jobs = cluster.jobs();
        let job = match find(&mut jobs, place) {
            Ok(job) => job,
            Err(message) => return failed(message),
        };
        if let Some(refused) = not_yet(cluster, job) {
            return refused;
        }
        let there = job.plan.container_plans.iter().any(|plan| i64::from(plan.id) == container);
        if !there && container > 0 || container < -1 {
            return failed(format!("Failed to restart topology '{}'", job.name));
        }
        job.runner.take()
    };
    if let Some(old) = old {
        old.stop().await;
    }
    // All containers are one process here: one cannot be restarted without the others.
    match start_again(cluster, place) {
        Ok(()) => ok(format!("{} restarted", place.3)),
        Err(message) => failed(message),
    }
}

fn start_again(cluster: &Cluster, place: &Place) -> Result<(), String> {
    Runner::start(cluster, find(&mut cluster.jobs(), place)?)
}

async fn update(cluster: &Cluster, place: &Place, pairs: &[(String, String)]) -> Response {
    let all = |key: &str| -> Vec<&str> {
        pairs.iter().filter(|(name, _)| name == key).flat_map(|(_, value)| value.split(',')).collect()
    };
    let (components, containers) = (all("component_parallelism"), all("container_number"));
    if components.is_empty() && containers.is_empty() {
        return match all("runtime_config").is_empty() {
            true => {
                let message = "missing component_parallelism or runtime_config param";
                json_answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({"message": message}))
            }
            // Taken, and never looked at again.
            false => ok(format!("{} updated", place.3)),
        };
    }
    let old = {
        let mut jobs = cluster.jobs();
        let job = match find(&mut jobs, place) {
            Ok(job) => job,
            Err(message) => return failed(message),
        };
        let wanted = match wanted(job, &components) {
            Ok(wanted) => wanted,
            Err(message) => return failed(message),
        };
        let number = match containers.first().filter(|_| components.is_empty()) {
            Some(text) => text.parse().unwrap_or(0_u32).max(1),
            None => packing::containers_after_update(&job.definition, &wanted),
        };
        let plan = match packing::pack(&job.definition, &wanted, number) {
            Ok(plan) => plan,
            Err(message) => return failed(message),
        };
        if pairs.iter().any(|(key, _)| key == "dry_run") {
            let format = pairs.iter().find(|(key, _)| key == "dry_run_format").map_or("", |(_, value)| value);
            let text = packing::show(&job.name, &plan, Some(&job.plan), Format::parse(format));
            return json_answer(StatusCode::OK, &json!({"response": text}));
        }
        if let Some(refused) = not_yet(cluster, job) {
            return refused;
        }
        (job.plan, job.parallelism) = (plan, wanted);
        job.registered = false;
        job.runner.take()
    };
    if let Some(old) = old {
        old.stop().await;
    }
    // Without one of its components a topology is not whole: its stream managers abort, and the answer is 200.
    if cluster.jobs().get(&place.3).is_some_and(|job| job.parallelism.iter().any(|(_, count)| *count == 0)) {
        return ok(format!("{} updated", place.3));
    }
    if let Err(message) = start_again(cluster, place) {
        return failed(message);
    }
    let deadline = Instant::now() + UPDATED;
    while Instant::now() < deadline {
        if cluster.jobs().get(&place.3).is_none_or(|job| job.registered || job.runner.is_none()) {
            return ok(format!("{} updated", place.3));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    failed(format!("Failed to update topology '{}'", place.3))
}

/// The parallelism after an update, or what is wrong with what was asked.
fn wanted(job: &Job, components: &[&str]) -> Result<Parallelism, String> {
    let mut wanted = job.parallelism.clone();
    let expected = "Expected: <component>:<parallelism>[,<component>:<parallelism>], Found:";
    for asked in components {
        let parsed = asked.split_once(':').and_then(|(name, count)| Some((name, count.parse::<i64>().ok()?)));
        let (name, count) = parsed.ok_or_else(|| format!("Invalid parallelism parameter found. {expected} {asked}"))?;
        let Some(component) = wanted.iter_mut().find(|(known, _)| known == name) else {
            let names: Vec<&str> = job.parallelism.iter().map(|(name, _)| name.as_str()).collect();
            let valid = names.join(", ");
            return Err(format!(
                "Invalid component name in update request: {name}. Valid components include: [{valid}]"
            ));
        };
        component.1 = count.max(0) as u32;
    }
    if !components.is_empty() && wanted == job.parallelism {
        let request = components.join(",");
        return Err(format!(
            "The component parallelism request ({request}) is the same as the current topology parallelism. Not taking action."
        ));
    }
    Ok(wanted)
}
