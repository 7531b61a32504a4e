//! The records of a batch, read without copying.

use bytes::Bytes;

use super::Error;
use super::cursor::Cursor;
use super::header::Header;

/// The records of one batch, decompressed, and how far they were read.
#[derive(Debug, Clone)]
pub struct Records {
    base: Base,
    remaining: i32,
    payload: Bytes,
    position: usize,
}

/// What a record's own numbers are added to.
#[derive(Debug, Clone, Copy)]
struct Base {
    offset: i64,
    last_offset_delta: i32,
    timestamp: i64,
    /// The timestamp of all records, when it is the broker's.
    append_time: Option<i64>,
}

/// One record. What follows its offset is kept as it is encoded, to be copied in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp as consumers see it, in milliseconds since 1970; -1 when it has none.
    pub timestamp: i64,
    /// Its key; null and empty are not the same.
    pub key: Option<&'a [u8]>,
    /// Its value; null and empty are not the same.
    pub value: Option<&'a [u8]>,
    /// Key, value, number of headers and headers as they are encoded.
    pub(super) tail: &'a [u8],
    /// Key and value as they are encoded.
    pub(super) fields: &'a [u8],
    /// How many headers there are.
    pub(super) header_count: i32,
    /// The headers as they are encoded, without their number.
    pub(super) headers: &'a [u8],
}

impl Records {
    /// The records of the batch with this header, whose decompressed bytes are `payload`.
    pub(super) fn new(header: &Header, payload: Bytes) -> Self {
        let base = Base {
            offset: header.base_offset,
            last_offset_delta: header.last_offset_delta,
            timestamp: header.base_timestamp,
            append_time: header.is_log_append_time().then_some(header.max_timestamp),
        };
        Self { base, remaining: header.count, payload, position: 0 }
    }

    /// The next record; `None` after the last one. After an error there is nothing more.
    #[inline(always)]
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Error> {
        let unread = self.payload.get(self.position..).unwrap_or_default();
        if self.remaining == 0 {
            self.position = self.payload.len();
            return if unread.is_empty() { Ok(None) } else { Err(self.base.malformed("bytes follow its last record")) };
        }
        let mut cursor = Cursor::new(unread);
        match cursor.bytes().and_then(|body| self.base.decode(body)) {
            Some(record) => {
                self.remaining -= 1;
                self.position = self.payload.len() - cursor.rest().len();
                Ok(Some(record))
            }
            None => {
                self.remaining = 0;
                self.position = self.payload.len();
                Err(self.base.malformed("a record's numbers do not fit its bytes"))
            }
        }
    }
}

impl Base {
    /// Reads what follows a record's length. The headers stay as they are: few records have any, and fewer readers care.
    #[inline(always)]
    fn decode<'a>(&self, body: &'a [u8]) -> Option<Record<'a>> {
        let mut cursor = Cursor::new(body);
        let _attributes = cursor.byte()?;
        let timestamp_delta = cursor.varlong()?;
        let offset_delta = cursor.varint()?;
        if !(0..=self.last_offset_delta).contains(&offset_delta) {
            return None;
        }
        let tail = cursor.rest();
        let key = cursor.nullable()?;
        let value = cursor.nullable()?;
        let fields = tail.get(..tail.len() - cursor.rest().len())?;
        let header_count = cursor.varint()?;
        let headers = cursor.rest();
        // The shortest header has two bytes: the lengths of its key and its value.
        let counted = usize::try_from(header_count).ok()?;
        if counted > headers.len() / 2 || (counted == 0 && !headers.is_empty()) {
            return None;
        }
        let own = self.timestamp.wrapping_add(timestamp_delta);
        Some(Record {
            offset: self.offset + i64::from(offset_delta),
            timestamp: self.append_time.unwrap_or(own),
            key,
            value,
            tail,
            fields,
            header_count,
            headers,
        })
    }

    #[cold]
    fn malformed(&self, what: &'static str) -> Error {
        Error::Malformed { base_offset: self.offset, what }
    }
}
