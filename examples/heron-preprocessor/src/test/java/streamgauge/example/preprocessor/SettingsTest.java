package streamgauge.example.preprocessor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import java.util.Properties;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class SettingsTest {
  private static Settings settings(String... keysAndValues) {
    Properties properties = new Properties();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      properties.setProperty(keysAndValues[i], keysAndValues[i + 1]);
    }
    return Settings.load(properties);
  }

  private static String error(String key, String value, Consumer<Settings> use) {
    return assertThrows(SettingException.class, () -> use.accept(settings(key, value))).getMessage();
  }

  @Test
  void without_properties_the_files_hold() {
    Settings settings = settings();
    assertEquals("preprocessor", settings.text("topology.name"));
    assertEquals(1, settings.count("kafka.input.parallelism"));
    assertEquals(2_857_000, settings.micros("transformer.lookup.micros"));
    assertEquals(285_700, settings.micros("publisher.micros"));
    assertEquals("all", settings.below("kafka.output.producer.").get("acks"));
  }

  @Test
  void a_property_wins_over_the_files() {
    Settings settings = settings("kafka.input.parallelism", "7", "kafka.output.producer.acks", "1", "transformer.lookup.micros", "0.25");
    assertEquals(7, settings.count("kafka.input.parallelism"));
    assertEquals("1", settings.below("kafka.output.producer.").get("acks"));
    assertEquals(250, settings.micros("transformer.lookup.micros"));
  }

  @Test
  void any_setting_of_the_kafka_clients_goes_through() {
    Settings settings = settings("kafka.input.consumer.max.poll.records", "50", "kafka.input.consumer.group.id", "g");
    assertEquals("50", settings.below("kafka.input.consumer.").get("max.poll.records"));
    assertEquals("g", settings.below("kafka.input.consumer.").get("group.id"));
  }

  @Test
  void a_key_may_be_the_beginning_of_another() {
    Settings settings = settings("topology.container.ram", "2GB", "topology.container.ram.padding", "1GB");
    assertEquals(2L << 30, settings.bytes("topology.container.ram"));
    assertEquals(1L << 30, settings.bytes("topology.container.ram.padding"));
  }

  @Test
  void an_empty_property_is_none() {
    assertEquals(1, settings("kafka.input.parallelism", " ").count("kafka.input.parallelism"));
  }

  @Test
  void sizes_have_units_or_are_bytes() {
    Map<String, Long> sizes = Map.of("2GB", 2L << 30, "512MB", 512L << 20, "64kb", 64L << 10, "1 TB", 1L << 40, "123", 123L);
    String key = Settings.resource("publisher", "ram");
    sizes.forEach((text, bytes) -> assertEquals(bytes, settings(key, text).bytes(key), text));
  }

  @Test
  void properties_of_others_are_left_alone() {
    assertFalse(settings("java.home", "/x").has("java.home"));
  }

  @Test
  void errors_name_key_value_and_what_is_expected() {
    assertEquals(
        "setting kafka.input.parallelism is \"many\", expected a whole number, 1 or more",
        error("kafka.input.parallelism", "many", s -> s.count("kafka.input.parallelism")));
    assertEquals(
        "setting kafka.input.parallelism is \"0\", expected a whole number, 1 or more",
        error("kafka.input.parallelism", "0", s -> s.count("kafka.input.parallelism")));
    assertEquals(
        "setting publisher.micros is \"-1\", expected a number, 0 or more, such as 0.5",
        error("publisher.micros", "-1", s -> s.micros("publisher.micros")));
    assertEquals(
        "setting transformer.drop.bots is \"yes\", expected true or false",
        error("transformer.drop.bots", "yes", s -> s.bool("transformer.drop.bots")));
    String ram = Settings.resource("kafkaSpout", "ram");
    assertEquals(
        "setting " + ram + " is \"2 gigs\", expected bytes, such as 2GB, 512MB or 1073741824", error(ram, "2 gigs", s -> s.bytes(ram)));
    assertEquals(
        "setting " + ram + " is \"99999999TB\", expected bytes, such as 2GB, 512MB or 1073741824", error(ram, "99999999TB", s -> s.bytes(ram)));
    assertEquals(
        "setting topology.max.spout.pending is \"lots\", expected a whole number, 1 or more",
        error("topology.max.spout.pending", "lots", s -> HeronSetting.checked(s, "topology.max.spout.pending")));
  }

  @Test
  void a_misspelt_setting_is_refused() {
    for (String key : new String[] {"kafka.input.paralelism", "topology.max.spout.pendig", "topology.component.resourcemap.spout.cpu"}) {
      assertEquals("setting " + key + " is unknown to this topology and to Heron", error(key, "1", s -> {}));
    }
  }

  @Test
  void sizes_reach_heron_in_bytes() {
    Settings settings = settings("topology.container.ram", "2GB");
    assertEquals("2147483648", HeronSetting.checked(settings, "topology.container.ram"));
  }
}
