package streamgauge.example.preprocessor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.heron.api.spout.ISpoutOutputCollector;
import org.apache.heron.api.spout.SpoutOutputCollector;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;

class KafkaSpoutTest {
  private static final String TOPIC = "in";
  private final Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>();
  private final MockConsumer<byte[], byte[]> consumer =
      new MockConsumer<>("latest") {
        @Override
        public void commitSync(Map<TopicPartition, OffsetAndMetadata> offsets, Duration timeout) {
          committed.putAll(offsets);
        }

        @Override
        public synchronized Map<TopicPartition, Long> endOffsets(Collection<TopicPartition> partitions, Duration timeout) {
          if (brokerGone) {
            throw new TimeoutException("no answer");
          }
          return super.endOffsets(partitions, timeout);
        }
      };
  private final List<List<Object>> emitted = new ArrayList<>();
  private final List<Object> ids = new ArrayList<>();
  private FakeContext context;
  private boolean brokerGone;

  /** Spout of these many instances over a topic of 4 partitions that hold 10 records each. */
  private KafkaSpout open(int index, int parallelism, KafkaSpout.Start start, Map<String, Object> config, double rate) {
    List<PartitionInfo> infos = new ArrayList<>();
    Map<TopicPartition, Long> beginnings = new HashMap<>();
    Map<TopicPartition, Long> ends = new HashMap<>();
    for (int p = 0; p < 4; p++) {
      infos.add(new PartitionInfo(TOPIC, p, Node.noNode(), new Node[0], new Node[0]));
      beginnings.put(new TopicPartition(TOPIC, p), 0L);
      ends.put(new TopicPartition(TOPIC, p), 10L);
    }
    consumer.updatePartitions(TOPIC, infos);
    consumer.updateBeginningOffsets(beginnings);
    consumer.updateEndOffsets(ends);
    KafkaSpout spout = spout(start, config, rate);
    context = new FakeContext(index, parallelism);
    spout.open(Map.of(), context.get(), new SpoutOutputCollector(collector()));
    return spout;
  }

  private KafkaSpout spout(KafkaSpout.Start start, Map<String, Object> config, double rate) {
    return new KafkaSpout(TOPIC, config, start, rate, 2) {
      private static final long serialVersionUID = 1L;

      @Override
      Consumer<byte[], byte[]> connect(Map<String, Object> resolved) {
        return consumer;
      }
    };
  }

  private ISpoutOutputCollector collector() {
    return new ISpoutOutputCollector() {
      @Override
      public List<Integer> emit(String stream, List<Object> values, Object id) {
        emitted.add(values);
        ids.add(id);
        return null;
      }

      @Override
      public void emitDirect(int task, String stream, List<Object> values, Object id) {
        throw new UnsupportedOperationException();
      }

      @Override
      public void reportError(Throwable error) {
        throw new AssertionError(error);
      }
    };
  }

  private void arrive(int partition, long offset) {
    byte[] value = ("v" + offset).getBytes(StandardCharsets.UTF_8);
    RecordHeaders headers = new RecordHeaders();
    headers.add("source", new byte[] {7});
    consumer.addRecord(
        new ConsumerRecord<>(TOPIC, partition, offset, 1000 + offset, TimestampType.CREATE_TIME, 1, 2, new byte[] {1}, value, headers, Optional.empty()));
    consumer.updateEndOffsets(Map.of(new TopicPartition(TOPIC, partition), offset + 1));
  }

  @Test
  void an_instance_takes_its_share_of_the_partitions_from_their_end() {
    open(1, 3, KafkaSpout.Start.LATEST, Map.of(), 1e9);
    assertEquals(Set.of(new TopicPartition(TOPIC, 1)), consumer.assignment());
    assertEquals(10, consumer.position(new TopicPartition(TOPIC, 1)));
  }

  @Test
  void earliest_begins_at_the_beginning() {
    open(0, 3, KafkaSpout.Start.EARLIEST, Map.of(), 1e9);
    assertEquals(Set.of(new TopicPartition(TOPIC, 0), new TopicPartition(TOPIC, 3)), consumer.assignment());
    assertEquals(0, consumer.position(new TopicPartition(TOPIC, 3)));
    assertEquals(20L, context.value("kafkaOffset/in/totalSpoutLag"));
    assertEquals(10L, context.value("kafkaOffset/in/partition_3/spoutLag"));
  }

