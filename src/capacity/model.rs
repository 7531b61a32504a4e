//! The formulas: from what one instance does to how many are needed, and back.
//!
//! The model is that of DS2 (Kalavri et al., "Three steps is all you need", OSDI 2018, and its controller's
//! `policy/scaling.rs`, github.com/strymon-system/ds2): a component with the true processing rate `c` an instance needs
//! `ceil(r / c)` instances for its share `r` of the target rate, and passes `r × selectivity` on, not rounded. Headroom and
//! catching up are those of the autoscaler of the Flink Kubernetes operator (`AutoScalerUtils.getTargetProcessingCapacity`,
//! github.com/apache/flink-kubernetes-operator).

use super::Error;

/// What rounding may cost: a need of 3.0000000004 instances is one of 3.
const ROUNDING: f64 = 1e-9;

/// More instances than any topology has; what needs more has been given in the wrong unit.
const MOST: f64 = 100_000.0;

/// A component as far as the plan is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Whether it brings the records in.
    pub source: bool,
    /// What one instance does that works all the time, in records a second.
    pub capacity: f64,
    /// Records it is given for each record of the load.
    pub share: f64,
    /// What the busiest instance is given over what a mean one is; at least 1.
    pub skew: f64,
    /// In how many parts its records come that no two instances can share: a source's Kafka partitions, a keyed Flink operator's
    /// key groups.
    pub partitions: Option<u32>,
    /// The most instances that it may have.
    pub most: Option<u32>,
}

impl Stage {
    /// The records a second that n instances take before the busiest of them is busy all the time. Of P partitions the busiest
    /// instance has ceil(P / n), so the work gets done as by P / ceil(P / n) instances: 5 instances do no more with 12 partitions
    /// than 4, and those beyond P do nothing.
    pub fn carries(&self, n: u32) -> f64 {
        let working = match self.partitions {
            Some(parts) if n > 0 => f64::from(parts) / f64::from(parts.div_ceil(n)),
            _ => f64::from(n),
        };
        working * self.capacity / self.skew
    }

    /// The fewest instances that take this many records a second; infinite where its partitions are too few for that.
    fn fewest(&self, needed: f64) -> f64 {
        let exact = (needed * self.skew / self.capacity * (1.0 - ROUNDING)).max(1.0);
        match self.partitions.map(f64::from) {
            Some(parts) if exact > parts => f64::INFINITY,
            Some(parts) => (parts / (parts / exact).floor()).ceil(),
            None => exact.ceil(),
        }
    }

    /// The same, or as many as it may have where these do not.
    pub fn least(&self, needed: f64) -> Result<u32, Error> {
        let limit = [self.partitions, self.most].into_iter().flatten().min();
        let count = limit.map_or(f64::INFINITY, f64::from).min(self.fewest(needed));
        if count > MOST {
            return Err(Error::TooMany { name: self.name.clone(), count, needed, capacity: self.capacity });
        }
        Ok(count as u32)
    }
}

/// What is demanded of the application.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Records of the load, a second.
    pub rate: f64,
    /// The share of its time, 0 to 1, that an instance may be busy at that rate.
    pub utilisation: f64,
    /// The same of a source. It is 1 unless asked for: a source that is given all it takes lets records wait in Kafka, where they
    /// wait anyway, while a component in front of which records queue stops those that feed it. So 10,000 : 350 : 3,500 an instance
    /// at 70 % makes 1:41:5 for 10,000/s. Flink's autoscaler scales sources as it does all others: there it would be 2:41:5.
    pub source_utilisation: f64,
    /// Records that wait already and are to be worked off within `catch_up`, beside the rate.
    pub backlog: f64,
    /// Seconds without work, as in a restart, what came in which is to be worked off within `catch_up`.
    pub restart: f64,
    /// Seconds for catching up; none when nothing is to be caught up with.
    pub catch_up: Option<f64>,
}

impl Demand {
    /// This rate and nothing beside it.
    pub fn just(rate: f64) -> Self {
        Self { rate, utilisation: 1.0, source_utilisation: 1.0, backlog: 0.0, restart: 0.0, catch_up: None }
    }

