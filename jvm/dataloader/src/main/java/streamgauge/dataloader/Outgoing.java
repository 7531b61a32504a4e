package streamgauge.dataloader;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.utils.Utils;

/** Makes the target's records of those that were read. */
final class Outgoing {
  /** How many records without a key go to one partition before the next one's turn. */
  private static final long STICKY = 100;

  private final String topic;
  private final int partitions;
  private final Header run;
  private long withoutKey;

  /** {@code partitions} is 0 when a record keeps its partition; a subtask begins its turns at a partition of its own. */
  Outgoing(Settings settings, int subtask) {
    topic = settings.target().name();
    partitions = settings.partitions();
    String header = settings.runHeader();
    run = header == null ? null : new RecordHeader("streamgauge-run", header.getBytes(StandardCharsets.UTF_8));
    withoutKey = subtask * STICKY;
  }

  ProducerRecord<byte[], byte[]> record(Item item) {
    List<Header> headers = new ArrayList<>(item.names.length + 1);
    for (int index = 0; index < item.names.length; index++) {
      headers.add(new RecordHeader(item.names[index], item.values[index]));
    }
    if (run != null) {
      headers.add(run);
    }
    int partition = partitions == 0 ? item.partition : partition(item.key);
    return item.timestamp < 0
        ? new Untimed(topic, partition, item.key, item.value, headers)
        : new ProducerRecord<>(topic, partition, item.timestamp, item.key, item.value, headers);
  }

  /** As Kafka's own producers choose by a key; records without one go to each partition in turn. */
  int partition(byte[] key) {
    return key == null
        ? (int) (withoutKey++ / STICKY % partitions)
        : Utils.toPositive(Utils.murmur2(key)) % partitions;
  }
}
