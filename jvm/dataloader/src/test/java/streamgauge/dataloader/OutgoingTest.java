package streamgauge.dataloader;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

class OutgoingTest {
  private static Outgoing outgoing(int partitions, String header, int subtask) {
    Settings.Topic topic = new Settings.Topic("a:1", "t", null);
    return new Outgoing(
        new Settings("n", topic, topic, partitions, List.of(), null, null, 0, header, "none", 0, 0, 1), subtask);
  }

  private static Item item() {
    Item item = new Item();
    item.partition = 2;
    item.timestamp = -1;
    item.names = new String[] {"b", "a", "b"};
    item.values = new byte[][] {{1}, null, {2}};
    return item;
  }

  @Test
  void aRecordGoesOnUntouchedWithTheRunsHeaderBehindItsOwn() {
    ProducerRecord<byte[], byte[]> record = outgoing(0, "r-1", 0).record(item());
    assertEquals(2, record.partition());
    assertEquals(-1, record.timestamp());
    assertNull(record.key());
    assertNull(record.value());
    var headers = record.headers().toArray();
    assertEquals(4, headers.length);
    assertEquals("b", headers[2].key());
    assertNull(headers[1].value());
    assertEquals("streamgauge-run", headers[3].key());
    assertArrayEquals(new byte[] {'r', '-', '1'}, headers[3].value());
  }

  @Test
  void keysLieWhereKafkasOwnProducersPutThemAndTheOthersInTurn() {
    Outgoing outgoing = outgoing(3, null, 1);
    int[] partitions =
        IntStream.range(0, 5)
            .map(number -> outgoing.partition(("key-" + number).getBytes(StandardCharsets.UTF_8)))
            .toArray();
    assertArrayEquals(new int[] {1, 0, 2, 2, 0}, partitions);
    int[] turns = IntStream.range(0, 300).map(number -> outgoing.partition(null)).toArray();
    assertEquals(1, turns[99]);
    assertEquals(2, turns[100]);
    assertEquals(0, turns[200]);
  }
}
