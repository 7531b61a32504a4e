package streamgauge.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Copies topics with a Flink DataStream job that keeps key, value, headers, timestamp and partition: a topic for each
 * line "SOURCE TARGET" of standard input, all in this one process, so that only the first copy meets a cold JVM.
 *
 * <p>Arguments: bootstrap servers, parallelism, then the producer's settings as key=value.
 */
public final class FlinkCopy {
  private FlinkCopy() {}

  public static void main(String[] args) throws Exception {
    Properties producer = new Properties();
    for (int index = 2; index < args.length; index++) {
      String[] setting = args[index].split("=", 2);
      producer.setProperty(setting[0], setting[1]);
    }
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] topics = line.split(" ");
      copy(args[0], Integer.parseInt(args[1]), producer, topics[0], topics[1]);
      System.out.println("copied " + line);
    }
  }

  private static void copy(String servers, int parallelism, Properties producer, String source, String target)
      throws Exception {
    Configuration local = new Configuration();
    local.set(RestOptions.ADDRESS, "127.0.0.1");
    local.set(RestOptions.BIND_ADDRESS, "127.0.0.1");
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(parallelism, local);
    // Nothing between source and sink keeps a record, so none has to be copied on the way.
    flink.getConfig().enableObjectReuse();
    KafkaSource<ConsumerRecord<byte[], byte[]>> from =
        KafkaSource.<ConsumerRecord<byte[], byte[]>>builder()
            .setBootstrapServers(servers)
            .setTopics(source)
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setDeserializer(new Whole())
            .build();
    KafkaSink<ConsumerRecord<byte[], byte[]>> to =
        KafkaSink.<ConsumerRecord<byte[], byte[]>>builder()
            .setBootstrapServers(servers)
            .setKafkaProducerConfig(producer)
            .setRecordSerializer(new Same(target))
            .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
            .build();
    flink.fromSource(from, WatermarkStrategy.noWatermarks(), "source").sinkTo(to).name("target");
    flink.execute();
  }

  /** Hands on the record as the consumer gave it. */
  private static final class Whole implements KafkaRecordDeserializationSchema<ConsumerRecord<byte[], byte[]>> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<ConsumerRecord<byte[], byte[]>> out)
        throws IOException {
      out.collect(record);
    }

    @Override
    public TypeInformation<ConsumerRecord<byte[], byte[]>> getProducedType() {
      return TypeInformation.of(new TypeHint<ConsumerRecord<byte[], byte[]>>() {});
    }
  }

  /** Makes the same record for another topic. */
  private record Same(String topic) implements KafkaRecordSerializationSchema<ConsumerRecord<byte[], byte[]>> {
    @Override
    public ProducerRecord<byte[], byte[]> serialize(
        ConsumerRecord<byte[], byte[]> from, KafkaSinkContext context, Long time) {
      return new ProducerRecord<>(topic, from.partition(), from.timestamp(), from.key(), from.value(), from.headers());
    }
  }
}
