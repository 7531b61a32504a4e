//! Which partition a record goes to when source and target do not have as many: as Java's clients choose.

/// How many records without a key go to one partition before the next one's turn: enough for batches, few enough for
/// partitions to hold equally many.
const STICKY: u64 = 100;

/// Chooses partitions. The same records in the same order give the same partitions.
#[derive(Debug, Clone, Default)]
pub struct Partitioner {
    without_key: u64,
}

impl Partitioner {
    /// A partitioner that has seen no record.
    pub fn new() -> Self {
        Self::default()
    }

    /// The partition of the next record, from 0 on, of `partitions`, of which there must be one. Records of one key go to
    /// one partition, an empty key being a key; those without any to each partition in turn.
    #[inline]
    pub fn partition(&mut self, key: Option<&[u8]>, partitions: i32) -> i32 {
        let Some(key) = key else {
            let turn = self.without_key / STICKY;
            self.without_key += 1;
            return (turn % u64::from(partitions.unsigned_abs())) as i32;
        };
        (murmur2(key) & 0x7fff_ffff) as i32 % partitions
    }
}

/// MurmurHash2 as `org.apache.kafka.common.utils.Utils.murmur2` has it.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |rest, &byte| rest << 8 | u32::from(byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own UtilsTest.
    #[test]
    fn keys_hash_as_in_java() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_loses_its_sign_as_in_java() {
        let positive = -973_932_308_i32 & i32::MAX;
        for partitions in [1, 2, 3, 7, 16] {
            assert_eq!(Partitioner::new().partition(Some(b"21"), partitions), positive % partitions);
        }
    }

    #[test]
    fn a_key_stays_in_its_partition() {
        let mut partitioner = Partitioner::new();
        let first = partitioner.partition(Some(b"foobar"), 16);
        assert!((0..100).all(|_| {
            partitioner.partition(None, 16);
            partitioner.partition(Some(b"foobar"), 16) == first
        }));
    }

    #[test]
    fn an_empty_key_is_a_key() {
        let mut partitioner = Partitioner::new();
        let first = partitioner.partition(Some(b""), 16);
        assert!((0..1000).all(|_| partitioner.partition(Some(b""), 16) == first));
    }

    #[test]
    fn records_without_a_key_are_spread_evenly_and_the_same_way_each_time() {
        let spread = || -> Vec<i32> {
            let mut partitioner = Partitioner::new();
            (0..1200).map(|_| partitioner.partition(None, 4)).collect()
        };
        let partitions = spread();
        assert_eq!(partitions, spread());
        for partition in 0..4 {
            assert_eq!(partitions.iter().filter(|&&chosen| chosen == partition).count(), 300);
        }
    }
}
