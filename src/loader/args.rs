//! The program's arguments, and the load they ask for.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;

use super::flink::{ArgsError, Engine, FlinkArgs};
use super::profile::{Profile, TOP_RATE, positive};
use super::program::Role;
use super::range::Range;
use super::schedule::{Pace, Replay, Schedule};
use super::shard::{Asked, Shard};
use super::{Cancel, Job};
use crate::kafka::{self, Connection};
use crate::report::Load;
use crate::step::{Exit, ExitClass, Optional, Seconds, StepArgs, flag, mounted};

/// Replay an exact number of records from a source topic to a target topic, untouched and on schedule.
///
/// Sends the last duration × rate records of the source. Record k is due at start + k / rate, whatever became of the
/// records before it. The load passes when read = acknowledged = visible and at most 1 % of the records were late.
#[derive(Debug, clap::Parser)]
#[command(name = "deploy-dataloader")]
pub struct Args {
    /// Bootstrap servers of the cluster that holds the source topic
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "Source")]
    pub source_bootstrap_servers: String,

    /// The topic to replay; only read, without a consumer group
    #[arg(long, value_name = "TOPIC", help_heading = "Source")]
    pub source_topic: String,

    /// client.properties for the source, key=value a line, such as security.protocol and sasl.jaas.config; mount it from a
    /// Secret
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true, help_heading = "Source")]
    pub source_config: String,

    /// Which records: the last ones, or the first ones from here on: beginning, a time as 2026-01-05T10:12:00Z, offset:O
    /// for every partition, offset:P=O,P=O for these partitions alone
    #[arg(long, value_name = "RANGE", default_value = "last", help_heading = "Source")]
    pub from: Range,

    /// Begin again at the range's first record when it holds too few, instead of refusing the load
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Source")]
    pub repeat: bool,

    /// Bootstrap servers of the cluster that holds the target topic
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "Target")]
    pub target_bootstrap_servers: String,

    /// The topic that the application under test reads; never the source
    #[arg(long, value_name = "TOPIC", help_heading = "Target")]
    pub target_topic: String,

    /// client.properties for the target, as --source-config
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true, help_heading = "Target")]
    pub target_config: String,

    /// The only topics that may be written to, with * for any characters; may be repeated
    #[arg(long, value_name = "TOPIC", num_args = 0.., help_heading = "Target")]
    pub allow_target: Vec<String>,

    /// Create the target topic when it does not exist, with so many partitions and replicas, as 12,3
    #[arg(
        long,
        value_name = "PARTITIONS,REPLICATION",
        default_value = "",
        hide_default_value = true,
        help_heading = "Target"
    )]
    pub create_topic: Optional<NewTopic>,

    /// To which partition a record goes: the one of the same number, or by its key as Java's clients do (murmur2); without
    /// it the same when both topics have as many, else murmur2
    #[arg(long, value_name = "same|murmur2", default_value = "", hide_default_value = true, help_heading = "Target")]
    pub partitioner: Optional<Named<Partitioner>>,

    /// How batches are compressed: as in the source, or all in this way
    #[arg(long, value_enum, default_value_t, help_heading = "Target")]
    pub compression: Compression,

    /// Add no header streamgauge-run, which carries the run's id, to the records
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Target")]
    pub no_run_header: bool,

    /// The run's id for that header, when the report has none; without an id there is no header
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true,
        help_heading = "Target"
    )]
    pub run_id: String,

    /// How long the load lasts, in minutes; decimals are fine
    #[arg(long, value_name = "MINUTES", value_parser = minutes, help_heading = "Schedule")]
    pub duration_min: f64,

    /// Records a second; only a replay of the original timestamps needs none
    #[arg(long, value_name = "RATE", default_value = "", hide_default_value = true, help_heading = "Schedule")]
    pub data_count_per_second: Optional<Rate>,

    /// How the rate goes: constant; ramp:FROM, evenly from FROM records/s to the rate; staircase:STEPS, equal steps up to the
    /// rate; spike:FACTOR@START+LENGTH, as spike:3@5m+30s; replay:SPEED, as the original timestamps say, at a multiple of
    /// their speed
    #[arg(long, value_name = "PROFILE", default_value = "constant", help_heading = "Schedule")]
    pub profile: Profile,

    /// Send at the profile's first rate for this long before the measured window; these records count nowhere
    #[arg(long, value_name = "TIME", default_value = "0s", help_heading = "Schedule")]
    pub warm_up: Seconds,

    /// When the first record is due, as 2026-01-05T10:12:00Z; as soon as all is ready when it is not given
    #[arg(long, value_name = "TIME", default_value = "", hide_default_value = true, help_heading = "Schedule")]
    pub start_at: Optional<Timestamp>,

    /// A record this long after its time is late; with more than 1 % late records the load is inconclusive
    #[arg(long, value_name = "TIME", default_value = "1s", help_heading = "Schedule")]
    pub late_after: Seconds,

    /// Give up when Kafka gives or takes nothing for this long
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Schedule")]
    pub give_up_after: Seconds,

    /// Send nothing, but plan a load for --shards and write REPORT-plan.json beside the report
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Shards")]
    pub plan_only: bool,

    /// How many shards the plan is for, each a program of its own; at most as many as there are partitions with records
    #[arg(long, value_name = "N", default_value = "", hide_default_value = true, help_heading = "Shards")]
    pub shards: Optional<NonZeroU32>,

    /// How long after the plan all shards begin, if --start-at does not say when: as long as they need to be started
    #[arg(long, value_name = "TIME", default_value = "60s", help_heading = "Shards")]
    pub start_in: Seconds,

    /// Send this part of the planned load and write REPORT-shard-I.json beside the report
    #[arg(long, value_name = "I/N", default_value = "", hide_default_value = true, help_heading = "Shards")]
    pub shard: Optional<Shard>,

    /// Send nothing, but merge what the shards wrote into the report's load, and judge it
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Shards")]
    pub merge: bool,

    /// Who carries the records
    #[command(flatten)]
    pub flink: FlinkArgs,

    /// What every program has
    #[command(flatten)]
    pub step: StepArgs,
}

