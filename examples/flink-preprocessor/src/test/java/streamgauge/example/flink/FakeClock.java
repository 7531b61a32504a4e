package streamgauge.example.flink;

/** A clock that stands still unless told otherwise, and oversleeps by a given time. */
final class FakeClock implements Clock {
  long now = 1;
  long oversleep;
  int parks;

  @Override
  public long nanoTime() {
    return now;
  }

  @Override
  public void park(long nanos) {
    parks++;
    now += nanos + oversleep;
  }
}
