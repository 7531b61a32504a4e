//! One load that several loaders share without talking to each other.
//!
//! The source moves on while they start, so none of them may plan for itself: one plan is made first and put beside the
//! report. Each loader, a shard, takes its part of it and leaves its outcome there; at the end they are merged. A partition
//! belongs to one shard alone, so order is kept within it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::plan::{Share, proportional};
use super::verdict::{Planned, worse};
use crate::kafka::Bounds;
use crate::report::{self, Status, Verdict};
use crate::step::{Exit, ExitClass};

/// The most loaders that share a load: as many runs as a Tekton matrix may have.
const MOST: u32 = 256;

/// One of the loaders that share a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, of) = text.split_once('/').unwrap_or_default();
        match (number.parse(), of.parse()) {
            (Ok(number @ 1..), Ok(of @ ..=MOST)) if number <= of => Ok(Self { number, of }),
            _ => Err(format!("{text:?} is not I/N, as 1/4 up to 4/4")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Why shards cannot share a load.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are not enough partitions with records.
    #[error(
        "{shards} shards are more than the {partitions} partitions that records come from, or than {MOST}: make --shards smaller"
    )]
    TooMany {
        /// `--shards`.
        shards: u32,
        /// How many partitions give records.
        partitions: usize,
    },
    /// The plan is not there.
    #[error("{} is not there: plan the load first, with --plan-only --shards N and the same --report", path.display())]
    NoPlan {
        /// Where it should be.
        path: PathBuf,
    },
    /// The plan is of another load.
    #[error("--{flag} is {given:?}, the load was planned with {planned:?}: give all shards the same")]
    Differs {
        /// The flag.
        flag: String,
        /// What was given now.
        given: String,
        /// What was given then.
        planned: String,
    },
    /// The shard ran already.
    #[error("{} is there: shard {shard} of this load has begun already, and nothing may be sent twice", path.display())]
    Taken {
        /// The shard.
        shard: Shard,
        /// Its file.
        path: PathBuf,
    },
    /// The others have begun.
    #[error("shard {shard} was to begin at {start_at} and is late: plan the load with a longer --start-in")]
    TooLate {
        /// The shard.
        shard: Shard,
        /// When the first record was due.
        start_at: Timestamp,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file of an earlier load is still there.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} is not what this program writes there: use one image for all shards", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] report::Error),
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::TooLate { .. } => Exit::Inconclusive,
            _ => Exit::Usage,
        }
    }
}

/// The flags that make a load what it is, with their values: all shards must have the same.
pub type Asked = BTreeMap<String, String>;

/// What was planned for all shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    asked: Asked,
    /// When the first record is due.
    pub start_at: Timestamp,
    /// The target's bounds before the load: partition, first offset, the one behind the last.
    before: Vec<(i32, i64, i64)>,
    parts: Vec<Part>,
}

/// What one shard has to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Records in the measured window.
    pub records: u64,
    /// Records before it.
    pub warm_up: u64,
    /// Where both come from.
    pub shares: Vec<Share>,
}

impl Plan {
    /// Splits a load over shards: whole partitions, as evenly as they allow. Each shard has as much of the warm-up as it
    /// has of the whole, and sends at its part of the rate, so that all begin and end together.
    pub fn new(
        asked: Asked,
        start_at: Timestamp,
        shares: Vec<Share>,
        warm_up: u64,
        before: &[Bounds],
        shards: u32,
    ) -> Result<Self, Error> {
        if shares.len() < shards as usize || shards > MOST {
            return Err(Error::TooMany { shards, partitions: shares.len() });
        }
        let mut parts = vec![Part::default(); shards as usize];
        let mut largest_first = shares;
        largest_first.sort_by_key(|share| Reverse(share.records));
        for share in largest_first {
            if let Some(least) = parts.iter_mut().min_by_key(|part| part.records) {
                least.records += share.records;
                least.shares.push(share);
            }
        }
        let all: Vec<u64> = parts.iter().map(|part| part.records).collect();
        for (part, warm_up) in parts.iter_mut().zip(proportional(warm_up, &all)) {
            part.warm_up = warm_up;
            part.records -= warm_up;
            part.shares.sort_by_key(|share| share.stretch.partition);
        }
        let before = before.iter().map(|bounds| (bounds.partition, bounds.low, bounds.high)).collect();
        Ok(Self { asked, start_at, before, parts })
    }

