package streamgauge.runner;

import java.util.HashMap;
import java.util.Map;

/**
 * Who holds the spouts up, and for how long. Any instance whose queue is too long stops every spout of the topology, as the
 * stream managers of Heron do. Times are kept per instance, per container (any of its instances) and in all.
 */
final class BackPressure {
  /** Time a condition held: in all, and since it was last asked for. Conditions nest, so holders are counted. */
  private static final class TimeSpent {
    private int holders;
    private long since;
    private long total;
    private long reported;

    void start(long now) {
      if (holders++ == 0) {
        since = now;
      }
    }

    void stop(long now) {
      if (--holders == 0) {
        total += now - since;
      }
    }

    long total(long now) {
      return holders > 0 ? total + now - since : total;
    }

    /** Milliseconds since the last call; the fraction is left for the next. */
    long takeMillis(long now) {
      long millis = (total(now) - reported) / 1_000_000;
      reported += millis * 1_000_000;
      return millis;
    }
  }

  private final Map<InstanceId, TimeSpent> byInstance = new HashMap<>();
  private final Map<Integer, TimeSpent> byContainer = new HashMap<>();
  private final Map<Integer, TimeSpent> aggregate = new HashMap<>();
  private final TimeSpent all = new TimeSpent();
  private volatile boolean active;

  BackPressure(Plan plan) {
    for (Plan.Container container : plan.containers()) {
      byContainer.put(container.id(), new TimeSpent());
      aggregate.put(container.id(), new TimeSpent());
      for (Plan.InstancePlan instance : container.instances()) {
        InstanceId id = new InstanceId(container.id(), instance.component(), instance.taskId(), instance.index());
        byInstance.put(id, new TimeSpent());
      }
    }
  }

  /** Whether spouts have to wait. */
  boolean active() {
    return active;
  }

  synchronized void start(InstanceId instance) {
    long now = System.nanoTime();
    byInstance.get(instance).start(now);
    byContainer.get(instance.container()).start(now);
    aggregate.values().forEach(time -> time.start(now));
    all.start(now);
    active = true;
  }

  synchronized void stop(InstanceId instance) {
    long now = System.nanoTime();
    byInstance.get(instance).stop(now);
    byContainer.get(instance.container()).stop(now);
    aggregate.values().forEach(time -> time.stop(now));
    all.stop(now);
    active = all.holders > 0;
  }

  /** Time in which spouts were stopped, since the start, in ms. */
  synchronized long totalMillis() {
    return all.total(System.nanoTime()) / 1_000_000;
  }

  /** Each stream manager's metrics of the interval that ends now, under Heron's names, in ms. */
  synchronized Map<String, Map<String, Double>> takeMetrics() {
    long now = System.nanoTime();
    Map<String, Map<String, Double>> stmgrs = new HashMap<>();
    byContainer.forEach(
        (container, initiated) -> {
          Map<String, Double> values = new HashMap<>();
          values.put("__server/__time_spent_back_pressure_initiated", (double) initiated.takeMillis(now));
          values.put("__server/__time_spent_back_pressure_aggr", (double) aggregate.get(container).takeMillis(now));
          stmgrs.put("stmgr-" + container, values);
        });
    byInstance.forEach(
        (instance, time) ->
            stmgrs
                .get("stmgr-" + instance.container())
                .put("__time_spent_back_pressure_by_compid/" + instance.name(), (double) time.takeMillis(now)));
    return stmgrs;
  }
}
