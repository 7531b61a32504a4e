package streamgauge.dataloader;

import java.util.ArrayDeque;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** One partition of the source: what was read ahead of it, and when its next record is due. */
final class Lane {
  private final Share share;
  private Pace pace;
  private final ArrayDeque<ConsumerRecord<byte[], byte[]>> queue = new ArrayDeque<>();
  private long queued;

  /** Records of the running pass that were read, and of all passes. */
  private long passed;

  private long read;
  private long taken;

  /** When the next record is due, in nanoseconds after the start; −1 when the pace was not asked yet. */
  private long due = -1;

  private long number;
  private boolean paused;

  Lane(Share share) {
    this.share = share;
  }

  /** The load starts, and this says when records are due. */
  void start(Pace pace) {
    this.pace = pace;
  }

  int partition() {
    return share.partition();
  }

  Share share() {
    return share;
  }

  /** Takes a record that was read, if it is one of those that are wanted. */
  void offer(ConsumerRecord<byte[], byte[]> record) {
    if (whole() || passed == share.held() || record.offset() < share.start()) {
      return;
    }
    if (record.offset() >= share.stop()) {
      throw new FlinkRuntimeException(
          "cannot read " + record.topic() + ", partition " + partition() + ": planned records are not there any more");
    }
    queue.add(record);
    queued += size(record);
    passed++;
    read++;
  }

  /** Whether all its records were read. */
  boolean whole() {
    return read == share.records();
  }

  /** Whether all its records were taken. */
  boolean done() {
    return taken == share.records();
  }

  /** Whether a pass through the stretch was read to its end and another one follows; begins it. */
  boolean again() {
    if (whole() || passed < share.held()) {
      return false;
    }
    passed = 0;
    return true;
  }

  /** Whether records may still be read ahead, up to so many bytes. */
  boolean hasRoom(long bytes) {
    return !whole() && queued < bytes;
  }

  /** Whether the consumer is to leave it out for now, as it was told. */
  boolean isPaused() {
    return paused;
  }

  void setPaused(boolean paused) {
    this.paused = paused;
  }

  boolean isEmpty() {
    return queue.isEmpty();
  }

  /** The timestamp of the record at hand; −1 when it has none. */
  long timestamp() {
    return queue.isEmpty() ? -1 : queue.peek().timestamp();
  }

  /** When the next record is due, in nanoseconds after the start. Without a record at hand only a schedule knows. */
  long due() {
    if (due < 0) {
      number = pace.next();
      due = pace.due(number, timestamp());
    }
    return due;
  }

  /** Whether that can be known already. */
  boolean known() {
    return due >= 0 || !queue.isEmpty() || pace.byNumber();
  }

  /** The number of the record that {@link #due} spoke of. */
  long number() {
    return number;
  }

  ConsumerRecord<byte[], byte[]> take() {
    ConsumerRecord<byte[], byte[]> record = queue.remove();
    queued -= size(record);
    taken++;
    due = -1;
    return record;
  }

  private static long size(ConsumerRecord<byte[], byte[]> record) {
    // What the objects take is about as much as a small record itself.
    return 200L + Math.max(record.serializedKeySize(), 0) + Math.max(record.serializedValueSize(), 0);
  }
}
