//! Reads and writes what records are made of: variable-length integers and strings of bytes with their length before them.

/// A place in bytes. What is not there, or makes no sense, is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    #[inline]
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A zigzag number of 32 bits.
    #[inline]
    pub fn varint(&mut self) -> Option<i32> {
        // As Java's clients do, bits beyond the 32nd are left out.
        let number = self.unsigned(5)? as u32;
        Some((number >> 1) as i32 ^ -((number & 1) as i32))
    }

    /// A zigzag number of 64 bits.
    #[inline]
    pub fn varlong(&mut self) -> Option<i64> {
        let number = self.unsigned(10)?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// Bytes with their length before them.
    #[inline]
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Bytes with their length before them, where -1 means that there are none at all.
    #[inline]
    pub fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            -1 => Some(None),
            length => Some(Some(self.take(usize::try_from(length).ok()?)?)),
        }
    }

    /// Seven bits a byte, the lowest first; the highest bit says that another byte follows.
    #[inline(always)]
    fn unsigned(&mut self, most: usize) -> Option<u64> {
        // Nearly every number of a record has one or two bytes.
        match *self.0 {
            [first, ref rest @ ..] if first < 0x80 => {
                self.0 = rest;
                Some(u64::from(first))
            }
            [first, second, ref rest @ ..] if second < 0x80 => {
                self.0 = rest;
                Some(u64::from(first & 0x7f) | u64::from(second) << 7)
            }
            _ => self.long_unsigned(most),
        }
    }

    #[inline(never)]
    fn long_unsigned(&mut self, most: usize) -> Option<u64> {
        let mut number = 0;
        for (index, &byte) in self.0.iter().take(most).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Some(number);
            }
        }
        None
    }
}

#[inline]
pub fn zigzag(number: i32) -> u64 {
    u64::from((number << 1 ^ number >> 31) as u32)
}

#[inline]
pub fn zigzag_long(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

/// How many bytes a zigzagged number takes.
#[inline]
pub fn width(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Writes a zigzagged number at `at`; gives the place after it. There must be room for it.
#[inline]
pub fn put(buffer: &mut [u8], mut at: usize, mut number: u64) -> usize {
    while number >= 0x80 {
        buffer[at] = number as u8 | 0x80;
        number >>= 7;
        at += 1;
    }
    buffer[at] = number as u8;
    at + 1
}

/// Appends a zigzagged number.
pub fn append(buffer: &mut Vec<u8>, number: u64) {
    let mut bytes = [0; 10];
    let length = put(&mut bytes, 0, number);
    buffer.extend_from_slice(&bytes[..length]);
}

/// Appends bytes with their length before them; -1 when there are none at all.
pub fn append_nullable(buffer: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        // No record is longer than a batch, whose length has 32 bits: Builder::finish says when one is.
        Some(bytes) => {
            append(buffer, zigzag(bytes.len() as i32));
            buffer.extend_from_slice(bytes);
        }
        None => append(buffer, zigzag(-1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<i32> {
        Cursor::new(bytes).varint()
    }

    #[test]
    fn numbers_read_as_the_format_says() {
        for (bytes, number) in [
            (&[0x00][..], 0),
            (&[0x01], -1),
            (&[0x02], 1),
            (&[0x7e], 63),
            (&[0x80, 0x01], 64),
            (&[0xff, 0x7f], -8192),
            (&[0x80, 0x80, 0x01], 8192),
            (&[0xfe, 0xff, 0xff, 0xff, 0x0f], i32::MAX),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], i32::MIN),
        ] {
            assert_eq!(read(bytes), Some(number), "{bytes:x?}");
            let mut written = Vec::new();
            append(&mut written, zigzag(number));
            assert_eq!(written, bytes);
            assert_eq!(width(zigzag(number)), bytes.len(), "{number}");
        }
    }

    #[test]
    fn the_largest_numbers_of_64_bits_survive() {
        for number in [0, -1, i64::MAX, i64::MIN, 1 << 35, -(1 << 34)] {
            let mut written = Vec::new();
            append(&mut written, zigzag_long(number));
            assert_eq!(written.len(), width(zigzag_long(number)));
            assert_eq!(Cursor::new(&written).varlong(), Some(number));
        }
    }

    #[test]
    fn numbers_that_do_not_end_are_none() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x80]), None);
        assert_eq!(read(&[0x80, 0x80]), None);
        assert_eq!(read(&[0xff; 6]), None, "six bytes make no 32 bits");
        assert_eq!(Cursor::new(&[0xff; 11]).varlong(), None);
    }

    #[test]
    fn lengths_beyond_the_bytes_are_none() {
        assert_eq!(Cursor::new(&[0x02, 7]).bytes(), Some(&[7][..]));
        assert_eq!(Cursor::new(&[0x04, 7]).bytes(), None);
        assert_eq!(Cursor::new(&[0x01]).bytes(), None, "only nullable bytes may be missing");
        assert_eq!(Cursor::new(&[0x01]).nullable(), Some(None));
        assert_eq!(Cursor::new(&[0x00]).nullable(), Some(Some(&[][..])));
        assert_eq!(Cursor::new(&[0x03]).nullable(), None);
    }
}
