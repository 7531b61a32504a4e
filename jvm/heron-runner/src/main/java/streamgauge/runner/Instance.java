package streamgauge.runner;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.heron.api.metric.IMetric;

/**
 * A spout or bolt on a thread of its own. When user code throws, the instance dies as it does in Heron: the error is reported and
 * after a back-off the user's object is made anew.
 */
abstract class Instance implements Runnable {
  private static final long FIRST_BACK_OFF_MILLIS = 200;
  private static final long LONGEST_BACK_OFF_MILLIS = 5_000;

  final InstanceId id;
  final Definition.Component component;
  final Engine engine;
  final Truth truth = new Truth();
  /** Made anew with the user's object, as it would be in a new process. */
  volatile Metrics metrics = new Metrics();

  private final AtomicReference<Map<String, Double>> userMetrics = new AtomicReference<>();
  private volatile boolean userMetricsWanted;
  private volatile long startedNanos = System.nanoTime();
  private volatile boolean stopping;
  private Context context;

  Instance(InstanceId id, Definition.Component component, Engine engine) {
    this.id = id;
    this.component = component;
    this.engine = engine;
  }

  /** Makes the user's object and calls its open() or prepare(). */
  abstract void start(Context context, Router router) throws RunnerException;

  /** Calls user code until the instance is told to stop. */
  abstract void work();

  /** Calls close() or cleanup(). */
  abstract void close();

  /** Lets the thread look at its flags. */
  abstract void wake();

  @Override
  public final void run() {
    long backOff = FIRST_BACK_OFF_MILLIS;
    while (!stopping) {
      long begun = System.nanoTime();
      try {
        begin();
        work();
      } catch (Throwable error) {
        // Whatever user code throws, an Error too, ends only this instance.
        engine.events().exception(id, error);
      }
      quietly(this::close);
      if (System.nanoTime() - begun > TimeUnit.MILLISECONDS.toNanos(2 * LONGEST_BACK_OFF_MILLIS)) {
        backOff = FIRST_BACK_OFF_MILLIS;
      }
      pause(backOff);
      backOff = Math.min(2 * backOff, LONGEST_BACK_OFF_MILLIS);
    }
  }

  private void begin() throws RunnerException {
    metrics = new Metrics();
    startedNanos = System.nanoTime();
    context = engine.context(id);
    start(context, engine.router(context));
    engine.up(id);
  }

  /** A process would be gone here; a thread has to let go of what the user's object holds. */
  private void quietly(Runnable close) {
    try {
      close.run();
    } catch (Throwable error) {
      engine.events().exception(id, error);
    }
  }

  private void pause(long millis) {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    try {
      while (!stopping && System.nanoTime() < end) {
        TimeUnit.MILLISECONDS.sleep(10);
      }
    } catch (InterruptedException e) {
      stopping = true;
    }
  }

  /** Ends the instance, from any thread. */
  final void stop() {
    stopping = true;
    wake();
  }

  final boolean isStopping() {
    return stopping;
  }

  /** Asks the instance's thread for the user's metrics, which only it may read. */
  final void requestUserMetrics() {
    if (userMetrics.get() == null) {
      userMetricsWanted = true;
      wake();
    }
  }

  /** Whether the answer to {@link #requestUserMetrics} is there. */
  final boolean hasUserMetrics() {
    return userMetrics.get() != null;
  }

  /** The user's metrics, empty when the instance was too busy to answer; a late answer is the next interval's. */
  final Map<String, Double> takeUserMetrics() {
    Map<String, Double> values = userMetrics.getAndSet(null);
    return values == null ? Map.of() : values;
  }

  /** Called by the instance's thread between two calls of user code. */
  final void answerRequests() {
    if (userMetricsWanted) {
      userMetricsWanted = false;
      Map<String, Double> values = new HashMap<>();
      context.metrics().forEach((name, metric) -> put(values, name, metric));
      userMetrics.set(values);
    }
  }

  private static void put(Map<String, Double> values, String name, IMetric<?> metric) {
    Object value = metric.getValueAndReset();
    if (value instanceof Number number) {
      values.put(name, number.doubleValue());
    } else if (value instanceof Map<?, ?> map) {
      map.forEach(
          (key, part) -> {
            if (part instanceof Number number) {
              values.put(name + "/" + key, number.doubleValue());
            }
          });
    }
  }

  /** Seconds since the user's object was made. */
  final double uptimeSeconds() {
    return TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - startedNanos);
  }
}
