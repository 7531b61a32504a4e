package streamgauge.example.preprocessor;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.apache.heron.api.Config;
import org.apache.heron.api.bolt.BaseRichBolt;
import org.apache.heron.api.bolt.OutputCollector;
import org.apache.heron.api.topology.OutputFieldsDeclarer;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Tuple;
import org.apache.heron.api.utils.TupleUtils;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Writes events to the output topic. A tuple is acked when the broker has its record. The producer tells so on its own thread and
 * Heron's collector belongs to the executor's, so answers wait in a queue for the next tuple or tick.
 */
public class Publisher extends BaseRichBolt {
  private static final long serialVersionUID = 1L;
  private static final long TICK_MILLIS = 20;

  /** A broker that is gone fails thousands of records a second: one report tells as much. */
  private static final long REPORT_NANOS = TimeUnit.SECONDS.toNanos(1);

  private record Answer(Tuple tuple, Exception error) {}

  private final String topic;
  private final HashMap<String, Object> producerConfig;
  private final long nanosPerRecord;
  private transient OutputCollector collector;
  private transient Producer<byte[], byte[]> producer;
  private transient ConcurrentLinkedQueue<Answer> answers;
  private transient Pacer pacer;
  private transient long reported;

  /** Each record takes this long, in ns. */
  Publisher(String topic, Map<String, Object> producerConfig, long nanosPerRecord) {
    this.topic = topic;
    this.producerConfig = new HashMap<>(producerConfig);
    this.nanosPerRecord = nanosPerRecord;
  }

  @Override
  public Map<String, Object> getComponentConfiguration() {
    Map<String, Object> config = new HashMap<>();
    config.put(Config.TOPOLOGY_TICK_TUPLE_FREQ_MS, TICK_MILLIS);
    return config;
  }

  @Override
  public void prepare(Map<String, Object> config, TopologyContext context, OutputCollector collector) {
    KafkaClients.quieten();
    this.collector = collector;
    answers = new ConcurrentLinkedQueue<>();
    producer = connect(KafkaClients.named(producerConfig, context.getThisTaskIndex()));
    // The first record must not pay for finding the topic.
    producer.partitionsFor(topic);
    pacer = new Pacer(Clock.SYSTEM, nanosPerRecord);
  }

  /** The producer; tests bring their own. */
  Producer<byte[], byte[]> connect(Map<String, Object> config) {
    return new KafkaProducer<>(config);
  }

  @Override
  public void execute(Tuple tuple) {
    if (TupleUtils.isTick(tuple)) {
      settle();
      return;
    }
    pacer.begin();
    ProducerRecord<byte[], byte[]> record =
        new ProducerRecord<>(
            topic,
            null,
            tuple.getLongByField("timestamp"),
            tuple.getBinaryByField("key"),
            tuple.getBinaryByField("value"),
            RecordHeaders.fromTuple((List<?>) tuple.getValueByField("headers")));
    producer.send(record, (metadata, error) -> answers.add(new Answer(tuple, error)));
    settle();
    pacer.await();
    pacer.end();
  }

  private void settle() {
    Answer answer;
    while ((answer = answers.poll()) != null) {
      if (answer.error == null) {
        collector.ack(answer.tuple);
      } else {
        report(answer.error);
        collector.fail(answer.tuple);
      }
    }
  }

  private void report(Exception error) {
    long now = System.nanoTime();
    if (reported == 0 || now - reported > REPORT_NANOS) {
      reported = now;
      collector.reportError(error);
    }
  }

  @Override
  public void cleanup() {
    if (producer != null) {
      producer.close(KafkaClients.CLOSE_TIMEOUT);
    }
  }

  @Override
  public void declareOutputFields(OutputFieldsDeclarer declarer) {
    // The last component.
  }
}
