package streamgauge.runner;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.heron.api.bolt.BaseRichBolt;
import org.apache.heron.api.bolt.OutputCollector;
import org.apache.heron.api.metric.CountMetric;
import org.apache.heron.api.metric.MultiCountMetric;
import org.apache.heron.api.spout.BaseRichSpout;
import org.apache.heron.api.spout.SpoutOutputCollector;
import org.apache.heron.api.topology.OutputFieldsDeclarer;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.tuple.Tuple;
import org.apache.heron.api.tuple.Values;
import org.apache.heron.api.utils.TupleUtils;

/** Spouts and bolts for tests. They are serialised, so what they tell the test is kept in {@link Seen}, by the test's name. */
final class Components {
  private Components() {}

  /** What the components of a test did. */
  static final class Seen {
    private static final Map<String, Seen> BY_TEST = new ConcurrentHashMap<>();
    final AtomicInteger acks = new AtomicInteger();
    final AtomicInteger fails = new AtomicInteger();
    final AtomicInteger activations = new AtomicInteger();
    final AtomicInteger deactivations = new AtomicInteger();
    final AtomicInteger closes = new AtomicInteger();
    final AtomicInteger ticks = new AtomicInteger();
    final AtomicLong executed = new AtomicLong();
    /** Tasks that got each word. */
    final Map<String, Set<Integer>> tasks = new ConcurrentHashMap<>();

    static Seen of(String test) {
      return BY_TEST.computeIfAbsent(test, name -> new Seen());
    }
  }

  /** Emits so many sentences, then nothing. */
  static final class Sentences extends BaseRichSpout {
    private static final long serialVersionUID = 1L;
    static final String[] TEXTS = {"the cow jumped over", "an apple a day", "four score and seven", "snow white and seven"};
    private final String test;
    private final int count;
    private final boolean tracked;
    private transient SpoutOutputCollector collector;
    private transient int emitted;

    Sentences(String test, int count) {
      this(test, count, true);
    }

    Sentences(String test, int count, boolean tracked) {
      this.test = test;
      this.count = count;
      this.tracked = tracked;
    }

    @Override
    public void open(Map<String, Object> config, TopologyContext context, SpoutOutputCollector collector) {
      this.collector = collector;
    }

    @Override
    public void nextTuple() {
      if (emitted < count) {
        Values values = new Values(TEXTS[emitted % TEXTS.length]);
        emitted++;
        if (tracked) {
          collector.emit(values, emitted);
        } else {
          collector.emit(values);
        }
      }
    }

    @Override
    public void ack(Object id) {
      Seen.of(test).acks.incrementAndGet();
    }

    @Override
    public void fail(Object id) {
      Seen.of(test).fails.incrementAndGet();
    }

    @Override
    public void activate() {
      Seen.of(test).activations.incrementAndGet();
    }

    @Override
    public void deactivate() {
      Seen.of(test).deactivations.incrementAndGet();
    }

    @Override
    public void close() {
      Seen.of(test).closes.incrementAndGet();
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      declarer.declare(new Fields("sentence"));
    }
  }

  /** Emits each word, anchored. */
  static final class Split extends BaseRichBolt {
    private static final long serialVersionUID = 1L;
    private transient OutputCollector collector;

    @Override
    public void prepare(Map<String, Object> config, TopologyContext context, OutputCollector collector) {
      this.collector = collector;
    }

    @Override
    public void execute(Tuple tuple) {
      for (String word : tuple.getString(0).split(" ")) {
        collector.emit(tuple, new Values(word));
      }
      collector.ack(tuple);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      declarer.declare(new Fields("word"));
    }
  }

  /** Counts, and does what its test needs with one word. */
  static final class Count extends BaseRichBolt {
    /** What happens to the word. */
    enum On {
      ACK,
      FAIL,
      FORGET,
      THROW_ONCE
    }

    private static final long serialVersionUID = 1L;
    private final String test;
    private final String word;
    private final On on;
    private transient OutputCollector collector;
    private transient TopologyContext context;
    private transient CountMetric metric;
    private transient MultiCountMetric byWord;

    Count(String test) {
      this(test, "", On.ACK);
    }

    Count(String test, String word, On on) {
      this.test = test;
      this.word = word;
      this.on = on;
    }

    @Override
    public void prepare(Map<String, Object> config, TopologyContext context, OutputCollector collector) {
      this.collector = collector;
      this.context = context;
      metric = context.registerMetric("words", new CountMetric(), 1);
      byWord = context.registerMetric("by-word", new MultiCountMetric(), 1);
      System.out.println("user code may print");
    }

    @Override
    public void execute(Tuple tuple) {
      Seen seen = Seen.of(test);
      if (TupleUtils.isTick(tuple)) {
        seen.ticks.incrementAndGet();
        return;
      }
      String got = tuple.getString(0);
      boolean first = seen.tasks.computeIfAbsent(got, w -> ConcurrentHashMap.newKeySet()).add(context.getThisTaskId());
      seen.executed.incrementAndGet();
      metric.incr();
      byWord.scope(got).incr();
      if (!got.equals(word) || on == On.ACK) {
        collector.ack(tuple);
      } else if (on == On.FAIL) {
        collector.fail(tuple);
      } else if (on == On.THROW_ONCE && first) {
        throw new IllegalStateException("cannot count " + got);
      } else if (on == On.THROW_ONCE) {
        collector.ack(tuple);
      }
    }

    @Override
    public void cleanup() {
      Seen.of(test).closes.incrementAndGet();
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      // the last
    }
  }

  /** Takes a while for each tuple. */
  static final class Slow extends BaseRichBolt {
    private static final long serialVersionUID = 1L;
    private final long millis;
    private transient OutputCollector collector;

    Slow(long millis) {
      this.millis = millis;
    }

    @Override
    public void prepare(Map<String, Object> config, TopologyContext context, OutputCollector collector) {
      this.collector = collector;
    }

    @Override
    public void execute(Tuple tuple) {
      try {
        Thread.sleep(millis);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
      collector.ack(tuple);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      // the last
    }
  }
}
