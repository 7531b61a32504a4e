//! Decompresses a batch's records, whoever compressed them.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;

use super::Codec;
use super::compress::SNAPPY_MAGIC;

/// How many times their size records are first given room for.
const EXPANSION: usize = 4;

/// Why bytes could not be decompressed.
#[derive(Debug)]
pub enum Trouble {
    /// The codec did not take them.
    Codec(io::Error),
    /// They become more than allowed.
    TooMuch,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Codec(error)
    }
}

/// Decompresses `bytes` to `most` bytes at most.
pub fn decompress(codec: Codec, bytes: Bytes, most: usize) -> Result<Bytes, Trouble> {
    match codec {
        Codec::None => Ok(bytes),
        Codec::Gzip => read(MultiGzDecoder::new(&bytes[..]), bytes.len(), most),
        Codec::Snappy => snappy(&bytes, most),
        Codec::Lz4 => read(FrameDecoder::new(&bytes[..]), bytes.len(), most),
        Codec::Zstd => read(zstd::stream::read::Decoder::with_buffer(&bytes[..])?, bytes.len(), most),
    }
}

fn read(decoder: impl Read, compressed: usize, most: usize) -> Result<Bytes, Trouble> {
    let mut plain = Vec::with_capacity(compressed.saturating_mul(EXPANSION).min(most));
    // One more than allowed tells that there is more.
    decoder.take(most as u64 + 1).read_to_end(&mut plain)?;
    if plain.len() > most { Err(Trouble::TooMuch) } else { Ok(plain.into()) }
}

/// Java's clients frame blocks, and may begin anew between two of them; others compress all records as one block.
fn snappy(mut bytes: &[u8], most: usize) -> Result<Bytes, Trouble> {
    let mut plain = Vec::new();
    if !bytes.starts_with(&SNAPPY_MAGIC[..8]) {
        snappy_block(bytes, &mut plain, most)?;
        return Ok(plain.into());
    }
    while !bytes.is_empty() {
        if bytes.starts_with(&SNAPPY_MAGIC[..8]) {
            bytes = bytes.get(SNAPPY_MAGIC.len()..).ok_or_else(cut_off)?;
            continue;
        }
        let length = bytes.try_get_u32().map_err(|_| cut_off())?;
        let (block, rest) = bytes.split_at_checked(length as usize).ok_or_else(cut_off)?;
        snappy_block(block, &mut plain, most)?;
        bytes = rest;
    }
    Ok(plain.into())
}

fn snappy_block(block: &[u8], plain: &mut Vec<u8>, most: usize) -> Result<(), Trouble> {
    let start = plain.len();
    let length = snap::raw::decompress_len(block).map_err(io::Error::from)?;
    if length > most - start {
        return Err(Trouble::TooMuch);
    }
    plain.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut plain[start..]).map_err(io::Error::from)?;
    Ok(())
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "a Snappy block is cut off")
}
