package streamgauge.dataloader;

import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;

/**
 * A record without a timestamp, which Kafka writes as −1. The producer takes no timestamp for its own clock's time, and
 * refuses −1 only where a record is made.
 */
final class Untimed extends ProducerRecord<byte[], byte[]> {
  /** A record for a partition of a topic. */
  Untimed(String topic, int partition, byte[] key, byte[] value, Iterable<Header> headers) {
    super(topic, partition, null, key, value, headers);
  }

  @Override
  public Long timestamp() {
    return -1L;
  }
}
