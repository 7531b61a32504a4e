//! A whole performance test: deployed, loaded, measured from Flink's own metrics, judged, deleted.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use std::time::Duration;
use streamgauge::report::{EventKind, Report, Status};
use streamgauge::sandbox::kafka;

use crate::bench::Bench;

/// Records a second of the load.
const RATE: u32 = 800;
/// How far a rate may be off, as a share of it. Flink tells its rates by the second and a busy machine tells late, so that of the 24
/// seconds of a load one or two are another's; what is counted twice, or of one instance, is off by far more.
const TOLERANCE: f64 = 0.1;
/// What one transformer carries.
const EACH: &str = "--transformer.records.per.second=500";

impl Bench {
    /// Loads and measures what a run has deployed; returns the exit code of the measurement.
    async fn measure(&self, run: &str) -> Option<i32> {
        let load = self.spawn(run, env!("CARGO_BIN_EXE_deploy-dataloader"), &self.load_words());
        let done = self.end(load).await;
        assert_eq!(done.code, Some(0), "{}", done.log);
        let words = [
            "--endpoint",
            &self.sandbox.endpoints().prometheus_url,
            "--params",
            "scrape_interval=1",
            "export_interval=1",
        ];
        let words = words.map(str::to_owned);
        let child = self.spawn(run, env!("CARGO_BIN_EXE_get-prometheus-metric"), &words);
        self.end(child).await.code
    }

    /// What Prometheus says of the reporters that it scrapes: which of them it could not, and why.
    async fn targets(&self) -> String {
        let url = format!("{}/api/v1/targets", self.sandbox.endpoints().prometheus_url);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    fn load_words(&self) -> Vec<String> {
        let servers = self.servers();
        [
            ["--source-bootstrap-servers", servers],
            ["--source-topic", kafka::SOURCE_TOPIC],
            ["--target-bootstrap-servers", servers],
            ["--target-topic", kafka::TARGET_TOPIC],
            ["--duration-min", "0.4"],
            ["--data-count-per-second", &RATE.to_string()],
            ["--late-after", "30s"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }
}

fn value(report: &Report, name: &str, component: &str) -> f64 {
    let metric = report.metrics.iter().find(|metric| metric.name == name && metric.component == component);
    let metric = metric.unwrap_or_else(|| panic!("no {name} of {component:?}"));
    metric.value.unwrap_or_else(|| panic!("{name} of {component:?}: {:?}", metric.warnings))
}

fn near(found: f64, wanted: f64, tolerance: f64) {
    assert!((found - wanted).abs() <= wanted * tolerance, "{found} is not about {wanted}");
}

pub async fn a_parallelism_that_carries_the_rate_passes(bench: &Bench) {
    let done = bench.deploy("enough", &[], &[EACH, "--transformer.parallelism=4"]).await;
    assert_eq!(done.code, Some(0), "{}", done.log);
    let code = bench.measure("enough").await;
    let report = bench.report("enough");
    let verdict = report.verdict.clone().unwrap();
    if verdict.status == Status::Inconclusive {
        panic!("{verdict:?}; Prometheus says: {}", bench.targets().await);
    }
    assert_eq!((code, verdict.status), (Some(0), Status::Pass), "{verdict:?} {:#?}", report.metrics);
    for component in ["source", "transformer", "sink"] {
        near(value(&report, "tps", component), f64::from(RATE), TOLERANCE);
    }
    near(value(&report, "source_tps", ""), f64::from(RATE), TOLERANCE);
    assert_eq!(value(&report, "instances", "transformer"), 4.0);
    // 800 records/s over 4 instances that carry 500 each.
    near(value(&report, "busy", "transformer"), 40.0, 0.25);
    assert!(value(&report, "back_pressure", "") < 5.0);
    assert!(value(&report, "lag", "") < f64::from(RATE));
    for nothing in ["failures", "restarts", "failed_checkpoints"] {
        assert_eq!(value(&report, nothing, ""), 0.0, "{nothing}");
    }
    assert_eq!(report.app.unwrap().events, []);
    assert_eq!(bench.delete("enough", &[]).await.code, Some(0));
}

pub async fn a_parallelism_that_does_not_fails(bench: &Bench) {
    let done = bench.deploy("little", &[], &[EACH, "--transformer.parallelism=1"]).await;
    assert_eq!(done.code, Some(0), "{}", done.log);
    let code = bench.measure("little").await;
    let report = bench.report("little");
    let verdict = report.verdict.clone().unwrap();
    assert_eq!((code, verdict.status), (Some(1), Status::Fail), "{verdict:?} {:#?}", report.metrics);
    near(value(&report, "tps", "transformer"), 500.0, TOLERANCE);
    assert!(value(&report, "busy", "transformer") > 90.0);
    assert!(value(&report, "back_pressure_by_component", "source") > 20.0);
    assert_eq!(bench.delete("little", &[]).await.code, Some(0));
}

pub async fn a_restart_inside_the_window_is_named(bench: &Bench) {
    let restart = ["restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.attempts=5"];
    let delay = "restart-strategy.fixed-delay.delay=1s";
    let options = ["--config", restart[0], restart[1], delay];
    let done =
        bench.deploy("broken", &options, &[EACH, "--transformer.parallelism=4", "--transformer.malformed=fail"]).await;
    assert_eq!(done.code, Some(0), "{}", done.log);
    bench.poison();
    let code = bench.measure("broken").await;
    let report = bench.report("broken");
    let verdict = report.verdict.clone().unwrap();
    assert!(verdict.status != Status::Pass && code != Some(0), "{verdict:?}");
    assert!(verdict.cause.contains("is no ad event"), "{verdict:?}");
    let events = report.app.unwrap().events;
    let exception = events.iter().find(|event| event.kind == EventKind::Exception).unwrap();
    assert_eq!(exception.component, "transformer");
    assert!(exception.text.starts_with("threw IllegalArgumentException: a record of time "), "{exception:?}");
    assert!(events.iter().any(|event| event.kind == EventKind::Restart), "{events:?}");
    assert_eq!(bench.delete("broken", &[]).await.code, Some(0));
}

impl Bench {
    /// Puts a record that the job cannot read into the middle of what the next load replays, between good ones.
    fn poison(&self) {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.servers()).set("group.id", "poison");
        let consumer: BaseConsumer = client.create().unwrap();
        let mut last = TopicPartitionList::new();
        last.add_partition_offset(kafka::SOURCE_TOPIC, 0, Offset::OffsetTail(1)).unwrap();
        consumer.assign(&last).unwrap();
        let good = consumer.poll(Duration::from_secs(30)).unwrap().unwrap().detach();
        let producer: BaseProducer = client.create().unwrap();
        let send = |partition: i32, value: &[u8]| {
            let record = BaseRecord::<[u8], [u8]>::to(kafka::SOURCE_TOPIC).partition(partition).payload(value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        };
        send(0, b"not an event");
        for number in 0..RATE * 12 {
            send((number % kafka::PARTITIONS as u32) as i32, good.payload().unwrap());
        }
        producer.flush(Duration::from_secs(30)).unwrap();
    }
}
