//! Batches as they are fetched.

use bytes::{Buf, Bytes, BytesMut};

use super::decompress::{Trouble, decompress};
use super::header::{self, Header};
use super::{Codec, Error, Records};

/// The most bytes that the records of one batch may have: more is an attack, or garbage.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// A whole batch as fetched, its bytes checked.
#[derive(Debug, Clone)]
pub struct Batch {
    header: Header,
    codec: Codec,
    bytes: Bytes,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Its records are to be left out.
    Abort,
    /// Its records count.
    Commit,
}

/// Splits fetched bytes into batches, in their order and without copying. A batch that is cut off at the end is left
/// out, as brokers cut off what is larger than asked for. After an error there is nothing more.
pub fn split(bytes: Bytes) -> Split {
    Split { bytes }
}

/// The batches in fetched bytes.
#[derive(Debug, Clone)]
pub struct Split {
    bytes: Bytes,
}

impl Iterator for Split {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.cut().and_then(|cut| cut.map(|(header, bytes)| Batch::read(header, bytes)).transpose());
        if batch.is_err() {
            self.bytes.clear();
        }
        batch.transpose()
    }
}

impl Split {
    /// The header and all bytes of the next batch, when they are there.
    fn cut(&mut self) -> Result<Option<(Header, Bytes)>, Error> {
        let Some(mut start) = self.bytes.get(..=header::MAGIC_AT) else { return Ok(None) };
        let (base_offset, length) = (start.get_i64(), start.get_i32());
        let magic = self.bytes[header::MAGIC_AT] as i8;
        if magic != header::MAGIC {
            return Err(Error::Format { base_offset, magic });
        }
        let length = usize::try_from(length).unwrap_or(0) + header::PREFIX;
        if length < header::LENGTH {
            return Err(Error::Malformed { base_offset, what: "its length is less than that of a header" });
        }
        if length > self.bytes.len() {
            return Ok(None);
        }
        let batch = self.bytes.split_to(length);
        let header = batch.first_chunk().map(Header::decode);
        Ok(header.map(|header| (header, batch)))
    }
}

impl Batch {
    /// Checks a whole batch.
    fn read(header: Header, bytes: Bytes) -> Result<Self, Error> {
        let base_offset = header.base_offset;
        let computed = header::checksum(&bytes);
        if computed != header.crc {
            return Err(Error::Checksum { base_offset, stored: header.crc, computed });
        }
        let malformed = |what| Err(Error::Malformed { base_offset, what });
        if header.last_offset_delta < 0 || header.count < 0 {
            return malformed("its number of records is negative");
        }
        if base_offset < 0 || base_offset.checked_add(i64::from(header.last_offset_delta) + 1).is_none() {
            return malformed("its offsets are negative");
        }
        let id = header.codec_id();
        let Some(codec) = Codec::of(id) else { return Err(Error::Codec { base_offset, id }) };
        Ok(Self { header, codec, bytes })
    }

    /// The same batch in memory of its own.
    pub fn detached(self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self }
    }

    /// The offset of its first record, or of where that was before compaction.
    pub fn base_offset(&self) -> i64 {
        self.header.base_offset
    }

    /// The offset of its last record, or of where that was before compaction.
    pub fn last_offset(&self) -> i64 {
        self.header.base_offset + i64::from(self.header.last_offset_delta)
    }

    /// From where to fetch what follows.
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// How many records it holds. Compaction can leave a batch without any.
    pub fn record_count(&self) -> i32 {
        self.header.count
    }

    /// Who wrote it; -1 when the producer was not idempotent.
    pub fn producer_id(&self) -> i64 {
        self.header.producer_id
    }

    /// The producer's epoch; -1 when it was not idempotent.
    pub fn producer_epoch(&self) -> i16 {
        self.header.producer_epoch
    }

    /// The producer's number of the first record; -1 when it was not idempotent.
    #[cfg(test)]
    pub fn base_sequence(&self) -> i32 {
        self.header.base_sequence
    }

    /// Whether it belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.header.is_transactional()
    }

    /// Whether it is the broker's own and holds nothing for consumers.
    pub fn is_control(&self) -> bool {
        self.header.is_control()
    }

    /// How its records are compressed.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The largest timestamp of its records, in milliseconds since 1970; -1 when none has one.
    #[cfg(test)]
    pub fn max_timestamp(&self) -> i64 {
        self.header.max_timestamp
    }

    /// How many bytes it has, the header and all.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Its records, decompressed.
    pub fn records(&self) -> Result<Records, Error> {
        let payload = self.bytes.slice(header::LENGTH..);
        let base_offset = self.base_offset();
        let payload = decompress(self.codec, payload, MOST_BYTES).map_err(|trouble| match trouble {
            Trouble::Codec(source) => Error::Decompress { base_offset, codec: self.codec, source },
            Trouble::TooMuch => Error::Bomb { base_offset, limit: MOST_BYTES },
        })?;
        Ok(Records::new(&self.header, payload))
    }

    /// How the transaction of its producer ended, when this batch says so.
    pub fn control(&self) -> Result<Option<Marker>, Error> {
        if !self.is_control() {
            return Ok(None);
        }
        let mut records = self.records()?;
        let Some(record) = records.next_record()? else { return Ok(None) };
        // Two numbers of 16 bits: the version, and the kind, of which there are more than those of transactions.
        Ok(match record.key {
            Some([_, _, 0, 0, ..]) => Some(Marker::Abort),
            Some([_, _, 0, 1, ..]) => Some(Marker::Commit),
            _ => None,
        })
    }

    /// Whether a broker would take it from a producer as it is: it has records, no gaps between them, and their
    /// timestamps are their own.
    pub fn is_forwardable(&self) -> bool {
        let Header { count, last_offset_delta, .. } = self.header;
        count > 0 && count - 1 == last_offset_delta && !self.is_control() && !self.header.is_log_append_time()
    }

    /// The batch as another producer sends it: the same records, byte by byte, under a header of its own. Only for
    /// batches that are [forwardable](Self::is_forwardable).
    pub fn forward(&self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Bytes {
        let header = Header {
            base_offset: 0,
            leader_epoch: -1,
            attributes: self.header.codec_id(),
            producer_id,
            producer_epoch,
            base_sequence,
            ..self.header
        };
        let mut batch = BytesMut::from(&self.bytes[..]);
        header.seal(&mut batch);
        batch.freeze()
    }
}
