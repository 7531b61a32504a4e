//! Heron's Prometheus sink with a known truth: what instances do, and what scrapes of it find.
//!
//! As the real one (Apache Heron 0.20.5, PrometheusSink with the rules of its Kubernetes configuration): a value is the count since
//! the last export, each scrape finds it with a fresh timestamp, bolts export it under two contexts, an instance that is gone is
//! served on for ten minutes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Seconds between exports and between scrapes, as in production.
pub const EXPORT: i64 = 60;
pub const SCRAPE: i64 = 15;

/// How long the sink serves an instance that is gone: its cache's time to live.
const SERVED_ON: i64 = 600;

/// When the load runs, in seconds from the epoch of a test.
pub const LOAD: std::ops::Range<i64> = 1200..3000;

/// For how long is measured: the load without its first export and scrape and its last export.
const MEASURED: i64 = LOAD.end - LOAD.start - 2 * EXPORT - SCRAPE;

/// What an instance does in a second.
#[derive(Clone, Copy, Default)]
pub struct Work {
    /// Records.
    pub rate: f64,
    /// Mean complete latency in ms; a spout's.
    pub latency: f64,
}

/// An instance. Times are seconds from the test's epoch.
#[derive(Clone)]
pub struct Instance {
    pub component: &'static str,
    pub container: usize,
    pub task: usize,
    pub born: i64,
    pub died: i64,
    /// How long it is served after its end.
    pub served_on: i64,
    /// What it does under load; nothing after it.
    pub work: Work,
    /// What it does before the load.
    pub before: Work,
    /// From when on it does something else under load, and what.
    pub change: i64,
    pub after: Work,
    /// When it does nothing.
    pub pause: std::ops::Range<i64>,
    /// Share of the time it executes under load.
    pub busy: f64,
    /// Milliseconds a second that it holds the topology up under load.
    pub back_pressure: f64,
}

impl Instance {
    pub fn new(component: &'static str, container: usize, task: usize, rate: f64) -> Self {
        Self {
            component,
            container,
            task,
            born: 0,
            died: i64::MAX,
            served_on: SERVED_ON,
            work: Work { rate, latency: 0.0 },
            before: Work::default(),
            change: i64::MAX,
            after: Work::default(),
            pause: 0..0,
            busy: 0.5,
            back_pressure: 0.0,
        }
    }

    fn id(&self) -> String {
        format!("container_{}_{}_{}", self.container, self.component, self.task)
    }

    fn is_spout(&self) -> bool {
        self.component.ends_with("Spout")
    }

    /// The last export that a scrape at this time finds, if there is one. Instances do not export at the same time.
    fn export_before(&self, time: i64) -> Option<i64> {
        let phase = self.first_phase();
        let last = time.min(self.died) - phase;
        (last >= EXPORT).then(|| phase + last - last.rem_euclid(EXPORT))
    }

    fn first_phase(&self) -> i64 {
        if self.born == 0 { (self.task as i64 * 7) % EXPORT } else { self.born }
    }

    /// How many seconds of load there were in the export interval that ends at this time.
    fn loaded(export: i64) -> f64 {
        (export.min(LOAD.end) - (export - EXPORT).max(LOAD.start)).max(0) as f64
    }

    /// The records that it does in a stretch of time: each kind of work with its count.
    fn done(&self, from: i64, to: i64) -> [(Work, f64); 3] {
        let within = |start: i64, end: i64| {
            let (start, end) = (start.max(from).max(self.born), end.min(to).min(self.died));
            let pause = (end.min(self.pause.end) - start.max(self.pause.start)).max(0);
            ((end - start).max(0) - pause).max(0) as f64
        };
        let change = self.change.min(LOAD.end);
        let stretches = [
            (self.before, within(0, LOAD.start)),
            (self.work, within(LOAD.start, change)),
            (self.after, within(change, LOAD.end)),
        ];
        stretches.map(|(work, seconds)| (work, seconds * work.rate))
    }
}

/// A topology under load.
#[derive(Clone, Default)]
pub struct Topology {
    pub instances: Vec<Instance>,
    /// Milliseconds a second that the stream managers stop the spouts under load.
    pub stopped: f64,
    /// How the spouts' lag grows a second under load.
    pub lag_growth: f64,
    /// Whether the sink is without the rules of Heron's Kubernetes configuration.
    pub without_rules: bool,
}

