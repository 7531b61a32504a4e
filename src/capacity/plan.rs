//! The plan: everything that is known, planned, predicted and refused, as `plan.json` has it. Its schema is
//! `schemas/plan.schema.json`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Error;
use super::estimate::{Capacity, capacity};
use super::evidence::{Basis, Run};
use super::files::Refused;
use super::graph::{Graph, Node};
use super::model::{self, Demand, Stage};
use super::program::Asked;
use crate::report::{number, quantity};

/// The version of the plan's form.
pub const SCHEMA_VERSION: u32 = 1;

/// The parameters of the catalog's Pipelines for parallelism, each with what a component for it is called.
const PARAMS: [(&str, &str); 2] = [("transformer-parallelism", "transformer"), ("publisher-parallelism", "publisher")];

/// A component plan. Rates are in records a second, shares of time in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The version of the plan's form.
    pub schema_version: u32,
    /// The application's name; empty when only numbers by hand were given.
    pub app: String,
    /// The plan in one line that a person understands.
    pub answer: String,
    /// Whether the plan carries the rate; not where limits keep it from that.
    pub carries: bool,
    /// The rate that is planned for.
    pub rate: f64,
    /// How busy an instance may be.
    pub utilisation: f64,
    /// How busy an instance of a source may be.
    pub source_utilisation: f64,
    /// What is to be caught up with beside the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// The parallelism as `kafkaSpout=1 transformer=29 publisher=3`.
    pub plan: String,
    /// The components, in the application's order.
    pub components: Vec<Planned>,
    /// Who feeds whom.
    pub edges: Vec<Fed>,
    /// What the plan carries, what is nearest below it, and the combinations that were asked for or measured.
    pub combinations: Vec<Combination>,
    /// What all instances take together.
    pub totals: Totals,
    /// The plan as parameters of the catalog's Pipelines, as `transformer-parallelism=29`; empty where a component is none of
    /// theirs.
    pub params: Vec<String>,
    /// What was predicted for the runs there are, each from the others, and what they did.
    pub checks: Vec<Check>,
    /// What is to be known of the plan.
    pub notes: Vec<String>,
    /// What was not planned from, and why.
    pub refused: Vec<Refused>,
}

/// What is to be caught up with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatchUp {
    /// Records that wait already.
    pub records: f64,
    /// Seconds without work, what came in which is caught up with too.
    pub restart_seconds: f64,
    /// Within how many seconds.
    pub seconds: f64,
}

/// A component as planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Whether it brings the records in.
    pub source: bool,
    /// What one instance does.
    pub capacity: f64,
    /// Between which values that lies, with 95 % confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// What it stands on; `carried` and `idle` are lower bounds.
    pub basis: Basis,
    /// On how many runs.
    pub runs: usize,
    /// Records it is given for each record of the load.
    pub share: f64,
    /// What the busiest instance is given over what a mean one is.
    pub skew: f64,
    /// Records a second that it has to be able to take, headroom and catching up included.
    pub needed: f64,
    /// How many instances.
    pub parallelism: u32,
    /// The same at either end of the interval; the second is none when the interval reaches down to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(u32, Option<u32>)>,
    /// How busy the busiest instance is at the rate.
    pub busy: f64,
    /// CPU cores of one instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory of one instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_bytes: Option<u64>,
    /// Why so many, in a few words.
    pub why: String,
}

/// An edge of the components' graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fed {
    /// Who gives the records.
    pub from: String,
    /// Who takes them.
    pub to: String,
    /// Records given on for each record taken in.
    pub ratio: f64,
}

/// A combination of parallelisms and what it carries.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Combination {
    /// How many instances of each component, in the plan's order.
    pub parallelism: Vec<u32>,
    /// Why it is here: `plan`, `one less`, `asked`, `measured`.
    pub kind: &'static str,
    /// The highest rate that it carries, with the headroom that was asked for.
    pub carries: f64,
    /// Whether it may carry more: what keeps it from that is known by a lower bound only.
    pub at_least: bool,
    /// The component that keeps it from more.
    pub bottleneck: String,
    /// Whether it carries the rate.
    pub enough: bool,
}

/// What all instances take together; none where some component does not say.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Instances of all components.
    pub instances: u32,
    /// Containers, pods or TaskManagers, where it was given how many instances one holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<u32>,
    /// CPU cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_bytes: Option<u64>,
}

