//! The production stand-in's records: ad events, the same bytes for the same seed.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

/// How far the records' timestamps reach back from their end.
const SPAN: SignedDuration = SignedDuration::from_hours(3);
/// The seed of all sandboxes.
const SEED: u64 = 0x5EED_AD5E_7E57_0001;

const COUNTRIES: [&str; 10] = ["US", "DE", "JP", "BR", "GB", "FR", "IN", "KR", "CA", "AU"];
const SOURCES: [&str; 4] = ["web", "ios", "android", "tv"];
const USER_AGENTS: [&str; 6] = [
    "curl/8.5.0",
    "AdsSdk/4.12 (tvOS 17.1)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36",
];

/// One record as it goes to Kafka.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Event {
    /// The user's id; some events have none.
    pub key: Option<String>,
    /// The event as JSON, 100 to 400 bytes.
    pub value: String,
    /// Milliseconds since the epoch; never less than the record's before.
    pub timestamp: i64,
    /// `source`; empty in some records.
    pub source: &'static str,
    /// `schema`; null in some records.
    pub schema: Option<&'static str>,
}

/// Makes events one after the other, each into the same buffers.
#[derive(Debug)]
pub struct Events {
    random: u64,
    index: u64,
    count: u64,
    start: i64,
    event: Event,
}

impl Events {
    /// `count` events, the last of them at `end`.
    pub fn new(count: u64, end: Timestamp) -> Self {
        let start = end.as_millisecond() - SPAN.as_millis() as i64;
        Self { random: SEED, index: 0, count, start, event: Event::default() }
    }

    /// The next event.
    pub fn advance(&mut self) -> Option<&Event> {
        if self.index == self.count {
            return None;
        }
        let index = self.index;
        self.index += 1;
        let user = self.below(200_000);
        let kind = match self.below(1000) {
            0..=4 => "conversion",
            5..=44 => "click",
            _ => "impression",
        };
        let (campaign, ad) = (self.below(400), self.below(9000));
        let price = self.below(9_999_999) + 1;
        let (country, agent) = (self.below(10) as usize, self.below(6) as usize);
        let source = self.below(4) as usize;
        let id = self.random;
        let event = &mut self.event;
        event.timestamp = self.start + (SPAN.as_millis() as u64 * (index + 1) / self.count) as i64;
        event.key = (!index.is_multiple_of(97)).then(|| format!("u{user:06}"));
        event.source = if index.is_multiple_of(89) { "" } else { SOURCES[source] };
        event.schema = (!index.is_multiple_of(101)).then_some("ad-event/1");
        event.value.clear();
        // Writing to a String cannot fail.
        let _ = write!(
            event.value,
            concat!(
                r#"{{"eventId":"e{:09}-{:016x}","type":"{}","userId":"u{:06}","campaignId":{},"adId":{},"#,
                r#""price":{}.{:06},"timestamp":{},"country":"{}","userAgent":"{}"}}"#
            ),
            index,
            id,
            kind,
            user,
            campaign,
            ad,
            price / 1_000_000,
            price % 1_000_000,
            event.timestamp,
            COUNTRIES[country],
            USER_AGENTS[agent],
        );
        Some(event)
    }

    /// A number below `limit`. SplitMix64: small, fast, and the same on every computer.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// The partition of an event: by its key, so that a user's events keep their order; without a key, in turn.
pub fn partition(event: &Event, index: u64, partitions: u64) -> i32 {
    let number = match &event.key {
        Some(key) => key.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte))),
        None => index,
    };
    (number % partitions) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(count: u64) -> Vec<Event> {
        let mut events = Events::new(count, "2026-01-05T10:00:00Z".parse().unwrap());
        let mut all = Vec::new();
        while let Some(event) = events.advance() {
            all.push(event.clone());
        }
        all
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(all(5000), all(5000));
        assert_eq!(all(5000).len(), 5000);
    }

    #[test]
    fn events_are_json_of_the_promised_size_with_the_odd_ones_among_them() {
        let all = all(5000);
        for event in &all {
            let value: serde_json::Value = serde_json::from_str(&event.value).unwrap();
            assert_eq!(value["timestamp"], event.timestamp);
            assert!((100..=400).contains(&event.value.len()), "{} bytes", event.value.len());
        }
        assert!(all.iter().any(|event| event.key.is_none()));
        assert!(all.iter().any(|event| event.schema.is_none()));
        assert!(all.iter().any(|event| event.source.is_empty()));
        let kinds = |kind: &str| all.iter().filter(|event| event.value.contains(kind)).count();
        assert!(kinds("\"conversion\"") > 0 && kinds("\"click\"") > 0);
    }

    #[test]
    fn timestamps_never_go_back_and_end_where_they_should() {
        let all = all(5000);
        assert!(all.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
        assert_eq!(all[4999].timestamp, "2026-01-05T10:00:00Z".parse::<Timestamp>().unwrap().as_millisecond());
    }
}
