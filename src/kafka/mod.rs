//! Kafka: connections, topics, offsets.
