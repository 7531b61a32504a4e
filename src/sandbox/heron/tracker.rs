//! Heron's tracker, in both generations: the bare JSON of 0.20.5 (FastAPI behind uvicorn) and the envelopes of 0.20.4
//! and before (Tornado), each with its mistakes.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::envelope::{envelope, respond};
use super::job::Job;
use super::metrics::{metrics, timeline};
use super::{Cluster, form};
use crate::heron::definition::{Config, Grouping, InputStream, OutputStream};

const RELEASE: &str = "0.20.5-incubating";

/// Which tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// 0.20.4 and before.
    V0204,
    /// 0.20.5.
    V0205,
}

use Generation::{V0204, V0205};

/// The tracker's routes: all are GETs, told apart by hand because unknown ones have answers of their own.
pub fn router(cluster: Cluster, generation: Generation) -> Router {
    let tracker = Tracker { cluster, generation };
    Router::new().fallback(async |State(tracker): State<Tracker>, uri: Uri| tracker.answer(&uri)).with_state(tracker)
}

#[derive(Debug, Clone)]
struct Tracker {
    cluster: Cluster,
    generation: Generation,
}

/// An answer other than 200.
struct Refusal {
    status: u16,
    /// What 0.20.5 says in its body, and 0.20.4 in its message.
    body: Value,
}

impl Refusal {
    fn failed(message: &str) -> Self {
        Self { status: 500, body: Value::String(format!("request failed: {message}")) }
    }

    fn message(message: String) -> Self {
        Self { status: 404, body: Value::String(message) }
    }
}

/// What a request asks for, in the order in which it was asked.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All values of a key.
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
    }
}

impl Tracker {
    fn answer(&self, uri: &Uri) -> Response {
        let query = Query(form(uri.query().unwrap_or_default().as_bytes()));
        let outcome = self.ask(uri.path().trim_end_matches('/'), &query);
        match self.generation {
            V0205 => self.bare(uri.path(), outcome),
            V0204 => envelope(
                outcome.map_err(|refusal| (refusal.status, refusal.body.as_str().unwrap_or_default().to_owned())),
            ),
        }
    }

    fn bare(&self, path: &str, outcome: Result<Value, Refusal>) -> Response {
        let (status, body) = match outcome {
            Ok(body) => (200, body),
            Err(refusal) => (refusal.status, refusal.body),
        };
        let plain = path == "/health" && status == 200;
        let text = if plain { "ok".to_owned() } else { body.to_string() };
        let mut answer =
            respond(status, "uvicorn", if plain { "text/plain; charset=utf-8" } else { "application/json" }, text);
        // What raised an exception never reaches the middleware that takes the time.
        if status != 500 {
            answer.headers_mut().insert(HeaderName::from_static("x-process-time"), HeaderValue::from_static("0.0010"));
        }
        answer
    }

    fn ask(&self, path: &str, query: &Query) -> Result<Value, Refusal> {
        match (path, self.generation) {
            ("/health", V0205) => Ok(json!("ok")),
            ("/clusters", _) => Ok(json!([self.cluster.settings().cluster])),
            ("/machines", V0205) => {
                Err(Refusal::failed("filtered_topologies() missing 1 required positional argument: 'roles'"))
            }
            ("/machines", V0204) => Ok(self.machines(query)),
            ("/topologies", _) => Ok(self.topologies(query)),
            ("/topologies/states", _) => Ok(self.states(query)),
            _ => {
                let what = path.strip_prefix("/topologies/").filter(|what| OF_A_TOPOLOGY.contains(what));
                match what {
                    Some(what) => self.topology(what, query),
                    None => Err(match self.generation {
                        V0205 => Refusal { status: 404, body: json!({"detail": "Not Found"}) },
                        V0204 => Refusal::message(format!("URL not supported: {path}")),
                    }),
                }
            }
        }
    }

