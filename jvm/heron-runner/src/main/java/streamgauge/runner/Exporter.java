package streamgauge.runner;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Collects every instance's metrics at the end of an interval. */
final class Exporter implements Runnable {
  /** How long a busy instance may take to answer for the user's metrics; later answers go into the next interval. */
  private static final long ANSWER_MILLIS = 1_000;

  private static final double BYTES_PER_MB = 1024 * 1024;

  private final Engine engine;
  private final long answerNanos;
  private final OperatingSystemMXBean process =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  Exporter(Engine engine, long intervalMillis) {
    this.engine = engine;
    this.answerNanos = TimeUnit.MILLISECONDS.toNanos(Math.min(ANSWER_MILLIS, intervalMillis / 2));
  }

  @Override
  public void run() {
    long time = System.currentTimeMillis();
    Collection<Instance> instances = engine.instances().values();
    instances.forEach(Instance::requestUserMetrics);
    double cpu = Math.max(0, process.getProcessCpuLoad());
    double heap = (Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory()) / BYTES_PER_MB;
    Map<String, Object> collected = new LinkedHashMap<>();
    Map<Instance, Map<String, Double>> valuesOf = new LinkedHashMap<>();
    for (Instance instance : instances) {
      Map<String, Double> values = instance.metrics.take();
      values.put("__jvm-uptime-secs", instance.uptimeSeconds());
      values.put("__jvm-process-cpu-load", cpu);
      values.put("__jvm-memory-heap-mb-used", heap);
      if (instance instanceof BoltInstance bolt) {
        values.put("__gateway-in-stream-queue-size", (double) bolt.queued());
      }
      valuesOf.put(instance, values);
      collected.put(
          instance.id.name(),
          Map.of("component", instance.id.component(), "type", instance.component.spout() ? "spout" : "bolt", "values", values));
    }
    Map<String, Map<String, Double>> stmgrs = engine.backPressure().takeMetrics();
    awaitAnswers(instances);
    valuesOf.forEach((instance, values) -> values.putAll(instance.takeUserMetrics()));
    engine.events().metrics(time, collected, stmgrs);
  }

  private void awaitAnswers(Collection<Instance> instances) {
    long end = System.nanoTime() + answerNanos;
    while (System.nanoTime() < end && !instances.stream().allMatch(Instance::hasUserMetrics)) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(2));
    }
  }
}
