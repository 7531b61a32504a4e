package streamgauge.example.preprocessor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.heron.api.bolt.IOutputCollector;
import org.apache.heron.api.bolt.OutputCollector;
import org.apache.heron.api.tuple.Tuple;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;

class PublisherTest {
  private final MockProducer<byte[], byte[]> producer =
      new MockProducer<>(false, null, new ByteArraySerializer(), new ByteArraySerializer());
  private final List<Tuple> acked = new ArrayList<>();
  private final List<Tuple> failed = new ArrayList<>();
  private final List<Throwable> errors = new ArrayList<>();

  private Publisher publisher() {
    Publisher publisher =
        new Publisher("out", Map.of("client.id", "test"), 0) {
          private static final long serialVersionUID = 1L;

          @Override
          Producer<byte[], byte[]> connect(Map<String, Object> config) {
            assertEquals("test-3", config.get("client.id"));
            return producer;
          }
        };
    publisher.prepare(Map.of(), new FakeContext(3, 4).get(), new OutputCollector(collector()));
    return publisher;
  }

  private IOutputCollector collector() {
    return new IOutputCollector() {
      @Override
      public List<Integer> emit(String stream, Collection<Tuple> anchors, List<Object> values) {
        throw new UnsupportedOperationException();
      }

      @Override
      public void emitDirect(int task, String stream, Collection<Tuple> anchors, List<Object> values) {
        throw new UnsupportedOperationException();
      }

      @Override
      public void ack(Tuple tuple) {
        acked.add(tuple);
      }

      @Override
      public void fail(Tuple tuple) {
        failed.add(tuple);
      }

      @Override
      public void reportError(Throwable error) {
        errors.add(error);
      }
    };
  }

  private static Tuple tuple(String source, String stream, Map<String, Object> values) {
    return (Tuple)
        Proxy.newProxyInstance(
            PublisherTest.class.getClassLoader(),
            new Class<?>[] {Tuple.class},
            (proxy, method, args) ->
                switch (method.getName()) {
                  case "getSourceComponent" -> source;
                  case "getSourceStreamId" -> stream;
                  case "equals" -> proxy == args[0];
                  default -> values.get(args[0]);
                });
  }

  private static Tuple event() {
    List<Object> headers = List.of("source", new byte[] {9});
    return tuple(
        "transformer", "default", Map.of("key", new byte[] {1}, "value", new byte[] {2}, "timestamp", 123L, "headers", headers));
  }

  private static Tuple tick() {
    return tuple("__system", "__tick", Map.of());
  }

  @Test
  void a_record_keeps_key_timestamp_and_headers() {
    publisher().execute(event());
    ProducerRecord<byte[], byte[]> record = producer.history().get(0);
    assertEquals("out", record.topic());
    assertArrayEquals(new byte[] {1}, record.key());
    assertArrayEquals(new byte[] {2}, record.value());
    assertEquals(123L, record.timestamp());
    assertArrayEquals(new byte[] {9}, record.headers().lastHeader("source").value());
  }

  @Test
  void a_tuple_is_acked_once_the_broker_has_it_and_by_the_executors_thread() {
    Publisher publisher = publisher();
    Tuple tuple = event();
    publisher.execute(tuple);
    publisher.execute(tick());
    assertEquals(List.of(), acked);
    producer.completeNext();
    assertEquals(List.of(), acked, "not from within the producer's callback");
    publisher.execute(tick());
    assertEquals(List.of(tuple), acked);
  }

  @Test
  void a_tuple_whose_record_was_refused_fails_and_the_error_is_reported_once() {
    Publisher publisher = publisher();
    publisher.execute(event());
    publisher.execute(event());
    producer.errorNext(new IllegalStateException("no"));
    producer.errorNext(new IllegalStateException("no"));
    publisher.execute(tick());
    assertEquals(2, failed.size());
    assertEquals(1, errors.size());
    assertEquals(List.of(), acked);
  }

  @Test
  void cleanup_closes_the_producer() {
    publisher().cleanup();
    assertTrue(producer.closed());
  }
}
