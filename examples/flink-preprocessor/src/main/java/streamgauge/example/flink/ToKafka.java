package streamgauge.example.flink;

import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Makes the records of a topic, at most so many a second. */
final class ToKafka implements KafkaRecordSerializationSchema<Event> {
  private static final long serialVersionUID = 1L;

  private final String topic;
  private final long nanosPerRecord;
  private transient Pacer pacer;

  ToKafka(String topic, long nanosPerRecord) {
    this.topic = topic;
    this.nanosPerRecord = nanosPerRecord;
  }

  @Override
  public void open(SerializationSchema.InitializationContext context, KafkaSinkContext sink) {
    pacer = new Pacer(Clock.SYSTEM, nanosPerRecord);
  }

  @Override
  public ProducerRecord<byte[], byte[]> serialize(Event event, KafkaSinkContext context, Long timestamp) {
    pacer.begin();
    pacer.await();
    ProducerRecord<byte[], byte[]> record = event.toRecord(topic);
    pacer.end();
    return record;
  }
}