/// To which partition of the target a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Partitioner {
    /// The one of the same number.
    Same,
    /// By its key, as Java's clients do.
    Murmur2,
}

impl Partitioner {
    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Murmur2 => "murmur2",
        }
    }
}

/// How the target's batches are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// As they are in the source
    #[default]
    Keep,
    /// Not at all
    None,
    /// With gzip
    Gzip,
    /// With snappy
    Snappy,
    /// With LZ4
    Lz4,
    /// With Zstandard
    Zstd,
}

impl Compression {
    /// The word on the command line and in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// A topic that is to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTopic {
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas of each.
    pub replication: i16,
}

impl FromStr for NewTopic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (partitions, replication) = text.split_once(',').unwrap_or_default();
        match (partitions.parse(), replication.parse()) {
            (Ok(partitions @ 1..), Ok(replication @ 1..)) => Ok(Self { partitions, replication }),
            _ => Err(format!("{text:?} is not PARTITIONS,REPLICATION, as 12,3")),
        }
    }
}

/// Records a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        positive(text, TOP_RATE).map(Self)
    }
}

/// A value of an enum by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<T>(pub T);

impl<T: ValueEnum> FromStr for Named<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        T::from_str(text, false).map(Self)
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    // Twenty years: every time in nanoseconds fits its number.
    positive(text, 1e7)
}

/// Why the arguments make no load.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A side cannot be connected to as told.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// The engine is not named as it must be.
    #[error(transparent)]
    Engine(#[from] ArgsError),
    /// Flink shares a load by itself.
    #[error("--engine flink spreads a load over the subtasks of its job: give --flink-parallelism instead of {flag}")]
    FlinkShards {
        /// What was given.
        flag: &'static str,
    },
    /// The load would be empty.
    #[error(
        "{minutes} min at {rate} records/s is not a single record: raise --duration-min or --data-count-per-second"
    )]
    NoRecords {
        /// `--duration-min`.
        minutes: f64,
        /// `--data-count-per-second`.
        rate: f64,
    },
    /// The load would be cut off.
    #[error(
        "{time} of load do not fit into --timeout {timeout}: raise --timeout, or shorten --duration-min or --warm-up"
    )]
    NoTime {
        /// `--duration-min` and `--warm-up`.
        time: Seconds,
        /// `--timeout`.
        timeout: Seconds,
    },
    /// There is no rate.
    #[error("--profile {profile} needs --data-count-per-second")]
    NoRate {
        /// `--profile`.
        profile: Profile,
    },
    /// The profile replays the original timestamps, which say all of that.
    #[error("--profile replay does not go with {flag}: the records' own timestamps say when they are due")]
    Replay {
        /// What was given beside it.
        flag: &'static str,
    },
    /// Offsets do not say which time is replayed.
    #[error("--profile replay takes the records of a stretch of time: let it begin with --from last, or with a time")]
    ReplayRange,
    /// The spike would not be seen, or cut off.
    #[error("the spike of --profile ends {end} after the start, the load after {time}: let it end within the load")]
    Spike {
        /// When the spike ends.
        end: Seconds,
        /// When the load does.
        time: Seconds,
    },
    /// The flags for shards contradict each other.
    #[error("give only one of --plan-only --shards N, --shard I/N and --merge")]
    Roles,
    /// Shards find each other's files beside the report.
    #[error("shards need --report: the plan and their results are written beside it")]
    NoReport,
    /// The target must not be written to.
    #[error("--target-topic {topic:?} is none of --allow-target {}", allowed.join(", "))]
    NotAllowed {
        /// `--target-topic`.
        topic: String,
        /// `--allow-target`.
        allowed: Vec<String>,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Kafka(error) => error.exit(),
            Self::Engine(error) => error.exit(),
            _ => Exit::Usage,
        }
    }
}

