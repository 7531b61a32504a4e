package streamgauge.runner;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.heron.api.Config;
import org.apache.heron.api.spout.ISpout;
import org.apache.heron.api.spout.ISpoutOutputCollector;
import org.apache.heron.api.spout.SpoutOutputCollector;

/** Runs a spout: asks it for tuples while nothing holds it up, and tells it how they ended. */
final class SpoutInstance extends Instance {
  /** What a spout counts of one stream. */
  private record StreamMetrics(
      Metrics.Counter emitted,
      Metrics.Counter acked,
      Metrics.Counter failed,
      Metrics.Mean completeLatency,
      Metrics.Mean failLatency) {}

  /** How long a spout that had nothing to emit, or may not, is left alone. */
  private static final long BACK_OFF_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  private static final long PAUSED_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  /** Time given to nextTuple() before acks are looked at again. */
  private static final long BATCH_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  private final boolean acking;
  private final int maxPending;
  private final long timeoutNanos;
  private final Map<String, StreamMetrics> streams = new HashMap<>();
  private ISpout spout;
  private boolean active;
  /** Ended trees of this incarnation: what a dead one emitted finds its own, old queue. */
  private volatile Inbox<Root> ended = new Inbox<>();
  /** Open trees, oldest first; ended ones leave when they become the oldest. */
  private ArrayDeque<Root> trees = new ArrayDeque<>();
  private int pending;
  private long emittedTuples;
  private Metrics.Counter taskRuns;
  private Metrics.Counter nextTuples;
  private Metrics.Counter outQueueFull;
  private Metrics.Mean nextTupleLatency;
  private Metrics.Mean pendingMean;

  SpoutInstance(InstanceId id, Definition.Component component, Engine engine) {
    super(id, component, engine);
    Map<String, Object> config = component.config();
    acking = "ATLEAST_ONCE".equals(String.valueOf(config.get(Config.TOPOLOGY_RELIABILITY_MODE)));
    maxPending = acking ? Setting.integer(config, Config.TOPOLOGY_MAX_SPOUT_PENDING, Integer.MAX_VALUE) : Integer.MAX_VALUE;
    boolean timeouts = acking && Setting.bool(config, Config.TOPOLOGY_ENABLE_MESSAGE_TIMEOUTS, true);
    int seconds = Setting.integer(config, Config.TOPOLOGY_MESSAGE_TIMEOUT_SECS, 30);
    timeoutNanos = timeouts ? TimeUnit.SECONDS.toNanos(seconds) : Long.MAX_VALUE;
  }

  @Override
  void wake() {
    ended.wake();
  }

  @Override
  void start(Context context, Router router) throws RunnerException {
    ended = new Inbox<>();
    trees = new ArrayDeque<>();
    pending = 0;
    streams.clear();
    component.outputs().keySet().forEach(stream -> streams.put(stream, streamMetrics(stream)));
    taskRuns = metrics.total("__task-run-count");
    nextTuples = metrics.delta("__next-tuple-count");
    outQueueFull = metrics.delta("__out-queue-full-count");
    nextTupleLatency = metrics.mean("__next-tuple-latency");
    pendingMean = metrics.mean("__pending-acked-count");
    // A spout is active from its start; activate() follows a deactivate(), or a start in PAUSED.
    active = engine.state() == Plan.State.RUNNING;
    spout = null;
    spout = (ISpout) component.instantiate();
    spout.open(new HashMap<>(component.config()), context, new SpoutOutputCollector(new Collector(router)));
  }

  private StreamMetrics streamMetrics(String stream) {
    return new StreamMetrics(
        metrics.delta("__emit-count/" + stream),
        metrics.delta("__ack-count/" + stream),
        metrics.delta("__fail-count/" + stream),
        metrics.lastingMean("__complete-latency/" + stream),
        metrics.mean("__fail-latency/" + stream));
  }

  @Override
  void work() {
    while (!isStopping()) {
      taskRuns.add(1);
      answerRequests();
      followState();
      settleEnded();
      expire();
      pendingMean.add(pending);
      if (!active) {
        ended.await(PAUSED_NANOS);
      } else if (engine.backPressure().active()) {
        outQueueFull.add(1);
        rest();
      } else if (pending >= maxPending) {
        // Woken by the next ack, which is what it waits for.
        ended.await(BACK_OFF_NANOS);
      } else if (!produce()) {
        rest();
      }
    }
  }

