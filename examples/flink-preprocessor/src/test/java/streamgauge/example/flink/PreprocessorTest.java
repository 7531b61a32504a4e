package streamgauge.example.flink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.typeutils.PojoTypeInfo;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.graph.StreamGraph;
import org.apache.flink.streaming.api.graph.StreamNode;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;

class PreprocessorTest {
  private static ConsumerRecord<byte[], byte[]> record(byte[] key, byte[] value) {
    RecordHeaders headers = new RecordHeaders();
    headers.add("source", "web".getBytes(StandardCharsets.UTF_8)).add("schema", null).add("source", new byte[] {1});
    return new ConsumerRecord<>(
        "in", 0, 7, 1_790_000_000_000L, TimestampType.CREATE_TIME, 0, 0, key, value, headers, java.util.Optional.empty());
  }

  private static Event shipped(Event event) throws IOException {
    TypeSerializer<Event> serializer = TypeInformation.of(Event.class).createSerializer(new SerializerConfigImpl());
    DataOutputSerializer out = new DataOutputSerializer(64);
    serializer.serialize(event, out);
    return serializer.deserialize(new DataInputDeserializer(out.getCopyOfBuffer()));
  }

  @Test
  void key_timestamp_and_headers_survive_the_way_through_the_job() throws IOException {
    assertTrue(TypeInformation.of(Event.class) instanceof PojoTypeInfo, "Flink would use a slow general serialiser");
    Event event = shipped(Event.of(record(new byte[] {1, 2}, new byte[] {3})));
    ProducerRecord<byte[], byte[]> out = event.with(new byte[] {4}).toRecord("out");
    assertArrayEquals(new byte[] {1, 2}, out.key());
    assertArrayEquals(new byte[] {4}, out.value());
    assertEquals(1_790_000_000_000L, out.timestamp());
    Header[] headers = out.headers().toArray();
    assertEquals("source schema source", headers[0].key() + " " + headers[1].key() + " " + headers[2].key());
    assertNull(headers[1].value());
    assertArrayEquals(new byte[] {1}, headers[2].value());
  }

  @Test
  void a_missing_key_stays_missing() throws IOException {
    assertNull(shipped(Event.of(record(null, null))).toRecord("out").key());
  }

  @Test
  void operators_have_fixed_names_and_a_parallelism_each() {
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment();
    Preprocessor.build(
        flink,
        Settings.of("--kafka.input.parallelism=2", "--transformer.parallelism=5", "--kafka.output.parallelism=3"));
    StreamGraph graph = flink.getStreamGraph();
    Map<String, Integer> parallelism = new TreeMap<>();
    for (StreamNode node : graph.getStreamNodes()) {
      parallelism.put(node.getOperatorName(), node.getParallelism());
    }
    assertEquals(2, parallelism.get("Source: source"), parallelism.toString());
    assertEquals(5, parallelism.get("transformer"), parallelism.toString());
    assertEquals(3, parallelism.get("sink: Writer"), parallelism.toString());
  }
}