/// A prediction beside what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The run's id, or its report's file.
    pub run: String,
    /// Its combination.
    pub parallelism: Vec<u32>,
    /// Its load.
    pub rate: f64,
    /// What the sources should have taken of it, by what the other runs and the numbers by hand say.
    pub predicted: f64,
    /// What they took.
    pub measured: f64,
    /// By how much the prediction is off, in percent of what was measured.
    pub error: f64,
}

/// What is known of a component, from runs and by hand.
struct Known {
    capacity: Option<Capacity>,
    share: Option<f64>,
    skew: f64,
}

impl Plan {
    /// The plan for what is asked, from these runs, the newest first.
    pub(super) fn new(asked: &Asked, runs: Vec<Run>, mut refused: Vec<Refused>) -> Result<Self, Error> {
        let runs = comparable(runs, &mut refused);
        if runs.is_empty() && asked.components.is_empty() {
            let reasons = refused.iter().map(|refused| format!("{}: {}", refused.run, refused.why)).collect::<Vec<_>>();
            return Err(if reasons.is_empty() { Error::Nothing } else { Error::Refused { reasons } });
        }
        let names = names(asked, &runs);
        asked.check(&names)?;
        let rate = asked.rate.or(runs.first().map(|run| run.rate)).ok_or(Error::Rate)?;
        let demand = asked.demand(rate)?;
        let combinations = asked.combinations(&names)?;
        let known = known(asked, &names, &runs);
        let graph = graph(asked, &names, &runs, &known)?;
        let capacities = capacities(&names, &known)?;
        let stages = stages(asked, &names, &graph, &known, &capacities);
        let parallelism = model::parallelism(&stages, &demand)?;
        let planner = Planner { asked, runs: &runs, stages: &stages, capacities: &capacities, demand };
        let components = planner.components(&parallelism)?;
        let combinations = planner.combinations(&parallelism, &combinations);
        idle(&runs, &components, &mut refused);
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            app: runs.first().map(|run| run.app.clone()).unwrap_or_default(),
            answer: planner.answer(&parallelism, &combinations),
            carries: model::suffices(&stages, &parallelism, &demand),
            rate,
            utilisation: demand.utilisation * 100.0,
            source_utilisation: demand.source_utilisation * 100.0,
            catch_up: demand.catch_up.map(|seconds| CatchUp {
                records: demand.backlog,
                restart_seconds: demand.restart,
                seconds,
            }),
            plan: components
                .iter()
                .map(|one| format!("{}={}", one.name, one.parallelism))
                .collect::<Vec<_>>()
                .join(" "),
            edges: graph
                .links
                .iter()
                .map(|link| Fed { from: names[link.from].clone(), to: names[link.to].clone(), ratio: link.ratio })
                .collect(),
            totals: planner.totals(&components),
            params: params(&components),
            checks: checks(asked, &names, &runs)?,
            notes: notes(&runs, &components),
            components,
            combinations,
            refused,
        })
    }
}

/// The runs that can be taken together: of the newest one's application, with its components, where it ran.
fn comparable(runs: Vec<Run>, refused: &mut Vec<Refused>) -> Vec<Run> {
    let Some(newest) = runs.first().cloned() else {
        return runs;
    };
    let (same, other): (Vec<_>, Vec<_>) =
        runs.into_iter().map(|run| (difference(&newest, &run), run)).partition(|(why, _)| why.is_none());
    let told = |(why, run): (Option<String>, Run)| Refused {
        run: run.label,
        component: String::new(),
        why: why.unwrap_or_default(),
    };
    refused.extend(other.into_iter().map(told));
    same.into_iter().map(|(_, run)| run).collect()
}

/// Why a run cannot be taken together with the newest.
fn difference(newest: &Run, run: &Run) -> Option<String> {
    let sorted = |run: &Run| {
        let mut all: Vec<_> =
            run.components.iter().map(|seen| (seen.name.clone(), seen.cpu.map(f64::to_bits), seen.ram_bytes)).collect();
        all.sort();
        all
    };
    if run.app != newest.app {
        return Some(format!("it is of {:?}, the newest report of {:?}", run.app, newest.app));
    }
    if run.engine != newest.engine {
        return Some(format!("it is of {}, the newest report of {}", run.engine, newest.engine));
    }
    let (these, those) = (sorted(run), sorted(newest));
    if !these.iter().map(|one| &one.0).eq(those.iter().map(|one| &one.0)) {
        return Some("it has other components than the newest report".to_owned());
    }
    if let Some(((name, ..), _)) = these.iter().zip(&those).find(|(this, that)| this != that) {
        return Some(format!("an instance of {name} had other CPU or RAM than in the newest report"));
    }
    let environment =
        newest.environment.iter().filter_map(|(name, value)| Some((name, value, run.environment.get(name)?)));
    let other = environment.into_iter().find(|(_, here, there)| here != there);
    other.map(|(name, here, there)| format!("it ran elsewhere: {name} {there}, in the newest report {here}"))
}

