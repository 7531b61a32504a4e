package streamgauge.runner;

import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.heron.api.Config;
import org.apache.heron.api.Constants;
import org.apache.heron.api.bolt.IBolt;
import org.apache.heron.api.bolt.IOutputCollector;
import org.apache.heron.api.bolt.OutputCollector;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.tuple.Tuple;

/** Runs a bolt: takes tuples from its queue one by one, and ticks. */
final class BoltInstance extends Instance {
  /** What a bolt counts of one source, once under the stream and once under source and stream, as Heron does. */
  private static final class SourceMetrics {
    final Metrics.Counter[] executed;
    final Metrics.Counter[] executeNanos;
    final Metrics.Counter[] acked;
    final Metrics.Counter[] failed;
    final Metrics.Mean[] executeLatency;
    final Metrics.Mean[] processLatency;
    final Metrics.Mean[] failLatency;

    SourceMetrics(Metrics metrics, String component, String stream) {
      String[] scopes = {"/" + stream, "/" + component + "/" + stream};
      executed = counters(metrics, "__execute-count", scopes);
      executeNanos = counters(metrics, "__execute-time-ns", scopes);
      acked = counters(metrics, "__ack-count", scopes);
      failed = counters(metrics, "__fail-count", scopes);
      executeLatency = means(metrics, "__execute-latency", scopes);
      processLatency = means(metrics, "__process-latency", scopes);
      failLatency = means(metrics, "__fail-latency", scopes);
    }

    private static Metrics.Counter[] counters(Metrics metrics, String name, String[] scopes) {
      return new Metrics.Counter[] {metrics.delta(name + scopes[0]), metrics.delta(name + scopes[1])};
    }

    private static Metrics.Mean[] means(Metrics metrics, String name, String[] scopes) {
      return new Metrics.Mean[] {metrics.mean(name + scopes[0]), metrics.mean(name + scopes[1])};
    }

    static void add(Metrics.Counter[] counters, long n) {
      counters[0].add(n);
      counters[1].add(n);
    }

    static void add(Metrics.Mean[] means, long sample) {
      means[0].add(sample);
      means[1].add(sample);
    }
  }

  private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Inbox<StreamTuple> inbox = new Inbox<>();
  private volatile boolean pressing;
  private final Map<String, SourceMetrics> sources = new HashMap<>();
  private final Map<String, Metrics.Counter> emitted = new HashMap<>();
  private final long tickNanos;
  private Metrics.Counter taskRuns;
  private IBolt bolt;

  BoltInstance(InstanceId id, Definition.Component component, Engine engine) {
    super(id, component, engine);
    tickNanos = TimeUnit.MILLISECONDS.toNanos(Setting.integer(component.config(), Config.TOPOLOGY_TICK_TUPLE_FREQ_MS, 0));
  }

  /** Queues a tuple, from any thread; too many of them stop the spouts. */
  void offer(StreamTuple tuple) {
    if (inbox.offer(tuple) > engine.queue().highWatermark() && !pressing) {
      press(true);
    }
  }

  /** Starts or stops back-pressure, after a second look: writers and the reader come here at the same time. */
  private synchronized void press(boolean start) {
    if (start && !pressing && inbox.size() > engine.queue().highWatermark()) {
      pressing = true;
      engine.backPressure().start(id);
    } else if (!start && pressing && inbox.size() < engine.queue().lowWatermark()) {
      pressing = false;
      engine.backPressure().stop(id);
    }
  }

  int queued() {
    return inbox.size();
  }

  @Override
  void wake() {
    inbox.wake();
  }

  @Override
  void start(Context context, Router router) throws RunnerException {
    sources.clear();
    emitted.clear();
    taskRuns = metrics.total("__task-run-count");
    component
        .inputs()
        .forEach(input -> sourceMetrics(input.getStream().getComponentName(), input.getStream().getId()));
    component.outputs().keySet().forEach(stream -> emitted.put(stream, metrics.delta("__emit-count/" + stream)));
    bolt = null;
    bolt = (IBolt) component.instantiate();
    bolt.prepare(new HashMap<>(component.config()), context, new OutputCollector(new Collector(router)));
  }

