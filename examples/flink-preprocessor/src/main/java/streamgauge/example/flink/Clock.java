package streamgauge.example.flink;

import java.util.concurrent.locks.LockSupport;

/** Time, and waiting for it; tests bring their own. */
interface Clock {
  /** The machine's. */
  Clock SYSTEM =
      new Clock() {
        @Override
        public long nanoTime() {
          return System.nanoTime();
        }

        @Override
        public void park(long nanos) {
          LockSupport.parkNanos(nanos);
        }
      };

  /** As System.nanoTime(). */
  long nanoTime();

  /** Waits about this long; may return early or late. */
  void park(long nanos);
}