/// The components: those of the runs in their order, else those by hand.
fn names(asked: &Asked, runs: &[Run]) -> Vec<String> {
    match runs.first() {
        Some(run) => run.components.iter().map(|seen| seen.name.clone()).collect(),
        None => asked.components.iter().map(|(name, _)| name.clone()).collect(),
    }
}

fn known(asked: &Asked, names: &[String], runs: &[Run]) -> Vec<Known> {
    let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let one = |name: &String| {
        let seen = || runs.iter().filter_map(|run| Some((run, run.components.iter().find(|seen| seen.name == *name)?)));
        let by_hand = asked.components.iter().find(|(known, _)| known == name).map(|(_, rate)| (*rate, Basis::Given));
        let share = mean(seen().filter_map(|(run, seen)| Some(seen.tps? / run.tps)).collect());
        let own = |(rate, basis): (f64, Basis)| Some((rate * share?, basis));
        let readings: Vec<_> = seen().filter_map(|(_, seen)| own(seen.reading?)).chain(by_hand).collect();
        let measured = mean(seen().filter_map(|(_, seen)| seen.skew).collect());
        Known { capacity: capacity(&readings), share, skew: asked.skew_of(name).or(measured).unwrap_or(1.0) }
    };
    names.iter().map(one).collect()
}

fn graph(asked: &Asked, names: &[String], runs: &[Run], known: &[Known]) -> Result<Graph, Error> {
    let source = |name: &String| Some(runs.first()?.components.iter().find(|seen| seen.name == *name)?.source);
    let node =
        |(name, known): (&String, &Known)| Node { name: name.clone(), source: source(name), measured: known.share };
    Graph::new(&names.iter().zip(known).map(node).collect::<Vec<_>>(), &asked.edges)
}

fn capacities(names: &[String], known: &[Known]) -> Result<Vec<Capacity>, Error> {
    let one = |(name, known): (&String, &Known)| known.capacity.ok_or_else(|| Error::Unseen { name: name.clone() });
    names.iter().zip(known).map(one).collect()
}

fn stages(asked: &Asked, names: &[String], graph: &Graph, known: &[Known], capacities: &[Capacity]) -> Vec<Stage> {
    names
        .iter()
        .enumerate()
        .map(|(at, name)| Stage {
            name: name.clone(),
            source: graph.sources[at],
            capacity: capacities[at].rate,
            share: graph.shares[at],
            skew: known[at].skew,
            partitions: asked.partitions_of(name, graph.sources[at]),
            most: asked.most_of(name),
        })
        .collect()
}

/// What is needed to tell about the plan.
struct Planner<'a> {
    asked: &'a Asked,
    runs: &'a [Run],
    stages: &'a [Stage],
    capacities: &'a [Capacity],
    demand: Demand,
}

