package streamgauge.example.preprocessor;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.heron.api.metric.CountMetric;
import org.apache.heron.api.metric.IMetric;
import org.apache.heron.api.spout.BaseRichSpout;
import org.apache.heron.api.spout.SpoutOutputCollector;
import org.apache.heron.api.topology.OutputFieldsDeclarer;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.tuple.Values;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/**
 * Reads its share of a topic's partitions: those whose number modulo the spout's parallelism is its index. Without a consumer
 * group there is no rebalance that could fall into a measurement.
 */
public class KafkaSpout extends BaseRichSpout {
  /** Where to begin. */
  enum Start {
    LATEST,
    EARLIEST,
    COMMITTED
  }

  /** A record on its way through the topology. */
  private static final class InFlight {
    final TopicPartition partition;
    final long offset;
    /** Null when it is done: it may have to wait long behind one that is not. */
    ConsumerRecord<byte[], byte[]> record;
    int retries;

    InFlight(ConsumerRecord<byte[], byte[]> record) {
      this.record = record;
      partition = new TopicPartition(record.topic(), record.partition());
      offset = record.offset();
    }
  }

  /** A partition: what is to be emitted next, and what was emitted but not yet acked. */
  private static final class Progress {
    final ArrayDeque<InFlight> inFlight = new ArrayDeque<>();
    long next;
    long end;

    long lag() {
      return Math.max(0, end - next);
    }

    /** Everything before this offset is done. */
    long doneUpTo() {
      while (!inFlight.isEmpty() && inFlight.peek().record == null) {
        inFlight.poll();
      }
      return inFlight.isEmpty() ? next : inFlight.peek().offset;
    }
  }

  private static final long serialVersionUID = 1L;
  private static final Logger LOG = Logger.getLogger(KafkaSpout.class.getName());
  private static final int METRIC_SECONDS = 10;
  private static final Duration OPEN_TIMEOUT = Duration.ofSeconds(30);
  private static final Duration END_OFFSETS_TIMEOUT = Duration.ofMillis(800);
  /** Lags asked for within this time share one look at the broker. */
  private static final long LAG_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final long COMMIT_NANOS = TimeUnit.SECONDS.toNanos(5);

  private final String topic;
  private final HashMap<String, Object> consumerConfig;
  private final Start start;
  private final double recordsPerSecond;
  private final int maxRetries;
  private transient SpoutOutputCollector collector;
  private transient Consumer<byte[], byte[]> consumer;
  private transient Map<TopicPartition, Progress> partitions;
  private transient Iterator<ConsumerRecord<byte[], byte[]>> fetched;
  private transient ArrayDeque<InFlight> retries;
  private transient Quota quota;
  private transient CountMetric givenUp;
  private transient boolean active;
  private transient boolean commits;
  private transient boolean endsKnown;
  private transient long lagNanos;
  private transient long commitNanos;

  /** Emits at most this many records a second. */
  KafkaSpout(String topic, Map<String, Object> consumerConfig, Start start, double recordsPerSecond, int maxRetries) {
    this.topic = topic;
    this.consumerConfig = new HashMap<>(consumerConfig);
    this.start = start;
    this.recordsPerSecond = recordsPerSecond;
    this.maxRetries = maxRetries;
  }

  @Override
  public void open(Map<String, Object> config, TopologyContext context, SpoutOutputCollector collector) {
    KafkaClients.quieten();
    this.collector = collector;
    fetched = Collections.emptyIterator();
    retries = new ArrayDeque<>();
    partitions = new HashMap<>();
    int index = context.getThisTaskIndex();
    int parallelism = context.getComponentTasks(context.getThisComponentId()).size();
    consumer = connect(KafkaClients.named(consumerConfig, index));
    commits = consumerConfig.containsKey("group.id");
    List<PartitionInfo> all = consumer.partitionsFor(topic, OPEN_TIMEOUT);
    if (all == null || all.isEmpty()) {
      throw new IllegalStateException(
          "topic " + topic + " does not exist at " + consumerConfig.get("bootstrap.servers") + " (setting kafka.input.topic)");
    }
    all.stream()
        .map(partition -> new TopicPartition(topic, partition.partition()))
        .filter(partition -> partition.partition() % parallelism == index)
        .forEach(partition -> partitions.put(partition, new Progress()));
    seek();
    registerMetrics(context);
    quota = new Quota(Clock.SYSTEM, recordsPerSecond);
    commitNanos = System.nanoTime();
    active = true;
  }

  /** The consumer; tests bring their own. */
  Consumer<byte[], byte[]> connect(Map<String, Object> config) {
    return new KafkaConsumer<>(config);
  }

