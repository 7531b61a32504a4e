//! The program's arguments.

use std::sync::Arc;
use std::time::Duration;

use super::{Cancel, Error, Job};
use crate::kafka::Connection;
use crate::step::{Seconds, StepArgs, mounted};

/// Replay an exact number of records from a source topic to a target topic, untouched and on schedule.
///
/// Sends the last duration × rate records of the source. Record k is due at start + k / rate, whatever became of the
/// records before it. The load passes when read = acknowledged = visible and at most 1 % of the records were late.
#[derive(Debug, clap::Parser)]
#[command(name = "deploy-dataloader")]
pub struct Args {
    /// Bootstrap servers of the cluster that holds the source topic
    #[arg(long, value_name = "HOST:PORT,…")]
    pub source_bootstrap_servers: String,

    /// The topic to replay
    #[arg(long, value_name = "TOPIC")]
    pub source_topic: String,

    /// librdkafka properties for the source, key=value a line, such as security.protocol and sasl.password; mount them
    /// from a Secret
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub source_config: String,

    /// Bootstrap servers of the cluster that holds the target topic
    #[arg(long, value_name = "HOST:PORT,…")]
    pub target_bootstrap_servers: String,

    /// The topic that the application under test reads; it must exist and is never the source
    #[arg(long, value_name = "TOPIC")]
    pub target_topic: String,

    /// librdkafka properties for the target, as --source-config
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub target_config: String,

    /// How long the load lasts, in minutes; decimals are fine
    #[arg(long, value_name = "MINUTES", value_parser = positive)]
    pub duration_min: f64,

    /// Records a second
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub data_count_per_second: f64,

    /// A record this long after its time is late; with more than 1 % late records the load is inconclusive
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub late_after: Seconds,

    /// Give up when Kafka gives or takes nothing for this long
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub give_up_after: Seconds,

    /// What every program has
    #[command(flatten)]
    pub step: StepArgs,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("must be a number above 0".to_owned()),
    }
}

impl Args {
    /// The load these arguments ask for.
    pub(super) fn job(&self) -> Result<Job, Error> {
        let (minutes, rate) = (self.duration_min, self.data_count_per_second);
        let records = (minutes * 60.0 * rate).round() as u64;
        if records == 0 {
            return Err(Error::NoRecords { minutes, rate });
        }
        if self.step.timeout.0.as_secs_f64() <= minutes * 60.0 {
            return Err(Error::NoTime { minutes, timeout: self.step.timeout });
        }
        let source = Connection::new("source", &self.source_bootstrap_servers, mounted(&self.source_config))?;
        let target = Connection::new("target", &self.target_bootstrap_servers, mounted(&self.target_config))?;
        Ok(Job {
            source,
            source_topic: self.source_topic.clone(),
            target,
            target_topic: self.target_topic.clone(),
            records,
            rate,
            late_after: self.late_after.0,
            patience: self.give_up_after.0.max(Duration::from_secs(1)),
            acked: Arc::default(),
            cancel: Cancel::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn args(duration: &str, rate: &str) -> Result<Args, clap::Error> {
        let flags = ["deploy-dataloader", "--source-bootstrap-servers=a:1", "--source-topic=s", "--target-topic=t"];
        let more = ["--target-bootstrap-servers=b:1", "--source-config=", "--duration-min", duration];
        Args::try_parse_from(flags.into_iter().chain(more).chain(["--data-count-per-second", rate]))
    }

    #[test]
    fn records_are_duration_times_rate() {
        let records = |duration, rate| args(duration, rate).unwrap().job().unwrap().records;
        assert_eq!(records("30", "10000"), 18_000_000);
        assert_eq!(records("0.5", "333.3"), 9_999);
        assert!(matches!(args("0.001", "1").unwrap().job(), Err(Error::NoRecords { .. })));
    }

    #[test]
    fn a_load_that_would_be_cut_off_is_refused_before_it_starts() {
        let error = args("60", "1").unwrap().job().err().unwrap();
        assert_eq!(
            error.to_string(),
            "60 min of load do not fit into --timeout 3600s: raise --timeout, or shorten --duration-min"
        );
    }

    #[test]
    fn a_duration_or_rate_that_is_not_above_zero_is_refused() {
        for wrong in ["0", "-1", "NaN", "inf", "ten", ""] {
            assert!(args(wrong, "1").is_err(), "--duration-min {wrong} was taken");
            assert!(args("1", wrong).is_err(), "--data-count-per-second {wrong} was taken");
        }
    }
}