  @Override
  void work() {
    StreamTuple.Source tickSource =
        new StreamTuple.Source(Constants.SYSTEM_COMPONENT_ID, -1, Constants.SYSTEM_TICK_STREAM_ID, new Fields());
    long nextTick = System.nanoTime() + tickNanos;
    while (!isStopping()) {
      answerRequests();
      if (tickNanos > 0 && System.nanoTime() - nextTick >= 0) {
        execute(new StreamTuple(tickSource, List.of(), Set.of()));
        nextTick = System.nanoTime() + tickNanos;
      }
      StreamTuple tuple = take();
      if (tuple == null) {
        inbox.await(tickNanos > 0 ? nextTick - System.nanoTime() : IDLE_NANOS);
      } else {
        execute(tuple);
        truth.executed.incrementAndGet();
      }
      taskRuns.add(1);
    }
  }

  private StreamTuple take() {
    StreamTuple tuple = inbox.poll();
    if (pressing && inbox.size() < engine.queue().lowWatermark()) {
      press(false);
    }
    return tuple;
  }

  private void execute(StreamTuple tuple) {
    SourceMetrics of = sourceMetrics(tuple.getSourceComponent(), tuple.getSourceStreamId());
    long start = System.nanoTime();
    tuple.startedNanos = start;
    bolt.execute(tuple);
    long nanos = System.nanoTime() - start;
    SourceMetrics.add(of.executed, 1);
    SourceMetrics.add(of.executeNanos, nanos);
    SourceMetrics.add(of.executeLatency, nanos);
  }

  private SourceMetrics sourceMetrics(String source, String stream) {
    return sources.computeIfAbsent(source + "/" + stream, scope -> new SourceMetrics(metrics, source, stream));
  }

  /** What waited when the instance died is lost, as with the connection to a dead process; its trees time out. */
  private void dropQueue() {
    while (take() != null) {
      // nothing more to do with it
    }
  }

  @Override
  void close() {
    if (!isStopping()) {
      dropQueue();
    }
    if (bolt != null) {
      bolt.cleanup();
    }
  }

  /** What the bolt calls; from its own thread, as in Heron. */
  private final class Collector implements IOutputCollector {
    private final Router router;

    Collector(Router router) {
      this.router = router;
    }

    @Override
    public List<Integer> emit(String stream, Collection<Tuple> anchors, List<Object> values) {
      List<Integer> tasks = router.choose(stream, values);
      send(stream, anchors, values, tasks);
      return tasks;
    }

    @Override
    public void emitDirect(int task, String stream, Collection<Tuple> anchors, List<Object> values) {
      send(stream, anchors, values, router.direct(stream, values, task));
    }

    private void send(String stream, Collection<Tuple> anchors, List<Object> values, List<Integer> tasks) {
      Set<Root> roots = roots(anchors);
      for (Root root : roots) {
        root.grow(tasks.size());
      }
      router.send(stream, values, roots, tasks);
      emitted.get(stream).add(1);
      truth.emitted.incrementAndGet();
    }

    private Set<Root> roots(Collection<Tuple> anchors) {
      if (anchors == null || anchors.isEmpty()) {
        return Set.of();
      }
      if (anchors.size() == 1) {
        return ((StreamTuple) anchors.iterator().next()).roots();
      }
      Set<Root> roots = new LinkedHashSet<>();
      anchors.forEach(anchor -> roots.addAll(((StreamTuple) anchor).roots()));
      return roots;
    }

    @Override
    public void ack(Tuple tuple) {
      StreamTuple acked = (StreamTuple) tuple;
      if (acked.settle()) {
        SourceMetrics of = sourceMetrics(acked.getSourceComponent(), acked.getSourceStreamId());
        SourceMetrics.add(of.acked, 1);
        SourceMetrics.add(of.processLatency, System.nanoTime() - acked.startedNanos);
        truth.acked.incrementAndGet();
        acked.roots().forEach(Root::ack);
      }
    }

    @Override
    public void fail(Tuple tuple) {
      StreamTuple failed = (StreamTuple) tuple;
      if (failed.settle()) {
        SourceMetrics of = sourceMetrics(failed.getSourceComponent(), failed.getSourceStreamId());
        SourceMetrics.add(of.failed, 1);
        SourceMetrics.add(of.failLatency, System.nanoTime() - failed.startedNanos);
        truth.failed.incrementAndGet();
        failed.roots().forEach(Root::fail);
      }
    }

    @Override
    public void reportError(Throwable error) {
      engine.events().exception(id, error);
    }
  }
}
