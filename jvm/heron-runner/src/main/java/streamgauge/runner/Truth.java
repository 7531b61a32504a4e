package streamgauge.runner;

import java.util.concurrent.atomic.AtomicLong;

/**
 * What an instance really did since the runner started, through all its restarts. Kept apart from {@link Metrics} on purpose: it
 * is what the reported metrics are checked against.
 */
final class Truth {
  /** Tuples emitted, whatever the stream; one emit to many tasks is one. */
  final AtomicLong emitted = new AtomicLong();
  /** Tuples given to execute(), without ticks. */
  final AtomicLong executed = new AtomicLong();
  /** A spout's trees, or a bolt's tuples, that were acked. */
  final AtomicLong acked = new AtomicLong();
  /** The same that failed; a spout's include those that timed out. */
  final AtomicLong failed = new AtomicLong();
  /** Spouts: time from emit to ack, over all acked trees, in ns. */
  final AtomicLong completeNanos = new AtomicLong();
}