impl Args {
    /// The load these arguments ask for. `run` is the run's id as the report has it; may be empty.
    pub(super) fn job(&self, run: &str) -> Result<Job, Error> {
        self.allowed()?;
        let pace = self.pace()?;
        let source = Connection::new("source", &self.source_bootstrap_servers, mounted(&self.source_config))?;
        let target = Connection::new("target", &self.target_bootstrap_servers, mounted(&self.target_config))?;
        let site = self.flink.site(&source, &target)?;
        let run = [run, &self.run_id].into_iter().find(|id| !id.is_empty() && !self.no_run_header);
        Ok(Job {
            source,
            source_topic: self.source_topic.clone(),
            target,
            target_topic: self.target_topic.clone(),
            pace,
            range: self.from.clone(),
            repeat: self.repeat,
            partitioner: self.partitioner.0.map(|Named(partitioner)| partitioner),
            run_header: run.map(ToOwned::to_owned),
            compression: self.compression,
            create_topic: self.create_topic.0,
            start_at: self.start_at.0,
            late_after: self.late_after.0,
            patience: self.give_up_after.0.max(Duration::from_secs(1)),
            gauge: Arc::default(),
            cancel: Cancel::default(),
            claim: None,
            shares: None,
            site,
        })
    }

    /// What part in a load these arguments ask for.
    pub(super) fn role(&self) -> Result<Role, Error> {
        let role = match (self.plan_only, self.shards.0, self.shard.0, self.merge) {
            (false, None, None, false) => return Ok(Role::Whole),
            (true, Some(shards), None, false) => Role::Plan(shards.get(), self.start_in.0),
            (false, None, Some(shard), false) => Role::Shard(shard),
            (false, None, None, true) => Role::Merge,
            _ => return Err(Error::Roles),
        };
        if self.flink.engine == Engine::Flink {
            let flag = match role {
                Role::Shard(_) => "--shard",
                Role::Merge => "--merge",
                _ => "--plan-only",
            };
            return Err(Error::FlinkShards { flag });
        }
        match (self.profile, &self.step.report) {
            (Profile::Replay { .. }, _) => Err(Error::Replay { flag: "shards" }),
            (_, None) => Err(Error::NoReport),
            (_, Some(_)) => Ok(role),
        }
    }

    /// What makes a load the one it is.
    pub(super) fn asked(&self) -> Asked {
        let rate = self.data_count_per_second.0.map_or_else(String::new, |Rate(rate)| rate.to_string());
        let flags = [
            ("source-bootstrap-servers", self.source_bootstrap_servers.clone()),
            ("source-topic", self.source_topic.clone()),
            ("from", format!("{:?}", self.from)),
            ("repeat", self.repeat.to_string()),
            ("target-bootstrap-servers", self.target_bootstrap_servers.clone()),
            ("target-topic", self.target_topic.clone()),
            ("duration-min", self.duration_min.to_string()),
            ("data-count-per-second", rate),
            ("profile", self.profile.to_string()),
            ("warm-up", self.warm_up.to_string()),
            ("partitioner", self.partitioner.0.map_or("", |Named(partitioner)| partitioner.as_str()).to_owned()),
            ("compression", self.compression.as_str().to_owned()),
            ("no-run-header", self.no_run_header.to_string()),
            ("late-after", self.late_after.to_string()),
        ];
        flags.into_iter().map(|(flag, value)| (flag.to_owned(), value)).collect()
    }

