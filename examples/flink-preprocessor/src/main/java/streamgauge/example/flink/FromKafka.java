package streamgauge.example.flink;

import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Takes records as the consumer gives them, at most so many a second. */
final class FromKafka implements KafkaRecordDeserializationSchema<Event> {
  private static final long serialVersionUID = 1L;

  private final long nanosPerRecord;
  private transient Pacer pacer;

  FromKafka(long nanosPerRecord) {
    this.nanosPerRecord = nanosPerRecord;
  }

  @Override
  public void open(DeserializationSchema.InitializationContext context) {
    pacer = new Pacer(Clock.SYSTEM, nanosPerRecord);
  }

  @Override
  public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Event> out) {
    pacer.begin();
    pacer.await();
    out.collect(Event.of(record));
    pacer.end();
  }

  @Override
  public TypeInformation<Event> getProducedType() {
    return TypeInformation.of(Event.class);
  }
}
