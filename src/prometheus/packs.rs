//! The packs of a run, as if they were one: a metric of a later one takes the place of one of the same name.

use super::Error;
use super::pack::{Filled, Pack};
use super::query::Query;
use crate::step::KeyValue;
use crate::verdict::{Demand, Score, Slo};

/// The packs of a run.
#[derive(Debug)]
pub(super) struct Packs(Vec<Pack>);

impl Packs {
    /// Loads packs by name or file, and adds the queries and the demands of the command line. With demands of its own, a later pack
    /// takes the place of an earlier one's on the same metric and component, and so does the file of demands; those of the command
    /// line come last.
    pub fn load(names: &[impl AsRef<str>], queries: &[Query], slo: Slo, demands: &[Demand]) -> Result<Self, Error> {
        let mut packs = names.iter().map(|name| Pack::load(name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        for later in 1..packs.len() {
            let (before, [pack, ..]) = packs.split_at_mut(later) else { break };
            for old in before {
                old.metrics.retain(|spec| !pack.measures(&spec.name));
                old.checks.retain(|demand| !pack.checks.iter().any(|new| same(demand, new)));
            }
        }
        for Query(spec) in queries {
            packs.iter_mut().for_each(|pack| pack.metrics.retain(|old| old.name != spec.name));
            if let Some(pack) = packs.last_mut() {
                pack.add(spec.clone());
            }
        }
        let mut packs = Self(packs);
        packs.demand("--slo-file", &slo.checks)?;
        packs.demand("--slo", demands)?;
        if let (Some(score), Some(pack)) = (slo.score, packs.0.last_mut()) {
            pack.score = Some(score);
        }
        Ok(packs)
    }

    /// Adds demands; they take the place of those on the same metrics and components. Several of one source on one metric all count.
    fn demand(&mut self, source: &str, demands: &[Demand]) -> Result<(), Error> {
        for pack in &mut self.0 {
            pack.checks.retain(|old| !demands.iter().any(|new| same(old, new)));
        }
        for demand in demands {
            let known: Vec<&str> =
                self.0.iter().flat_map(|pack| &pack.metrics).map(|spec| spec.name.as_str()).collect();
            let unknown = Error::Param {
                reason: format!(
                    "{source} is on {:?}, which the pack does not measure; it has {}",
                    demand.metric,
                    known.join(", ")
                ),
            };
            let pack = self.0.iter_mut().find(|pack| pack.measures(&demand.metric)).ok_or(unknown)?;
            pack.refuse_whole(demand).map_err(|reason| Error::Param { reason: format!("{source} {reason}") })?;
            pack.checks.push(demand.clone());
        }
        Ok(())
    }

    /// The packs, each with its parameters filled in.
    pub fn fill(&self, given: &[KeyValue], report: &serde_json::Value) -> Result<Vec<(&Pack, Filled)>, Error> {
        let mut names = given.iter().map(|pair| pair.key.replace('-', "_"));
        if let Some(unknown) = names.find(|name| !self.0.iter().any(|pack| pack.takes(name))) {
            let mut known: Vec<&str> = self.0.iter().flat_map(Pack::params).collect();
            known.sort_unstable();
            known.dedup();
            let reason = format!("the pack has no parameter {unknown:?}; it has {}", known.join(", "));
            return Err(Error::Param { reason });
        }
        self.0.iter().map(|pack| Ok((pack, pack.fill(given, report)?))).collect()
    }

    /// All that is demanded.
    pub fn demands(&self) -> Vec<Demand> {
        self.0.iter().flat_map(|pack| pack.checks.clone()).collect()
    }

    /// What the checks have to reach together, as the last pack that says so has it.
    pub fn score(&self) -> Option<Score> {
        self.0.iter().rev().find_map(|pack| pack.score)
    }
}

fn same(one: &Demand, other: &Demand) -> bool {
    (&one.metric, &one.component) == (&other.metric, &other.component)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(names: &[&str], queries: &[&str], demands: &[&str]) -> Result<Packs, Error> {
        let queries: Vec<Query> = queries.iter().map(|text| text.parse().unwrap()).collect();
        let demands: Vec<Demand> = demands.iter().map(|text| text.parse().unwrap()).collect();
        Packs::load(names, &queries, Slo::default(), &demands)
    }

    fn criteria(packs: &Packs, metric: &str) -> Vec<String> {
        let of = packs.demands().into_iter().filter(|demand| demand.metric == metric);
        of.map(|demand| demand.criterion.to_string()).collect()
    }

    #[test]
    fn an_slo_of_the_command_line_takes_the_place_of_the_packs() {
        let before = load(&["heron"], &[], &[]).unwrap().demands().len();
        let packs = load(&["heron"], &[], &["back_pressure <= 20", "tps{publisher} >= 100"]).unwrap();
        assert_eq!((packs.demands().len(), criteria(&packs, "back_pressure")), (before + 1, vec!["<= 20".to_owned()]));
        let error = load(&["heron"], &[], &["backpressure <= 20"]).unwrap_err();
        assert!(error.to_string().starts_with("--slo is on \"backpressure\", which the pack does not measure"));
    }

    #[test]
    fn several_demands_on_one_metric_all_count() {
        let packs = load(&["heron"], &[], &["back_pressure <= 5", "back_pressure <= 20"]).unwrap();
        assert_eq!(criteria(&packs, "back_pressure"), ["<= 5", "<= 20"]);
        let error = load(&["heron"], &[], &["spout_tps{kafkaSpout} >= 100"]).unwrap_err();
        insta::assert_snapshot!(error, @"--slo is on spout_tps{kafkaSpout}, but spout_tps has one number for the whole application");
    }

    #[test]
    fn a_later_pack_measures_what_both_do_and_its_parameters_are_known() {
        let packs = load(&["heron", "kafka"], &[], &[]).unwrap();
        let measuring = |name: &str| packs.0.iter().filter(|pack| pack.measures(name)).count();
        assert_eq!([measuring("lag"), measuring("lag_growth"), measuring("spout_tps")], [1, 1, 1]);
        assert!(!packs.0[0].measures("lag") && packs.0[1].measures("lag"));
        assert_eq!(criteria(&packs, "lag_growth"), ["<= 0.01 * load"]);
        let given = ["topology=t", "cluster=c", "role=r", "environment=e", "group=g", "topic=in"];
        let given: Vec<KeyValue> = given.iter().map(|pair| pair.parse().unwrap()).collect();
        assert_eq!(packs.fill(&given, &serde_json::Value::Null).unwrap().len(), 2);
        let wrong = [given, vec!["topolgy=t".parse().unwrap()]].concat();
        let error = packs.fill(&wrong, &serde_json::Value::Null).unwrap_err();
        insta::assert_snapshot!(error, @r#"the pack has no parameter "topolgy"; it has cluster, environment, export_interval, group, role, scrape_interval, topic, topology"#);
    }

    #[test]
    fn queries_of_the_command_line_need_no_pack_and_may_be_demanded_of() {
        let packs = load(&["none"], &["tps=sum(rate(my_total{a=\"b\"}[1m]))"], &["tps >= 0.98 * load"]).unwrap();
        let (pack, filled) = packs.fill(&[], &serde_json::Value::Null).unwrap().remove(0);
        assert_eq!(pack.heartbeat(&filled).unwrap(), "my_total{a=\"b\"}");
        assert_eq!(pack.query(&pack.metrics[0], &filled).unwrap(), "sum(rate(my_total{a=\"b\"}[1m]))");
        assert_eq!(pack.reach().as_secs(), 60);
        assert_eq!(criteria(&packs, "tps"), [">= 0.98 * load"]);
    }
}
