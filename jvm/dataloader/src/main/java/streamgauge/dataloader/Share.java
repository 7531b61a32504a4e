package streamgauge.dataloader;

import java.io.Serializable;

/**
 * What one partition gives: {@code records} records of those between two offsets, of which there are {@code held}. When
 * more are wanted than are held, the stretch is gone through again and again.
 */
record Share(int partition, long start, long stop, long held, long records) implements Serializable {
  Share {
    if (partition < 0 || start < 0 || stop <= start || held < 1 || held > stop - start || records < 1) {
      throw new IllegalArgumentException(
          "no share: partition " + partition + ", " + start + " to " + stop + ", " + records + " of " + held);
    }
  }

  /** Reads PARTITION:START:STOP:HELD:RECORDS. */
  static Share parse(String text) {
    String[] parts = text.split(":", -1);
    if (parts.length != 5) {
      throw new IllegalArgumentException(text + " is not PARTITION:START:STOP:HELD:RECORDS");
    }
    return new Share(
        Integer.parseInt(parts[0]),
        Long.parseLong(parts[1]),
        Long.parseLong(parts[2]),
        Long.parseLong(parts[3]),
        Long.parseLong(parts[4]));
  }
}
