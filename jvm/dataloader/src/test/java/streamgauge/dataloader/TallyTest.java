package streamgauge.dataloader;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class TallyTest {
  private static final long SECOND = 1_000_000_000L;

  private static RecordMetadata at(int partition, long offset, long timestamp) {
    return new RecordMetadata(new TopicPartition("t", partition), Math.max(offset, 0), offset < 0 ? -1 : 0, timestamp, 1, 1);
  }

  private static Item item(long due, boolean measured) {
    Item item = new Item();
    item.due = due;
    item.window = 10 * SECOND;
    item.measured = measured;
    return item;
  }

  @Test
  void whatHappenedIsToldAsTheBuiltInLoaderDoes() {
    Tally tally = new Tally(SECOND);
    tally.handed(item(9 * SECOND, false), 12 * SECOND, 0);
    tally.handed(item(10 * SECOND, true), 10 * SECOND + 1, 0);
    tally.handed(item(11 * SECOND, true), 13 * SECOND, SECOND + 5);
    tally.acked(false, 9 * SECOND, 12 * SECOND, 5, at(0, 100, 5), 12 * SECOND);
    tally.acked(true, 10 * SECOND, 10 * SECOND, 5, at(0, 101, 5), 11 * SECOND - 1);
    tally.acked(true, 11 * SECOND, 13 * SECOND, 5, at(1, -1, 5), 13 * SECOND);
    String json = tally.toJson(77, List.of(new long[] {4711, 2}));
    assertTrue(json.startsWith("{\"read\":3,\"acked\":3,\"bytes\":77,\"late\":1,\"sendDelay\":\"HIST"), json);
    String rest = json.substring(json.indexOf("\"perSecond\""));
    assertEquals(
        "\"perSecond\":[1, 0, 0, 1],\"sourceWait\":{\"secs\":0,\"nanos\":0},\"targetWait\":{\"secs\":1,\"nanos\":5},"
            + "\"startedAt\":\"1970-01-01T00:00:10Z\",\"window\":3000000000,\"landed\":{\"0\":{\"acked\":2,"
            + "\"offsets\":[100,102]},\"1\":{\"acked\":1,\"offsets\":null}},\"producers\":[[4711, 2]],\"failure\":null}",
        rest);
    assertTrue(!tally.restamped());
  }

  @Test
  void aTopicWithItsOwnTimestampsIsNoticed() {
    Tally tally = new Tally(SECOND);
    tally.acked(true, 0, 0, -1, at(0, 0, 1_700_000_000_000L), 0);
    assertTrue(tally.restamped());
  }
}
