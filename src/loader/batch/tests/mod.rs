//! Batches of Java's, batches made by hand, and any batches at all.

mod hand;
mod java;
mod properties;

use bytes::Bytes;

use super::{Batch, Builder, Codec, Error, Marker, Records, RunHeader, split};
use hand::{Hand, Owned, owned};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn bytes(hex: &str) -> Bytes {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap() as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

fn only(bytes: Bytes) -> Batch {
    let batches: Vec<_> = split(bytes).collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.len(), 1);
    batches.into_iter().next().unwrap()
}

fn refusal(bytes: Bytes) -> String {
    split(bytes).find_map(Result::err).map_or_else(String::new, |error| error.to_string())
}

fn read(records: Records) -> Vec<Owned> {
    all(records).unwrap()
}

fn all(mut records: Records) -> Result<Vec<Owned>, Error> {
    let mut all = Vec::new();
    while let Some(record) = records.next_record()? {
        all.push(owned(&record)?);
    }
    Ok(all)
}

fn rebuilt(batch: &Batch, builder: &mut Builder) -> Bytes {
    let mut records = batch.records().unwrap();
    while let Some(record) = records.next_record().unwrap() {
        builder.push(&record);
    }
    builder.finish(7, 3, 40).unwrap()
}

/// The records of Java's batches, as its file says.
fn known() -> Vec<Owned> {
    let header = |value: Option<&str>| (b"h".to_vec(), value.map(|value| value.as_bytes().to_vec()));
    vec![
        Owned { offset: 100, timestamp: 1000, key: Some(b"k".to_vec()), value: Some(vec![b'a'; 100]), headers: vec![] },
        Owned {
            offset: 101,
            timestamp: 999,
            key: None,
            value: Some(vec![]),
            headers: vec![header(Some("1")), header(None)],
        },
        Owned { offset: 102, timestamp: -1, key: Some(vec![]), value: None, headers: vec![] },
    ]
}

#[test]
fn what_java_compresses_reads_as_it_was() {
    for (codec, hex) in CODECS.into_iter().zip([java::PLAIN, java::GZIP, java::SNAPPY, java::LZ4, java::ZSTD]) {
        let batch = only(bytes(hex));
        assert_eq!(batch.codec(), codec);
        assert_eq!(read(batch.records().unwrap()), known(), "{codec}");
    }
}

#[test]
fn a_batch_knows_where_it_stands_and_who_wrote_it() {
    let batch = only(bytes(java::TRANSACTIONAL));
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.next_offset()), (100, 102, 103));
    assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (7, 3, 40));
    assert_eq!((batch.record_count(), batch.max_timestamp(), batch.len()), (3, 1000, java::TRANSACTIONAL.len() / 2));
    assert!(batch.is_transactional() && !batch.is_control());
    assert!(!only(bytes(java::PLAIN)).is_transactional());
}

#[test]
fn a_rebuilt_batch_is_what_java_would_send() {
    let java = bytes(java::PLAIN);
    let built = rebuilt(&only(java.clone()), &mut Builder::new(Codec::None, None));
    // Where it will stand, and under which leader, is for the broker to say.
    assert_eq!(built[..8], 0_i64.to_be_bytes());
    assert_eq!(built[8..12], java[8..12]);
    assert_eq!(built[12..16], (-1_i32).to_be_bytes());
    assert_eq!(built[16..], java[16..]);
}

#[test]
fn a_marker_says_how_the_transaction_of_its_producer_ended() {
    for (hex, marker) in [(java::ABORT, Marker::Abort), (java::COMMIT, Marker::Commit)] {
        let batch = only(bytes(hex));
        assert!(batch.is_control() && batch.is_transactional() && !batch.is_forwardable());
        assert_eq!(batch.control().unwrap(), Some(marker));
        assert_eq!((batch.producer_id(), batch.base_offset(), batch.next_offset()), (7, 5, 6));
    }
    assert_eq!(only(bytes(java::PLAIN)).control().unwrap(), None);
}

#[test]
fn a_control_record_of_another_kind_is_no_marker() {
    let record = Owned { key: Some(vec![0, 0, 0, 2]), ..Owned::default() };
    let batch = only(Hand { attributes: 1 << 5, ..Hand::of(vec![record]) }.bytes());
    assert_eq!(batch.control().unwrap(), None);
}

#[test]
fn records_of_append_time_have_the_brokers_time_and_keep_it() {
    let batch = only(bytes(java::APPEND_TIME));
    let time = batch.max_timestamp();
    assert!(!batch.is_forwardable(), "its records' own timestamps are not what consumers see");
    assert!(read(batch.records().unwrap()).iter().all(|record| record.timestamp == time));
    let rebuilt = only(rebuilt(&batch, &mut Builder::new(Codec::None, None)));
    assert!(rebuilt.is_forwardable());
    assert_eq!(rebuilt.max_timestamp(), time);
    assert!(read(rebuilt.records().unwrap()).iter().all(|record| record.timestamp == time));
}

