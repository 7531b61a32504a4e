//! A topology as the API server, the trackers and the sinks see it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::packing::{PackingPlan, Parallelism};
use super::runner::{Event, Runner};
use super::sink::Sink;
use crate::heron::definition::Topology;

/// How many exports are kept for the tracker's metrics; the topology manager keeps three hours.
const SAMPLES: usize = 2160;

/// A submitted topology.
#[derive(Debug)]
pub struct Job {
    /// What it was submitted as.
    pub name: String,
    pub cluster: String,
    pub role: String,
    pub environ: String,
    pub user: String,
    pub submitted: Timestamp,
    pub since: Instant,
    pub definition: Topology,
    pub parallelism: Parallelism,
    pub plan: PackingPlan,
    pub paused: bool,
    /// Submitted under another name than its definition's: it never runs and cannot be killed.
    pub wedged: bool,
    /// All instances came up once, and the topology manager made the physical plan.
    pub physical: bool,
    /// The process runs and all its instances are up.
    pub registered: bool,
    pub killed: Option<Instant>,
    pub up: BTreeSet<String>,
    pub exceptions: Vec<Exception>,
    pub samples: VecDeque<Sample>,
    pub sink: Sink,
    pub runner: Option<Runner>,
    /// Counts the processes: what an old one still says is not heard.
    pub generation: u64,
    pub dir: PathBuf,
    /// The uploaded jar or package.
    pub package: PathBuf,
    /// The uploaded definition.
    pub defn: PathBuf,
}

/// An exception that an instance reported.
#[derive(Debug, Clone)]
pub struct Exception {
    pub component: String,
    pub instance: String,
    pub stacktrace: String,
    pub logging: String,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u64,
}

/// What a topology exported at one time.
#[derive(Debug, Clone)]
pub struct Sample {
    pub time: Timestamp,
    /// By component, `__stmgr__` among them, then instance, then metric.
    pub values: BTreeMap<String, BTreeMap<String, BTreeMap<String, f64>>>,
}

impl Job {
    /// Whether the tracker shows it, `poll` being how late it learns.
    pub fn is_known(&self, poll: Duration) -> bool {
        self.since.elapsed() >= poll && self.killed.is_none_or(|killed| killed.elapsed() < poll)
    }

    /// Whether its scheduler has told where it is, which comes halfway to the physical plan.
    pub fn is_scheduled(&self, start_delay: Duration) -> bool {
        !self.wedged && self.since.elapsed() >= start_delay / 2
    }

    /// Whether the physical plan is there.
    pub fn is_planned(&self, start_delay: Duration) -> bool {
        self.physical && self.since.elapsed() >= start_delay
    }

    /// How many instances its plan has.
    pub fn instances(&self) -> usize {
        self.plan.container_plans.iter().map(|container| container.instances.len()).sum()
    }

    /// `spout` or `bolt`.
    pub fn kind(&self, component: &str) -> &'static str {
        if self.definition.spouts.iter().any(|spout| spout.comp.name == component) { "spout" } else { "bolt" }
    }

    /// The container of an instance or stream manager of its plan.
    pub fn container_of(&self, source: &str) -> u32 {
        let number = source.strip_prefix("stmgr-").or_else(|| source.strip_prefix("container_")?.split('_').next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Takes in what its process says.
    pub fn hear(&mut self, event: Event) {
        match event {
            Event::Instance { instance, state } => {
                if state == "up" {
                    self.up.insert(instance);
                } else {
                    self.up.remove(&instance);
                }
            }
            Event::Running => {
                self.physical = true;
                self.registered = true;
            }
            Event::State {} => {}
            Event::Exception { instance, component, stacktrace, logging } => {
                self.report(&component, &instance, stacktrace, logging);
            }
            Event::Metrics { instances, stmgrs } => {
                let mut values: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
                for (instance, metrics) in instances {
                    let container = self.container_of(&instance);
                    let kind = if metrics.kind.is_empty() { self.kind(&metrics.component) } else { &metrics.kind };
                    self.sink.take(container, &metrics.component, Some(kind), &instance, &metrics.values);
                    values.entry(metrics.component).or_default().insert(instance, metrics.values);
                }
                for (stmgr, metrics) in stmgrs {
                    self.sink.take(self.container_of(&stmgr), "__stmgr__", None, &stmgr, &metrics);
                    values.entry("__stmgr__".to_owned()).or_default().insert(stmgr, metrics);
                }
                self.samples.push_back(Sample { time: Timestamp::now(), values });
                if self.samples.len() > SAMPLES {
                    self.samples.pop_front();
                }
            }
        }
    }

    /// Takes in that its process ended although nobody asked it to: the stream managers and instances are gone, the
    /// plans stay, and what the sinks hold grows old.
    pub fn lose(&mut self, status: &str, last_words: &str) {
        self.registered = false;
        self.up.clear();
        self.runner = None;
        let text =
            format!("java.lang.IllegalStateException: the process of this instance ended ({status})\n{last_words}");
        let instances: Vec<_> = self
            .plan
            .container_plans
            .iter()
            .flat_map(|container| {
                let named = |instance: &super::packing::Instance| {
                    (instance.component_name.clone(), container.instance_id(instance))
                };
                container.instances.iter().map(named).collect::<Vec<_>>()
            })
            .collect();
        for (component, instance) in instances {
            self.report(&component, &instance, text.clone(), "Process ended".to_owned());
        }
    }

    /// The topology manager keeps one entry for exceptions with the same stack.
    fn report(&mut self, component: &str, instance: &str, stacktrace: String, logging: String) {
        let now = Timestamp::now();
        let same = |known: &&mut Exception| known.instance == instance && known.stacktrace == stacktrace;
        if let Some(known) = self.exceptions.iter_mut().find(same) {
            known.count += 1;
            known.last = now;
            return;
        }
        let (component, instance) = (component.to_owned(), instance.to_owned());
        self.exceptions.push(Exception { component, instance, stacktrace, logging, first: now, last: now, count: 1 });
    }
}
