package streamgauge.example.flink;

import java.util.concurrent.TimeUnit;

/**
 * Makes each record take a given time on average, whatever the machine does: time spent on the record is part of it, what a wait
 * overslept is taken off the next waits, and waits too short for the timer are put together.
 *
 * <p>For each record: {@link #begin}, then {@link #await} where the work of a real look-up would be, then {@link #end}.
 */
final class Pacer {
  /** Below this a thread is not put to sleep: timers are no more exact than some 0.1 ms. */
  static final long SHORTEST_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  /** What is made up for at most: a machine that stood still for longer does not cause a rush afterwards. */
  static final long LARGEST_DEBT_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** Two records this close are one stretch of work: the time between them is the caller's own, not idleness. */
  static final long GAP_NANOS = TimeUnit.MICROSECONDS.toNanos(20);

  private final Clock clock;
  private final long nanosPerRecord;
  /** Time still to be waited; below 0, time waited too much. */
  private long owed;
  /** Up to when time has been accounted for. */
  private long accounted;

  Pacer(Clock clock, long nanosPerRecord) {
    this.clock = clock;
    this.nanosPerRecord = nanosPerRecord;
    this.accounted = clock.nanoTime();
  }

  /** A record has arrived; called before any work on it. */
  void begin() {
    long now = clock.nanoTime();
    if (now - accounted > GAP_NANOS) {
      accounted = now;
    }
  }

  /** Waits for what is left of the record's time. A record that is dropped before this takes none. */
  void await() {
    owed += nanosPerRecord;
    account();
    if (owed < SHORTEST_WAIT_NANOS) {
      return;
    }
    while (owed > 0) {
      clock.park(owed);
      account();
    }
  }

  /** The record is done. */
  void end() {
    account();
  }

  private void account() {
    long now = clock.nanoTime();
    owed = Math.max(owed - (now - accounted), -LARGEST_DEBT_NANOS);
    accounted = now;
  }
}
