//! Kinds that tell by conditions.

use serde_json::Value;

use super::{State, condition, words};
use crate::kubernetes::object::text;

/// Conditions that say that all is well, the first that there is counts.
const GOOD: [&str; 3] = ["Ready", "Available", "Succeeded"];

/// A kind that has this condition sooner or later.
pub(super) fn required(object: &Value, name: &str) -> State {
    match condition(object, name) {
        Some(found) => judge(object, name, found),
        None => State::Waiting(format!("it has no condition {name} yet")),
    }
}

/// A kind of somebody else's, which may have conditions or none.
pub(super) fn any(object: &Value) -> State {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    let seen = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if seen.zip(generation).is_some_and(|(seen, generation)| seen < generation) {
        return State::Waiting("its controller has not seen this version yet".to_owned());
    }
    for bad in ["Failed", "Stalled"] {
        if let Some(found) = condition(object, bad).filter(|found| text(found, "/status") == "True") {
            return State::Failing(format!("{bad}: {}", words(found)));
        }
    }
    match GOOD.iter().find_map(|name| Some((name, condition(object, name)?))) {
        Some((name, found)) => judge(object, name, found),
        None => State::Silent,
    }
}

fn judge(object: &Value, name: &str, found: &Value) -> State {
    let number = |value: &Value, pointer| value.pointer(pointer).and_then(Value::as_i64);
    let old = number(found, "/observedGeneration").zip(number(object, "/metadata/generation"));
    if old.is_some_and(|(seen, generation)| seen < generation) {
        return State::Waiting(format!("its condition {name} is about an older version"));
    }
    match text(found, "/status") {
        "True" => State::Ready,
        // What runs to an end says so only there.
        "False" if name == "Succeeded" => State::Failed(words(found)),
        status => State::Waiting(format!("its condition {name} is {status}: {}", words(found))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(seen: u32, kind: &str, status: &str) -> Value {
        json!({"metadata": {"generation": 2}, "status": {"observedGeneration": seen, "conditions": [
            {"type": "Other", "status": "True"},
            {"type": kind, "status": status, "reason": "Starting", "message": "1 of 3 brokers"}]}})
    }

    #[test]
    fn a_condition_counts_once_the_controller_has_seen_the_version() {
        assert_eq!(any(&object(2, "Ready", "True")), State::Ready);
        assert!(matches!(any(&object(1, "Ready", "True")), State::Waiting(words) if words.contains("not seen")));
        let old = json!({"metadata": {"generation": 2}, "status": {"conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 1}]}});
        assert!(matches!(any(&old), State::Waiting(words) if words.contains("older version")));
    }

    #[test]
    fn a_condition_that_is_not_true_is_told_in_its_own_words() {
        let told = "its condition Ready is False: Starting: 1 of 3 brokers".to_owned();
        assert_eq!(any(&object(2, "Ready", "False")), State::Waiting(told));
        assert_eq!(any(&object(2, "Stalled", "True")), State::Failing("Stalled: Starting: 1 of 3 brokers".to_owned()));
        assert!(matches!(any(&object(2, "Succeeded", "False")), State::Failed(_)));
        assert!(matches!(any(&object(2, "Succeeded", "Unknown")), State::Waiting(_)));
    }

    #[test]
    fn an_object_without_conditions_says_nothing() {
        assert_eq!(any(&json!({"metadata": {"generation": 1}})), State::Silent);
        assert_eq!(any(&json!({"status": {"phase": "Pending"}})), State::Silent);
        assert!(matches!(required(&json!({}), "Established"), State::Waiting(_)));
    }
}
