package streamgauge.example.flink;

import java.math.BigDecimal;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/** What a performance test changes: the defaults with the arguments of main over them. */
final class Settings {
  private static final String CONSUMER = "kafka.input.consumer.";
  private static final String PRODUCER = "kafka.output.producer.";

  private static final Map<String, String> DEFAULTS =
      Map.ofEntries(
          Map.entry("job.name", "preprocessor"),
          Map.entry("kafka.input.parallelism", "1"),
          Map.entry("kafka.input.bootstrap.servers", "127.0.0.1:9092"),
          Map.entry("kafka.input.topic", "ad-events"),
          Map.entry("kafka.input.start", "latest"),
          Map.entry("kafka.input.records.per.second", "10000"),
          Map.entry("transformer.parallelism", "1"),
          Map.entry("transformer.records.per.second", "350"),
          Map.entry("transformer.drop.bots", "false"),
          Map.entry("transformer.malformed", "drop"),
          Map.entry("kafka.output.parallelism", "1"),
          Map.entry("kafka.output.bootstrap.servers", "127.0.0.1:9092"),
          Map.entry("kafka.output.topic", "ad-events-enriched"),
          Map.entry("kafka.output.records.per.second", "3500"),
          Map.entry(CONSUMER + "group.id", "flink-preprocessor"),
          Map.entry(PRODUCER + "linger.ms", "5"));

  private final TreeMap<String, String> values = new TreeMap<>(DEFAULTS);

  private Settings() {}

  /** The defaults with these arguments over them, each {@code --key=value}, or {@code --key} and then its value. */
  static Settings of(String... args) {
    Settings settings = new Settings();
    for (int i = 0; i < args.length; i++) {
      String arg = args[i];
      if (!arg.startsWith("--")) {
        throw new SettingException("argument \"" + arg + "\" is not --key=value");
      }
      int end = arg.indexOf('=');
      if (end < 0 && i + 1 == args.length) {
        throw new SettingException("argument \"" + arg + "\" has no value");
      }
      String key = end < 0 ? arg.substring(2) : arg.substring(2, end);
      String value = end < 0 ? args[++i] : arg.substring(end + 1);
      settings.set(key, value.trim());
    }
    return settings;
  }

  /** A misspelt setting would leave the default in force and the test would measure something else. */
  private void set(String key, String value) {
    if (!DEFAULTS.containsKey(key) && !key.startsWith(CONSUMER) && !key.startsWith(PRODUCER)) {
      throw new SettingException("setting " + key + " is unknown to this job");
    }
    // An empty value is an optional parameter that nobody filled in.
    if (!value.isEmpty()) {
      values.put(key, value);
    }
  }

  /** The Kafka consumer's own settings. */
  Properties consumer() {
    return below(CONSUMER);
  }

  /** The Kafka producer's own settings. */
  Properties producer() {
    return below(PRODUCER);
  }

  private Properties below(String prefix) {
    Properties part = new Properties();
    values.tailMap(prefix).forEach(
        (key, value) -> {
          if (key.startsWith(prefix)) {
            part.setProperty(key.substring(prefix.length()), value);
          }
        });
    return part;
  }

  String text(String key) {
    String value = values.get(key);
    if (value == null) {
      throw new SettingException("setting " + key + " is missing");
    }
    return value;
  }

  /** A number of instances: 1 or more. */
  int count(String key) {
    try {
      int value = Integer.parseInt(text(key));
      if (value >= 1) {
        return value;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new SettingException(key, text(key), "a whole number, 1 or more");
  }

  /** The time of a record, in ns, of an instance that carries this many a second; 0 where it has no limit. */
  long nanosPerRecord(String key) {
    try {
      double rate = new BigDecimal(text(key)).doubleValue();
      if (rate >= 0) {
        return rate == 0 ? 0 : Math.round(1e9 / rate);
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new SettingException(key, text(key), "records a second, 0 for no limit");
  }

  boolean bool(String key) {
    return Boolean.parseBoolean(oneOf(key, "true", "false"));
  }

  String oneOf(String key, String... allowed) {
    for (String value : allowed) {
      if (value.equals(text(key))) {
        return value;
      }
    }
    throw new SettingException(key, text(key), String.join(" or ", allowed));
  }
}
