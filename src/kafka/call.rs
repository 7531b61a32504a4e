//! The requests we use, and the versions of them we speak.

use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::Request;

/// A request we use. A link takes the highest version that both we and the broker speak.
pub trait Call: Request {
    /// Its name in Kafka's protocol.
    const NAME: &'static str;
    /// The lowest version that does what we need.
    const MIN: i16;
    /// The highest version we speak.
    const MAX: i16;
}

macro_rules! calls {
    ($($request:ident $name:literal $min:literal..=$max:literal,)*) => {
        $(impl Call for $request {
            const NAME: &'static str = $name;
            const MIN: i16 = $min;
            const MAX: i16 = $max;
        })*
    };
}

calls! {
    ApiVersionsRequest "ApiVersions" 0..=3,
    // From 4 on a topic is not created by asking about it.
    MetadataRequest "Metadata" 4..=12,
    // From 2 on the last stable offset can be asked for.
    ListOffsetsRequest "ListOffsets" 2..=7,
    // Up to these versions topics go by name, afterwards by id.
    FetchRequest "Fetch" 4..=12,
    ProduceRequest "Produce" 3..=9,
    InitProducerIdRequest "InitProducerId" 0..=4,
    CreateTopicsRequest "CreateTopics" 2..=7,
    // Version 0 goes on with frames of its own instead of SaslAuthenticate.
    SaslHandshakeRequest "SaslHandshake" 1..=1,
    SaslAuthenticateRequest "SaslAuthenticate" 0..=2,
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::Message;

    use super::*;

    #[test]
    fn every_version_we_speak_can_be_encoded() {
        fn known<R: Call>() {
            let request = R::VERSIONS;
            assert!(R::MIN >= request.min && R::MAX <= request.max && R::MIN <= R::MAX, "{}: {request}", R::NAME);
            let answer = R::Response::VERSIONS;
            assert!(R::MIN >= answer.min && R::MAX <= answer.max, "{}'s answer: {answer}", R::NAME);
        }
        known::<ApiVersionsRequest>();
        known::<MetadataRequest>();
        known::<ListOffsetsRequest>();
        known::<FetchRequest>();
        known::<ProduceRequest>();
        known::<InitProducerIdRequest>();
        known::<CreateTopicsRequest>();
        known::<SaslHandshakeRequest>();
        known::<SaslAuthenticateRequest>();
    }
}
