//! Heron's Prometheus sinks, one a container: the text that Prometheus scrapes, with the real sink's quirks.
//!
//! No HELP, no TYPE, no Content-Type; explicit timestamps, always that of the scrape; values of dead instances are served
//! for ten minutes more; labels of one metric stick to the following ones of its source (Heron 0.20.5, `PrometheusSink`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Cluster, SinkRules};

/// How long a value is served after it came in.
const TTL: Duration = Duration::from_secs(600);
/// From this export on an instance's `component_type` is known.
const TYPE_KNOWN: u64 = 2;
const UPTIME: &str = "__jvm-uptime-secs";

/// What the sinks of a topology hold.
#[derive(Debug, Default)]
pub struct Sink {
    /// By container and instance or stream manager.
    sources: BTreeMap<(u32, String), Source>,
}

#[derive(Debug)]
struct Source {
    component: String,
    kind: Option<String>,
    exports: u64,
    since: Instant,
    values: BTreeMap<String, (f64, Instant)>,
}

impl Sink {
    /// Takes in what a source exported.
    pub fn take(
        &mut self,
        container: u32,
        component: &str,
        kind: Option<&str>,
        id: &str,
        values: &BTreeMap<String, f64>,
    ) {
        let now = Instant::now();
        let source = self.sources.entry((container, id.to_owned())).or_insert_with(|| Source {
            component: component.to_owned(),
            kind: kind.map(ToOwned::to_owned),
            exports: 0,
            since: now,
            values: BTreeMap::new(),
        });
        source.exports += 1;
        source.values.extend(values.iter().map(|(name, value)| (name.clone(), (*value, now))));
        if kind.is_some() && !values.contains_key(UPTIME) {
            let uptime = source.since.elapsed().as_secs() as f64;
            source.values.insert(UPTIME.to_owned(), (uptime, now));
        }
    }

    /// What a scrape of one container gets.
    pub fn text(
        &self,
        container: u32,
        topology: &str,
        cluster_role_env: &str,
        rules: SinkRules,
        now: Timestamp,
    ) -> String {
        let mut text = String::new();
        for ((_, id), source) in self.sources.range((container, String::new())..(container + 1, String::new())) {
            let mut labels = BTreeMap::from([
                ("cluster_role_env", cluster_role_env.to_owned()),
                ("component", source.component.clone()),
                ("instance_id", id.clone()),
                ("topology", topology.to_owned()),
            ]);
            if let Some(kind) = source.kind.as_ref().filter(|_| source.exports >= TYPE_KNOWN) {
                labels.insert("component_type", kind.clone());
            }
            for (metric, (value, _)) in source.values.iter().filter(|(_, (_, taken))| taken.elapsed() < TTL) {
                let name = name(metric, &mut labels, rules, source.kind.is_none());
                let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
                // Writing to a String cannot fail.
                let _ = writeln!(
                    text,
                    "heron_{name}{{{}}} {} {}",
                    pairs.join(","),
                    java_double(*value),
                    now.as_millisecond()
                );
            }
        }
        text
    }
}

/// The name of a metric; what a rule takes out of it becomes a label and stays one for the source's later metrics.
fn name(metric: &str, labels: &mut BTreeMap<&'static str, String>, rules: SinkRules, stmgr: bool) -> String {
    let parts: Vec<&str> = metric.trim_start_matches('_').split('/').collect();
    if stmgr {
        // Without rules too: what follows the last slash is whom the value is about.
        return match parts.as_slice() {
            [family, own] if !own.starts_with("__") => {
                labels.insert("metric_instance_id", (*own).to_owned());
                plain(family)
            }
            _ => plain(metric),
        };
    }
    if rules == SinkRules::None {
        return plain(metric);
    }
    match parts.as_slice() {
        ["kafkaOffset", topic, partition, "spoutLag"] => {
            let number = partition.trim_start_matches("partition_");
            labels.insert("partition", number.to_owned());
            // The rule for a topic is greedy: it takes the partition along.
            labels.insert("topic", format!("{topic}/{partition}"));
            "kafka_offset_spout_lag".to_owned()
        }
        ["kafkaOffset", topic, what] => {
            labels.insert("topic", (*topic).to_owned());
            format!("kafka_offset_{}", snake(what))
        }
        [family, stream] if is_stream_metric(family) => {
            labels.insert("context", (*stream).to_owned());
            plain(family)
        }
        [family, source, stream] if is_stream_metric(family) => {
            labels.insert("context", format!("{source}/{stream}"));
            labels.insert("dest_component", (*source).to_owned());
            plain(family)
        }
        [family, thread] if family.starts_with("jvm") => format!("{}_{}", plain(family), snake(thread)),
        _ => plain(metric),
    }
}

/// Whether the Kubernetes rules make the stream of this metric a label.
fn is_stream_metric(family: &str) -> bool {
    let ruled = ["-count", "-latency", "-time-ns"];
    ruled.iter().any(|end| family.ends_with(end)) && !family.starts_with("jvm")
}

/// A name without rules: lower case, all else than letters and digits an underscore, one for a slash with underscores.
fn plain(metric: &str) -> String {
    let metric = metric.trim_start_matches('_').replace("/__", "_").to_lowercase();
    metric.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, c) in name.char_indices() {
        if c.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    snake
}

/// A number as Java's `Double.toString` writes it: the sink is Java.
fn java_double(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-3..1e7).contains(&value.abs()) {
        return match value {
            _ if value.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            _ => format!("{value:?}"),
        };
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

/// `/metrics/TOPOLOGY/CONTAINER` and the list of them.
pub fn router(cluster: Cluster) -> Router {
    Router::new()
        .route("/targets", get(targets))
        .route("/metrics/{topology}/{container}", get(metrics))
        .with_state(cluster)
}

/// The containers that run, as Prometheus's HTTP service discovery wants them.
async fn targets(State(cluster): State<Cluster>, headers: axum::http::HeaderMap) -> Json<Value> {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut groups = Vec::new();
    for job in cluster.jobs().values().filter(|job| job.killed.is_none() && !job.wedged) {
        for container in &job.plan.container_plans {
            let path = format!("/metrics/{}/{}", job.name, container.id);
            let instance = format!("{}-{}", job.name, container.id);
            groups.push(json!({"targets": [host], "labels": {"__metrics_path__": path, "instance": instance}}));
        }
    }
    Json(Value::Array(groups))
}

async fn metrics(State(cluster): State<Cluster>, Path((topology, container)): Path<(String, u32)>) -> Response {
    let jobs = cluster.jobs();
    // A killed topology's containers are gone, and their sinks with them.
    let Some(job) = jobs.get(&topology).filter(|job| job.killed.is_none()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let place = format!("{}/{}/{}", job.cluster, job.role, job.environ);
    let text = job.sink.text(container, &job.name, &place, cluster.settings().rules, Timestamp::now());
    Response::new(Body::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_java_writes_them() {
        let written: Vec<String> =
            [83293.0, 5.763543584556565e9, 1e7, 0.0, 8.166666666666666, 1e-4].map(java_double).to_vec();
        assert_eq!(written, ["83293.0", "5.763543584556565E9", "1.0E7", "0.0", "8.166666666666666", "1.0E-4"]);
    }
}