    /// The topologies that the tracker knows and the query lets through.
    fn known<T>(&self, query: &Query, by_role: bool, mut each: impl FnMut(&Job) -> T) -> Vec<T> {
        let fits = |key: &str, value: &str| query.get(key).is_none_or(|asked| asked == value);
        let poll = self.cluster.settings().poll();
        let jobs = self.cluster.jobs();
        let known = jobs.values().filter(|job| {
            let place = fits("cluster", &job.cluster) && fits("environ", &job.environ);
            job.is_known(poll) && place && (!by_role || fits("role", &job.role))
        });
        known.map(&mut each).collect()
    }

    fn topologies(&self, query: &Query) -> Value {
        let mut tree = json!({});
        // 0.20.5 takes a role and filters nothing by it.
        for (cluster, role, environ, name) in self.known(query, self.generation == V0204, |job| {
            (job.cluster.clone(), job.role.clone(), job.environ.clone(), job.name.clone())
        }) {
            let names = &mut tree[cluster][role][environ];
            match names.as_array_mut() {
                Some(names) => names.push(name.into()),
                None => *names = json!([name]),
            }
        }
        tree
    }

    fn states(&self, query: &Query) -> Value {
        let mut tree = json!({});
        for (cluster, environ, name, state) in self.known(query, true, |job| {
            (job.cluster.clone(), job.environ.clone(), job.name.clone(), self.execution_state(job))
        }) {
            tree[cluster][environ][name] = state;
        }
        tree
    }

    fn machines(&self, query: &Query) -> Value {
        let mut tree = json!({});
        let asked = query.get("topology");
        for (cluster, environ, name, count) in self.known(query, true, |job| {
            (job.cluster.clone(), job.environ.clone(), job.name.clone(), job.plan.container_plans.len())
        }) {
            if asked.is_none_or(|asked| asked == name) {
                tree[cluster][environ][name] = json!(vec!["localhost"; count]);
            }
        }
        tree
    }

    fn topology(&self, what: &str, query: &Query) -> Result<Value, Refusal> {
        let mut needed = vec!["cluster", "environ", "topology"];
        if ["metrics", "exceptions", "exceptionsummary"].contains(&what) || is_timeline(what) {
            needed.push("component");
        }
        if is_timeline(what) {
            needed.extend(["metricname", "starttime", "endtime"]);
        }
        let mut missing: Vec<_> = needed.into_iter().filter(|key| query.get(key).is_none()).collect();
        if what == "metrics" && self.generation == V0204 && query.get("metricname").is_none() {
            missing.push("metricname");
        }
        if let Some(first) = missing.first() {
            return Err(match self.generation {
                V0204 => Refusal::message(format!("Missing argument {first}")),
                V0205 => {
                    let field =
                        |key| json!({"loc": ["query", key], "msg": "field required", "type": "value_error.missing"});
                    let detail: Vec<Value> = missing.into_iter().map(field).collect();
                    Refusal { status: 422, body: json!({"detail": detail}) }
                }
            });
        }
        let asked = |key| query.get(key).unwrap_or_default();
        let jobs = self.cluster.jobs();
        let job = jobs.get(asked("topology")).filter(|job| {
            let place = job.cluster == asked("cluster") && job.environ == asked("environ");
            place
                && query.get("role").is_none_or(|role| role == job.role)
                && job.is_known(self.cluster.settings().poll())
        });
        let Some(job) = job else {
            let role = query.get("role").map(|role| format!("{role}, ")).unwrap_or_default();
            let (cluster, environ, topology) = (asked("cluster"), asked("environ"), asked("topology"));
            let place = format!("Topology not found for {cluster}, {role}{environ}, {topology}");
            return Err(match (self.generation, what) {
                (V0205, _) => Refusal::failed(&format!("'{place}'")),
                (V0204, "metrics") => Refusal::message(place),
                (V0204, _) => Refusal::message("No topology found".to_owned()),
            });
        };
        self.about(job, what, query)
    }

