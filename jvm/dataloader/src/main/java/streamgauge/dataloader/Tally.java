package streamgauge.dataloader;

import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * What one subtask did. The task's thread counts what is handed over, the producer's own what is acknowledged; times are as
 * {@link Clock} counts.
 */
final class Tally {
  /** Microseconds up to an hour, to three digits, as the built-in loader has them. */
  private static final long HOUR = 3_600_000_000L;

  private final long lateAfter;
  private final Histogram sendDelay = new Histogram(1, HOUR, 3);
  private final Histogram ackLatency = new Histogram(1, HOUR, 3);
  private final Histogram latency = new Histogram(1, HOUR, 3);
  private final Map<Integer, Landed> landed = new TreeMap<>();
  private long[] perSecond = new long[64];
  private int seconds;
  private long read;
  private long late;
  private long acked;
  private long lastAck;
  private long window;
  private long sourceWait;
  private long targetWait;
  private boolean restamped;

  /** What was acknowledged in a partition: how many records, and their first and last offset, −1 when one is not known. */
  private static final class Landed {
    long acked;
    long first = Long.MAX_VALUE;
    long last = -1;
    boolean unknown;
  }

  Tally(long lateAfter) {
    this.lateAfter = lateAfter;
  }

  /** A record was handed over, after so long a wait for the target, all in nanoseconds. */
  synchronized void handed(Item item, long at, long waited) {
    read++;
    window = item.window;
    sourceWait = item.sourceWait;
    targetWait += waited;
    if (item.measured) {
      long delay = Math.max(at - item.due, 0);
      record(sendDelay, delay);
      late += delay > lateAfter ? 1 : 0;
    }
  }

  /** A record was acknowledged. */
  synchronized void acked(boolean measured, long due, long handed, long timestamp, RecordMetadata where, long at) {
    acked++;
    lastAck = Math.max(lastAck, at);
    restamped |= where.timestamp() != timestamp;
    Landed there = landed.computeIfAbsent(where.partition(), partition -> new Landed());
    there.acked++;
    there.unknown |= !where.hasOffset();
    there.first = Math.min(there.first, where.offset());
    there.last = Math.max(there.last, where.offset());
    if (measured) {
      record(ackLatency, at - handed);
      record(latency, at - due);
      int second = (int) (Math.max(at - window, 0) / 1_000_000_000L);
      if (second >= perSecond.length) {
        perSecond = Arrays.copyOf(perSecond, Math.max(second + 1, 2 * perSecond.length));
      }
      perSecond[second]++;
      seconds = Math.max(seconds, second + 1);
    }
  }

  /** How many records were acknowledged. */
  synchronized long acked() {
    return acked;
  }

  /** Whether anything was handed over. */
  synchronized boolean begun() {
    return read > 0;
  }

  /** All of it as the built-in loader writes its own, in JSON; {@code producers} are ids and epochs. */
  synchronized String toJson(long bytes, Collection<long[]> producers) {
    return """
        {"read":%d,"acked":%d,"bytes":%d,"late":%d,"sendDelay":"%s","ackLatency":"%s","latency":"%s","perSecond":%s,\
        "sourceWait":%s,"targetWait":%s,"startedAt":"%s","window":%d,"landed":{%s},"producers":[%s],"failure":null}"""
        .formatted(
            read,
            acked,
            bytes,
            late,
            base64(sendDelay),
            base64(ackLatency),
            base64(latency),
            Arrays.toString(Arrays.copyOf(perSecond, seconds)),
            duration(sourceWait),
            duration(targetWait),
            Instant.ofEpochSecond(window / 1_000_000_000L, window % 1_000_000_000L),
            Math.max(lastAck - window, 0),
            landed.entrySet().stream().map(Tally::entry).collect(Collectors.joining(",")),
            producers.stream().map(Arrays::toString).collect(Collectors.joining(",")));
  }

  /** Whether the target topic gives records a timestamp of its own. */
  synchronized boolean restamped() {
    return restamped;
  }

  private static void record(Histogram histogram, long nanos) {
    histogram.recordValue(Math.min(Math.max((nanos + 999) / 1000, 0), HOUR));
  }

  private static String base64(Histogram histogram) {
    ByteBuffer buffer = ByteBuffer.allocate(histogram.getNeededByteBufferCapacity());
    int length = histogram.encodeIntoByteBuffer(buffer);
    return Base64.getEncoder().encodeToString(Arrays.copyOf(buffer.array(), length));
  }

  private static String duration(long nanos) {
    return "{\"secs\":" + nanos / 1_000_000_000L + ",\"nanos\":" + nanos % 1_000_000_000L + "}";
  }

  private static String entry(Map.Entry<Integer, Landed> entry) {
    Landed there = entry.getValue();
    String offsets = there.unknown ? "null" : "[" + there.first + "," + (there.last + 1) + "]";
    return "\"" + entry.getKey() + "\":{\"acked\":" + there.acked + ",\"offsets\":" + offsets + "}";
  }
}
