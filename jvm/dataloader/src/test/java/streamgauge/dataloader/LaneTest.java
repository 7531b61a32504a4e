package streamgauge.dataloader;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;

class LaneTest {
  private static ConsumerRecord<byte[], byte[]> at(long offset) {
    return new ConsumerRecord<>("topic", 0, offset, null, new byte[100]);
  }

  private static Lane lane(Share share) {
    Lane lane = new Lane(share);
    Schedule schedule = new Schedule(List.of(new Schedule.Segment(0, 0, 1_000_000_000, 10, 10)));
    lane.start(new Pace.ByNumber(schedule, new Ranks(List.of(share), 0)));
    return lane;
  }

  @Test
  void aStretchWithGapsIsTakenToItsEndAndBegunAgain() {
    Lane lane = lane(new Share(0, 5, 9, 3, 5));
    for (long offset : new long[] {4, 5, 6, 8, 9}) {
      lane.offer(at(offset));
    }
    assertFalse(lane.whole());
    assertTrue(lane.again());
    assertFalse(lane.again());
    for (long offset : new long[] {5, 6, 8}) {
      lane.offer(at(offset));
    }
    assertTrue(lane.whole());
    assertFalse(lane.again());
    for (long offset : new long[] {5, 6, 8, 5, 6}) {
      assertEquals(offset, lane.take().offset());
    }
    assertTrue(lane.done());
  }

  @Test
  void recordsThatAreNotThereAnyMoreAreNotReplacedByLaterOnes() {
    Lane lane = lane(new Share(0, 5, 9, 3, 3));
    lane.offer(at(6));
    String said = assertThrows(FlinkRuntimeException.class, () -> lane.offer(at(9))).getMessage();
    assertEquals("cannot read topic, partition 0: planned records are not there any more", said);
  }

  @Test
  void recordsAreDueByTheirNumberBeforeTheyAreRead() {
    Lane lane = lane(new Share(0, 0, 9, 9, 9));
    assertTrue(lane.known() && lane.isEmpty());
    assertEquals(0, lane.due());
    lane.offer(at(0));
    lane.take();
    assertEquals(100_000_000, lane.due());
    assertEquals(1, lane.number());
  }

  @Test
  void readingAheadEndsWithItsMemory() {
    Lane lane = lane(new Share(0, 0, 9, 9, 9));
    assertTrue(lane.hasRoom(300));
    lane.offer(at(0));
    lane.offer(at(1));
    assertFalse(lane.hasRoom(300));
    lane.take();
    assertTrue(lane.hasRoom(300));
  }

  @Test
  void aReplayKeepsTheOrderOfAPartition() {
    Pace pace = new Pace.ByTimestamp(new Settings.Replay(2000, 10_000_000_000L), 1000);
    long[] timestamps = {1000, 3000, 2000, -1, 5000, 999_000};
    long[] dues = {0, 1_000_000_000, 1_000_000_000, 1_000_000_000, 2_000_000_000, 10_000_000_000L};
    for (int index = 0; index < dues.length; index++) {
      assertEquals(dues[index], pace.due(pace.next(), timestamps[index]));
    }
  }
}