    fn about(&self, job: &Job, what: &str, query: &Query) -> Result<Value, Refusal> {
        Ok(match what {
            "executionstate" => self.execution_state(job),
            "metadata" => self.metadata(job),
            "info" => self.info(job),
            "config" => self.config(job),
            "logicalplan" => self.logical_plan(job),
            "packingplan" => json!(job.plan),
            "physicalplan" => self.physical_plan(job),
            "schedulerlocation" => self.scheduler_location(job),
            "runtimestate" => match self.generation {
                V0205 => return Err(Refusal::failed("unhashable type: 'RepeatedScalarFieldContainer'")),
                V0204 => self.runtime_state(job),
            },
            "exceptions" => return self.exceptions(job, query),
            "exceptionsummary" => return self.exception_summary(job, query),
            "metrics" => metrics(job, query),
            _ => return self.timeline(job, what, query),
        })
    }

    fn is_planned(&self, job: &Job) -> bool {
        job.is_planned(self.cluster.settings().start_delay)
    }

    fn metadata(&self, job: &Job) -> Value {
        let mut metadata = json!({
            "cluster": job.cluster,
            "environ": job.environ,
            "role": job.role,
            "jobname": job.name,
            "submission_time": job.submitted.as_second(),
            "submission_user": job.user,
            "release_username": "root",
            "release_tag": "",
            "release_version": RELEASE,
        });
        if self.generation == V0205 {
            metadata["instances"] = json!(if self.is_planned(job) { job.instances() } else { 0 });
        }
        metadata["extra_links"] = json!([]);
        metadata
    }

    fn execution_state(&self, job: &Job) -> Value {
        let planned = self.is_planned(job);
        let scheduled = job.is_scheduled(self.cluster.settings().start_delay);
        let mut state = self.metadata(job);
        let running = if job.paused { "Paused" } else { "Running" };
        let facts = match self.generation {
            // It looks at the wrong variable: the plan is there and runs before it is made.
            V0205 => [("has_physical_plan", true), ("has_packing_plan", true), ("has_tmanager_location", scheduled)],
            V0204 => [
                ("has_physical_plan", planned),
                ("has_tmanager_location", scheduled),
                ("has_scheduler_location", scheduled),
            ],
        };
        for (key, value) in facts {
            state[key] = json!(value);
        }
        match self.generation {
            V0205 => state["has_scheduler_location"] = json!(scheduled),
            V0204 => state["has_packing_plan"] = json!(true),
        }
        state["status"] = json!(if planned || self.generation == V0205 { running } else { "Unknown" });
        state
    }

    fn runtime_state(&self, job: &Job) -> Value {
        let planned = self.is_planned(job);
        let scheduled = job.is_scheduled(self.cluster.settings().start_delay);
        let mut state = json!({
            "has_physical_plan": planned,
            "has_packing_plan": true,
            "has_tmanager_location": scheduled,
            "has_scheduler_location": scheduled,
            "stmgrs": {},
        });
        if planned {
            for container in &job.plan.container_plans {
                state["stmgrs"][format!("stmgr-{}", container.id)] = json!({"is_registered": job.registered});
            }
            state["topology_version"] = json!(RELEASE);
        }
        state
    }

    fn scheduler_location(&self, job: &Job) -> Value {
        json!({"name": job.name, "http_endpoint": "localhost:0", "job_page_link": ""})
    }

    fn config(&self, job: &Job) -> Value {
        let mut config = Map::new();
        for (key, value) in settings(job.definition.topology_config.as_ref()) {
            // Only 0.20.5 makes numbers of what looks like one.
            let number = value.parse::<i64>().ok().filter(|_| self.generation == V0205);
            config.insert(key, number.map_or(Value::String(value), Value::from));
        }
        Value::Object(config)
    }

