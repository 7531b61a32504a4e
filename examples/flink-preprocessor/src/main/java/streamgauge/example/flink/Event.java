package streamgauge.example.flink;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * A record on its way through the job, with all that is to be kept of it. Flink serialises its public fields one by one, null
 * included.
 */
public final class Event {
  /** The record's key, or null. */
  public byte[] key;

  /** The record's value, or null. */
  public byte[] value;

  /** The record's time, in Unix milliseconds. */
  public long timestamp;

  /** The names of its headers, in order; a name may come twice. */
  public String[] headerNames;

  /** The values of its headers, each may be null. */
  public byte[][] headerValues;

  /** Flink makes events without anything in them first. */
  public Event() {}

  /** All that is to be kept of a record. */
  static Event of(ConsumerRecord<byte[], byte[]> record) {
    Event event = new Event();
    event.key = record.key();
    event.value = record.value();
    event.timestamp = record.timestamp();
    Header[] headers = record.headers().toArray();
    event.headerNames = new String[headers.length];
    event.headerValues = new byte[headers.length][];
    for (int i = 0; i < headers.length; i++) {
      event.headerNames[i] = headers[i].key();
      event.headerValues[i] = headers[i].value();
    }
    return event;
  }

  /** The same event with another value. */
  Event with(byte[] newValue) {
    Event event = new Event();
    event.key = key;
    event.value = newValue;
    event.timestamp = timestamp;
    event.headerNames = headerNames;
    event.headerValues = headerValues;
    return event;
  }

  /** The record for a topic; its partition follows from its key. */
  ProducerRecord<byte[], byte[]> toRecord(String topic) {
    ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, null, timestamp, key, value);
    for (int i = 0; i < headerNames.length; i++) {
      record.headers().add(new RecordHeader(headerNames[i], headerValues[i]));
    }
    return record;
  }
}
