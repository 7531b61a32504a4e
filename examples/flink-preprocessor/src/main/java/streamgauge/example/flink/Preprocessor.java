package streamgauge.example.flink;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Kafka → source → transformer → sink → Kafka, each with a parallelism of its own. Arguments: see README.md. */
public final class Preprocessor {
  private Preprocessor() {}

  /** Makes the job and runs it. */
  public static void main(String[] args) throws Exception {
    Settings settings = Settings.of(args);
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment();
    build(flink, settings);
    flink.execute(settings.text("job.name"));
  }

  /** Lays out the job. Names and ids are fixed: metrics are found by the ones, state in a savepoint by the others. */
  static void build(StreamExecutionEnvironment flink, Settings settings) {
    flink
        .fromSource(source(settings), WatermarkStrategy.noWatermarks(), "source")
        .uid("source")
        .setParallelism(settings.count("kafka.input.parallelism"))
        .flatMap(
            new Transformer(
                settings.nanosPerRecord("transformer.records.per.second"),
                settings.bool("transformer.drop.bots"),
                settings.oneOf("transformer.malformed", "drop", "fail").equals("fail")))
        .name("transformer")
        .uid("transformer")
        .setParallelism(settings.count("transformer.parallelism"))
        // Each operator in threads of its own, also where parallelisms are equal: how busy it is can then be told.
        .disableChaining()
        .sinkTo(sink(settings))
        .name("sink")
        .uid("sink")
        .setParallelism(settings.count("kafka.output.parallelism"));
  }

  private static KafkaSource<Event> source(Settings settings) {
    return KafkaSource.<Event>builder()
        .setProperties(settings.consumer())
        .setBootstrapServers(settings.text("kafka.input.bootstrap.servers"))
        .setTopics(settings.text("kafka.input.topic"))
        .setStartingOffsets(start(settings))
        .setDeserializer(new FromKafka(settings.nanosPerRecord("kafka.input.records.per.second")))
        .build();
  }

  private static OffsetsInitializer start(Settings settings) {
    return switch (settings.oneOf("kafka.input.start", "latest", "earliest", "committed")) {
      case "earliest" -> OffsetsInitializer.earliest();
      case "committed" -> OffsetsInitializer.committedOffsets();
      default -> OffsetsInitializer.latest();
    };
  }

  private static KafkaSink<Event> sink(Settings settings) {
    return KafkaSink.<Event>builder()
        .setKafkaProducerConfig(settings.producer())
        .setBootstrapServers(settings.text("kafka.output.bootstrap.servers"))
        .setRecordSerializer(
            new ToKafka(settings.text("kafka.output.topic"), settings.nanosPerRecord("kafka.output.records.per.second")))
        .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
        .build();
  }
}
