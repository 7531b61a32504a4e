package streamgauge.example.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PacerTest {
  private static final long MICRO = 1_000;
  private static final long MILLI = 1_000_000;
  private static final long SECOND = 1_000_000_000;
  private final FakeClock clock = new FakeClock();

  /** One record, with some work before and after the wait. */
  private void record(Pacer pacer, long workNanos) {
    pacer.begin();
    clock.now += workNanos / 2;
    pacer.await();
    clock.now += workNanos / 2;
    pacer.end();
  }

  private long nanosFor(int records, Pacer pacer, long workNanos) {
    long begun = clock.now;
    for (int i = 0; i < records; i++) {
      record(pacer, workNanos);
    }
    return clock.now - begun;
  }

  @Test
  void work_is_part_of_the_records_time() {
    Pacer pacer = new Pacer(clock, 2_857 * MICRO);
    assertEquals(350 * 2_857 * MICRO, nanosFor(350, pacer, 40 * MICRO), 40 * MICRO);
  }

  @Test
  void what_a_wait_overslept_is_taken_off_the_next_ones() {
    clock.oversleep = 700 * MICRO;
    Pacer pacer = new Pacer(clock, 2_857 * MICRO);
    assertEquals(350 * 2_857 * MICRO, nanosFor(350, pacer, 40 * MICRO), MILLI);
  }

  @Test
  void a_stall_is_made_up_for() {
    Pacer pacer = new Pacer(clock, 2_857 * MICRO);
    long begun = clock.now;
    pacer.begin();
    clock.now += SECOND / 2;
    pacer.await();
    pacer.end();
    nanosFor(699, pacer, 40 * MICRO);
    assertEquals(700 * 2_857 * MICRO, clock.now - begun, 40 * MICRO);
  }

  @Test
  void a_longer_stall_is_made_up_for_by_one_second_only() {
    Pacer pacer = new Pacer(clock, 2_857 * MICRO);
    long begun = clock.now;
    pacer.begin();
    clock.now += 10 * SECOND;
    pacer.await();
    pacer.end();
    nanosFor(699, pacer, 0);
    assertEquals(9 * SECOND + 699 * 2_857 * MICRO, clock.now - begun, 2_857 * MICRO);
  }

  @Test
  void short_times_are_put_together() {
    Pacer pacer = new Pacer(clock, 285_700);
    assertEquals(3_500 * 285_700L, nanosFor(3_500, pacer, 10 * MICRO), MILLI);
    assertEquals(875, clock.parks, 10);
  }

  @Test
  void idle_time_is_not_saved_up() {
    Pacer pacer = new Pacer(clock, 2_857 * MICRO);
    long waited = 0;
    for (int i = 0; i < 100; i++) {
      clock.now += 10 * MILLI;
      waited += nanosFor(1, pacer, 40 * MICRO);
    }
    assertEquals(100 * 2_857 * MICRO, waited, 100 * MICRO);
  }

  @Test
  void the_real_clock_keeps_the_mean() {
    Pacer pacer = new Pacer(Clock.SYSTEM, 2_857 * MICRO);
    long begun = System.nanoTime();
    for (int i = 0; i < 350; i++) {
      pacer.begin();
      pacer.await();
      pacer.end();
    }
    double seconds = (System.nanoTime() - begun) / 1e9;
    // Only ever late, by the last wait's oversleeping; how late is the machine's affair.
    assertTrue(seconds > 0.998, seconds + " s");
  }
}