    /// Records a second that a component has to be able to take:
    /// share × (backlog / catch_up + rate × restart / catch_up + rate / utilisation).
    pub fn needed(&self, stage: &Stage) -> f64 {
        stage.share * (self.backlog_rate() + self.rate * self.factor(stage))
    }

    /// The rate at which a component needs just what n instances carry.
    fn carried(&self, stage: &Stage, n: u32) -> f64 {
        if stage.share == 0.0 {
            return f64::INFINITY;
        }
        ((stage.carries(n) / stage.share - self.backlog_rate()) / self.factor(stage)).max(0.0)
    }

    fn backlog_rate(&self) -> f64 {
        self.catch_up.map_or(0.0, |seconds| self.backlog / seconds)
    }

    fn factor(&self, stage: &Stage) -> f64 {
        let utilisation = if stage.source { self.source_utilisation } else { self.utilisation };
        self.catch_up.map_or(0.0, |seconds| self.restart / seconds) + 1.0 / utilisation
    }
}

/// How many instances of each component carry what is demanded; fewer where a limit keeps it from that.
pub fn parallelism(stages: &[Stage], demand: &Demand) -> Result<Vec<u32>, Error> {
    stages.iter().map(|stage| stage.least(demand.needed(stage))).collect()
}

/// The highest rate that a combination carries with the headroom demanded, and the place of the component that keeps it from
/// more: the first of those that would be the busiest.
pub fn carried(stages: &[Stage], combination: &[u32], demand: &Demand) -> (f64, usize) {
    let rates = stages.iter().zip(combination).map(|(stage, n)| demand.carried(stage, *n));
    rates.enumerate().fold((f64::INFINITY, 0), |best, (at, rate)| if rate < best.0 { (rate, at) } else { best })
}

/// Whether a combination carries what is demanded.
pub fn suffices(stages: &[Stage], combination: &[u32], demand: &Demand) -> bool {
    stages.iter().zip(combination).all(|(stage, n)| f64::from(*n) >= stage.fewest(demand.needed(stage)))
}

