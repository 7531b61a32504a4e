//! Records as they lie in a partition: librdkafka can neither write nor read the timestamps 0 and -1 (none).

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{FetchRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record as Raw, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use streamgauge::kafka::{self, Cluster, Connection};

use crate::common::{DEADLINE, broker};

/// A record's timestamp, key, value and headers.
pub type Plain = (i64, Option<Bytes>, Option<Bytes>, Vec<(String, Option<Bytes>)>);

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// The leader of a topic's partitions on a cluster of one.
async fn leader(topic: &str) -> kafka::Broker {
    let cluster = Cluster::new(&Connection::new("source", &broker(), None).unwrap(), DEADLINE).unwrap();
    let number = cluster.topic(topic).await.unwrap().partitions[0].leader;
    cluster.broker(number).await.unwrap()
}

/// Writes a batch of records with these timestamps.
pub async fn write_timestamps(topic: &str, partition: i32, timestamps: &[i64]) {
    let record = |(number, &timestamp): (i64, &i64)| Raw {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: number,
        sequence: number as i32,
        timestamp,
        key: Some(Bytes::from(format!("key-{number}"))),
        value: Some(Bytes::from(format!("value-{number} of {timestamps:?}"))),
        headers: [(StrBytes::from_static_str("h"), None)].into_iter().collect(),
    };
    let batch: Vec<Raw> = (0..).zip(timestamps).map(record).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &batch, &options).unwrap();
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(bytes.freeze()));
    let data = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![data]);
    let answer = leader(topic).await.call(request).await.unwrap();
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
}

/// All that a partition holds.
pub async fn read_plain(topic: &str, partition: i32) -> Vec<Plain> {
    let leader = leader(topic).await;
    let (mut read, mut next) = (Vec::new(), 0);
    loop {
        let asked = FetchPartition::default().with_partition(partition).with_fetch_offset(next);
        let asked = asked.with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![asked]);
        let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic]);
        let answer = leader.call(request).await.unwrap();
        let data = &answer.responses[0].partitions[0];
        assert_eq!(data.error_code, 0);
        let mut bytes = data.records.clone().unwrap_or_default();
        let records = RecordBatchDecoder::decode_all(&mut bytes).unwrap().into_iter().flat_map(|set| set.records);
        for record in records.filter(|record| record.offset >= next).collect::<Vec<_>>() {
            let headers = record.headers.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
            read.push((record.timestamp, record.key, record.value, headers));
            next = record.offset + 1;
        }
        if next >= data.high_watermark {
            return read;
        }
    }
}
