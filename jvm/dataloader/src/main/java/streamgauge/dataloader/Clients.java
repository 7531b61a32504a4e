package streamgauge.dataloader;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka's clients as the job uses them. What makes the load the one it is, no file of settings changes. */
final class Clients {
  /** The most memory for records that are handed over and not yet acknowledged, and for a single one. */
  private static final int QUEUE = 64 << 20;

  private Clients() {}

  static KafkaConsumer<byte[], byte[]> consumer(Settings settings) {
    Properties properties = properties(settings.source());
    properties.remove("group.id");
    properties.setProperty("enable.auto.commit", "false");
    properties.setProperty("isolation.level", "read_committed");
    // Records from anywhere else than planned would be another load.
    properties.setProperty("auto.offset.reset", "none");
    properties.setProperty("allow.auto.create.topics", "false");
    properties.setProperty("max.poll.records", "10000");
    properties.setProperty("fetch.max.bytes", Integer.toString(16 << 20));
    return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  static KafkaProducer<byte[], byte[]> producer(Settings settings) {
    Properties properties = properties(settings.target());
    properties.remove("transactional.id");
    properties.setProperty("acks", "all");
    properties.setProperty("enable.idempotence", "true");
    properties.setProperty("compression.type", settings.compression());
    // Records that fall due together are handed over within this time.
    properties.setProperty("linger.ms", "2");
    properties.setProperty("batch.size", Integer.toString(256 << 10));
    properties.setProperty("buffer.memory", Integer.toString(QUEUE));
    properties.setProperty("max.request.size", Integer.toString(QUEUE));
    int patience = settings.patience();
    properties.setProperty("max.block.ms", Integer.toString(patience));
    properties.setProperty("request.timeout.ms", Integer.toString(Math.max(patience / 2, 1)));
    properties.setProperty("delivery.timeout.ms", Integer.toString(patience + 1000));
    return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
  }

  /** That Kafka says no, in its words; of a client that cannot be made the cause says why. */
  static FlinkRuntimeException failure(String what, Settings.Topic topic, KafkaException error) {
    Throwable cause = error.getCause() == null ? error : error.getCause();
    return new FlinkRuntimeException(
        "cannot " + what + " " + topic.name() + " of " + topic.servers() + ": " + cause.getMessage(), error);
  }

  private static Properties properties(Settings.Topic topic) {
    Properties properties = new Properties();
    if (topic.config() != null) {
      try (Reader file = Files.newBufferedReader(Path.of(topic.config()), StandardCharsets.UTF_8)) {
        properties.load(file);
      } catch (IOException error) {
        // The message names the file; what it holds is nobody's business.
        throw new FlinkRuntimeException("the TaskManager cannot read the client's settings: " + error, error);
      }
    }
    properties.setProperty("bootstrap.servers", topic.servers());
    properties.setProperty("client.id", "streamgauge");
    // What Kafka's clients register with the JVM would outlive the job.
    properties.setProperty("metric.reporters", "");
    properties.setProperty("enable.metrics.push", "false");
    return properties;
  }
}