impl Planner<'_> {
    fn components(&self, parallelism: &[u32]) -> Result<Vec<Planned>, Error> {
        self.stages
            .iter()
            .zip(self.capacities)
            .zip(parallelism)
            .map(|((stage, known), n)| {
                let needed = self.demand.needed(stage);
                let with = |capacity: f64| Stage { capacity, ..stage.clone() }.least(needed);
                let range = match known.interval {
                    Some((low, high)) => Some((with(high)?, if low > 0.0 { with(low).ok() } else { None })),
                    None => None,
                };
                let seen = self.runs.first().and_then(|run| run.components.iter().find(|seen| seen.name == stage.name));
                let resources = self.asked.resources_of(&stage.name);
                Ok(Planned {
                    name: stage.name.clone(),
                    source: stage.source,
                    capacity: known.rate,
                    interval: known.interval,
                    basis: known.basis,
                    runs: known.runs,
                    share: stage.share,
                    skew: stage.skew,
                    needed,
                    parallelism: *n,
                    range,
                    busy: 100.0 * self.demand.rate * stage.share / stage.carries(*n),
                    cpu: resources.map(|given| given.0).or(seen.and_then(|seen| seen.cpu)),
                    ram_bytes: resources.map(|given| given.1).or(seen.and_then(|seen| seen.ram_bytes)),
                    why: why(stage, known, *n, needed),
                })
            })
            .collect()
    }

    fn combination(&self, parallelism: &[u32], kind: &'static str) -> Combination {
        let (carries, at) = model::carried(self.stages, parallelism, &self.demand);
        Combination {
            parallelism: parallelism.to_vec(),
            kind,
            carries,
            at_least: self.capacities[at].basis.is_lower_bound(),
            bottleneck: self.stages[at].name.clone(),
            enough: model::suffices(self.stages, parallelism, &self.demand),
        }
    }

    fn combinations(&self, plan: &[u32], asked: &[Vec<u32>]) -> Vec<Combination> {
        let mut all = vec![self.combination(plan, "plan")];
        let less = model::one_less(self.stages, plan, &self.demand).map(|less| (less, "one less"));
        let asked = asked.iter().map(|asked| (asked.clone(), "asked"));
        let names = || self.stages.iter().map(|stage| stage.name.as_str());
        let measured = self.runs.iter().map(|run| (run.combination(names()), "measured"));
        for (parallelism, kind) in less.into_iter().chain(asked).chain(measured) {
            if !all.iter().any(|known| known.parallelism == parallelism) {
                all.push(self.combination(&parallelism, kind));
            }
        }
        all
    }

    /// "1:29:3 carries 10,000/s; 1:28:3 carries 9,800/s, transformer is the bottleneck".
    fn answer(&self, plan: &[u32], combinations: &[Combination]) -> String {
        let (rate, demand) = (number(self.demand.rate), &self.demand);
        let mut headroom = String::new();
        if demand.utilisation < 1.0 {
            headroom += &format!(" at {} utilisation", quantity(demand.utilisation * 100.0, "%"));
        }
        if let Some(seconds) = demand.catch_up {
            headroom += &format!(" and catches up within {}", quantity(seconds, "s"));
        }
        let best = &combinations[0];
        if !best.enough {
            let limits = self.stages.iter().zip(plan).filter(|(stage, n)| demand.needed(stage) > stage.carries(**n));
            let limits: Vec<String> = limits.map(|(stage, _)| format!("{} {}", stage.name, limit(stage))).collect();
            return format!(
                "nothing within the limits carries {rate}/s{headroom}: {} carries {}/s, {}",
                ratio(plan),
                number(best.carries),
                limits.join(", ")
            );
        }
        let mut line = format!("{} carries {rate}/s{headroom}", ratio(plan));
        let worth = |one: &&Combination| ["one less", "asked"].contains(&one.kind) && !one.enough;
        for short in combinations.iter().filter(worth) {
            let (combination, carries) = (ratio(&short.parallelism), number(short.carries));
            line += &match short.at_least {
                true => format!("; {combination} is only known to carry {carries}/s, {} may do more", short.bottleneck),
                false => format!("; {combination} carries {carries}/s, {} is the bottleneck", short.bottleneck),
            };
        }
        line
    }

    fn totals(&self, components: &[Planned]) -> Totals {
        let instances = components.iter().map(|one| one.parallelism).sum();
        let flink = self.runs.first().is_some_and(|run| run.engine == "flink");
        // Flink puts one subtask of each component into a slot, so the most of one component need a slot each.
        let slots = if flink { components.iter().map(|one| one.parallelism).max().unwrap_or(0) } else { instances };
        let cpu: Option<f64> = components.iter().map(|one| Some(one.cpu? * f64::from(one.parallelism))).sum();
        let ram_bytes = components.iter().map(|one| Some(one.ram_bytes? * u64::from(one.parallelism))).sum();
        Totals { instances, containers: self.asked.per_container.map(|per| slots.div_ceil(per.get())), cpu, ram_bytes }
    }
}

/// A combination as people say it: `1:29:3`.
pub(super) fn ratio(parallelism: &[u32]) -> String {
    parallelism.iter().map(u32::to_string).collect::<Vec<_>>().join(":")
}

/// What keeps a component from having more instances that work.
fn limit(stage: &Stage) -> String {
    match (stage.partitions, stage.most) {
        (Some(parts), most) if most.is_none_or(|most| parts <= most) => format!("has no more than {parts} partitions"),
        (_, Some(most)) => format!("may have no more than {most} instances"),
        (_, None) => String::new(),
    }
}

