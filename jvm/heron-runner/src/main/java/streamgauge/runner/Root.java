package streamgauge.runner;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** A spout's tuple and the tree that bolts grew from it: how many of its tuples are still to be acked. */
final class Root {
  /** How the tree ended. */
  enum Outcome {
    ACKED,
    FAILED
  }

  final String stream;
  /** When the spout emitted it, by System.nanoTime(). */
  final long emittedNanos;

  private final Inbox<Root> spout;
  private final AtomicInteger open;
  private final AtomicReference<Outcome> outcome = new AtomicReference<>();
  private Object messageId;
  private boolean settled;

  Root(Object messageId, String stream, long emittedNanos, Inbox<Root> spout, int tuples) {
    this.messageId = messageId;
    this.stream = stream;
    this.emittedNanos = emittedNanos;
    this.spout = spout;
    this.open = new AtomicInteger(tuples);
  }

  /** Adds tuples to the tree; done before they are sent. */
  void grow(int tuples) {
    open.addAndGet(tuples);
  }

  /** One tuple of the tree was acked. */
  void ack() {
    if (open.decrementAndGet() == 0) {
      end(Outcome.ACKED);
    }
  }

  /** One tuple of the tree was failed, which fails the tree. */
  void fail() {
    end(Outcome.FAILED);
  }

  private void end(Outcome how) {
    if (outcome.compareAndSet(null, how)) {
      spout.offer(this);
    }
  }

  /** How it ended; null while it is open. */
  Outcome outcome() {
    return outcome.get();
  }

  /** True the first time: a tree that timed out may still be acked later. Only for the spout's thread. */
  boolean settle() {
    boolean first = !settled;
    settled = true;
    return first;
  }

  /** The spout's name for it, given out once: an ended tree may have to wait long behind an open one. */
  Object takeMessageId() {
    Object id = messageId;
    messageId = null;
    return id;
  }

  /** Only for the spout's thread. */
  boolean isSettled() {
    return settled;
  }
}
