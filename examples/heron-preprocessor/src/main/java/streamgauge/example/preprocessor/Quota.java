package streamgauge.example.preprocessor;

import java.util.concurrent.TimeUnit;

/** Allows so many records a second. What was not used is kept for at most one second, so that a pause costs no capacity. */
final class Quota {
  private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

  private final Clock clock;
  private final long nanosPerRecord;
  /** When the next record is due. */
  private long due;

  Quota(Clock clock, double recordsPerSecond) {
    this.clock = clock;
    this.nanosPerRecord = Math.round(SECOND / recordsPerSecond);
    this.due = clock.nanoTime();
  }

  /** Takes one record's share, if there is one. */
  boolean tryTake() {
    long now = clock.nanoTime();
    if (now - due < 0) {
      return false;
    }
    due = Math.max(due, now - SECOND) + nanosPerRecord;
    return true;
  }
}