    /// The report's part with what these arguments ask for.
    pub(super) fn load(&self, job: &Job) -> Load {
        let (planned, rate) = job.pace.asked();
        Load {
            engine: self.flink.engine.as_str().to_owned(),
            source: self.source_topic.clone(),
            target: self.target_topic.clone(),
            profile: self.profile.to_string(),
            warm_up: self.warm_up.0.as_secs_f64(),
            planned,
            rate,
            compression: self.compression.as_str().to_owned(),
            run_header: job.run_header.clone().unwrap_or_default(),
            shards: 1,
            ..Load::default()
        }
    }

    fn allowed(&self) -> Result<(), Error> {
        let allowed: Vec<String> = self.allow_target.iter().filter(|pattern| !pattern.is_empty()).cloned().collect();
        if allowed.is_empty() || allowed.iter().any(|pattern| matches(pattern, &self.target_topic)) {
            return Ok(());
        }
        Err(Error::NotAllowed { topic: self.target_topic.clone(), allowed })
    }

    fn pace(&self) -> Result<Pace, Error> {
        let (window, warm_up) = (Duration::from_secs_f64(self.duration_min * 60.0), self.warm_up.0);
        let time = Seconds(window.saturating_add(warm_up));
        if self.step.timeout.0 <= time.0 {
            return Err(Error::NoTime { time, timeout: self.step.timeout });
        }
        let profile = self.profile;
        match (profile, self.data_count_per_second.0) {
            (Profile::Replay { .. }, Some(_)) => Err(Error::Replay { flag: "--data-count-per-second" }),
            (Profile::Replay { .. }, None) if self.repeat => Err(Error::Replay { flag: "--repeat" }),
            (Profile::Replay { .. }, None) if !warm_up.is_zero() => Err(Error::Replay { flag: "--warm-up" }),
            (Profile::Replay { .. }, None) if !matches!(self.from, Range::Last | Range::Since(_)) => {
                Err(Error::ReplayRange)
            }
            (Profile::Replay { speed_milli }, None) => {
                Ok(Pace::Replay(Replay { speed_milli, span: window.mul_f64(speed_milli as f64 / 1000.0) }))
            }
            (Profile::Spike { start, length, .. }, Some(_)) if start.saturating_add(length) > window => {
                Err(Error::Spike { end: Seconds(start.saturating_add(length)), time: Seconds(window) })
            }
            (_, Some(Rate(rate))) => {
                let schedule = Schedule::new(profile, rate, window, warm_up);
                if schedule.records() == 0 {
                    return Err(Error::NoRecords { minutes: self.duration_min, rate });
                }
                Ok(Pace::Scheduled(schedule))
            }
            (_, None) => Err(Error::NoRate { profile }),
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(head) else { return false };
    name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn args(more: &[&str]) -> Result<Args, clap::Error> {
        let flags = ["deploy-dataloader", "--source-bootstrap-servers=a:1", "--source-topic=s", "--target-topic=t"];
        let others = ["--target-bootstrap-servers=b:1", "--source-config="];
        Args::try_parse_from(flags.into_iter().chain(others).chain(more.iter().copied()))
    }

    fn constant(duration: &str, rate: &str) -> Result<Args, clap::Error> {
        args(&["--duration-min", duration, "--data-count-per-second", rate])
    }

    fn refused(more: &[&str]) -> String {
        let error = args(&[&["--duration-min=10"], more].concat()).unwrap().job("").err().unwrap();
        assert_eq!(error.exit(), Exit::Usage);
        error.to_string()
    }

    #[test]
    fn records_are_duration_times_rate() {
        let records = |duration, rate| match constant(duration, rate).unwrap().job("").unwrap().pace {
            Pace::Scheduled(schedule) => schedule.records(),
            Pace::Replay(_) => 0,
        };
        assert_eq!(records("30", "10000"), 18_000_000);
        assert_eq!(records("0.5", "333.3"), 9_999);
        assert_eq!(records("0.05", "1.6666666"), 5);
        assert!(matches!(constant("0.001", "1").unwrap().job(""), Err(Error::NoRecords { .. })));
    }

    #[test]
    fn loads_that_cannot_be_are_refused_before_they_start() {
        insta::assert_snapshot!(refused(&["--data-count-per-second=1", "--warm-up=50m"]), @"3600s of load do not fit into --timeout 3600s: raise --timeout, or shorten --duration-min or --warm-up");
        insta::assert_snapshot!(refused(&["--profile=ramp:5"]), @"--profile ramp from 5 records/s needs --data-count-per-second");
        insta::assert_snapshot!(refused(&["--profile=replay:2", "--data-count-per-second=1"]), @"--profile replay does not go with --data-count-per-second: the records' own timestamps say when they are due");
        insta::assert_snapshot!(refused(&["--profile=replay:2", "--repeat"]), @"--profile replay does not go with --repeat: the records' own timestamps say when they are due");
        insta::assert_snapshot!(refused(&["--profile=spike:2@9m+2m", "--data-count-per-second=1"]), @"the spike of --profile ends 660s after the start, the load after 600s: let it end within the load");
        insta::assert_snapshot!(refused(&["--allow-target", "test-*", "x"]), @r#"--target-topic "t" is none of --allow-target test-*, x"#);
    }

    #[test]
    fn a_program_has_one_part_in_a_load() {
        let rate = ["--duration-min=1", "--data-count-per-second=1", "--report=r.json"];
        let role = |more: &[&str]| args(&[&rate[..], more].concat()).unwrap().role();
        assert_eq!(role(&["--shard=", "--merge=false", "--shards=", "--plan-only=false"]).ok(), Some(Role::Whole));
        assert_eq!(role(&["--plan-only", "--shards=4"]).ok(), Some(Role::Plan(4, Duration::from_secs(60))));
        assert_eq!(role(&["--shard=2/4"]).ok(), Some(Role::Shard(Shard { number: 2, of: 4 })));
        assert_eq!(role(&["--merge"]).ok(), Some(Role::Merge));
        for wrong in [&["--plan-only"][..], &["--shards=4"], &["--plan-only", "--shards=4", "--shard=1/4"]] {
            assert!(matches!(role(wrong), Err(Error::Roles)), "{wrong:?}");
        }
        let alone = args(&["--duration-min=1", "--data-count-per-second=1", "--merge"]).unwrap();
        assert!(matches!(alone.role(), Err(Error::NoReport)));
    }

    #[test]
    fn a_flink_job_has_no_shards() {
        let flags =
            ["--duration-min=1", "--data-count-per-second=1", "--report=r.json", "--engine=flink", "--shard=1/2"];
        let refused = args(&flags).unwrap().role().unwrap_err().to_string();
        insta::assert_snapshot!(refused, @"--engine flink spreads a load over the subtasks of its job: give --flink-parallelism instead of --shard");
    }

    #[test]
    fn a_duration_or_rate_that_is_not_above_zero_is_refused() {
        for wrong in ["0", "-1", "NaN", "inf", "ten", "1e300"] {
            assert!(constant(wrong, "1").is_err(), "--duration-min {wrong} was taken");
            assert!(constant("1", wrong).is_err(), "--data-count-per-second {wrong} was taken");
        }
    }

    #[test]
    fn what_a_task_passes_empty_was_not_given() {
        let empty = ["--create-topic=", "--partitioner=", "--start-at=", "--run-id=", "--allow-target="];
        let flags = [&empty[..], &["--duration-min=1", "--data-count-per-second=1", "--repeat=false"]].concat();
        let job = args(&flags).unwrap().job("").unwrap();
        assert_eq!((job.create_topic, job.partitioner, job.start_at, job.run_header), (None, None, None, None));
        assert!(!job.repeat && job.range == Range::Last && job.compression == Compression::Keep);
    }

    #[test]
    fn records_name_the_run_of_the_report_or_of_the_flag_or_none() {
        let header = |more: &[&str], run| {
            let flags = [&["--duration-min=1", "--data-count-per-second=1", "--run-id=mine"], more].concat();
            args(&flags).unwrap().job(run).unwrap().run_header
        };
        assert_eq!(header(&[], "of-report").as_deref(), Some("of-report"));
        assert_eq!(header(&[], "").as_deref(), Some("mine"));
        assert_eq!(header(&["--no-run-header"], "of-report"), None);
    }

    #[test]
    fn a_pattern_stands_for_any_characters() {
        assert!(matches("a*c*", "abcabc") && matches("*", "") && matches("t", "t") && matches("*-test", "x-test-test"));
        assert!(!matches("a*c", "abcd") && !matches("t", "tt") && !matches("*-test", "test"));
    }

    #[test]
    fn a_topic_to_create_has_partitions_and_replicas() {
        assert_eq!("12,3".parse(), Ok(NewTopic { partitions: 12, replication: 3 }));
        for wrong in ["12", "0,1", "1,0", "a,b", "1,2,3"] {
            assert!(wrong.parse::<NewTopic>().is_err(), "{wrong} was taken");
        }
    }
}
