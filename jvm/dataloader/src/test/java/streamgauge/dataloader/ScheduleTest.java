package streamgauge.dataloader;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class ScheduleTest {
  private static final long SECOND = 1_000_000_000L;

  private static Schedule schedule(String... segments) {
    return new Schedule(List.of(segments).stream().map(Schedule.Segment::parse).toList());
  }

  @Test
  void recordsAreDueWithoutDriftAndNeverEarly() {
    Schedule thirds = schedule("0:0:10000000000:3:3");
    assertEquals(0, thirds.due(0));
    assertEquals(333_333_334, thirds.due(1));
    assertEquals(SECOND, thirds.due(3));
    assertEquals(86_400 * 365 * SECOND, thirds.due(3L * 86_400 * 365), 10_000);
  }

  @Test
  void theRateRisesEvenly() {
    // c(t) = 5 t²
    Schedule ramp = schedule("0:0:10000000000:0:100");
    assertEquals(SECOND, ramp.due(5), 1);
    assertEquals(2 * SECOND, ramp.due(20), 1);
    assertEquals(10 * SECOND, ramp.due(500), 1);
    assertEquals(11 * SECOND, ramp.due(600), 1);
  }

  @Test
  void segmentsFollowEachOther() {
    Schedule spike = schedule("0:0:2000000000:10:10", "2000000000:20:1000000000:30:30", "3000000000:50:7000000000:10:10");
    assertEquals(2 * SECOND, spike.due(20));
    assertEquals(2_500_000_000L, spike.due(35));
    assertEquals(4 * SECOND, spike.due(60));
    long last = -1;
    for (int number = 0; number < 200; number++) {
      assertTrue(spike.due(number) > last, "record " + number);
      last = spike.due(number);
    }
  }
}
