//! The job's arguments. Flink shows them to whoever may look at it: none is a secret.

use super::super::Job;
use super::super::batch::Codec;
use super::super::plan::Share;
use super::super::profile::nanos;
use super::super::schedule::Pace;
use super::Site;

/// What the job is told, as `--name value` pairs. `partitions` are the target's where a record's key decides.
pub fn arguments(job: &Job, site: &Site, shares: &[Share], partitions: Option<usize>, codec: Codec) -> Vec<String> {
    let mut args = Vec::new();
    let mut tell = |name: &str, value: String| args.extend([format!("--{name}"), value]);
    tell("name", name(job));
    for (side, servers, topic, config) in [
        ("source", job.source.servers(), &job.source_topic, &site.source_config),
        ("target", job.target.servers(), &job.target_topic, &site.target_config),
    ] {
        tell(&format!("{side}-bootstrap-servers"), servers.to_owned());
        tell(&format!("{side}-topic"), topic.clone());
        if let Some(config) = config {
            tell(&format!("{side}-config"), config.clone());
        }
    }
    if let Some(partitions) = partitions {
        tell("target-partitions", partitions.to_string());
    }
    tell("shares", listed(shares.iter().map(share)));
    match &job.pace {
        Pace::Scheduled(schedule) => {
            tell("schedule", listed(schedule.segments()));
            tell("warm-up", schedule.warm_up().to_string());
        }
        Pace::Replay(replay) => tell("replay", format!("{}:{}", replay.speed_milli, nanos(replay.length()))),
    }
    if let Some(run) = &job.run_header {
        tell("run-header", run.clone());
    }
    tell("compression", codec.as_str().to_owned());
    if let Some(start_at) = job.start_at {
        tell("start-at", start_at.as_millisecond().to_string());
    }
    tell("late-after", nanos(job.late_after).to_string());
    tell("give-up-after", job.patience.as_millis().min(i32::MAX as u128 - 1000).to_string());
    args
}

/// The job's name at Flink.
pub fn name(job: &Job) -> String {
    let run = job.run_header.as_deref().map_or_else(String::new, |run| format!(", run {run}"));
    format!("deploy-dataloader {} to {}{run}", job.source_topic, job.target_topic)
}

fn share(share: &Share) -> String {
    let stretch = share.stretch;
    format!("{}:{}:{}:{}:{}", stretch.partition, stretch.start, stretch.stop, share.held, share.records)
}

fn listed(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(",")
}
