//! Builds batches of records that were read from others.

use bytes::Bytes;

use super::compress::Compressor;
use super::cursor::{append, append_nullable, put, width, zigzag, zigzag_long};
use super::header::{self, Header};
use super::{Codec, Error, Record};

/// The most bytes of a record before its key: its length, its attributes, timestamp and offset.
const MOST_BEFORE_KEY: usize = 5 + 1 + 10 + 5;

/// The most bytes that the number of headers grows by when there is one more.
const MOST_COUNT_GROWTH: usize = 1;

/// What a record or a batch has for a timestamp when it has none.
const NO_TIMESTAMP: i64 = -1;

/// The header that tells the records of a run from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHeader {
    /// The number of headers of a record that has only this one, and that header.
    alone: Vec<u8>,
}

impl RunHeader {
    /// Its key.
    pub const KEY: &str = "streamgauge-run";

    /// The header of the run with this id.
    pub fn new(run: &str) -> Self {
        let mut alone = Vec::new();
        append(&mut alone, zigzag(1));
        append_nullable(&mut alone, Some(Self::KEY.as_bytes()));
        append_nullable(&mut alone, Some(run.as_bytes()));
        Self { alone }
    }

    /// Key and value as they are encoded.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.alone[1..]
    }
}

/// A batch in the making. One builder makes one batch after the other.
pub struct Builder {
    compressor: Compressor,
    run: Option<RunHeader>,
    /// Room for the batch's header, then the records.
    buffer: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl Builder {
    /// A builder of batches whose records are compressed with `codec` and get the header `run`.
    pub fn new(codec: Codec, run: Option<RunHeader>) -> Self {
        let buffer = vec![0; header::LENGTH];
        Self {
            compressor: Compressor::new(codec),
            run,
            buffer,
            count: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// How many records were pushed.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// How many bytes the batch has before it is compressed. The finished batch is never larger.
    pub fn len_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The most that [`len_bytes`](Self::len_bytes) can grow by with this record.
    pub fn most(&self, record: &Record<'_>) -> usize {
        let header = self.run.as_ref().map_or(0, |run| MOST_COUNT_GROWTH + run.encoded().len());
        MOST_BEFORE_KEY + record.tail.len() + header
    }

    /// Adds a record: its timestamp, key, value and headers as they are, then this run's header.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>) {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        let delta = record.timestamp.wrapping_sub(self.base_timestamp);
        match &self.run {
            None => write(&mut self.buffer, delta, self.count, [record.tail]),
            // Most records have no headers of their own.
            Some(run) if record.header_count == 0 => {
                write(&mut self.buffer, delta, self.count, [record.fields, &run.alone]);
            }
            Some(run) => {
                let mut count = [0; 5];
                let length = put(&mut count, 0, zigzag(record.header_count.wrapping_add(1)));
                write(
                    &mut self.buffer,
                    delta,
                    self.count,
                    [record.fields, &count[..length], record.headers, run.encoded()],
                );
            }
        }
        self.count += 1;
    }

    /// The batch of all records pushed so far, at least one, as this producer sends it. The builder begins a new one.
    pub fn finish(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Result<Bytes, Error> {
        let (codec, mut batch) = self.compressor.compress(&mut self.buffer)?;
        let bytes = batch.len();
        let header = Header {
            base_offset: 0,
            length: i32::try_from(bytes - header::PREFIX).map_err(|_| Error::TooLarge { bytes })?,
            leader_epoch: -1,
            crc: 0,
            attributes: codec as i16,
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            count: self.count,
        };
        header.seal(&mut batch);
        self.count = 0;
        self.max_timestamp = NO_TIMESTAMP;
        Ok(batch.into())
    }
}

/// Appends a record whose fields from the key on are `pieces`.
#[inline(always)]
fn write<const N: usize>(buffer: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i32, pieces: [&[u8]; N]) {
    let (timestamp, offset) = (zigzag_long(timestamp_delta), zigzag(offset_delta));
    let rest: usize = pieces.iter().map(|piece| piece.len()).sum();
    let length = 1 + width(timestamp) + width(offset) + rest;
    let start = buffer.len();
    buffer.reserve(MOST_BEFORE_KEY + rest);
    // Written in place: what was just written byte by byte is slow to copy.
    buffer.extend_from_slice(&[0; MOST_BEFORE_KEY]);
    let numbers = &mut buffer[start..];
    let attributes = put(numbers, 0, zigzag(length as i32));
    let at = put(numbers, attributes + 1, timestamp);
    let at = put(numbers, at, offset);
    buffer.truncate(start + at);
    for piece in pieces {
        buffer.extend_from_slice(piece);
    }
}
