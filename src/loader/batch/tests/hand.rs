//! Batches made by hand, right or wrong: an encoder of its own, as plain as the format's description.

use bytes::Bytes;

use super::super::cursor::Cursor;
use super::super::{Error, Record};

/// A record with all that it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub fn owned(record: &Record<'_>) -> Result<Owned, Error> {
    let vec = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let malformed = Error::Malformed { base_offset: record.offset, what: "its headers do not fit their bytes" };
    let mut cursor = Cursor::new(record.headers);
    let header = |_| Some((cursor.bytes()?.to_vec(), vec(cursor.nullable()?)));
    let headers: Option<Vec<_>> = (0..record.header_count).map(header).collect();
    let Some(headers) = headers.filter(|_| cursor.rest().is_empty()) else { return Err(malformed) };
    Ok(Owned {
        offset: record.offset,
        timestamp: record.timestamp,
        key: vec(record.key),
        value: vec(record.value),
        headers,
    })
}

/// A batch. What is `None` is as it should be.
#[derive(Debug, Clone, Default)]
pub struct Hand {
    pub records: Vec<Owned>,
    pub base_offset: i64,
    pub attributes: i16,
    pub length: Option<i32>,
    pub last_offset_delta: Option<i32>,
    pub max_timestamp: Option<i64>,
    pub count: Option<i32>,
    /// Of each record.
    pub header_count: Option<i32>,
    /// Instead of the records.
    pub payload: Option<Vec<u8>>,
}

impl Hand {
    /// The batch of these records, whose offsets are their own.
    pub fn of(records: Vec<Owned>) -> Self {
        let base_offset = records.first().map_or(0, |record| record.offset);
        Self { records, base_offset, ..Self::default() }
    }

    pub fn bytes(&self) -> Bytes {
        let records = &self.records;
        let base_timestamp = records.first().map_or(-1, |record| record.timestamp);
        let max_timestamp = records.iter().map(|record| record.timestamp).fold(-1, i64::max);
        let span = records.last().map_or(0, |last| (last.offset.wrapping_sub(self.base_offset)) as i32);
        let mut checked = Vec::new();
        checked.extend(self.attributes.to_be_bytes());
        checked.extend(self.last_offset_delta.unwrap_or(span).to_be_bytes());
        checked.extend(base_timestamp.to_be_bytes());
        checked.extend(self.max_timestamp.unwrap_or(max_timestamp).to_be_bytes());
        checked.extend((-1_i64).to_be_bytes());
        checked.extend((-1_i16).to_be_bytes());
        checked.extend((-1_i32).to_be_bytes());
        checked.extend(self.count.unwrap_or(records.len() as i32).to_be_bytes());
        match &self.payload {
            Some(payload) => checked.extend(payload),
            None => records.iter().for_each(|record| self.record(record, base_timestamp, &mut checked)),
        }
        let mut batch = Vec::new();
        batch.extend(self.base_offset.to_be_bytes());
        batch.extend(self.length.unwrap_or(checked.len() as i32 + 9).to_be_bytes());
        batch.extend(0_i32.to_be_bytes());
        batch.push(2);
        batch.extend(crc32c::crc32c(&checked).to_be_bytes());
        batch.extend(checked);
        batch.into()
    }

    fn record(&self, record: &Owned, base_timestamp: i64, batch: &mut Vec<u8>) {
        let mut body = vec![0];
        number(&mut body, record.timestamp.wrapping_sub(base_timestamp));
        number(&mut body, record.offset.wrapping_sub(self.base_offset));
        field(&mut body, record.key.as_deref());
        field(&mut body, record.value.as_deref());
        number(&mut body, self.header_count.map_or(record.headers.len() as i64, i64::from));
        for (key, value) in &record.headers {
            field(&mut body, Some(key));
            field(&mut body, value.as_deref());
        }
        number(batch, body.len() as i64);
        batch.extend(body);
    }
}

fn field(batch: &mut Vec<u8>, bytes: Option<&[u8]>) {
    number(batch, bytes.map_or(-1, |bytes| bytes.len() as i64));
    batch.extend(bytes.unwrap_or_default());
}

fn number(batch: &mut Vec<u8>, number: i64) {
    let mut rest = (number << 1 ^ number >> 63) as u64;
    loop {
        let more = rest >= 0x80;
        batch.push((rest & 0x7f) as u8 | u8::from(more) << 7);
        rest >>= 7;
        if !more {
            return;
        }
    }
}