  @Test
  void a_lag_that_is_not_known_has_no_value() throws InterruptedException {
    open(0, 1, KafkaSpout.Start.LATEST, Map.of(), 1e9);
    brokerGone = true;
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    // The lag of the last half second is still good.
    while (context.value("kafkaOffset/in/totalSpoutLag") != null && System.nanoTime() < end) {
      TimeUnit.MILLISECONDS.sleep(20);
    }
    assertNull(context.value("kafkaOffset/in/totalSpoutLag"));
    assertNull(context.value("kafkaOffset/in/partition_0/spoutLag"));
  }

  @Test
  void an_instance_without_a_partition_idles() {
    KafkaSpout spout = open(5, 6, KafkaSpout.Start.LATEST, Map.of(), 1e9);
    spout.nextTuple();
    assertEquals(0L, context.value("kafkaOffset/in/totalSpoutLag"));
    spout.close();
    assertTrue(consumer.closed());
  }

  @Test
  void a_topic_that_is_not_there_is_an_error() {
    KafkaSpout spout = spout(KafkaSpout.Start.LATEST, Map.of("bootstrap.servers", "here:9092"), 1);
    consumer.updatePartitions(TOPIC, List.of());
    Exception error =
        assertThrows(IllegalStateException.class, () -> spout.open(Map.of(), new FakeContext(0, 1).get(), new SpoutOutputCollector(collector())));
    assertEquals("topic in does not exist at here:9092 (setting kafka.input.topic)", error.getMessage());
  }

  @Test
  void a_record_is_emitted_whole_and_once() {
    KafkaSpout spout = open(0, 1, KafkaSpout.Start.LATEST, Map.of(), 1e9);
    arrive(2, 10);
    spout.nextTuple();
    spout.nextTuple();
    assertEquals(1, emitted.size());
    assertArrayEquals(new byte[] {1}, (byte[]) emitted.get(0).get(0));
    assertArrayEquals("v10".getBytes(StandardCharsets.UTF_8), (byte[]) emitted.get(0).get(1));
    assertEquals(1010L, emitted.get(0).get(2));
    assertEquals("source", ((List<?>) emitted.get(0).get(3)).get(0));
  }

  @Test
  void a_failed_record_is_emitted_again_until_it_is_given_up() {
    KafkaSpout spout = open(0, 1, KafkaSpout.Start.LATEST, Map.of(), 1e9);
    arrive(0, 10);
    spout.nextTuple();
    for (int attempt = 1; attempt <= 3; attempt++) {
      assertEquals(attempt, emitted.size());
      spout.fail(ids.get(attempt - 1));
      spout.nextTuple();
    }
    assertEquals(3, emitted.size(), "the first and two retries");
    assertEquals(1L, context.value("given-up-records"));
  }

  @Test
  void the_quota_holds_back_what_is_fetched() {
    KafkaSpout spout = open(0, 1, KafkaSpout.Start.LATEST, Map.of(), 0.001);
    for (long offset = 10; offset < 20; offset++) {
      arrive(0, offset);
    }
    for (int i = 0; i < 20; i++) {
      spout.nextTuple();
    }
    assertEquals(1, emitted.size());
  }

  @Test
  void a_deactivated_spout_emits_nothing() {
    KafkaSpout spout = open(0, 1, KafkaSpout.Start.LATEST, Map.of(), 1e9);
    arrive(0, 10);
    spout.deactivate();
    spout.nextTuple();
    assertEquals(0, emitted.size());
    spout.activate();
    spout.nextTuple();
    assertEquals(1, emitted.size());
  }

  @Test
  void only_what_is_acked_without_a_gap_is_committed() {
    KafkaSpout spout = open(0, 1, KafkaSpout.Start.EARLIEST, Map.of("group.id", "g"), 1e9);
    TopicPartition partition = new TopicPartition(TOPIC, 0);
    for (long offset = 0; offset < 4; offset++) {
      arrive(0, offset);
    }
    for (int i = 0; i < 4; i++) {
      spout.nextTuple();
    }
    spout.ack(ids.get(0));
    spout.ack(ids.get(1));
    spout.ack(ids.get(3));
    spout.close();
    assertEquals(2, committed.get(partition).offset());
  }
}