    fn logical_plan(&self, job: &Job) -> Value {
        let mut spouts = json!({});
        for spout in &job.definition.spouts {
            let name = &spout.comp.name;
            let config = component_config(job, name, spout.comp.config.as_ref());
            let outputs = outputs(&spout.outputs);
            spouts[name] = match self.generation {
                V0205 => json!({"config": config, "spout_type": "default", "spout_source": "NA", "version": "NA",
                    "outputs": outputs, "extra_links": []}),
                V0204 => json!({"config": config, "outputs": outputs, "spout_type": "default", "spout_source": "NA",
                    "extra_links": []}),
            };
        }
        let mut bolts = json!({});
        for bolt in &job.definition.bolts {
            let name = &bolt.comp.name;
            let config = component_config(job, name, bolt.comp.config.as_ref());
            let sources: Vec<&str> = bolt.inputs.iter().map(|input| input.stream.component_name.as_str()).collect();
            let (inputs, outputs) = (inputs(&bolt.inputs), outputs(&bolt.outputs));
            bolts[name] = match self.generation {
                V0205 => json!({"config": config, "outputs": outputs, "inputs": inputs, "inputComponents": sources}),
                V0204 => json!({"config": config, "inputComponents": sources, "inputs": inputs, "outputs": outputs}),
            };
        }
        match self.generation {
            V0205 => json!({"bolts": bolts, "spouts": spouts, "stages": stages(job)}),
            V0204 => json!({"stages": stages(job), "spouts": spouts, "bolts": bolts}),
        }
    }

    fn physical_plan(&self, job: &Job) -> Value {
        let mut plan = json!({"instances": {}, "instance_groups": {}, "stmgrs": {}, "spouts": {}, "bolts": {}, "config": {},
            "components": {}});
        if !self.is_planned(job) {
            return plan;
        }
        let manager_key = if self.generation == V0205 { "stmgr_id" } else { "stmgrId" };
        let home = "http://localhost:0";
        for container in &job.plan.container_plans {
            let stmgr = format!("stmgr-{}", container.id);
            let mut ids = Vec::new();
            for instance in &container.instances {
                let id = container.instance_id(instance);
                let logfile = format!("{home}/file/log-files/{id}.log.0");
                plan["instances"][&id] =
                    json!({"id": id, "name": instance.component_name, manager_key: stmgr, "logfile": logfile});
                let kind = if job.kind(&instance.component_name) == "spout" { "spouts" } else { "bolts" };
                let of_component = &mut plan[kind][&instance.component_name];
                match of_component.as_array_mut() {
                    Some(known) => known.push(json!(id)),
                    None => *of_component = json!([id]),
                }
                ids.push(id);
            }
            plan["instance_groups"][format!("container_{}", container.id)] = json!(ids);
            plan["stmgrs"][&stmgr] = json!({
                "id": stmgr,
                "host": "localhost",
                "port": 0,
                "shell_port": 0,
                "cwd": job.dir,
                "pid": job.generation,
                "joburl": format!("{home}/browse/"),
                "logfiles": format!("{home}/browse/log-files"),
                "instance_ids": ids,
            });
        }
        for (key, value) in settings(job.definition.topology_config.as_ref()) {
            plan["config"][key] = Value::String(value);
        }
        let spouts = job.definition.spouts.iter().map(|spout| &spout.comp);
        for component in spouts.chain(job.definition.bolts.iter().map(|bolt| &bolt.comp)) {
            let config = component_config(job, &component.name, component.config.as_ref());
            plan["components"][&component.name] = json!({"config": config});
        }
        plan
    }

