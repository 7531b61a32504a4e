//! What the trackers tell of a topology's metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::job::Job;
use super::tracker::Query;

/// Sums of counts, means of latencies, the last of all else, over the last `interval` seconds; -1 is all.
pub fn metrics(job: &Job, query: &Query) -> Value {
    let component = query.get("component").unwrap_or_default();
    let interval: i64 = query.get("interval").and_then(|text| text.parse().ok()).unwrap_or(-1);
    let now = Timestamp::now().as_second();
    let (names, instances) = (query.all("metricname"), query.all("instance"));
    let in_time = |time: Timestamp| interval < 0 || now - time.as_second() <= interval;
    let mut found: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    let known = job.samples.iter().any(|sample| sample.values.contains_key(component))
        || job.parallelism.iter().any(|(name, _)| name == component);
    for sample in job.samples.iter().filter(|sample| in_time(sample.time)) {
        for (instance, values) in sample.values.get(component).into_iter().flatten() {
            if !instances.is_empty() && !instances.contains(&instance.as_str()) {
                continue;
            }
            for name in &names {
                if let Some(value) = values.get(*name) {
                    found.entry(name).or_default().entry(instance).or_default().push(*value);
                }
            }
        }
    }
    let mut metrics = json!({});
    for name in names {
        for (instance, values) in found.get(name).into_iter().flatten() {
            metrics[name][*instance] = Value::String(format!("{:.6}", together(name, values)));
        }
    }
    let told = if !known {
        0
    } else if interval < 0 {
        now
    } else {
        interval
    };
    json!({"interval": told, "component": component, "metrics": metrics})
}

/// The values of each minute since the topology was submitted that begins in this stretch of time.
pub fn timeline(job: &Job, query: &Query, (start, end): (i64, i64), write: impl Fn(f64) -> Value) -> Value {
    let component = query.get("component").unwrap_or_default();
    let (names, instances) = (query.all("metricname"), query.all("instance"));
    let first = job.submitted.as_second();
    let minute = |time: Timestamp| first + (time.as_second() - first).div_euclid(60) * 60;
    let mut found: BTreeMap<(&str, &str, i64), Vec<f64>> = BTreeMap::new();
    for sample in job.samples.iter().filter(|sample| (start..=end).contains(&minute(sample.time))) {
        for (instance, values) in sample.values.get(component).into_iter().flatten() {
            if !instances.is_empty() && !instances.contains(&instance.as_str()) {
                continue;
            }
            for name in &names {
                if let Some(value) = values.get(*name) {
                    found.entry((name, instance, minute(sample.time))).or_default().push(*value);
                }
            }
        }
    }
    let mut metrics = json!({});
    for ((name, instance, minute), values) in found {
        metrics[name][instance][minute.to_string()] = write(together(name, &values));
    }
    json!({"starttime": start, "endtime": end, "component": component, "timeline": metrics})
}

fn together(name: &str, values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    if name.contains("-latency") {
        sum / values.len() as f64
    } else if name.contains("-count") || name.contains("-time-ns") || name.contains("back_pressure") {
        sum
    } else {
        values.last().copied().unwrap_or_default()
    }
}
