package streamgauge.dataloader;

import java.time.Instant;

/**
 * The time in nanoseconds since 1970: the machine's clock as it was when the job came, from there on without the steps
 * that such clocks make. Subtasks on several machines differ by what their clocks do.
 */
final class Clock {
  private static final long ZERO;

  static {
    Instant now = Instant.now();
    ZERO = now.getEpochSecond() * 1_000_000_000L + now.getNano() - System.nanoTime();
  }

  private Clock() {}

  static long now() {
    return ZERO + System.nanoTime();
  }
}