  /** Waits without being woken by every ack: those are better taken together. */
  private void rest() {
    LockSupport.parkNanos(this, BACK_OFF_NANOS);
  }

  private void followState() {
    boolean wanted = engine.state() == Plan.State.RUNNING;
    if (wanted != active) {
      active = wanted;
      if (wanted) {
        spout.activate();
      } else {
        spout.deactivate();
      }
    }
  }

  /** Calls nextTuple() for a while; false when the spout ran dry. */
  private boolean produce() {
    long begun = System.nanoTime();
    long start = begun;
    while (start - begun < BATCH_NANOS && pending < maxPending && !engine.backPressure().active()) {
      long before = emittedTuples;
      spout.nextTuple();
      long end = System.nanoTime();
      nextTuples.add(1);
      nextTupleLatency.add(end - start);
      start = end;
      if (emittedTuples == before) {
        return false;
      }
    }
    return true;
  }

  private void settleEnded() {
    Root root;
    while ((root = ended.poll()) != null) {
      if (root.settle()) {
        tell(root, root.outcome() == Root.Outcome.ACKED, System.nanoTime() - root.emittedNanos);
      }
    }
  }

  /** Fails trees that are too old, and forgets ended ones at the head. */
  private void expire() {
    long now = System.nanoTime();
    Root oldest;
    while ((oldest = trees.peek()) != null) {
      if (!oldest.isSettled()) {
        if (now - oldest.emittedNanos < timeoutNanos) {
          return;
        }
        oldest.settle();
        tell(oldest, false, now - oldest.emittedNanos);
      }
      trees.poll();
    }
  }

  private void tell(Root root, boolean acked, long nanos) {
    StreamMetrics of = streams.get(root.stream);
    if (acking) {
      pending--;
    }
    if (acked) {
      long latency = acking ? nanos : 0;
      of.acked.add(1);
      of.completeLatency.add(latency);
      truth.acked.incrementAndGet();
      truth.completeNanos.addAndGet(latency);
      spout.ack(root.takeMessageId());
    } else {
      of.failed.add(1);
      of.failLatency.add(nanos);
      truth.failed.incrementAndGet();
      spout.fail(root.takeMessageId());
    }
  }

  @Override
  void close() {
    if (spout == null) {
      return;
    }
    try {
      if (isStopping() && active) {
        spout.deactivate();
      }
    } finally {
      spout.close();
    }
  }

  /** What the spout calls; from its own thread, as in Heron. */
  private final class Collector implements ISpoutOutputCollector {
    private final Router router;

    Collector(Router router) {
      this.router = router;
    }

    @Override
    public List<Integer> emit(String stream, List<Object> values, Object messageId) {
      List<Integer> tasks = router.choose(stream, values);
      send(stream, values, messageId, tasks);
      return tasks;
    }

    @Override
    public void emitDirect(int task, String stream, List<Object> values, Object messageId) {
      send(stream, values, messageId, router.direct(stream, values, task));
    }

    private void send(String stream, List<Object> values, Object messageId, List<Integer> tasks) {
      emittedTuples++;
      streams.get(stream).emitted.add(1);
      truth.emitted.incrementAndGet();
      router.send(stream, values, track(stream, messageId, tasks.size()), tasks);
    }

    /** The tree that these tuples begin; none where nobody wants to know. */
    private Set<Root> track(String stream, Object messageId, int tuples) {
      if (messageId == null) {
        return Set.of();
      }
      // Without acking, and where no one listens, the tree ends at once. The spout hears of it later, not from inside emit().
      boolean tracked = acking && tuples > 0;
      Root root = new Root(messageId, stream, System.nanoTime(), ended, tracked ? tuples : 1);
      if (acking) {
        pending++;
        trees.add(root);
      }
      if (tracked) {
        return Set.of(root);
      }
      root.ack();
      return Set.of();
    }

    @Override
    public void reportError(Throwable error) {
      engine.events().exception(id, error);
    }
  }
}
