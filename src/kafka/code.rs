//! The brokers' error codes, in words for a person.

use kafka_protocol::ResponseError;

/// The error that a broker's code stands for; none for 0.
pub fn code(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code)
}

/// An error of a broker as a person reads it, with Kafka's own name for it, by which it can be looked up.
pub fn words(error: &ResponseError) -> String {
    use ResponseError as E;
    let meaning = match error {
        E::UnknownServerError => "the broker failed in a way it has no words for; its log tells more",
        E::OffsetOutOfRange => "the offset is not in the log any more",
        E::CorruptMessage => "the records did not arrive whole, or have no key where the topic is compacted",
        E::UnknownTopicOrPartition => "the broker has no such topic or partition",
        E::LeaderNotAvailable => "the partition has no leader just now",
        E::NotLeaderOrFollower => "the broker is not the partition's leader any more",
        E::RequestTimedOut => "the broker did not finish in time",
        E::BrokerNotAvailable => "the broker is not available",
        E::ReplicaNotAvailable => "the replica is not available",
        E::MessageTooLarge => "a batch is larger than the topic's max.message.bytes allows",
        E::InvalidTopicException => "the topic's name is not valid, or the topic is Kafka's own",
        E::RecordListTooLarge => "a batch is larger than the topic's segment.bytes allows",
        E::NotEnoughReplicas => "fewer replicas are in sync than the topic's min.insync.replicas",
        E::NotEnoughReplicasAfterAppend => {
            "written, but fewer replicas are in sync than the topic's min.insync.replicas"
        }
        E::TopicAuthorizationFailed => "the principal may not do this with the topic",
        E::GroupAuthorizationFailed => "the principal may not use this group",
        E::ClusterAuthorizationFailed => "the principal may not do this with the cluster",
        E::InvalidTimestamp => "a timestamp is further off than the topic's message.timestamp.*.max.ms allow",
        E::UnsupportedSaslMechanism => "the listener does not take this SASL mechanism",
        E::IllegalSaslState => "the listener did not expect this at this point of the authentication",
        E::UnsupportedVersion => "the broker does not speak this version of the request",
        E::TopicAlreadyExists => "there is a topic of this name already",
        E::InvalidPartitions => "the number of partitions is not valid",
        E::InvalidReplicationFactor => "there are fewer brokers than replicas asked for",
        E::InvalidConfig => "the topic's settings are not valid",
        E::NotController => "the broker is not the controller any more",
        E::InvalidRequest => "the broker could not make sense of the request",
        E::UnsupportedForMessageFormat => "the topic's records are in a format too old for this",
        E::PolicyViolation => "the cluster's policy forbids it",
        E::OutOfOrderSequenceNumber => "a batch before this one is missing",
        E::DuplicateSequenceNumber => "the batch was written already",
        E::InvalidProducerEpoch => "another producer has taken over this producer id",
        E::KafkaStorageError => "the broker cannot use its disk",
        E::SaslAuthenticationFailed => "wrong credentials",
        E::UnknownProducerId => "the broker has forgotten this producer id",
        E::FencedLeaderEpoch => "the partition has a newer leader",
        E::UnknownLeaderEpoch => "the broker has not yet heard of the partition's leader",
        E::UnsupportedCompressionType => "the topic does not take this compression",
        E::ThrottlingQuotaExceeded => "the cluster's quota is used up for now",
        E::InvalidRecord => "the broker does not accept a record as it is",
        E::Unknown(code) => return format!("the broker answers with the error code {code}, which is not known here"),
        _ => return name(error),
    };
    format!("{meaning} ({})", name(error))
}

/// Kafka's own name of an error: `TOPIC_AUTHORIZATION_FAILED`.
pub fn name(error: &ResponseError) -> String {
    let mut name = String::new();
    for (at, letter) in error.to_string().chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_in_words_and_by_kafkas_name() {
        let said = |number| words(&code(number).unwrap());
        assert_eq!(code(0), None);
        assert_eq!(said(29), "the principal may not do this with the topic (TOPIC_AUTHORIZATION_FAILED)");
        assert_eq!(said(82), "FENCED_INSTANCE_ID");
        assert_eq!(said(9999), "the broker answers with the error code 9999, which is not known here");
    }
}
