package streamgauge.runner;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A queue of many writers and one reader. Writers never block, and wake the reader only when it sleeps:
 * at thousands of tuples a second it is the waking that costs.
 */
final class Inbox<T> {
  private final ConcurrentLinkedQueue<T> queue = new ConcurrentLinkedQueue<>();
  private final AtomicInteger size = new AtomicInteger();
  private final AtomicBoolean sleeping = new AtomicBoolean();
  private volatile Thread reader;

  /** Appends, and returns the length with it. */
  int offer(T item) {
    int length = size.incrementAndGet();
    queue.offer(item);
    wake();
    return length;
  }

  /** Takes the oldest, or null. */
  T poll() {
    T item = queue.poll();
    if (item != null) {
      size.decrementAndGet();
    }
    return item;
  }

  int size() {
    return size.get();
  }

  /** Lets the reader look again, if it sleeps. */
  void wake() {
    if (sleeping.get() && sleeping.compareAndSet(true, false)) {
      LockSupport.unpark(reader);
    }
  }

  /** Sleeps until something was offered, the reader was woken, or the time is over. Only for the one reader. */
  void await(long nanos) {
    reader = Thread.currentThread();
    sleeping.set(true);
    // Looked at after the flag was raised: an offer before it is seen here, a later one sees the flag.
    if (queue.isEmpty() && nanos > 0) {
      LockSupport.parkNanos(this, nanos);
    }
    sleeping.set(false);
  }
}
