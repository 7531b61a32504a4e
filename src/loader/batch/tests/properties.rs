//! What holds of any records, and of any bytes.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::{option, sample};

use super::super::{Batch, Builder, Codec, RunHeader, split};
use super::hand::{Hand, Owned};
use super::{CODECS, all, only, read, rebuilt};

fn some_bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..20), vec(b'a'..=b'c', 0..most)]
}

fn timestamp() -> impl Strategy<Value = i64> {
    let now = 1_700_000_000_000_i64;
    prop_oneof![now..now + 100_000, sample::select(vec![-1, 0, 1, i64::MIN, i64::MAX]), any::<i64>()]
}

fn record() -> impl Strategy<Value = Owned> {
    let headers = vec((some_bytes(10), option::of(some_bytes(100))), 0..4);
    (timestamp(), option::of(some_bytes(300)), option::of(some_bytes(5_000)), headers)
        .prop_map(|(timestamp, key, value, headers)| Owned { offset: 0, timestamp, key, value, headers })
}

/// Records whose offsets have gaps, or none.
fn records() -> impl Strategy<Value = Vec<Owned>> {
    (vec((record(), 1..4_i64), 1..60), 0..1_i64 << 40, any::<bool>()).prop_map(|(records, mut offset, gaps)| {
        let place = |(record, gap)| {
            offset += if gaps { gap } else { 1 };
            Owned { offset, ..record }
        };
        records.into_iter().map(place).collect()
    })
}

fn codec() -> impl Strategy<Value = Codec> {
    sample::select(CODECS.to_vec())
}

/// The records as they are after they were built anew.
fn renumbered(records: &[Owned], run: Option<&str>) -> Vec<Owned> {
    let mut records = records.to_vec();
    for (number, record) in records.iter_mut().enumerate() {
        record.offset = number as i64;
        record.headers.extend(run.map(|run| (b"streamgauge-run".to_vec(), Some(run.as_bytes().to_vec()))));
    }
    records
}

/// Does with a batch all that can be done.
fn use_up(batch: &Batch) {
    let _ = batch.control();
    let _ = batch.is_forwardable().then(|| batch.forward(1, 1, 1));
    let _ = batch.records().and_then(all);
    let mut builder = Builder::new(Codec::None, Some(RunHeader::new("run")));
    if let Ok(mut records) = batch.records() {
        while let Ok(Some(record)) = records.next_record() {
            builder.push(&record);
        }
    }
}

/// The same bytes with a checksum that is right.
fn resealed(mut batch: Vec<u8>) -> Bytes {
    if batch.len() >= 21 {
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    batch.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_read_as_they_were_written(records in records()) {
        let batch = only(Hand::of(records.clone()).bytes());
        prop_assert_eq!(batch.record_count() as usize, records.len());
        prop_assert_eq!(batch.next_offset(), records[records.len() - 1].offset + 1);
        prop_assert_eq!(read(batch.records().unwrap()), records);
    }

    #[test]
    fn rebuilt_records_are_the_same_whatever_the_codec(records in records(), codec in codec(), run in option::of("[a-z0-9-]{0,40}")) {
        let batch = only(Hand::of(records.clone()).bytes());
        let mut builder = Builder::new(codec, run.as_deref().map(RunHeader::new));
        let built = only(rebuilt(&batch, &mut builder));
        prop_assert_eq!(read(built.records().unwrap()), renumbered(&records, run.as_deref()));
        prop_assert_eq!(built.max_timestamp(), records.iter().map(|record| record.timestamp).fold(-1, i64::max));
        prop_assert!(built.is_forwardable());
    }

    #[test]
    fn a_batch_is_never_larger_than_its_builder_said(records in records(), codec in codec(), run in option::of("[a-z]{0,9}")) {
        let batch = only(Hand::of(records).bytes());
        let mut builder = Builder::new(codec, run.as_deref().map(RunHeader::new));
        let mut records = batch.records().unwrap();
        while let Some(record) = records.next_record().unwrap() {
            let most = builder.len_bytes() + builder.most(&record);
            builder.push(&record);
            prop_assert!(builder.len_bytes() <= most);
        }
        let most = builder.len_bytes();
        prop_assert!(builder.finish(1, 0, 0).unwrap().len() <= most);
    }

    #[test]
    fn forwarding_keeps_the_records_bytes(records in records(), codec in codec()) {
        let built = rebuilt(&only(Hand::of(records.clone()).bytes()), &mut Builder::new(codec, None));
        let sent = only(built.clone()).forward(11, 2, 33);
        prop_assert_eq!(&sent[61..], &built[61..]);
        prop_assert_eq!(read(only(sent).records().unwrap()), renumbered(&records, None));
    }

    #[test]
    fn no_damage_makes_a_panic(records in vec(record(), 1..6), codec in codec(), cut in any::<sample::Index>(), flips in vec(any::<(sample::Index, u8)>(), 0..4)) {
        let mut damaged = rebuilt(&only(Hand::of(renumbered(&records, None)).bytes()), &mut Builder::new(codec, None)).to_vec();
        for (at, bits) in flips {
            let at = at.index(damaged.len());
            damaged[at] ^= bits;
        }
        damaged.truncate(cut.index(damaged.len()) + 1);
        split(damaged.clone().into()).flatten().for_each(|batch| use_up(&batch));
        split(resealed(damaged)).flatten().for_each(|batch| use_up(&batch));
    }

    #[test]
    fn no_payload_makes_a_panic(payload in vec(any::<u8>(), 0..200), codec in codec(), count in 0..100_i32) {
        let hand = Hand { attributes: codec as i16, payload: Some(payload), count: Some(count), last_offset_delta: Some(100), ..Hand::default() };
        use_up(&only(hand.bytes()));
    }
}
