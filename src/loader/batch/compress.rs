//! Compresses a batch's records as Java's clients do.

use std::io::{self, Write};
use std::mem;

use flate2::Compression;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::header::LENGTH;
use super::{Codec, Error};

/// What Snappy's blocks are framed with by Java's clients: a magic word, a version and the oldest one that can read it.
pub const SNAPPY_MAGIC: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// How many bytes Snappy compresses at a time in Java's clients.
const SNAPPY_BLOCK: usize = 32 * 1024;

/// Java's default level of Zstandard.
const ZSTD_LEVEL: i32 = 3;

/// Compresses batches, one after the other.
pub struct Compressor {
    codec: Codec,
    /// Kept, because making one costs more than compressing a small batch.
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Compressor {
    pub fn new(codec: Codec) -> Self {
        Self { codec, zstd: None }
    }

    /// Takes the batch out of `buffer`, its header's bytes and all, and leaves room for the next header there. Gives the
    /// codec in use: what compression does not make smaller goes as it is, so that no batch is larger than its records.
    pub fn compress(&mut self, buffer: &mut Vec<u8>) -> Result<(Codec, Vec<u8>), Error> {
        let (header, records) = buffer.split_at(LENGTH);
        if self.codec != Codec::None {
            let mut batch = Vec::with_capacity(buffer.len());
            batch.extend_from_slice(header);
            self.append(&mut batch, records).map_err(|source| Error::Compress { codec: self.codec, source })?;
            if batch.len() < buffer.len() {
                buffer.truncate(LENGTH);
                return Ok((self.codec, batch));
            }
        }
        let mut next = Vec::with_capacity(buffer.len());
        next.resize(LENGTH, 0);
        Ok((Codec::None, mem::replace(buffer, next)))
    }

    fn append(&mut self, batch: &mut Vec<u8>, records: &[u8]) -> io::Result<()> {
        match self.codec {
            Codec::None => batch.extend_from_slice(records),
            Codec::Gzip => {
                let mut encoder = GzEncoder::new(batch, Compression::default());
                encoder.write_all(records)?;
                encoder.finish()?;
            }
            Codec::Snappy => snappy(batch, records)?,
            Codec::Lz4 => {
                let frame = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
                let mut encoder = FrameEncoder::with_frame_info(frame, batch);
                encoder.write_all(records)?;
                encoder.finish()?;
            }
            Codec::Zstd => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
                };
                batch.reserve(zstd::zstd_safe::compress_bound(records.len()));
                let mut end = io::Cursor::new(batch);
                end.set_position(LENGTH as u64);
                zstd.compress_to_buffer(records, &mut end)?;
            }
        }
        Ok(())
    }
}

fn snappy(batch: &mut Vec<u8>, records: &[u8]) -> io::Result<()> {
    batch.extend_from_slice(SNAPPY_MAGIC);
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(SNAPPY_BLOCK)];
    for records in records.chunks(SNAPPY_BLOCK) {
        let length = encoder.compress(records, &mut block)?;
        // Never more than a block's bound.
        batch.extend_from_slice(&(length as u32).to_be_bytes());
        batch.extend_from_slice(&block[..length]);
    }
    Ok(())
}
