//! Heron's round-robin packing: which instance goes into which container, and what each is given.
//!
//! The rules and numbers are those of Heron 0.20.5, `RoundRobinPacking`.

use std::collections::HashMap;
use std::fmt::Write;

use serde::Serialize;

use crate::heron::definition::{Config, Topology};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What an instance is given when nobody says.
const DEFAULT: Resources = Resources { cpu: 1.0, ram: GIB, disk: GIB };
/// What a container is given beyond its instances.
const PADDING: Resources = Resources { cpu: 1.0, ram: 2 * GIB, disk: 12 * GIB };

/// Cores and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Resources {
    /// Cores.
    pub cpu: f64,
    /// Bytes of memory.
    pub ram: u64,
    /// Bytes of disk.
    pub disk: u64,
}

/// An instance in its container.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Instance {
    /// Its component.
    pub component_name: String,
    /// Its number in the topology, from 1.
    pub task_id: u32,
    /// Its number in its component, from 0.
    pub component_index: u32,
    /// What it is given.
    pub instance_resources: Resources,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Container {
    /// From 1; 0 is the topology manager's.
    pub id: u32,
    /// What runs in it.
    pub instances: Vec<Instance>,
    /// What it is given.
    pub required_resources: Resources,
    /// Never filled in by the trackers.
    pub scheduled_resources: Resources,
}

/// A packing plan as both trackers show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackingPlan {
    /// The topology's id.
    pub id: String,
    /// From container 1.
    pub container_plans: Vec<Container>,
}

impl Container {
    /// The id of one of its instances, as in logs, metrics and the physical plan.
    pub fn instance_id(&self, instance: &Instance) -> String {
        format!("container_{}_{}_{}", self.id, instance.component_name, instance.task_id)
    }
}

/// The parallelism of each component, spouts first.
pub type Parallelism = Vec<(String, u32)>;

/// The parallelism that the definition asks for.
pub fn parallelism(topology: &Topology) -> Parallelism {
    topology.components().into_iter().map(|component| (component.name, component.parallelism)).collect()
}

/// The number of containers that the definition asks for.
pub fn containers(topology: &Topology) -> u32 {
    let config = topology.topology_config.as_ref();
    config.and_then(|config| config.get("topology.stmgrs")?.parse().ok()).unwrap_or(1).max(1)
}

/// The containers after an update of the parallelism: as full as they were on average.
pub fn containers_after_update(topology: &Topology, parallelism: &Parallelism) -> u32 {
    let total = |parallelism: &Parallelism| parallelism.iter().map(|(_, count)| count).sum::<u32>();
    let before = total(&self::parallelism(topology));
    (total(parallelism) * containers(topology)).div_ceil(before.max(1)).max(1)
}

/// Packs a topology; an error in Heron's words when it does not fit.
pub fn pack(topology: &Topology, parallelism: &Parallelism, containers: u32) -> Result<PackingPlan, String> {
    let nothing = Config::default();
    let config = topology.topology_config.as_ref().unwrap_or(&nothing);
    let asked: HashMap<_, _> = topology.components().into_iter().map(|part| (part.name.clone(), part)).collect();
    let mut allocation: Vec<Vec<Instance>> = vec![Vec::new(); containers as usize];
    let mut task_id = 0;
    for (component_name, count) in parallelism {
        for component_index in 0..*count {
            let place = task_id as usize % allocation.len();
            task_id += 1;
            let instance_resources = Resources {
                cpu: 0.0,
                ram: 0,
                disk: asked.get(component_name).and_then(|part| part.disk_bytes).unwrap_or(DEFAULT.disk),
            };
            let instance =
                Instance { component_name: component_name.clone(), task_id, component_index, instance_resources };
            allocation[place].push(instance);
        }
    }
    let most = allocation.iter().map(Vec::len).max().unwrap_or(0) as u64;
    let number = |key: &str| config.get(key).and_then(|text| text.parse::<f64>().ok());
    let asked_cpu = number("topology.container.cpu");
    let asked_ram = number("topology.container.ram");
    let cpu_padding = number("topology.container.cpu.padding").unwrap_or(PADDING.cpu);
    let ram_padding = number("topology.container.ram.padding").map_or(PADDING.ram, |bytes| bytes as u64);
    let cpu_hint = asked_cpu.unwrap_or(most as f64 * DEFAULT.cpu + cpu_padding);
    let ram_hint = asked_ram.unwrap_or((most * DEFAULT.ram + ram_padding) as f64);
    let disk = number("topology.container.disk").map_or(most * DEFAULT.disk + PADDING.disk, |bytes| bytes as u64);

    let mut plans = Vec::new();
    for (index, mut instances) in allocation.into_iter().enumerate().filter(|(_, instances)| !instances.is_empty()) {
        let cpus = share(&instances, |name| asked.get(name)?.cpu, cpu_hint, cpu_padding, "CPU")?;
        let rams =
            share(&instances, |name| Some(asked.get(name)?.ram_bytes? as f64), ram_hint, ram_padding as f64, "RAM")?;
        for (instance, (cpu, ram)) in instances.iter_mut().zip(cpus.iter().zip(&rams)) {
            instance.instance_resources.cpu = *cpu;
            instance.instance_resources.ram = *ram as u64;
        }
        let cpu = (cpus.iter().sum::<f64>() + cpu_padding).max(asked_cpu.unwrap_or_default());
        let ram = (rams.iter().sum::<f64>() + ram_padding as f64).max(asked_ram.unwrap_or_default());
        plans.push(Container {
            id: index as u32 + 1,
            instances,
            required_resources: Resources { cpu, ram: ram as u64, disk },
            scheduled_resources: Resources { cpu: 0.0, ram: 0, disk: 0 },
        });
    }
    Ok(PackingPlan { id: topology.id.clone(), container_plans: plans })
}