/// Why a component has its capacity and so many instances.
fn why(stage: &Stage, known: &Capacity, n: u32, needed: f64) -> String {
    let runs = if known.runs == 1 { "1 run".to_owned() } else { format!("{} runs", known.runs) };
    let mut parts = vec![match known.basis {
        Basis::Given => "given by hand".to_owned(),
        Basis::Saturated => format!("TPS/instance when saturated, {runs}"),
        Basis::Busy => format!("TPS/instance by its busy share, {runs}"),
        Basis::Idle => "four times what it did, for it was less than 25 % busy".to_owned(),
        Basis::Carried => "has carried as much, its limit is not known".to_owned(),
    }];
    if number(stage.share) != "1" {
        parts.push(format!("{} records for each of the load", number(stage.share)));
    }
    if stage.skew > 1.0 {
        parts.push(format!("the busiest instance has {} times the mean", number(stage.skew)));
    }
    if let Some(partitions) = stage.partitions {
        parts.push(format!("{partitions} partitions, at most {} an instance", partitions.div_ceil(n)));
    }
    if stage.carries(n) < needed * (1.0 - 1e-8) {
        parts.push(format!("limited: {}", limit(stage)));
    }
    parts.join("; ")
}

/// The Pipelines' parameters for a topology or job of a source, a transformer and a publisher or sink.
fn params(components: &[Planned]) -> Vec<String> {
    let lone = components.iter().filter(|one| one.source).count() == 1;
    let name = |(at, one): (usize, &Planned)| {
        let known = PARAMS.iter().find(|(_, name)| one.name.to_lowercase().ends_with(name)).map(|(param, _)| *param);
        let sink = (at + 1 == components.len() && one.name.to_lowercase().ends_with("sink"))
            .then_some("publisher-parallelism");
        if one.source { lone.then_some("spout-parallelism") } else { known.or(sink) }
    };
    let named: Option<Vec<&str>> = components.iter().enumerate().map(name).collect();
    match named {
        Some(named) if named.iter().collect::<BTreeSet<_>>().len() == named.len() => {
            named.iter().zip(components).map(|(param, one)| format!("{param}={}", one.parallelism)).collect()
        }
        _ => Vec::new(),
    }
}

/// What each run should have done by what the others and the numbers by hand say. Lower bounds keep nothing from being carried.
fn checks(asked: &Asked, names: &[String], runs: &[Run]) -> Result<Vec<Check>, Error> {
    let mut checks = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let others: Vec<Run> =
            runs.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, run)| run.clone()).collect();
        let mut known = known(asked, names, &others);
        // Without another run the shares are its own, so that what is known by hand can be checked.
        if others.is_empty() {
            let own = self::known(asked, names, runs);
            known.iter_mut().zip(own).for_each(|(known, own)| known.share = own.share);
        }
        let graph = graph(asked, names, runs, &known)?;
        let proven = |known: &Known| known.capacity.filter(|capacity| !capacity.basis.is_lower_bound());
        let capacities: Vec<Capacity> = known
            .iter()
            .map(|known| {
                proven(known).unwrap_or(Capacity {
                    rate: f64::INFINITY,
                    interval: None,
                    basis: Basis::Carried,
                    runs: 0,
                })
            })
            .collect();
        if capacities.iter().all(|capacity| capacity.rate.is_infinite()) {
            continue;
        }
        let stages = stages(asked, names, &graph, &known, &capacities);
        let combination = run.combination(names.iter().map(String::as_str));
        let predicted = model::carried(&stages, &combination, &Demand::just(run.rate)).0.min(run.rate);
        checks.push(Check {
            run: run.label.clone(),
            parallelism: combination,
            rate: run.rate,
            predicted,
            measured: run.tps,
            error: 100.0 * (predicted - run.tps) / run.tps,
        });
    }
    Ok(checks)
}

/// The components of runs that could not be told from, where something better was found elsewhere or not at all.
fn idle(runs: &[Run], components: &[Planned], refused: &mut Vec<Refused>) {
    for run in runs {
        for seen in &run.components {
            let used = components.iter().any(|one| one.name == seen.name && one.basis == Basis::Given);
            if let Some(why) = seen.doubt.clone().filter(|_| !used) {
                refused.push(Refused { run: run.label.clone(), component: seen.name.clone(), why });
            }
        }
    }
}

fn notes(runs: &[Run], components: &[Planned]) -> Vec<String> {
    let mut notes = Vec::new();
    for one in components.iter().filter(|one| one.basis.is_lower_bound()) {
        notes.push(format!(
            "{0}: an instance may do more than {1}/s: load it until it is the bottleneck, or give --component {0}=RATE",
            one.name,
            number(one.capacity)
        ));
    }
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    let differs = |name: &&&String| runs.iter().any(|run| run.settings.get(**name) != runs[0].settings.get(**name));
    let differing: Vec<&str> = names.iter().filter(differs).map(|name| name.as_str()).collect();
    if !differing.is_empty() {
        notes.push(format!("the runs differ in {}: do instances do the same in all of them?", differing.join(", ")));
    }
    notes
}