#[test]
fn a_forwarded_batch_differs_in_its_header_only() {
    for hex in [java::TRANSACTIONAL, java::ZSTD] {
        let batch = only(bytes(hex));
        assert!(batch.is_forwardable());
        let sent = batch.forward(9, 1, 1000);
        assert_eq!(sent[61..], bytes(hex)[61..], "the records go on byte by byte");
        let sent = only(sent);
        assert_eq!((sent.base_offset(), sent.last_offset(), sent.record_count()), (0, 2, 3));
        assert_eq!((sent.producer_id(), sent.producer_epoch(), sent.base_sequence()), (9, 1, 1000));
        assert_eq!((sent.codec(), sent.is_transactional()), (batch.codec(), false));
        assert_eq!(sent.max_timestamp(), 1000);
    }
}

#[test]
fn a_forwarded_batch_has_no_horizon_for_deletes() {
    let batch = only(Hand { attributes: 1 << 6, ..Hand::of(known()) }.bytes());
    assert_eq!(batch.forward(9, 1, 0)[21..23], [0, 0]);
}

#[test]
fn a_compacted_batch_keeps_its_offsets_and_is_not_forwarded() {
    let batch = only(Hand { base_offset: 98, last_offset_delta: Some(9), ..Hand::of(known()) }.bytes());
    assert_eq!((batch.base_offset(), batch.next_offset(), batch.record_count()), (98, 108, 3));
    assert!(!batch.is_forwardable());
    assert_eq!(read(batch.records().unwrap()), known());
    let rebuilt = only(rebuilt(&batch, &mut Builder::new(Codec::None, None)));
    assert!(rebuilt.is_forwardable(), "built batches have no gaps");
    assert_eq!((rebuilt.base_offset(), rebuilt.next_offset()), (0, 3));
}

#[test]
fn a_batch_emptied_by_compaction_has_offsets_but_no_records() {
    let batch = only(Hand { base_offset: 50, last_offset_delta: Some(4), ..Hand::of(vec![]) }.bytes());
    assert_eq!((batch.record_count(), batch.last_offset(), batch.len()), (0, 54, 61));
    assert!(!batch.is_forwardable());
    assert_eq!(read(batch.records().unwrap()), []);
}

#[test]
fn batches_come_in_order_and_one_cut_off_is_left_out() {
    let two = [bytes(java::ABORT), bytes(java::GZIP)].concat();
    let whole: Vec<_> = split(two.clone().into()).map(|batch| batch.unwrap().base_offset()).collect();
    assert_eq!(whole, [5, 100]);
    for length in java::ABORT.len() / 2..two.len() {
        let cut: Vec<_> = split(two[..length].to_vec().into()).map(|batch| batch.unwrap().base_offset()).collect();
        assert_eq!(cut, [5], "cut off at {length}");
    }
    assert!(split(Bytes::new()).next().is_none());
}

#[test]
fn old_message_formats_are_refused_by_number() {
    let mut old = bytes(java::PLAIN).to_vec();
    old[16] = 1;
    let words = refusal(old.into());
    assert!(words.contains("offset 100 has message format 1, only format 2"), "{words}");
}

#[test]
fn damage_is_refused_with_the_offset() {
    for at in [21, 60, 61, 100, 192] {
        let mut damaged = bytes(java::PLAIN).to_vec();
        damaged[at] ^= 0x10;
        let words = refusal(damaged.into());
        assert!(words.contains("batch at offset 100 is damaged: its CRC-32C is 0x"), "{at}: {words}");
    }
}