impl Topology {
    /// Everything that scrapes find in an hour, as OpenMetrics text.
    pub fn samples(&self, epoch: i64) -> String {
        let mut out = String::new();
        for time in (0..3900_i64).step_by(SCRAPE as usize) {
            for instance in &self.instances {
                if time < instance.died.saturating_add(instance.served_on) {
                    self.scrape(&mut out, instance, epoch, time);
                }
            }
            for container in 1..=3 {
                let export = time - time.rem_euclid(EXPORT);
                let loaded = Instance::loaded(export);
                let labels =
                    format!(r#"component="__stmgr__",instance_id="stmgr-{container}",metric_instance_id="leaked""#);
                let mut line = |name: &str, value: f64| sample(&mut out, name, &labels, value, epoch + time);
                line("process_uptime_sec", export as f64);
                line("server_time_spent_back_pressure_aggr", loaded * self.stopped);
            }
        }
        out
    }

    /// The records a second that a component did in the time that is measured.
    pub fn truth(&self, component: &str) -> f64 {
        self.work(component).iter().map(|(_, records)| records).sum::<f64>() / MEASURED as f64
    }

    /// The mean latency of a component's records in that time, in ms.
    pub fn true_latency(&self, component: &str) -> f64 {
        let work = self.work(component);
        let records: f64 = work.iter().map(|(_, records)| records).sum();
        work.iter().map(|(work, records)| work.latency * records).sum::<f64>() / records
    }

    fn work(&self, component: &str) -> Vec<(Work, f64)> {
        let of_it = self.instances.iter().filter(|instance| instance.component == component);
        of_it.flat_map(|instance| instance.done(LOAD.end - EXPORT - MEASURED, LOAD.end - EXPORT)).collect()
    }

    fn scrape(&self, out: &mut String, instance: &Instance, epoch: i64, time: i64) {
        let Some(export) = instance.export_before(time) else { return };
        let loaded = Instance::loaded(export);
        let done = instance.done(export - EXPORT, export);
        let count: f64 = done.iter().map(|(_, records)| records).sum();
        let kind = if instance.is_spout() { "spout" } else { "bolt" };
        let id = instance.id();
        let labels = format!(r#"component="{}",component_type="{kind}",instance_id="{id}""#, instance.component);
        let contexts: &[&str] = if instance.is_spout() { &["default"] } else { &["default", "upstream/default"] };
        let mut line = |name: &str, more: &str, value: f64| {
            sample(out, name, &format!("{labels}{more}"), value, epoch + time);
        };
        let mut stream = |name: &str, context: &str, value: f64| match self.without_rules {
            true => line(&format!("{name}_{}", context.replace('/', "_")), "", value),
            false => line(name, &format!(r#",context="{context}""#), value),
        };
        for context in contexts {
            stream("fail_count", context, 0.0);
            stream("ack_count", context, count);
            if !instance.is_spout() {
                stream("execute_count", context, count);
                stream("execute_time_ns", context, loaded * instance.busy * 1e9);
            }
        }
        stream("emit_count", "default", count);
        if instance.is_spout() {
            // Where nothing was acked the last value stays.
            let sum: f64 = done.iter().map(|(work, records)| work.latency * records).sum();
            let mean = if count > 0.0 { sum / count } else { instance.work.latency };
            stream("complete_latency", "default", mean * 1e6);
        }
        // The leaked context of the uptime is not the same at each export.
        let leak = if export % 120 < 60 { r#",context="default""# } else { r#",context="upstream/default""# };
        line("jvm_uptime_secs", leak, (export - instance.born) as f64);
        if instance.is_spout() {
            let under_load = (export.min(LOAD.end) - LOAD.start).max(0) as f64;
            line("kafka_offset_total_spout_lag", "", 500.0 + under_load * self.lag_growth);
        }
        let stmgr =
            format!(r#"component="__stmgr__",instance_id="stmgr-{}",metric_instance_id="{id}""#, instance.container);
        sample(out, "time_spent_back_pressure_by_compid", &stmgr, loaded * instance.back_pressure, epoch + time);
    }
}

fn sample(out: &mut String, name: &str, labels: &str, value: f64, time: i64) {
    let common = r#"cluster_role_env="local/ads/staging",topology="preprocessor""#;
    writeln!(out, "heron_{name}{{{common},{labels}}} {value} {time}").unwrap();
}

/// Recorded lines of a sink, as scrapes would find them for an hour if nothing changed but the uptimes.
pub fn replay(recorded: &str, epoch: i64) -> String {
    let mut out = String::new();
    for time in (0..3900_i64).step_by(SCRAPE as usize) {
        for line in recorded.lines() {
            let mut words = line.rsplitn(3, ' ');
            let (_, value, series) = (words.next(), words.next().unwrap(), words.next().unwrap());
            if series.contains("uptime") {
                writeln!(out, "{series} {} {}", time - time.rem_euclid(EXPORT), epoch + time).unwrap();
            } else {
                writeln!(out, "{series} {value} {}", epoch + time).unwrap();
            }
        }
    }
    out
}

/// A running sink of one spout on a free port: it exports every second, and emits 1,000 records a second under load.
pub struct Live {
    pub address: SocketAddr,
    pub load: Arc<AtomicBool>,
    pub scrapes: Arc<AtomicU64>,
}

impl Live {
    pub async fn start() -> Self {
        let (load, scrapes) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let exported = Arc::new(Mutex::new((0, 0)));
        tokio::spawn(work(Arc::clone(&load), Arc::clone(&exported)));
        let counter = Arc::clone(&scrapes);
        let scrape = async move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let (uptime, count) = *exported.lock().unwrap();
            let now = jiff::Timestamp::now().as_millisecond();
            let labels = r#"component="kafkaSpout",component_type="spout",context="default",instance_id="container_1_kafkaSpout_1""#;
            let mut out = String::new();
            sample(&mut out, "jvm_uptime_secs", labels, uptime as f64, now);
            sample(&mut out, "emit_count", labels, count as f64, now);
            out
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().route("/metrics", axum::routing::get(scrape));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, load, scrapes }
    }
}

/// Counts for ever; each second the uptime and what was counted in it are exported.
async fn work(load: Arc<AtomicBool>, exported: Arc<Mutex<(u64, u64)>>) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let (mut ticks, mut count) = (0_u64, 0_u64);
    loop {
        tick.tick().await;
        ticks += 1;
        count += if load.load(Ordering::Relaxed) { 10 } else { 0 };
        if ticks.is_multiple_of(100) {
            *exported.lock().unwrap() = (ticks / 100, count);
            count = 0;
        }
    }
}
