//! What the job's subtasks tell, by its accumulators.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::outcome::Outcome;

/// The accumulator of what each subtask did, told when it ends.
const PARTS: &str = "streamgauge-parts";

/// The accumulator of acknowledged records, told as the load goes.
const ACKED: &str = "streamgauge-acked";

/// What one subtask did.
#[derive(Debug, Deserialize)]
struct Part {
    /// How many subtasks there are.
    of: u32,
    /// Whether the target topic gives records a timestamp of its own.
    restamped: bool,
    /// None when it had nothing to do.
    outcome: Option<Outcome>,
}

/// What all subtasks did that told.
#[derive(Debug, Default)]
pub struct Parts {
    /// How many told something.
    pub told: u32,
    /// How many there are; 0 when none told.
    pub of: u32,
    /// Whether the target topic gives records a timestamp of its own.
    pub restamped: bool,
    /// What they did together; none when none did anything.
    pub outcome: Option<Outcome>,
}

/// How many records were acknowledged, as far as the TaskManagers have told.
pub fn acked(accumulators: &BTreeMap<String, String>) -> Option<u64> {
    accumulators.get(ACKED)?.trim_start_matches("LongCounter").trim().parse().ok()
}

/// What the subtasks told of themselves. What cannot be read was not told.
pub fn read(accumulators: &BTreeMap<String, String>) -> Parts {
    // As Flink's ListAccumulator says it: "List Accumulator [{…}, {…}]".
    let list = accumulators.get(PARTS).and_then(|words| words.find('[').map(|at| &words[at..]));
    let told: Vec<Part> = list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    let mut parts = Parts::default();
    for part in told {
        parts.told += 1;
        parts.of = parts.of.max(part.of);
        parts.restamped |= part.restamped;
        match (&mut parts.outcome, part.outcome) {
            (Some(sum), Some(outcome)) => sum.merge(&outcome),
            (sum @ None, outcome) => *sum = outcome,
            (Some(_), None) => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the job's own Tally wrote it: three records, of which one warmed up.
    const TOLD: &str = r#"{"subtask":1,"of":3,"restamped":true,"outcome":{"read":3,"acked":3,"bytes":77,"late":1,"sendDelay":"HISTEwAAAAYAAAAAAAAAAwAAAAAAAAABAAAAANaTpAA/8AAAAAAAAAACvb4BAg==","ackLatency":"HISTEwAAAAUAAAAAAAAAAwAAAAAAAAABAAAAANaTpAA/8AAAAAAAAAK/rgEC","latency":"HISTEwAAAAcAAAAAAAAAAwAAAAAAAAABAAAAANaTpAA/8AAAAAAAAMGuAQL9DwI=","perSecond":[1, 0, 0, 1],"sourceWait":{"secs":0,"nanos":0},"targetWait":{"secs":1,"nanos":5},"startedAt":"1970-01-01T00:00:10Z","window":3000000000,"landed":{"0":{"acked":2,"offsets":[100,102]},"1":{"acked":1,"offsets":null}},"producers":[[4711, 2]],"failure":null}}"#;

    fn accumulators(parts: &str) -> BTreeMap<String, String> {
        let acked = "LongCounter 4711".to_owned();
        [(PARTS.to_owned(), format!("List Accumulator [{parts}]")), (ACKED.to_owned(), acked)].into()
    }

    #[test]
    fn what_the_subtasks_told_is_merged() {
        let idle = r#"{"subtask":0,"of":3,"restamped":false,"outcome":null}"#;
        let told = accumulators(&format!("{idle}, {TOLD}, {TOLD}"));
        let parts = read(&told);
        assert_eq!((parts.told, parts.of, parts.restamped, acked(&told)), (3, 3, true, Some(4711)));
        let outcome = parts.outcome.unwrap();
        assert_eq!((outcome.read, outcome.acked, outcome.late, outcome.per_second), (6, 6, 2, vec![2, 0, 0, 2]));
        assert_eq!((outcome.send_delay.len(), outcome.send_delay.max() / 1000), (4, 2000));
        assert_eq!((outcome.latency.len(), outcome.ack_latency.len()), (4, 4));
        assert_eq!(outcome.landed[&0].offsets, Some((100, 102)));
        assert_eq!((outcome.started_at.as_second(), outcome.window), (10, 3_000_000_000));
    }

    #[test]
    fn what_cannot_be_read_was_not_told() {
        for words in ["", r#"{"of":1}"#, "null"] {
            assert_eq!(read(&accumulators(words)).told, 0, "{words}");
        }
        assert_eq!((read(&BTreeMap::new()).told, acked(&BTreeMap::new())), (0, None));
    }
}
