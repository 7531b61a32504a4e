//! The 61 bytes that every batch begins with.

use std::fmt;

use bytes::{Buf, BufMut};

/// How long a batch's header is, in bytes.
pub const LENGTH: usize = 61;

/// Base offset and length: what a batch's length does not count.
pub const PREFIX: usize = 12;

/// Where the message format is said, in every format.
pub const MAGIC_AT: usize = 16;

/// The message format of record batches.
pub const MAGIC: i8 = 2;

/// Where the CRC-32C begins that covers all bytes after it.
const CRC_AT: usize = 17;

/// The first byte that the CRC-32C covers.
const CHECKED_AT: usize = CRC_AT + 4;

const CODEC: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// How a batch's records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy, in blocks as Java's clients frame them.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// The codec of this number in a batch's attributes.
    pub fn of(id: i16) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd].into_iter().find(|codec| *codec as i16 == id)
    }

    /// As `compression.type` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a batch says of itself, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub base_offset: i64,
    /// How many bytes follow this field.
    pub length: i32,
    pub leader_epoch: i32,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl Header {
    /// Reads a header of format 2.
    pub fn decode(bytes: &[u8; LENGTH]) -> Self {
        let mut bytes = &bytes[..];
        let base_offset = bytes.get_i64();
        let length = bytes.get_i32();
        let leader_epoch = bytes.get_i32();
        bytes.advance(1);
        Self {
            base_offset,
            length,
            leader_epoch,
            crc: bytes.get_u32(),
            attributes: bytes.get_i16(),
            last_offset_delta: bytes.get_i32(),
            base_timestamp: bytes.get_i64(),
            max_timestamp: bytes.get_i64(),
            producer_id: bytes.get_i64(),
            producer_epoch: bytes.get_i16(),
            base_sequence: bytes.get_i32(),
            count: bytes.get_i32(),
        }
    }

    /// Writes the header over the first bytes of a whole batch, and the CRC-32C that it gets from it. `batch` must have
    /// room for a header.
    pub fn seal(&self, batch: &mut [u8]) {
        let mut field = &mut batch[..LENGTH];
        field.put_i64(self.base_offset);
        field.put_i32(self.length);
        field.put_i32(self.leader_epoch);
        field.put_i8(MAGIC);
        field.put_u32(0);
        field.put_i16(self.attributes);
        field.put_i32(self.last_offset_delta);
        field.put_i64(self.base_timestamp);
        field.put_i64(self.max_timestamp);
        field.put_i64(self.producer_id);
        field.put_i16(self.producer_epoch);
        field.put_i32(self.base_sequence);
        field.put_i32(self.count);
        let crc = checksum(batch);
        batch[CRC_AT..CHECKED_AT].copy_from_slice(&crc.to_be_bytes());
    }

    /// The number of the codec.
    pub fn codec_id(&self) -> i16 {
        self.attributes & CODEC
    }

    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }
}

/// The CRC-32C that a whole batch should say.
pub fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[CHECKED_AT..])
}
