package streamgauge.dataloader;

import java.io.Serializable;
import java.util.List;

/**
 * An open model: when a record is due depends on its number alone, never on how long the records before it took. Behind
 * its end a schedule goes on at its last rate.
 */
record Schedule(List<Segment> segments) implements Serializable {
  private static final double NANOS = 1e9;

  /**
   * A stretch of time in which the rate changes evenly, or not at all.
   *
   * @param start when it begins, in nanoseconds after the load's start
   * @param base how many records are due before
   * @param length how long it lasts, in nanoseconds
   * @param from records a second at its begin
   * @param to records a second at its end
   */
  record Segment(long start, double base, long length, double from, double to) implements Serializable {
    /** Reads START:BASE:LENGTH:FROM:TO. */
    static Segment parse(String text) {
      String[] parts = text.split(":", -1);
      if (parts.length != 5) {
        throw new IllegalArgumentException(text + " is not START:BASE:LENGTH:FROM:TO");
      }
      return new Segment(
          Long.parseLong(parts[0]),
          Double.parseDouble(parts[1]),
          Long.parseLong(parts[2]),
          Double.parseDouble(parts[3]),
          Double.parseDouble(parts[4]));
    }

    /** When so many records of this segment were due before, in nanoseconds after its begin; never too early. */
    private long reach(double records) {
      double seconds = length / NANOS;
      double inside = (from + to) / 2 * seconds;
      if (records >= inside) {
        return length + (long) Math.ceil((records - inside) / to * NANOS);
      }
      // The root of from × t + (to − from) × t² / 2T = records, in the form that loses no digits where the two are close.
      double root = Math.sqrt(Math.max(0, from * from + 2 * (to - from) / seconds * records));
      return (long) Math.ceil(2 * records / (from + root) * NANOS);
    }
  }

  Schedule {
    segments = List.copyOf(segments);
    if (segments.isEmpty()) {
      throw new IllegalArgumentException("a schedule needs a segment");
    }
  }

  /** When record {@code number}, from 0, is due: nanoseconds after the start. */
  long due(long number) {
    int index = segments.size() - 1;
    while (index > 0 && segments.get(index).base() > number) {
      index--;
    }
    Segment segment = segments.get(index);
    double records = number - segment.base();
    return segment.start() + (records > 0 ? segment.reach(records) : 0);
  }
}
