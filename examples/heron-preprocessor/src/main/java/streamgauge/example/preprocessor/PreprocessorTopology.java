package streamgauge.example.preprocessor;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.heron.api.Config;
import org.apache.heron.api.HeronSubmitter;
import org.apache.heron.api.HeronTopology;
import org.apache.heron.api.exception.AlreadyAliveException;
import org.apache.heron.api.exception.InvalidTopologyException;
import org.apache.heron.api.exception.TopologySubmissionException;
import org.apache.heron.api.topology.TopologyBuilder;
import org.apache.heron.common.basics.ByteAmount;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** kafkaSpout → transformer → publisher, built from {@link Settings}. */
public final class PreprocessorTopology {
  private final Settings settings;

  private PreprocessorTopology(Settings settings) {
    this.settings = settings;
  }

  /**
   * Submits the topology.
   *
   * @param args its name, if not that of the setting topology.name
   */
  public static void main(String[] args) {
    // Heron writes numbers such as CPUs in the default locale, and would read 0,5 as text.
    Locale.setDefault(Locale.ROOT);
    try {
      PreprocessorTopology topology = new PreprocessorTopology(Settings.load(System.getProperties()));
      String name = args.length > 0 ? args[0] : topology.settings.text(Config.TOPOLOGY_NAME);
      HeronSubmitter.submitTopology(name, topology.config(name), topology.build());
    } catch (SettingException
        | AlreadyAliveException
        | InvalidTopologyException
        | TopologySubmissionException
        | com.typesafe.config.ConfigException e) {
      System.err.println("preprocessor: " + e.getMessage());
      System.exit(1);
    }
  }

  private HeronTopology build() {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("kafkaSpout", spout(), settings.count("kafka.input.parallelism"));
    builder
        .setBolt("transformer", transformer(), settings.count("transformer.parallelism"))
        .shuffleGrouping("kafkaSpout");
    builder
        .setBolt("publisher", publisher(), settings.count("kafka.output.parallelism"))
        .shuffleGrouping("transformer");
    return builder.createTopology();
  }

  private KafkaSpout spout() {
    Map<String, Object> consumer = new HashMap<>(settings.below("kafka.input.consumer."));
    consumer.put("bootstrap.servers", settings.text("kafka.input.bootstrap.servers"));
    consumer.put("key.deserializer", ByteArrayDeserializer.class.getName());
    consumer.put("value.deserializer", ByteArrayDeserializer.class.getName());
    String start = settings.oneOf("kafka.input.start", "latest", "earliest", "committed");
    if (start.equals("committed") && !consumer.containsKey("group.id")) {
      throw new SettingException("setting kafka.input.start is \"committed\", which needs kafka.input.consumer.group.id");
    }
    return new KafkaSpout(
        settings.text("kafka.input.topic"),
        consumer,
        KafkaSpout.Start.valueOf(start.toUpperCase(Locale.ROOT)),
        settings.count("kafka.input.max.records.per.second"),
        settings.integer("kafka.input.max.retries", 0));
  }

  private Transformer transformer() {
    return new Transformer(settings.micros("transformer.lookup.micros"), settings.bool("transformer.drop.bots"));
  }

  private Publisher publisher() {
    Map<String, Object> producer = new HashMap<>(settings.below("kafka.output.producer."));
    producer.put("bootstrap.servers", settings.text("kafka.output.bootstrap.servers"));
    producer.put("key.serializer", ByteArraySerializer.class.getName());
    producer.put("value.serializer", ByteArraySerializer.class.getName());
    return new Publisher(settings.text("kafka.output.topic"), producer, settings.micros("publisher.micros"));
  }

  /** Heron's own settings, each component's resources, and for people who look at the running topology, the rest. */
  private Config config(String name) {
    Config config = new Config();
    settings.heron().forEach((key, value) -> config.put(key, HeronSetting.checked(settings, key)));
    config.put(Config.TOPOLOGY_NAME, name);
    for (String component : Settings.COMPONENTS) {
      resources(config, component);
    }
    settings.all().forEach(
        (key, value) -> {
          // The Kafka clients' settings may hold a password, and this is shown to everyone.
          if (!key.startsWith("topology.") && !key.startsWith("kafka.input.consumer.") && !key.startsWith("kafka.output.producer.")) {
            config.put(key, value);
          }
        });
    return config;
  }

  private void resources(Config config, String component) {
    String cpu = Settings.resource(component, "cpu");
    if (settings.has(cpu)) {
      config.setComponentCpu(component, settings.decimal(cpu));
    }
    String ram = Settings.resource(component, "ram");
    if (settings.has(ram)) {
      config.setComponentRam(component, ByteAmount.fromBytes(settings.bytes(ram)));
    }
    String disk = Settings.resource(component, "disk");
    if (settings.has(disk)) {
      config.setComponentDisk(component, ByteAmount.fromBytes(settings.bytes(disk)));
    }
  }
}