/// What each instance of a container is given: what was asked for it, else an equal part of what the container has left.
fn share(
    instances: &[Instance],
    asked: impl Fn(&str) -> Option<f64>,
    hint: f64,
    padding: f64,
    what: &str,
) -> Result<Vec<f64>, String> {
    let given: Vec<Option<f64>> = instances.iter().map(|instance| asked(&instance.component_name)).collect();
    let left = hint - padding - given.iter().flatten().sum::<f64>();
    let open = given.iter().filter(|given| given.is_none()).count();
    if left < 0.0 || (open > 0 && left <= 0.0) {
        // A container that was not limited by hand grows with what was asked.
        if open > 0 || asked_by_hand(hint, instances.len(), padding, what) {
            return Err(format!(
                "Invalid packing plan generated. No enough {what} to allocate for unspecified instances"
            ));
        }
    }
    Ok(given.into_iter().map(|given| given.unwrap_or(left / open as f64)).collect())
}

fn asked_by_hand(hint: f64, instances: usize, padding: f64, what: &str) -> bool {
    let default = if what == "CPU" { DEFAULT.cpu } else { DEFAULT.ram as f64 };
    hint < instances as f64 * default + padding
}

/// How a dry run shows a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table.
    Table,
    /// A table with its titles in bold.
    Colored,
    /// The plan's Java form.
    Raw,
    /// JSON; only a submit knows it.
    Json,
}

impl Format {
    /// Heron knows the names in upper case only; all else is a table.
    pub fn parse(name: &str) -> Self {
        match name {
            "COLORED_TABLE" => Self::Colored,
            "RAW" => Self::Raw,
            "JSON" => Self::Json,
            _ => Self::Table,
        }
    }
}

const CLASS: &str = "org.apache.heron.packing.roundrobin.RoundRobinPacking";

/// The text of a dry run; `old` is the plan before an update.
pub fn show(topology: &str, plan: &PackingPlan, old: Option<&PackingPlan>, format: Format) -> String {
    match format {
        Format::Raw => raw(topology, plan, old),
        Format::Json => json(topology, plan),
        Format::Table => table(plan, old, |text| text.to_owned()),
        Format::Colored => table(plan, old, |text| format!("\u{1b}[1m{text}\u{1b}[0m")),
    }
}

