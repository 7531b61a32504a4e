//! What librdkafka says: its logs, and the last reason it gave for trouble.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The context of a Kafka client: sends librdkafka's logs to ours and keeps the last reason it gave for trouble, because
/// the error codes that calls return ("Local: Timed out") hide it ("Connect to … failed: Connection refused").
#[derive(Debug, Clone, Default)]
pub struct Words(Arc<Mutex<Option<String>>>);

impl Words {
    /// The reason last given for trouble, if there was any; otherwise the error itself.
    pub fn explain(&self, error: &KafkaError) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone().unwrap_or_else(|| describe(error))
    }
}

/// An error without rdkafka's own wrapping: the broker's or librdkafka's sentence alone.
pub fn describe(error: &KafkaError) -> String {
    match (error, error.rdkafka_error_code()) {
        (KafkaError::ClientCreation(reason), _) => reason.clone(),
        (_, Some(code)) => code.to_string(),
        _ => error.to_string(),
    }
}

impl ClientContext for Words {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if (level as i32) <= (RDKafkaLogLevel::Warning as i32) {
            tracing::warn!("librdkafka {facility}: {message}");
        } else {
            tracing::debug!("librdkafka {facility}: {message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("librdkafka: {error}: {reason}");
        // "1/1 brokers are down" follows the reason why and must not hide it; the end of a partition is no trouble.
        let code = error.rdkafka_error_code();
        if !matches!(code, Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::PartitionEOF)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Words {}