    fn info(&self, job: &Job) -> Value {
        let tmanager = json!({"name": job.name, "id": job.definition.id, "host": "localhost", "controller_port": 0,
            "server_port": 0, "stats_port": if self.generation == V0205 { Value::Null } else { json!(0) }});
        let mut logical = self.logical_plan(job);
        let runtime = match self.generation {
            V0205 => {
                let state = self.execution_state(job);
                json!({
                    "has_physical_plan": state["has_physical_plan"],
                    "has_packing_plan": state["has_packing_plan"],
                    "has_tmanager_location": state["has_tmanager_location"],
                    "has_scheduler_location": state["has_scheduler_location"],
                    "stmgrs": {},
                })
            }
            V0204 => {
                shape_for_info(&mut logical);
                self.runtime_state(job)
            }
        };
        match self.generation {
            V0205 => json!({
                "execution_state": self.execution_state(job),
                "id": "",
                "logical_plan": logical,
                "metadata": self.metadata(job),
                "name": job.name,
                "packing_plan": job.plan,
                "physical_plan": self.physical_plan(job),
                "runtime_state": runtime,
                "scheduler_location": self.scheduler_location(job),
                "tmanager_location": tmanager,
            }),
            V0204 => json!({
                "name": job.name,
                "id": job.definition.id,
                "logical_plan": logical,
                "physical_plan": self.physical_plan(job),
                "packing_plan": job.plan,
                "execution_state": self.execution_state(job),
                "tmanager_location": tmanager,
                "scheduler_location": self.scheduler_location(job),
                "metadata": self.metadata(job),
                "runtime_state": runtime,
            }),
        }
    }

    fn exceptions(&self, job: &Job, query: &Query) -> Result<Value, Refusal> {
        let (component, instances) = self.component(job, query)?;
        if component.is_empty() {
            return Ok(json!({"message": "Unknown component"}));
        }
        let stack = if self.generation == V0205 { "stacktrace" } else { "stack_trace" };
        let fits = |instance: &String| instances.is_empty() || instances.contains(&instance.as_str());
        let known = job.exceptions.iter().filter(|known| known.component == component && fits(&known.instance));
        Ok(known
            .map(|known| {
                let task = known.instance.rsplit('_').next().unwrap_or_default();
                json!({
                    "hostname": format!("localhost:{task}"),
                    "instance_id": known.instance,
                    stack: known.stacktrace,
                    "lasttime": date(known.last),
                    "firsttime": date(known.first),
                    "count": known.count.to_string(),
                    "logging": known.logging,
                })
            })
            .collect())
    }

    fn timeline(&self, job: &Job, what: &str, query: &Query) -> Result<Value, Refusal> {
        let second = |key| query.get(key).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let (start, end) = (second("starttime"), second("endtime"));
        if start > end {
            return Err(match self.generation {
                V0205 => Refusal { status: 400, body: json!({"detail": "start_time > end_time"}) },
                V0204 => Refusal::message("starttime is greater than endtime.".to_owned()),
            });
        }
        Ok(timeline(job, query, (start, end), |value| match (self.generation, what) {
            (V0205, "metrics/timeline") => json!(value),
            (V0205, _) => json!(format!("{value:?}")),
            (V0204, _) => json!(format!("{value:.6}")),
        }))
    }

    fn exception_summary(&self, job: &Job, query: &Query) -> Result<Value, Refusal> {
        if self.generation == V0205 {
            let field = |name| format!("{name}\n  field required (type=value_error.missing)");
            let fields = [field("lasttime"), field("firsttime")].join("\n");
            return Err(Refusal::failed(&format!("2 validation errors for ExceptionSummaryItem\n{fields}")));
        }
        let (component, _) = self.component(job, query)?;
        if component.is_empty() {
            return Ok(json!({"message": "Unknown component"}));
        }
        let mut classes: BTreeMap<&str, (Timestamp, Timestamp, u64)> = BTreeMap::new();
        for known in job.exceptions.iter().filter(|known| known.component == component) {
            let class = known.stacktrace.split([':', '\n']).next().unwrap_or_default();
            let entry = classes.entry(class).or_insert((known.first, known.last, 0));
            *entry = (entry.0.min(known.first), entry.1.max(known.last), entry.2 + known.count);
        }
        Ok(classes
            .into_iter()
            .map(|(class, (first, last, count))| {
                json!({"class_name": class, "lasttime": date(last), "firsttime": date(first), "count": count.to_string()})
            })
            .collect())
    }

