package streamgauge.dataloader;

import java.util.List;

/**
 * The numbers that one partition's records have in the fixed order in which those of all partitions are merged, each
 * partition's spread evenly over the whole: record i of c lies at (2i + 1) / 2c of the load, and where two lie at the same
 * place the lower partition is first. Every subtask finds the numbers of its own partitions without the others' help.
 */
final class Ranks {
  /** How far each other partition is, as the rest of a division by {@link #divisor}. */
  private final long[] rests;

  private final long[] parts;
  private final long divisor;

  /** How much the number grows from record to record, but for what the rests carry over. */
  private final long step;

  private long next;

  /** The numbers of the partition at {@code index} among partitions that give so many records. */
  Ranks(List<Share> shares, int index) {
    long own = shares.get(index).records();
    divisor = 2 * own;
    rests = new long[shares.size()];
    parts = new long[shares.size()];
    long whole = 1;
    for (int other = 0; other < rests.length; other++) {
      if (other == index) {
        continue;
      }
      long count = shares.get(other).records();
      // Before record i lie as many of the other's as there are j with (2j + 1) × own < (2i + 1) × count, or ≤ for a
      // lower partition: ((2i + 1) × count + own) / 2 own, rounded down. From i to i + 1 that grows by 2 count / 2 own.
      long first = count + own - (other < index ? 0 : 1);
      next += first / divisor;
      rests[other] = first % divisor;
      whole += 2 * count / divisor;
      parts[other] = 2 * count % divisor;
    }
    step = whole;
  }

  /** The number of the partition's next record. */
  long next() {
    long number = next;
    next += step;
    for (int other = 0; other < rests.length; other++) {
      long rest = rests[other] + parts[other];
      if (rest >= divisor) {
        rest -= divisor;
        next++;
      }
      rests[other] = rest;
    }
    return number;
  }
}