fn table(plan: &PackingPlan, old: Option<&PackingPlan>, bold: impl Fn(&str) -> String) -> String {
    let verb = if old.is_some() { "repacking" } else { "packing" };
    let count = plan.container_plans.len();
    let mut parts = Vec::new();
    for container in &plan.container_plans {
        let before = old.and_then(|old| old.container_plans.iter().find(|other| other.id == container.id));
        let mut rows: Vec<&Instance> = container.instances.iter().collect();
        let status = match (old, before) {
            (None, _) => "",
            (Some(_), None) => " NEW",
            (Some(_), Some(before)) if before == container => " UNAFFECTED",
            (Some(_), Some(before)) => {
                rows.extend(before.instances.iter().filter(|gone| !container.instances.contains(gone)));
                " MODIFIED"
            }
        };
        let now = container.required_resources;
        let then = before.map_or(now, |before| before.required_resources);
        let mut text = format!(
            "{}{status}\nCPU: {:?}{}, RAM: {} MB{}, Disk: {} MB{}\n{}\n",
            bold(&format!("Container {}", container.id)),
            now.cpu,
            change(now.cpu, then.cpu),
            now.ram / MIB,
            change(now.ram as f64, then.ram as f64),
            now.disk / MIB,
            change(now.disk as f64, then.disk as f64),
            "=".repeat(52)
        );
        let titles: Vec<String> = ["component", "task ID", "CPU", "RAM (MB)", "disk (MB)"].map(&bold).to_vec();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} |\n{}", titles.join(" | "), "-".repeat(52));
        for row in rows {
            let given = row.instance_resources;
            let _ = writeln!(
                text,
                "| {:>9} | {:>7} | {:>3} | {:>8} | {:>9} |",
                row.component_name,
                row.task_id,
                format!("{:?}", given.cpu),
                given.ram / MIB,
                given.disk / MIB
            );
        }
        text.push_str(&"=".repeat(52));
        text.push('\n');
        parts.push(text);
    }
    format!("Total number of containers: {count}\nUsing {verb} class: {CLASS}\n{}", parts.join("\n"))
}

/// By how much a resource changed, in percent; nothing when it did not.
fn change(now: f64, then: f64) -> String {
    match (now - then) / then * 100.0 {
        percent if percent.abs() < f64::EPSILON => String::new(),
        percent => format!(" ({percent:+.2}%)"),
    }
}

fn raw(topology: &str, plan: &PackingPlan, old: Option<&PackingPlan>) -> String {
    let mut text = format!("Packing class: {CLASS}\nTopology: {topology}\n");
    // Writing to a String cannot fail.
    let _ = match old {
        None => write!(text, "Packing plan:\n{}", raw_plan(plan)),
        Some(old) => write!(text, "New packing plan:\n{}\nCurrent packing plan:\n{}", raw_plan(plan), raw_plan(old)),
    };
    text
}

fn raw_plan(plan: &PackingPlan) -> String {
    let resources = |given: Resources| {
        format!("{{cpu: {:.6}, ram: {}, disk: {}}}", given.cpu, byte_amount(given.ram), byte_amount(given.disk))
    };
    let containers: Vec<String> = plan
        .container_plans
        .iter()
        .map(|container| {
            let instances: Vec<String> = container
                .instances
                .iter()
                .map(|instance| {
                    format!(
                        "{{component-name: {}, task-id: {}, component-index: {}, instance-resource: {}}}",
                        instance.component_name,
                        instance.task_id,
                        instance.component_index,
                        resources(instance.instance_resources)
                    )
                })
                .collect();
            format!(
                "{{container-id: {}, instances-list: [{}], required-resource: {}}}",
                container.id,
                instances.join(", "),
                resources(container.required_resources)
            )
        })
        .collect();
    format!("{{plan-id: {}, containers-list: [{}]}}", plan.id, containers.join(", "))
}

fn byte_amount(bytes: u64) -> String {
    let (amount, unit) =
        if bytes >= GIB { (bytes as f64 / GIB as f64, "GB") } else { (bytes as f64 / MIB as f64, "MB") };
    format!("ByteAmount{{{amount:.1} {unit} ({bytes} bytes)}}")
}

fn json(topology: &str, plan: &PackingPlan) -> String {
    let containers: Vec<_> = plan
        .container_plans
        .iter()
        .map(|container| {
            let components: Vec<_> = container
                .instances
                .iter()
                .map(|instance| {
                    serde_json::json!({
                        "component": instance.component_name,
                        "id": instance.task_id,
                        "index": instance.component_index,
                        "resources": instance.instance_resources,
                    })
                })
                .collect();
            serde_json::json!({"id": container.id, "resources": container.required_resources, "components": components})
        })
        .collect();
    serde_json::json!({"packingClass": CLASS, "topology": topology, "containers": containers}).to_string()
}