    /// Puts the plan beside the report, and takes away what shards of an earlier load left there.
    pub fn write(&self, report: &Path) -> Result<(), Error> {
        for number in 1..=MOST {
            remove(&outcome_file(report, number))?;
        }
        Ok(report::write(&plan_file(report), self, true)?)
    }

    /// The plan beside the report, which must be one for these flags.
    pub fn read(report: &Path, asked: &Asked) -> Result<Self, Error> {
        let path = plan_file(report);
        let plan: Self = read(&path)?.ok_or(Error::NoPlan { path })?;
        for (flag, given) in asked {
            let planned = plan.asked.get(flag).cloned().unwrap_or_default();
            if planned != *given {
                return Err(Error::Differs { flag: flag.clone(), given: given.clone(), planned });
            }
        }
        Ok(plan)
    }

    /// How many shards it is for.
    pub fn shards(&self) -> u32 {
        self.parts.len() as u32
    }

    /// What a shard has to do, unless it is too late for it.
    pub fn part(&self, shard: Shard) -> Result<Part, Error> {
        if shard.of != self.shards() {
            let planned = format!("I/{}", self.shards());
            return Err(Error::Differs { flag: "shard".to_owned(), given: shard.to_string(), planned });
        }
        if self.start_at < Timestamp::now() {
            return Err(Error::TooLate { shard, start_at: self.start_at });
        }
        Ok(self.parts.get(shard.number as usize - 1).cloned().unwrap_or_default())
    }

    /// What all shards have to do together.
    pub fn planned(&self) -> Planned {
        let sum = |of: fn(&Part) -> u64| self.parts.iter().map(of).sum();
        Planned { records: sum(|part| part.records), warm_up: sum(|part| part.warm_up) }
    }

    /// What all partitions give together.
    pub fn all_shares(&self) -> Vec<Share> {
        self.parts.iter().flat_map(|part| &part.shares).copied().collect()
    }

    /// The target's bounds from before the load.
    pub fn before(&self) -> Vec<Bounds> {
        self.before.iter().map(|&(partition, low, high)| Bounds { partition, low, high }).collect()
    }
}

/// What a shard leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// How the shard judges its own part; the visible records are counted when all are merged.
    pub verdict: Verdict,
    /// What it did; none as long as it is at it, or when it was killed.
    pub outcome: Option<Outcome>,
}

/// Refuses a shard that has begun before.
pub fn refuse_second(report: &Path, shard: Shard) -> Result<(), Error> {
    let path = outcome_file(report, shard.number);
    if path.exists() { Err(Error::Taken { shard, path }) } else { Ok(()) }
}

/// Says that a shard has begun. Refuses when it has done so before.
pub fn begin(report: &Path, shard: Shard) -> Result<(), Error> {
    refuse_second(report, shard)?;
    let cause = "it began and has not ended".to_owned();
    let begun = Left { verdict: Verdict { status: Status::Inconclusive, cause }, outcome: None };
    Ok(report::write(&outcome_file(report, shard.number), &begun, false)?)
}

