//! The packs for Kafka and Flink, on samples as their exporters give them.

use std::fmt::Write as _;

use streamgauge::report::{Status, Verdict};

use crate::server::Server;
use crate::sink::{LOAD, SCRAPE, Topology};
use crate::{PLANNED, before, epoch, measure, near, steady};

/// Kafka as kafka_exporter and the JMX exporter show it: partitions of a topic, which a group does not keep up with; to one that it
/// does not read so many records a second are written.
fn kafka(epoch: i64, unread: f64) -> String {
    let mut out = String::new();
    for time in (0..3900_i64).step_by(SCRAPE as usize) {
        let under_load = (time.min(LOAD.end) - LOAD.start).max(0) as f64;
        let mut line = |name: &str, labels: &str, value: f64| {
            writeln!(out, "{name}{{{labels}}} {value} {}", epoch + time).unwrap();
        };
        for (partition, share) in [(0, 0.25), (1, 0.75)] {
            for group in ["preprocessor", "somebody-else"] {
                let labels = format!(r#"consumergroup="{group}",topic="ads.in",partition="{partition}""#);
                line("kafka_consumergroup_lag", &labels, 100.0 + share * under_load * 200.0);
            }
        }
        // Partitions that the group never committed: an empty one, and one that nobody reads.
        for (partition, written) in [(2, 0.0), (3, unread * under_load)] {
            let labels = format!(r#"consumergroup="preprocessor",topic="ads.in",partition="{partition}""#);
            line("kafka_consumergroup_lag", &labels, -1.0);
            let labels = format!(r#"topic="ads.in",partition="{partition}""#);
            line("kafka_topic_partition_current_offset", &labels, 40.0 + written);
            line("kafka_topic_partition_oldest_offset", &labels, 40.0);
        }
        for (topic, rate) in [("topic=\"ads.in\",", 1000.0), ("topic=\"adsXin\",", 7.0), ("", 5000.0)] {
            for broker in ["a", "b"] {
                let labels = format!(r#"{topic}instance="{broker}:9404""#);
                line("kafka_server_brokertopicmetrics_messagesin_total", &labels, under_load * rate / 2.0);
                line("kafka_server_BrokerTopicMetrics_BytesInPerSec_Count", &labels, under_load * rate * 100.0 / 2.0);
            }
        }
    }
    out
}

#[tokio::test]
async fn the_kafka_pack_sees_what_was_offered_and_not_taken_and_takes_the_place_of_the_spouts_own_lag() {
    let epoch = epoch();
    let samples = Topology { lag_growth: 0.0, ..steady() }.samples(epoch) + &kafka(epoch, 0.0);
    let server = Server::with(&in_order(&samples));
    let mut report = before(epoch, 1000.0, &PLANNED);
    report.load.as_mut().unwrap().target = "ads.in".into();
    let more = ["topology=preprocessor", "group=preprocessor", "--pack=heron,kafka"];
    let measured = measure(&server.endpoint, &report, &more).await;
    near("lag growth", measured.value("lag_growth", ""), 200.0, 0.1);
    near("lag", measured.value("lag", ""), 200.0 + 200.0 * (LOAD.end - LOAD.start) as f64, 0.1);
    let worst = 100.0 + 150.0 * (LOAD.end - LOAD.start) as f64;
    near("worst partition", measured.value("lag_of_worst_partition", ""), worst, 0.1);
    near("messages in", measured.value("messages_in", ""), 1000.0, 0.5);
    near("bytes in", measured.value("bytes_in", ""), 100_000.0, 0.5);
    near("spouts", measured.value("spout_tps", ""), 1000.0, 0.1);
    let report = measured.report();
    // Nobody exports what goes out.
    assert!(report.metrics.iter().all(|metric| metric.name != "bytes_out"));
    let growth = report.metrics.iter().find(|metric| metric.name == "lag_growth").unwrap();
    let (low, high) = growth.interval.unwrap();
    assert!(low <= 200.0 && 200.0 <= high && high - low < 2.0, "{low} to {high}");
    assert_eq!(measured.verdict().status, Status::Fail, "{}", measured.verdict().cause);
    assert_eq!(measured.verdict().cause, "lag growth 200/s (200 to 200/s), demanded at most 10/s");
}

#[tokio::test]
async fn a_partition_that_nobody_reads_grows_and_one_of_unknown_size_is_unknown() {
    let epoch = epoch();
    let whole = in_order(&kafka(epoch, 125.0));
    let without_sizes: Vec<&str> = whole.lines().filter(|line| !line.starts_with("kafka_topic_partition")).collect();
    let mut report = before(epoch, 1000.0, &[]);
    report.load.as_mut().unwrap().target = "ads.in".into();
    let more = ["--pack=kafka", "--params", "group=preprocessor"];
    let server = Server::with(&whole);
    let measured = crate::measure_with(&server.endpoint, &report, &more).await;
    near("lag growth", measured.value("lag_growth", ""), 325.0, 0.1);
    let server = Server::with(&(without_sizes.join("\n") + "\n"));
    let measured = crate::measure_with(&server.endpoint, &report, &more).await;
    let Verdict { status, cause } = measured.verdict();
    assert_eq!(status, Status::Inconclusive);
    assert!(cause.starts_with("lag growth is not known: ") && cause.contains("are no numbers"), "{cause}");
}

/// A Flink job of a source chained with a transformer, as the reporter shows it: operators and their task, counters as gauges, a
/// restart of one subtask in the middle, percentiles of latency markers.
fn flink(epoch: i64) -> String {
    let mut out = String::new();
    let job = r#"job_id="ab12",job_name="my_job""#;
    let restart = LOAD.start + 900;
    for time in (0..3900_i64).step_by(SCRAPE as usize) {
        let mut line = |name: &str, labels: &str, value: f64| {
            writeln!(out, "flink_{name}{{{job},{labels}}} {value} {}", epoch + time).unwrap();
        };
        for subtask in 0..2 {
            // A restart begins new series from 0.
            let (attempt, since) = if time >= restart && subtask == 1 { ("c1", restart) } else { ("c0", LOAD.start) };
            let done = 500.0 * (time.min(LOAD.end) - since).max(0) as f64;
            let task = format!(r#"task_id="t1",task_attempt_id="{attempt}",subtask_index="{subtask}""#);
            line("taskmanager_job_task_numRecordsIn", &task, 0.0);
            line("taskmanager_job_task_numRecordsOut", &task, done);
            for operator in ["Source:_ads_in", "transformer"] {
                let labels = format!(r#"{task},operator_id="{operator}",operator_name="{operator}""#);
                let taken = if operator == "transformer" { done } else { 0.0 };
                line("taskmanager_job_task_operator_numRecordsIn", &labels, taken);
                line("taskmanager_job_task_operator_numRecordsOut", &labels, done);
            }
            for (quantile, ms) in [("0.5", 5.0), ("0.99", 40.0 + 20.0 * f64::from(subtask))] {
                let labels = format!(
                    r#"operator_id="o",source_id="s",operator_subtask_index="{subtask}",quantile="{quantile}""#
                );
                line("taskmanager_job_latency_source_id_operator_id_operator_subtask_index_latency", &labels, ms);
            }
        }
        line("jobmanager_job_numRestarts", r#"host="jm""#, if time >= restart { 1.0 } else { 0.0 });
    }
    out
}

#[tokio::test]
async fn a_flink_job_is_counted_once_and_its_percentiles_are_not_averaged() {
    let epoch = epoch();
    let server = Server::with(&in_order(&flink(epoch)));
    let mut report = before(epoch, 1000.0, &[]);
    (report.app.as_mut().unwrap().engine, report.app.as_mut().unwrap().name) = ("flink".into(), "my job".into());
    let measured = crate::measure_with(&server.endpoint, &report, &["--pack=flink"]).await;
    // Neither the task beside its operators nor the restart counts twice.
    near("source", measured.value("tps", "ads_in"), 1000.0, 1.0);
    near("transformer", measured.value("tps", "transformer"), 1000.0, 1.0);
    near("sources", measured.value("source_tps", ""), 1000.0, 1.0);
    assert_eq!(measured.value("latency_p99", ""), 60.0);
    assert_eq!(measured.value("restarts", ""), 1.0);
}

/// Samples in the order of time, as OpenMetrics wants them; within a moment as they are.
fn in_order(samples: &str) -> String {
    let time = |line: &str| line.rsplit(' ').next().and_then(|time| time.parse::<i64>().ok()).unwrap();
    let mut lines: Vec<&str> = samples.lines().collect();
    lines.sort_by_key(|line| time(line));
    lines.join("\n") + "\n"
}
