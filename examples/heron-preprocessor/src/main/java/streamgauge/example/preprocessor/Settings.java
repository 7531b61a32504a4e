package streamgauge.example.preprocessor;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigUtil;
import java.math.BigDecimal;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The topology's settings: JVM properties over preprocessor-dynamic.conf over preprocessor-static.conf.
 *
 * <p>They are kept flat, key to text. A tree could not hold topology.container.ram and topology.container.ram.padding at once,
 * and one of two such JVM properties would be lost.
 */
final class Settings {
  /** Components of the topology. */
  static final Set<String> COMPONENTS = Set.of("kafkaSpout", "transformer", "publisher");

  private static final String RESOURCES = "topology.component.resourcemap.";
  private static final Pattern OWN = Pattern.compile("(topology|kafka|transformer|publisher)\\..+");
  private static final Set<String> KNOWN =
      Set.of(
          "kafka.input.parallelism",
          "kafka.input.bootstrap.servers",
          "kafka.input.topic",
          "kafka.input.start",
          "kafka.input.max.records.per.second",
          "kafka.input.max.retries",
          "transformer.parallelism",
          "transformer.lookup.micros",
          "transformer.drop.bots",
          "kafka.output.parallelism",
          "kafka.output.bootstrap.servers",
          "kafka.output.topic",
          "publisher.micros");
  private static final Pattern SIZE = Pattern.compile("(\\d+)\\s*(|B|KB|MB|GB|TB)", Pattern.CASE_INSENSITIVE);

  private final TreeMap<String, String> values = new TreeMap<>();

  private Settings(Properties properties) {
    overlay(ConfigFactory.parseResourcesAnySyntax("preprocessor-static").resolve());
    overlay(ConfigFactory.parseResourcesAnySyntax("preprocessor-dynamic").resolve());
    for (String key : properties.stringPropertyNames()) {
      // An empty property is an optional parameter that nobody filled in.
      if (OWN.matcher(key).matches() && !properties.getProperty(key).isBlank()) {
        values.put(key, properties.getProperty(key).trim());
      }
    }
    values.keySet().forEach(this::checkKnown);
  }

  /** The files' settings with these properties over them. */
  static Settings load(Properties properties) {
    return new Settings(properties);
  }

  private void overlay(Config file) {
    file.entrySet()
        .forEach(entry -> values.put(String.join(".", ConfigUtil.splitPath(entry.getKey())), entry.getValue().unwrapped().toString()));
  }

  /** A misspelt setting would leave the default in force and the test would measure something else. */
  private void checkKnown(String key) {
    boolean known =
        KNOWN.contains(key)
            || key.startsWith("kafka.input.consumer.")
            || key.startsWith("kafka.output.producer.")
            || isResource(key)
            || new org.apache.heron.api.Config().getApiVars().contains(key);
    if (!known) {
      throw new SettingException("setting " + key + " is unknown to this topology and to Heron");
    }
  }

  private static boolean isResource(String key) {
    if (!key.startsWith(RESOURCES)) {
      return false;
    }
    String[] parts = key.substring(RESOURCES.length()).split("\\.", -1);
    return parts.length == 2 && COMPONENTS.contains(parts[0]) && Set.of("cpu", "ram", "disk").contains(parts[1]);
  }

  /** Everything in force, by key. */
  Map<String, String> all() {
    return values;
  }

  /** Settings that are Heron's own, as they stand: topology.max.spout.pending and its like. */
  Map<String, String> heron() {
    Map<String, String> heron = new TreeMap<>();
    values.forEach(
        (key, value) -> {
          if (key.startsWith("topology.") && !key.startsWith(RESOURCES)) {
            heron.put(key, value);
          }
        });
    return heron;
  }

  /** Settings below a prefix, by the rest of their keys: the Kafka client's own. */
  TreeMap<String, String> below(String prefix) {
    TreeMap<String, String> part = new TreeMap<>();
    values.tailMap(prefix).forEach(
        (key, value) -> {
          if (key.startsWith(prefix)) {
            part.put(key.substring(prefix.length()), value);
          }
        });
    return part;
  }

  /** Key of a component's cpu, ram or disk. */
  static String resource(String component, String what) {
    return RESOURCES + component + "." + what;
  }

  boolean has(String key) {
    return values.containsKey(key);
  }

  String text(String key) {
    String value = values.get(key);
    if (value == null) {
      throw new SettingException("setting " + key + " is missing");
    }
    return value;
  }

  /** A number of instances, records and the like: 1 or more. */
  int count(String key) {
    return integer(key, 1);
  }

  /** A whole number of at least this. */
  int integer(String key, int least) {
    try {
      int value = Integer.parseInt(text(key));
      if (value >= least) {
        return value;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new SettingException(key, text(key), "a whole number, " + least + " or more");
  }

  /** A decimal number, 0 or more. */
  double decimal(String key) {
    try {
      double value = new BigDecimal(text(key)).doubleValue();
      if (value >= 0) {
        return value;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new SettingException(key, text(key), "a number, 0 or more, such as 0.5");
  }

  /** A time given in microseconds, decimals allowed; in ns. */
  long micros(String key) {
    return Math.round(decimal(key) * 1_000);
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

  /** An amount of memory or disk, in bytes. */
  long bytes(String key) {
    Matcher size = SIZE.matcher(text(key));
    if (size.matches()) {
      try {
        return Math.multiplyExact(Long.parseLong(size.group(1)), 1L << shift(size.group(2)));
      } catch (ArithmeticException | NumberFormatException e) {
        // told below
      }
    }
    throw new SettingException(key, text(key), "bytes, such as 2GB, 512MB or 1073741824");
  }

  private static int shift(String unit) {
    return switch (unit.toUpperCase(Locale.ROOT)) {
      case "KB" -> 10;
      case "MB" -> 20;
      case "GB" -> 30;
      case "TB" -> 40;
      default -> 0;
    };
  }
}