/// Takes back that a shard has begun: it sent nothing.
pub fn release(report: &Path, shard: Shard) -> Result<(), Error> {
    remove(&outcome_file(report, shard.number))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Remove { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Says how a shard ended.
pub fn end(report: &Path, shard: Shard, verdict: Verdict, outcome: Outcome) -> Result<(), Error> {
    let left = Left { verdict, outcome: Some(outcome) };
    Ok(report::write(&outcome_file(report, shard.number), &left, true)?)
}

/// What all shards left.
#[derive(Debug)]
pub struct Merged {
    /// What they did together; none when none did anything.
    pub outcome: Option<Outcome>,
    /// Whether a part of the load is not there: a shard never began, or never ended.
    pub missing: bool,
    /// The gravest of what they say of themselves, or that some of them say nothing; none when nothing is wrong.
    pub trouble: Option<Verdict>,
}

/// Adds up what so many shards left beside the report.
pub fn merge(report: &Path, shards: u32) -> Result<Merged, Error> {
    let mut merged = Merged { outcome: None, missing: false, trouble: None };
    for number in 1..=shards {
        let missing = || "it left no result".to_owned();
        let left = read::<Left>(&outcome_file(report, number))?.unwrap_or_else(|| Left {
            verdict: Verdict { status: Status::Inconclusive, cause: missing() },
            outcome: None,
        });
        merged.missing |= left.outcome.is_none();
        match (&mut merged.outcome, left.outcome) {
            (Some(sum), Some(outcome)) => sum.merge(&outcome),
            (sum @ None, outcome) => *sum = outcome,
            (Some(_), None) => {}
        }
        if left.verdict.status != Status::Pass {
            let shard = Shard { number, of: shards };
            let verdict =
                Verdict { cause: format!("shard {shard}: {}", left.verdict.cause), status: left.verdict.status };
            merged.trouble = Some(match merged.trouble.take() {
                Some(before) => worse(before, verdict),
                None => verdict,
            });
        }
    }
    Ok(merged)
}

fn plan_file(report: &Path) -> PathBuf {
    beside(report, "plan")
}

fn outcome_file(report: &Path, number: u32) -> PathBuf {
    beside(report, &format!("shard-{number}"))
}

/// A file of this report alone: others may lie in the same folder.
fn beside(report: &Path, what: &str) -> PathBuf {
    let stem = report.file_stem().unwrap_or_default().to_string_lossy();
    report.with_file_name(format!("{stem}-{what}.json"))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match std::fs::read(path) {
        Ok(text) => {
            serde_json::from_slice(&text).map(Some).map_err(|source| Error::Form { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Stretch;
    use super::super::verdict::{Sight, judge};
    use super::*;

    fn share(partition: i32, records: u64) -> Share {
        Share { stretch: Stretch { partition, start: 0, stop: records as i64 }, held: records, records }
    }

    fn asked(rate: &str) -> Asked {
        [("data-count-per-second".to_owned(), rate.to_owned())].into()
    }

    fn plan(shares: &[u64], warm_up: u64, shards: u32) -> Result<Plan, Error> {
        let shares = (0..).zip(shares).map(|(partition, &records)| share(partition, records)).collect();
        let before = [Bounds { partition: 0, low: 3, high: 9 }];
        let start = Timestamp::now() + jiff::SignedDuration::from_secs(60);
        Plan::new(asked("10"), start, shares, warm_up, &before, shards)
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.json");
        (folder, report)
    }

    fn did(records: u64) -> (Verdict, Outcome) {
        let mut outcome = Outcome { read: records, acked: records, ..Outcome::new(Timestamp::UNIX_EPOCH) };
        outcome.latency.saturating_record_n(records, records);
        (judge(Planned { records, warm_up: 0 }, &outcome, Sight::Later), outcome)
    }

    #[test]
    fn whole_partitions_are_split_evenly_and_completely() {
        let plan = plan(&[50, 10, 30, 20, 11], 12, 2).unwrap();
        let parts: Vec<(u64, u64, Vec<i32>)> = plan
            .parts
            .iter()
            .map(|part| (part.records, part.warm_up, part.shares.iter().map(|share| share.stretch.partition).collect()))
            .collect();
        assert_eq!(parts, [(55, 6, vec![0, 4]), (54, 6, vec![1, 2, 3])]);
        assert_eq!(plan.planned(), Planned { records: 109, warm_up: 12 });
        let why = super::tests::plan(&[1, 2], 0, 3).unwrap_err().to_string();
        insta::assert_snapshot!(why, @"3 shards are more than the 2 partitions that records come from, or than 256: make --shards smaller");
    }

    #[test]
    fn a_shard_takes_its_part_of_the_plan_it_was_made_for() {
        let (_folder, report) = folder();
        insta::assert_snapshot!(
            Plan::read(&report, &asked("10")).unwrap_err().to_string().replace(&report.with_file_name("").display().to_string(), ""),
            @"report-plan.json is not there: plan the load first, with --plan-only --shards N and the same --report"
        );
        let planned = plan(&[5, 6], 0, 2).unwrap();
        planned.write(&report).unwrap();
        let read = Plan::read(&report, &asked("10")).unwrap();
        assert_eq!(read, planned);
        assert_eq!(read.part(Shard { number: 2, of: 2 }).unwrap(), planned.parts[1]);
        assert_eq!(read.before(), [Bounds { partition: 0, low: 3, high: 9 }]);
        let other_load = Plan::read(&report, &asked("11")).unwrap_err();
        insta::assert_snapshot!(other_load, @r#"--data-count-per-second is "11", the load was planned with "10": give all shards the same"#);
        let other_number = read.part(Shard { number: 1, of: 3 }).unwrap_err();
        insta::assert_snapshot!(other_number, @r#"--shard is "1/3", the load was planned with "I/2": give all shards the same"#);
    }

    #[test]
    fn a_shard_that_comes_late_is_refused() {
        let plan = Plan { start_at: Timestamp::UNIX_EPOCH, ..plan(&[5], 0, 1).unwrap() };
        let error = plan.part(Shard { number: 1, of: 1 }).unwrap_err();
        assert_eq!(error.exit(), Exit::Inconclusive);
        insta::assert_snapshot!(error, @"shard 1/1 was to begin at 1970-01-01T00:00:00Z and is late: plan the load with a longer --start-in");
    }

    #[test]
    fn what_shards_did_is_merged() {
        let (_folder, report) = folder();
        for (number, records) in [(1, 30), (2, 20)] {
            let shard = Shard { number, of: 2 };
            begin(&report, shard).unwrap();
            assert!(matches!(begin(&report, shard), Err(Error::Taken { .. })));
            let (verdict, outcome) = did(records);
            end(&report, shard, verdict, outcome).unwrap();
        }
        let merged = merge(&report, 2).unwrap();
        let outcome = merged.outcome.unwrap();
        assert_eq!((outcome.read, outcome.latency.len(), merged.trouble), (50, 50, None));
        // A new plan is a new load.
        plan(&[5], 0, 1).unwrap().write(&report).unwrap();
        assert!(merge(&report, 2).unwrap().outcome.is_none());
    }

    #[test]
    fn a_missing_or_unfinished_shard_is_named() {
        let (_folder, report) = folder();
        let said = || merge(&report, 3).unwrap().trouble.unwrap();
        let (verdict, outcome) = did(30);
        end(&report, Shard { number: 1, of: 3 }, verdict, outcome).unwrap();
        begin(&report, Shard { number: 3, of: 3 }).unwrap();
        assert_eq!((said().status, said().cause.as_str()), (Status::Inconclusive, "shard 2/3: it left no result"));
        let (_, outcome) = did(30);
        let verdict = Verdict { status: Status::Fail, cause: "the counts differ".to_owned() };
        end(&report, Shard { number: 2, of: 3 }, verdict, outcome).unwrap();
        assert_eq!((said().status, said().cause.as_str()), (Status::Fail, "shard 2/3: the counts differ"));
    }

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for wrong in ["", "2", "0/4", "5/4", "a/b", "1/4/4"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong} was taken");
        }
    }
}