  /** Resolves the positions now, so that an open spout misses nothing that comes after. */
  private void seek() {
    if (partitions.isEmpty()) {
      LOG.log(Level.WARNING, "topic {0} has no partition left for this instance", topic);
      endsKnown = true;
      return;
    }
    consumer.assign(partitions.keySet());
    switch (start) {
      case LATEST -> consumer.seekToEnd(partitions.keySet());
      case EARLIEST -> consumer.seekToBeginning(partitions.keySet());
      case COMMITTED -> LOG.fine("positions come from the consumer group");
    }
    partitions.forEach((partition, progress) -> progress.next = consumer.position(partition, OPEN_TIMEOUT));
    lookAtEnds(OPEN_TIMEOUT);
  }

  private void registerMetrics(TopologyContext context) {
    String prefix = "kafkaOffset/" + topic + "/";
    IMetric<Long> total = () -> freshLag(partitions.values());
    context.registerMetric(prefix + "totalSpoutLag", total, METRIC_SECONDS);
    partitions.forEach(
        (partition, progress) -> {
          IMetric<Long> lag = () -> freshLag(List.of(progress));
          context.registerMetric(prefix + "partition_" + partition.partition() + "/spoutLag", lag, METRIC_SECONDS);
        });
    givenUp = context.registerMetric("given-up-records", new CountMetric(), METRIC_SECONDS);
  }

  /**
   * Heron asks for metrics on the executor's thread, also while back-pressure keeps it from calling nextTuple(). Null, which is no
   * value, where the broker does not answer: an old lag would look like a fresh one.
   */
  private Long freshLag(Iterable<Progress> of) {
    if (System.nanoTime() - lagNanos > LAG_NANOS) {
      try {
        lookAtEnds(END_OFFSETS_TIMEOUT);
      } catch (KafkaException e) {
        LOG.log(Level.WARNING, "end offsets of {0} are not known: {1}", new Object[] {topic, e.getMessage()});
      }
    }
    if (!endsKnown) {
      return null;
    }
    long lag = 0;
    for (Progress progress : of) {
      lag += progress.lag();
    }
    return lag;
  }

  private void lookAtEnds(Duration timeout) {
    // Set first: a broker that does not answer is not asked again for every partition.
    lagNanos = System.nanoTime();
    endsKnown = false;
    consumer.endOffsets(partitions.keySet(), timeout).forEach((partition, end) -> partitions.get(partition).end = end);
    endsKnown = true;
  }

  @Override
  public void nextTuple() {
    // With more instances than partitions some have nothing to read.
    if (!active || partitions.isEmpty()) {
      return;
    }
    commitIfDue();
    if (retries.isEmpty() && !fetched.hasNext()) {
      fetched = consumer.poll(Duration.ZERO).iterator();
    }
    if ((retries.isEmpty() && !fetched.hasNext()) || !quota.tryTake()) {
      return;
    }
    emit(retries.isEmpty() ? take(fetched.next()) : retries.poll());
  }

  private InFlight take(ConsumerRecord<byte[], byte[]> record) {
    InFlight inFlight = new InFlight(record);
    Progress progress = progress(inFlight);
    progress.next = record.offset() + 1;
    progress.inFlight.add(inFlight);
    return inFlight;
  }

  private void emit(InFlight inFlight) {
    ConsumerRecord<byte[], byte[]> record = inFlight.record;
    collector.emit(
        new Values(record.key(), record.value(), record.timestamp(), RecordHeaders.toTuple(record.headers())), inFlight);
  }

  private Progress progress(InFlight inFlight) {
    return partitions.get(inFlight.partition);
  }

  @Override
  public void ack(Object messageId) {
    InFlight inFlight = (InFlight) messageId;
    inFlight.record = null;
    progress(inFlight).doneUpTo();
  }

  @Override
  public void fail(Object messageId) {
    InFlight inFlight = (InFlight) messageId;
    if (inFlight.retries++ < maxRetries) {
      retries.add(inFlight);
    } else {
      givenUp.incr();
      ack(messageId);
    }
  }

  private void commitIfDue() {
    if (commits && System.nanoTime() - commitNanos > COMMIT_NANOS) {
      commitNanos = System.nanoTime();
      consumer.commitAsync(done(), null);
    }
  }

  private Map<TopicPartition, OffsetAndMetadata> done() {
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    partitions.forEach((partition, progress) -> offsets.put(partition, new OffsetAndMetadata(progress.doneUpTo())));
    return offsets;
  }

  @Override
  public void activate() {
    active = true;
  }

  @Override
  public void deactivate() {
    active = false;
  }

  @Override
  public void close() {
    if (consumer == null) {
      return;
    }
    try {
      if (commits && !partitions.isEmpty()) {
        consumer.commitSync(done(), KafkaClients.CLOSE_TIMEOUT);
      }
    } catch (KafkaException e) {
      LOG.log(Level.WARNING, "offsets of {0} are not committed: {1}", new Object[] {topic, e.getMessage()});
    } finally {
      consumer.close(CloseOptions.timeout(KafkaClients.CLOSE_TIMEOUT));
    }
  }

  @Override
  public void declareOutputFields(OutputFieldsDeclarer declarer) {
    declarer.declare(new Fields("key", "value", "timestamp", "headers"));
  }
}
