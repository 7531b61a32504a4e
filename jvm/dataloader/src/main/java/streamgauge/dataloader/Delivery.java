package streamgauge.dataloader;

import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.accumulators.ListAccumulator;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;

/**
 * Writes to the target and counts every acknowledgement. Flink's own Kafka sink says neither when a record was
 * acknowledged nor where it lies, and without both nobody could tell a load's records from others'.
 */
final class Delivery extends AbstractStreamOperator<Void> implements OneInputStreamOperator<Item, Void>, BoundedOneInput {
  /** The accumulator of acknowledged records, for those who watch. */
  static final String ACKED = "streamgauge-acked";

  /** The accumulator of what each subtask did, told when it ends. */
  static final String PARTS = "streamgauge-parts";

  /** A wait for the target is told from this on, and so often what was acknowledged; in nanoseconds. */
  private static final long WAIT = 5_000_000L;

  private static final long TELL_EVERY = 100_000_000L;

  /** How long records under way may take when the load is stopped. */
  private static final Duration STOP = Duration.ofSeconds(5);

  private final Settings settings;
  private transient KafkaProducer<byte[], byte[]> producer;
  private transient Outgoing outgoing;
  private transient Tally tally;
  private transient LongCounter acked;
  private transient ListAccumulator<String> parts;
  private transient Map<Long, Integer> producers;
  private transient long toldAt;
  private transient volatile Exception failure;

  Delivery(Settings settings) {
    this.settings = settings;
  }

  @Override
  public void open() throws Exception {
    super.open();
    var task = getRuntimeContext().getTaskInfo();
    if (task.getAttemptNumber() > 0) {
      throw new FlinkRuntimeException("Flink restarted the job: records would be sent twice");
    }
    tally = new Tally(settings.lateAfter());
    outgoing = new Outgoing(settings, task.getIndexOfThisSubtask());
    producers = new TreeMap<>();
    acked = new LongCounter();
    parts = new ListAccumulator<>();
    getRuntimeContext().addAccumulator(ACKED, acked);
    getRuntimeContext().addAccumulator(PARTS, parts);
    try {
      producer = Clients.producer(settings);
      // The first record must not wait for it.
      producer.partitionsFor(settings.target().name());
    } catch (KafkaException error) {
      throw Clients.failure("write to", settings.target(), error);
    }
  }

  @Override
  public void processElement(StreamRecord<Item> element) throws Exception {
    throwFailure();
    Item item = element.getValue();
    Sent sent = new Sent(item, Clock.now());
    producer.send(outgoing.record(item), sent);
    long handed = Clock.now();
    boolean waited = handed - sent.handed > WAIT;
    tally.handed(item, handed, waited ? handed - sent.handed : 0);
    if (waited) {
      sent.handed = handed;
    }
    if (handed - toldAt > TELL_EVERY) {
      toldAt = handed;
      tell();
    }
  }

  @Override
  public void endInput() throws Exception {
    producer.flush();
    throwFailure();
  }

  @Override
  public void close() throws Exception {
    // Set when the job is cancelled, and the producer would not wait for anything then.
    Thread.interrupted();
    if (producer != null) {
      note();
      long bytes = bytes();
      producer.close(STOP);
      tell();
      var task = getRuntimeContext().getTaskInfo();
      parts.add(
          "{\"subtask\":%d,\"of\":%d,\"restamped\":%b,\"outcome\":%s}"
              .formatted(
                  task.getIndexOfThisSubtask(),
                  task.getNumberOfParallelSubtasks(),
                  tally.restamped(),
                  tally.begun() ? tally.toJson(bytes, ids()) : "null"));
      producer = null;
    }
    super.close();
  }

  private void throwFailure() throws Exception {
    if (failure != null) {
      throw new FlinkRuntimeException(
          settings.target().name() + " did not take every record: " + failure.getMessage(), failure);
    }
  }

  private void tell() {
    acked.add(tally.acked() - acked.getLocalValuePrimitive());
    note();
  }

  private void note() {
    Producers.current(producer).ifPresent(current -> producers.put(current[0], (int) current[1]));
  }

  private Collection<long[]> ids() {
    return producers.entrySet().stream().map(entry -> new long[] {entry.getKey(), entry.getValue()}).toList();
  }

  /** Bytes of the batches that were sent. */
  private long bytes() {
    double bytes = 0;
    for (var metric : producer.metrics().entrySet()) {
      if (metric.getKey().group().equals("producer-topic-metrics") && metric.getKey().name().equals("byte-total")) {
        bytes += (Double) metric.getValue().metricValue();
      }
    }
    return (long) bytes;
  }

  /** A record under way. */
  private final class Sent implements Callback {
    private final boolean measured;
    private final long due;
    private final long timestamp;
    private volatile long handed;

    Sent(Item item, long handed) {
      this.measured = item.measured;
      this.due = item.due;
      this.timestamp = item.timestamp;
      this.handed = handed;
    }

    @Override
    public void onCompletion(RecordMetadata where, Exception error) {
      if (error == null) {
        tally.acked(measured, due, handed, timestamp, where, Clock.now());
      } else if (failure == null) {
        failure = error;
      }
    }
  }
}
