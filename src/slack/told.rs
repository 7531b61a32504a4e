//! What the report keeps of a run's message, so that the next step finds it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Posted;
use crate::report::{Report, ending::Phase};

/// The part of the report that is ours.
const PART: &str = "slack";

/// Where a channel was told of a run: kept in the report's part `slack`, under the channel's name as `--channel` gave it, or under a webhook's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// The channel's ID.
    pub channel: String,
    /// The message's timestamp; empty as long as there is none.
    pub ts: String,
    /// The timestamp of the first message of the thread it is in; its own where it is the first one.
    pub thread_ts: String,
    /// The message's address.
    pub permalink: String,
    /// The ID of the chart's file in the thread.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chart: String,
    /// What is being told while nobody knows yet whether Slack has it: `start` or `end`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub telling: String,
    /// What a webhook has taken, whose messages have no timestamp: `start` or `end`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub told: String,
}

impl Told {
    /// What the report says of this channel.
    pub fn of(report: &Report, channel: &str) -> Self {
        let part = report.other.get(PART).and_then(|part| part.get(channel));
        part.and_then(|told| serde_json::from_value(told.clone()).ok()).unwrap_or_default()
    }

    /// Notes it in the report.
    pub fn keep(&self, report: &mut Report, channel: &str) {
        let part = report.other.get(PART).cloned().unwrap_or_default();
        let mut channels: BTreeMap<String, Value> = serde_json::from_value(part).unwrap_or_default();
        channels.insert(channel.to_owned(), serde_json::to_value(self).unwrap_or_default());
        report.other.insert(PART.to_owned(), serde_json::to_value(channels).unwrap_or_default());
    }

    /// The message, where there is one.
    pub fn posted(&self) -> Option<Posted> {
        (!self.ts.is_empty()).then(|| Posted { channel: self.channel.clone(), ts: self.ts.clone() })
    }

    /// Whether a try to tell the same thing ended without an answer.
    pub fn is_open(&self, phase: Phase) -> bool {
        self.telling == phase.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_is_found_again_in_the_report() {
        let told = |ts: &str| Told { channel: "C1".into(), ts: ts.into(), ..Told::default() };
        let mut report = Report::default();
        told("1.1").keep(&mut report, "#perf");
        told("2.2").keep(&mut report, "#ads");
        told("3.3").keep(&mut report, "#perf");
        assert_eq!(Told::of(&report, "#perf").ts, "3.3");
        assert_eq!(Told::of(&report, "#ads").ts, "2.2");
        assert_eq!(Told::of(&report, "#other"), Told::default());
    }

    #[test]
    fn a_part_that_is_no_such_part_counts_as_none() {
        let mut report = Report::default();
        report.other.insert(PART.to_owned(), serde_json::json!("told"));
        assert_eq!(Told::of(&report, "#perf"), Told::default());
        Told { ts: "1.1".into(), ..Told::default() }.keep(&mut report, "#perf");
        assert_eq!(Told::of(&report, "#perf").ts, "1.1");
    }
}
