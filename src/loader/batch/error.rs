//! What can be wrong with bytes that should be record batches.

use super::Codec;
use crate::step::{Exit, ExitClass};

/// Why a batch could not be read or built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A message format from before Kafka 0.11.
    #[error(
        "the batch at offset {base_offset} has message format {magic}, only format 2 can be read: copy the topic with a broker of Kafka 4 or later, or start after it"
    )]
    Format {
        /// Where the batch begins.
        base_offset: i64,
        /// Its format.
        magic: i8,
    },
    /// The bytes are not those that were written.
    #[error(
        "the batch at offset {base_offset} is damaged: its CRC-32C is {computed:#010x} instead of {stored:#010x}; check the broker's disk and the network, or start after it"
    )]
    Checksum {
        /// Where the batch begins.
        base_offset: i64,
        /// What its header says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The bytes make no batch, or no record.
    #[error("the batch at offset {base_offset} is malformed: {what}")]
    Malformed {
        /// Where the batch begins.
        base_offset: i64,
        /// What is wrong.
        what: &'static str,
    },
    /// A codec that Kafka does not have.
    #[error("the batch at offset {base_offset} is compressed with codec {id}, which is none of Kafka's")]
    Codec {
        /// Where the batch begins.
        base_offset: i64,
        /// The codec's number.
        id: i16,
    },
    /// The codec did not take the bytes.
    #[error("the batch at offset {base_offset} cannot be decompressed with {codec}")]
    Decompress {
        /// Where the batch begins.
        base_offset: i64,
        /// The codec that its header names.
        codec: Codec,
        /// The codec's words.
        source: std::io::Error,
    },
    /// Few bytes that become very many.
    #[error("the batch at offset {base_offset} decompresses to more than {limit} bytes")]
    Bomb {
        /// Where the batch begins.
        base_offset: i64,
        /// The most bytes a batch may have.
        limit: usize,
    },
    /// The codec could not be used.
    #[error("cannot compress a batch with {codec}")]
    Compress {
        /// The codec.
        codec: Codec,
        /// The codec's words.
        source: std::io::Error,
    },
    /// More bytes than a batch's length can say.
    #[error("a batch of {bytes} bytes is larger than Kafka's format allows")]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Format { .. }
            | Self::Checksum { .. }
            | Self::Malformed { .. }
            | Self::Codec { .. }
            | Self::Decompress { .. }
            | Self::Bomb { .. }
            | Self::Compress { .. }
            | Self::TooLarge { .. } => Exit::Refused,
        }
    }
}