    /// The component and instances that are asked for. 0.20.5 refuses an unknown component; for 0.20.4 it is empty.
    fn component<'q>(&self, job: &Job, query: &'q Query) -> Result<(&'q str, Vec<&'q str>), Refusal> {
        let component = query.get("component").unwrap_or_default();
        let there = job.parallelism.iter().any(|(name, _)| name == component);
        match (there, self.generation) {
            (true, _) => Ok((component, query.all("instance"))),
            (false, V0205) => Err(Refusal::failed("Unknown component")),
            (false, V0204) => Ok(("", Vec::new())),
        }
    }
}

/// The same under its old path and its new one.
fn is_timeline(what: &str) -> bool {
    ["metricstimeline", "metrics/timeline"].contains(&what)
}

/// What can be asked of one topology.
const OF_A_TOPOLOGY: [&str; 14] = [
    "executionstate",
    "metadata",
    "info",
    "config",
    "logicalplan",
    "packingplan",
    "physicalplan",
    "runtimestate",
    "schedulerlocation",
    "exceptions",
    "exceptionsummary",
    "metrics",
    "metricstimeline",
    "metrics/timeline",
];

/// 0.20.4 names a spout's facts otherwise in /info than in /logicalplan.
fn shape_for_info(plan: &mut Value) {
    let mut spouts = json!({});
    for (name, spout) in plan["spouts"].as_object().into_iter().flatten() {
        spouts[name] = json!({"config": spout["config"], "type": spout["spout_type"], "source": spout["spout_source"],
            "version": "NA", "outputs": spout["outputs"], "extra_links": []});
    }
    let mut bolts = json!({});
    for (name, bolt) in plan["bolts"].as_object().into_iter().flatten() {
        bolts[name] = json!({"config": bolt["config"], "outputs": bolt["outputs"], "inputs": bolt["inputs"]});
    }
    *plan = json!({"spouts": spouts, "bolts": bolts});
}

/// The settings that are strings; others are Java objects that only their class can read.
fn settings(config: Option<&Config>) -> Vec<(String, String)> {
    let pairs = config.into_iter().flat_map(|config| &config.kvs);
    pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect()
}

fn component_config(job: &Job, name: &str, config: Option<&Config>) -> Value {
    const PARALLELISM: &str = "topology.component.parallelism";
    let mut all = Map::new();
    all.extend(settings(config).into_iter().map(|(key, value)| (key, Value::String(value))));
    if let Some((_, count)) = job.parallelism.iter().find(|(known, _)| known == name) {
        // An update changes it.
        all.insert(PARALLELISM.to_owned(), Value::String(count.to_string()));
    }
    Value::Object(all)
}

fn outputs(streams: &[OutputStream]) -> Value {
    streams.iter().map(|output| json!({"stream_name": output.stream.id})).collect()
}

fn inputs(streams: &[InputStream]) -> Value {
    let name = |input: &InputStream| match input.gtype() {
        Grouping::Shuffle => "SHUFFLE",
        Grouping::Fields => "FIELDS",
        Grouping::All => "ALL",
        Grouping::Lowest => "LOWEST",
        Grouping::None => "NONE",
        Grouping::Direct => "DIRECT",
        Grouping::Custom => "CUSTOM",
    };
    let entry = |input: &InputStream| json!({"stream_name": input.stream.id, "component_name": input.stream.component_name, "grouping": name(input)});
    streams.iter().map(entry).collect()
}

/// The length of the longest way through the topology, in steps.
fn stages(job: &Job) -> u32 {
    let mut depth: BTreeMap<&str, u32> = BTreeMap::new();
    // Each round carries depths one step on; a topology has no more steps than bolts.
    for _ in &job.definition.bolts {
        for bolt in &job.definition.bolts {
            let sources =
                bolt.inputs.iter().map(|input| depth.get(input.stream.component_name.as_str()).copied().unwrap_or(0));
            let own = sources.max().map_or(0, |source| source + 1);
            depth.insert(&bolt.comp.name, own.min(job.definition.bolts.len() as u32));
        }
    }
    depth.into_values().max().unwrap_or(0)
}

/// A time as the topology manager writes it.
fn date(time: Timestamp) -> String {
    time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}
