package streamgauge.runner;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * An instance's metrics under Heron's names. Written by the instance's thread and read by the exporter, so nothing is ever reset:
 * the exporter remembers what it last saw and reports the difference.
 */
final class Metrics {
  private final Map<String, Counter> deltas = new ConcurrentHashMap<>();
  private final Map<String, Counter> totals = new ConcurrentHashMap<>();
  private final Map<String, Mean> means = new ConcurrentHashMap<>();

  /** A number that only grows. */
  static final class Counter {
    private final LongAdder value = new LongAdder();
    private long exported;

    void add(long n) {
      value.add(n);
    }

    private double takeDelta() {
      long now = value.sum();
      double delta = now - exported;
      exported = now;
      return delta;
    }
  }

  /** Samples of which the mean of an interval is wanted. */
  static final class Mean {
    private final LongAdder sum = new LongAdder();
    private final LongAdder count = new LongAdder();
    private final boolean keeps;
    private long exportedSum;
    private long exportedCount;
    private Double last;

    private Mean(boolean keeps) {
      this.keeps = keeps;
    }

    void add(long sample) {
      sum.add(sample);
      count.increment();
    }

    /** The mean since the last call; without a sample the last one, or null where it is not kept. */
    private Double take() {
      long n = count.sum();
      long s = sum.sum();
      if (n > exportedCount) {
        last = (double) (s - exportedSum) / (n - exportedCount);
        exportedCount = n;
        exportedSum = s;
        return last;
      }
      return keeps ? last : null;
    }
  }

  /** A count of which each interval's part is exported; 0.0 when there was none. */
  Counter delta(String name) {
    return deltas.computeIfAbsent(name, n -> new Counter());
  }

  /** A count that is exported as it stands. */
  Counter total(String name) {
    return totals.computeIfAbsent(name, n -> new Counter());
  }

  /** A mean that is absent in an interval without samples. */
  Mean mean(String name) {
    return means.computeIfAbsent(name, n -> new Mean(false));
  }

  /** A mean that stays when there are no samples: complete latency does so in Heron. */
  Mean lastingMean(String name) {
    return means.computeIfAbsent(name, n -> new Mean(true));
  }

  /** All values of the interval that ends now. Only for the exporter's thread. */
  Map<String, Double> take() {
    Map<String, Double> values = new TreeMap<>();
    deltas.forEach((name, counter) -> values.put(name, counter.takeDelta()));
    totals.forEach((name, counter) -> values.put(name, (double) counter.value.sum()));
    means.forEach(
        (name, mean) -> {
          Double value = mean.take();
          if (value != null) {
            values.put(name, value);
          }
        });
    return values;
  }
}