#[test]
fn after_an_error_there_is_no_batch() {
    let mut damaged = [bytes(java::PLAIN), bytes(java::GZIP)].concat();
    damaged[100] ^= 1;
    let mut batches = split(damaged.into());
    assert!(batches.next().unwrap().is_err());
    assert!(batches.next().is_none());
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let hand = Hand::of(known());
    for (hand, words) in [
        (Hand { base_offset: -5, ..hand.clone() }, "its offsets are negative"),
        (Hand { base_offset: i64::MAX, ..hand.clone() }, "its offsets are negative"),
        (Hand { last_offset_delta: Some(-1), ..hand.clone() }, "its number of records is negative"),
        (Hand { count: Some(-3), ..hand.clone() }, "its number of records is negative"),
        (Hand { length: Some(12), ..hand.clone() }, "its length is less than that of a header"),
        (Hand { length: Some(-1), ..hand.clone() }, "its length is less than that of a header"),
        (Hand { attributes: 5, ..hand.clone() }, "codec 5, which is none of Kafka's"),
    ] {
        let refused = refusal(hand.bytes());
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn records_that_do_not_fit_their_batch_are_refused() {
    let hand = Hand::of(known());
    let most_headers = i32::MAX;
    for hand in [
        Hand { count: Some(2), ..hand.clone() },
        Hand { count: Some(4), ..hand.clone() },
        Hand { last_offset_delta: Some(1), ..hand.clone() },
        Hand { header_count: Some(-1), ..hand.clone() },
        Hand { header_count: Some(1), ..hand.clone() },
        Hand { header_count: Some(most_headers), ..hand.clone() },
        Hand { attributes: Codec::Gzip as i16, ..hand.clone() },
        Hand { attributes: Codec::Snappy as i16, ..hand.clone() },
        Hand { attributes: Codec::Lz4 as i16, ..hand.clone() },
        Hand { attributes: Codec::Zstd as i16, ..hand.clone() },
    ] {
        let refused = only(hand.bytes()).records().and_then(all).unwrap_err().to_string();
        assert!(refused.contains("the batch at offset 100 ") || refused.contains("offset 101"), "{refused}");
    }
}

#[test]
fn after_an_error_there_is_no_record() {
    let mut records = only(Hand { header_count: Some(-1), ..Hand::of(known()) }.bytes()).records().unwrap();
    assert!(records.next_record().is_err());
    assert_eq!(records.next_record().unwrap(), None);
}

#[test]
fn few_bytes_do_not_become_more_than_a_batch_may_have() {
    let megabyte = vec![0; 1024 * 1024];
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..257 {
        std::io::Write::write_all(&mut encoder, &megabyte).unwrap();
    }
    let hand = Hand { attributes: Codec::Zstd as i16, payload: Some(encoder.finish().unwrap()), ..Hand::of(known()) };
    let refused = only(hand.bytes()).records().unwrap_err();
    assert!(refused.to_string().ends_with("decompresses to more than 268435456 bytes"), "{refused}");
    // Snappy says beforehand how much it will be: here 4 GiB less one byte.
    let hand = Hand {
        attributes: Codec::Snappy as i16,
        payload: Some(vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
        ..Hand::of(known())
    };
    assert!(matches!(only(hand.bytes()).records().unwrap_err(), Error::Bomb { .. }));
}

#[test]
fn snappy_of_one_unframed_block_is_read_too() {
    let plain = Hand::of(known()).bytes();
    let block = snap::raw::Encoder::new().compress_vec(&plain[61..]).unwrap();
    let batch = only(Hand { attributes: Codec::Snappy as i16, payload: Some(block), ..Hand::of(known()) }.bytes());
    assert_eq!(read(batch.records().unwrap()), known());
}

#[test]
fn snappy_that_begins_anew_between_blocks_is_read_too() {
    let java = bytes(java::SNAPPY);
    let plain = Hand::of(known()).bytes();
    let half = (plain.len() - 61) / 2;
    let framed = |records: &[u8]| {
        let block = snap::raw::Encoder::new().compress_vec(records).unwrap();
        [&java[61..77], &(block.len() as u32).to_be_bytes(), &block].concat()
    };
    let payload = [framed(&plain[61..61 + half]), framed(&plain[61 + half..])].concat();
    let batch = only(Hand { attributes: Codec::Snappy as i16, payload: Some(payload), ..Hand::of(known()) }.bytes());
    assert_eq!(read(batch.records().unwrap()), known());
}

#[test]
fn what_does_not_compress_goes_as_it_is() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    let value = Some((0..2000).map(|_| noise()).collect());
    let plain = Hand::of(vec![Owned { value, ..Owned::default() }]).bytes();
    for codec in CODECS {
        let built = rebuilt(&only(plain.clone()), &mut Builder::new(codec, None));
        assert!(built[61..] == plain[61..], "{codec}");
        assert_eq!(only(built).codec(), Codec::None);
    }
}

#[test]
fn the_runs_header_comes_after_a_records_own() {
    let run = RunHeader::new("r-1");
    let batch = only(bytes(java::LZ4));
    let marked = only(rebuilt(&batch, &mut Builder::new(Codec::None, Some(run.clone()))));
    let mut expected = known();
    for (number, record) in expected.iter_mut().enumerate() {
        record.offset = number as i64;
        record.headers.push((b"streamgauge-run".to_vec(), Some(b"r-1".to_vec())));
    }
    assert_eq!(read(marked.records().unwrap()), expected);
}

#[test]
fn one_builder_makes_one_batch_after_the_other() {
    for codec in CODECS {
        let mut builder = Builder::new(codec, None);
        let batch = only(bytes(java::PLAIN));
        let first = rebuilt(&batch, &mut builder);
        assert_eq!((builder.count(), builder.len_bytes()), (0, 61));
        let second = rebuilt(&batch, &mut builder);
        assert_eq!(first, second, "{codec}");
        assert_eq!(only(second).codec(), codec);
    }
}

#[test]
fn a_batch_of_compacted_records_says_the_largest_timestamp_it_still_has() {
    let mut records = known();
    for record in &mut records {
        record.timestamp = -1;
    }
    let batch = only(Hand { max_timestamp: Some(5000), ..Hand::of(records) }.bytes());
    assert_eq!(only(rebuilt(&batch, &mut Builder::new(Codec::None, None))).max_timestamp(), -1);
}
