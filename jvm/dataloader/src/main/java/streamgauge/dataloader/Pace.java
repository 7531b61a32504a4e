package streamgauge.dataloader;

/** When the records of one partition are due, one after the other. */
interface Pace {
  /** The number of the next record in the whole load. */
  long next();

  /** When that record is due, in nanoseconds after the start. */
  long due(long number, long timestamp);

  /** Whether the number alone says so. */
  boolean byNumber();

  /** By their numbers. */
  record ByNumber(Schedule schedule, Ranks ranks) implements Pace {
    @Override
    public long next() {
      return ranks.next();
    }

    @Override
    public long due(long number, long timestamp) {
      return schedule.due(number);
    }

    @Override
    public boolean byNumber() {
      return true;
    }
  }

  /**
   * By their timestamps. Order is kept within a partition, so a record that is older than the one before it, or has no
   * timestamp, is due together with it; one from the future is due at the end.
   */
  final class ByTimestamp implements Pace {
    private final Settings.Replay replay;
    private final long first;
    private long last;

    /** {@code first} is the earliest timestamp of the whole replay, in Unix milliseconds. */
    ByTimestamp(Settings.Replay replay, long first) {
      this.replay = replay;
      this.first = first;
    }

    @Override
    public long next() {
      return 0;
    }

    @Override
    public long due(long number, long timestamp) {
      double after = Math.max(timestamp - first, 0) * 1e9 / replay.speed();
      last = Math.max(last, Math.min((long) after, replay.length()));
      return last;
    }

    @Override
    public boolean byNumber() {
      return false;
    }
  }
}