/// The combination that carries the most of those with one instance less, which is what is nearest below a plan.
pub fn one_less(stages: &[Stage], combination: &[u32], demand: &Demand) -> Option<Vec<u32>> {
    let less = |at: usize| {
        let mut less = combination.to_vec();
        less[at] = less[at].checked_sub(1).filter(|n| *n > 0)?;
        Some(less)
    };
    let rate = |less: &Vec<u32>| carried(stages, less, demand).0;
    // Of several as good the first.
    (0..stages.len()).rev().filter_map(less).max_by(|a, b| rate(a).total_cmp(&rate(b)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stage(name: &str, capacity: f64, share: f64) -> Stage {
        Stage { name: name.to_owned(), source: false, capacity, share, skew: 1.0, partitions: None, most: None }
    }

    /// One spout instance takes 10,000/s, one transformer 350/s, one publisher 3,500/s.
    fn preprocessor() -> Vec<Stage> {
        let spout = Stage { source: true, ..stage("kafkaSpout", 10_000.0, 1.0) };
        vec![spout, stage("transformer", 350.0, 1.0), stage("publisher", 3_500.0, 1.0)]
    }

    #[test]
    fn ten_thousand_a_second_take_1_29_3_and_28_transformers_carry_9_800() {
        let (stages, demand) = (preprocessor(), Demand::just(10_000.0));
        assert_eq!(parallelism(&stages, &demand).unwrap(), [1, 29, 3]);
        assert_eq!(carried(&stages, &[1, 28, 3], &demand), (9_800.0, 1));
        assert_eq!(one_less(&stages, &[1, 29, 3], &demand).unwrap(), [1, 28, 3]);
        assert!(suffices(&stages, &[1, 29, 3], &demand) && !suffices(&stages, &[1, 28, 3], &demand));
    }

    #[test]
    fn headroom_is_for_those_before_whom_records_queue_and_for_sources_if_asked_for() {
        let mut demand = Demand { utilisation: 0.7, ..Demand::just(10_000.0) };
        assert_eq!(parallelism(&preprocessor(), &demand).unwrap(), [1, 41, 5]);
        demand.source_utilisation = 0.7;
        assert_eq!(parallelism(&preprocessor(), &demand).unwrap(), [2, 41, 5]);
    }

    #[test]
    fn two_hundred_thousand_a_second_take_20_572_58() {
        assert_eq!(parallelism(&preprocessor(), &Demand::just(200_000.0)).unwrap(), [20, 572, 58]);
    }

    /// The numbers of DS2's own tests, controller/tests/scaling_policy_test.rs at github.com/strymon-system/ds2: a source's
    /// true output rate, then (true processing rate, true output rate) of Op1, of which there is one instance, and the true
    /// processing rate of Op2; and how many of Op1 and Op2 it says there should be. The offline example (controller/examples/
    /// offline) is the last: 1 splitter of the 2 and 1 counter would do.
    #[test]
    fn ds2s_published_examples_come_out_the_same() {
        let examples = [
            (100.0, (50.0, 400.0), 100.0, [2, 8]),
            (200.0, (40.0, 700.0), 99.0, [5, 36]),
            (200.0, (10.0, 700.0), 201.0, [20, 70]),
            (2.0 * 100.0, (50.0, 400.0), 100.0, [4, 16]),
            (2.0 * 200.0, (40.0, 700.0), 99.0, [10, 71]),
            (2.0 * 200.0, (10.0, 700.0), 201.0, [40, 140]),
            (
                109_705.374_863_871_65,
                (
                    (122_512.728_863_147_73 + 122_613.652_366_515_29) / 2.0,
                    (1_244_599.952_221_068_8 + 1_246_045.873_763_782_1) / 2.0,
                ),
                1_845_391.073_868_952_7,
                [1, 1],
            ),
        ];
        for (rate, (processing, output), last, expected) in examples {
            let stages = [stage("Op1", processing, 1.0), stage("Op2", last, output / processing)];
            assert_eq!(parallelism(&stages, &Demand::just(rate)).unwrap(), expected, "{rate}");
        }
    }

    /// The numbers of JobVertexScalerTest of the Flink Kubernetes operator (flink-autoscaler,
    /// github.com/apache/flink-kubernetes-operator): parallelism, target rate, true processing rate of all subtasks together,
    /// utilisation, and the parallelism it says. Where 7 are enough it says 8, the next that 720 key groups can be divided by.
    #[test]
    fn flinks_autoscalers_published_examples_come_out_the_same() {
        let examples = [
            (10, 50.0, 100.0, 1.0, 5),
            (10, 50.0, 100.0, 0.8, 7),
            (10, 80.0, 100.0, 0.8, 10),
            (10, 60.0, 100.0, 0.8, 8),
            (10, 59.0, 100.0, 0.8, 8),
            (2, 100.0, 40.0, 0.5, 10),
            (2, 100.0, 100.0, 0.6, 4),
        ];
        for (current, rate, all, utilisation, expected) in examples {
            let stages = [stage("vertex", all / f64::from(current), 1.0)];
            let demand = Demand { utilisation, ..Demand::just(rate) };
            assert_eq!(parallelism(&stages, &demand).unwrap(), [expected], "{current} {rate} {all} {utilisation}");
        }
    }

    /// The numbers of BacklogBasedScalingTest and ScalingMetricEvaluatorTest, likewise: source and sink are 85 % busy with 500/s,
    /// 2,000 records wait, they are to be worked off in 2 s after a restart of 1 s at 80 % utilisation: 4 of each. A lag of 1,000
    /// to be worked off in 2 s takes 500/s of the source, and of a sink that is given 2 records of each, 1,000/s.
    #[test]
    fn catching_up_is_flinks() {
        let demand = Demand {
            utilisation: 0.8,
            source_utilisation: 0.8,
            backlog: 2_000.0,
            restart: 1.0,
            catch_up: Some(2.0),
            ..Demand::just(500.0)
        };
        let source = Stage { source: true, ..stage("source", 500.0 / 0.85, 1.0) };
        assert_eq!(demand.needed(&source), 1_875.0);
        assert_eq!(parallelism(&[source.clone(), stage("sink", 500.0 / 0.85, 1.0)], &demand).unwrap(), [4, 4]);
        let demand = Demand { backlog: 1_000.0, catch_up: Some(2.0), ..Demand::just(150.0) };
        assert_eq!(demand.needed(&source), 150.0 + 500.0);
        assert_eq!(demand.needed(&stage("sink", 1.0, 2.0)), 300.0 + 1_000.0);
    }

    #[test]
    fn partitions_are_shared_out_whole() {
        let source = Stage { partitions: Some(12), ..stage("source", 100.0, 1.0) };
        let carried: Vec<f64> = [1, 4, 5, 6, 11, 12, 20].map(|n| source.carries(n)).into();
        assert_eq!(carried, [100.0, 400.0, 400.0, 600.0, 600.0, 1_200.0, 1_200.0]);
        // Five would do by their capacity, but one of them would have three partitions of the twelve.
        assert_eq!([400.0, 401.0, 601.0, 1_200.0, 5_000.0].map(|rate| source.least(rate).unwrap()), [4, 6, 12, 12, 12]);
    }

    #[test]
    fn the_busiest_instance_decides_and_a_limit_is_kept() {
        let skewed = Stage { skew: 1.5, ..stage("counter", 100.0, 1.0) };
        assert_eq!((skewed.least(1_000.0).unwrap(), skewed.carries(15)), (15, 1_000.0));
        assert_eq!(Stage { most: Some(9), ..skewed }.least(1_000.0).unwrap(), 9);
    }

    #[test]
    fn a_number_of_instances_that_nobody_has_is_a_mistake_in_the_unit() {
        let error = stage("transformer", 0.000_35, 1.0).least(10_000.0).unwrap_err();
        insta::assert_snapshot!(error.to_string(), @"transformer would need 28,571,429 instances for 10,000 records/s at 0.00035 records/s an instance: are both in records a second?");
    }

    fn stages() -> impl Strategy<Value = Vec<Stage>> {
        let one = (0.5..50_000.0, 0.01..30.0, 1.0..3.0, any::<bool>());
        prop::collection::vec(one, 1..6).prop_map(|all| {
            let stage = |(capacity, share, skew, source)| Stage { skew, source, ..stage("any", capacity, share) };
            all.into_iter().map(stage).collect()
        })
    }

    fn demands() -> impl Strategy<Value = Demand> {
        let catch_up = prop::option::of(1.0..3_600.0);
        (1.0..1_000.0, 0.1..1.0, 0.1..1.0, 0.0..1e5, 0.0..600.0, catch_up).prop_map(
            |(rate, utilisation, source_utilisation, backlog, restart, catch_up)| Demand {
                rate,
                utilisation,
                source_utilisation,
                backlog,
                restart,
                catch_up,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parallelism_never_falls_as_the_rate_grows(
            mut stages in stages(),
            demand in demands(),
            more in 1.0..3.0,
            partitions in prop::option::of(1_u32..500),
        ) {
            stages[0].partitions = partitions;
            let Ok(few) = parallelism(&stages, &demand) else { return Ok(()) };
            let Ok(many) = parallelism(&stages, &Demand { rate: demand.rate * more, ..demand }) else { return Ok(()) };
            for (few, many) in few.iter().zip(&many) {
                prop_assert!(few <= many);
            }
        }

        #[test]
        fn the_plan_carries_the_rate_and_one_instance_less_does_not(
            mut stages in stages(),
            demand in demands(),
            partitions in prop::option::of(1_u32..100_000),
        ) {
            stages[0].partitions = partitions;
            let Ok(plan) = parallelism(&stages, &demand) else { return Ok(()) };
            // Where there are too few partitions, nothing carries it.
            prop_assume!(stages[0].partitions.is_none_or(|parts| stages[0].carries(parts) >= demand.needed(&stages[0])));
            prop_assert!(suffices(&stages, &plan, &demand), "{plan:?} {:?}", carried(&stages, &plan, &demand));
            for (stage, n) in stages.iter().zip(&plan) {
                prop_assert!(stage.carries(*n) >= demand.needed(stage) * (1.0 - 1e-8));
            }
            for at in 0..plan.len() {
                let mut less = plan.clone();
                less[at] -= 1;
                prop_assert!(!suffices(&stages, &less, &demand), "{less:?} {:?}", carried(&stages, &less, &demand));
                prop_assert!(stages[at].carries(less[at]) < demand.needed(&stages[at]) || less[at] == 0);
            }
        }
    }
}
