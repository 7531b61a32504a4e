package streamgauge.example.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class SettingsTest {
  private static String error(String... args) {
    return assertThrows(SettingException.class, () -> Settings.of(args)).getMessage();
  }

  @Test
  void without_arguments_the_defaults_hold() {
    Settings settings = Settings.of();
    assertEquals("preprocessor", settings.text("job.name"));
    assertEquals(1, settings.count("transformer.parallelism"));
    assertEquals(2_857_143, settings.nanosPerRecord("transformer.records.per.second"));
  }

  @Test
  void an_argument_wins_in_either_form() {
    Settings settings = Settings.of("--transformer.parallelism=3", "--kafka.input.topic", "ads", "--job.name=a=b");
    assertEquals(3, settings.count("transformer.parallelism"));
    assertEquals("ads", settings.text("kafka.input.topic"));
    assertEquals("a=b", settings.text("job.name"));
  }

  @Test
  void an_empty_value_is_none() {
    assertEquals("ad-events", Settings.of("--kafka.input.topic=").text("kafka.input.topic"));
  }

  @Test
  void any_setting_of_the_kafka_clients_goes_through() {
    Settings settings = Settings.of("--kafka.input.consumer.max.poll.records=50", "--kafka.output.producer.acks=1");
    assertEquals("50", settings.consumer().getProperty("max.poll.records"));
    assertEquals("flink-preprocessor", settings.consumer().getProperty("group.id"));
    assertEquals("1", settings.producer().getProperty("acks"));
  }

  @Test
  void what_cannot_be_is_told_by_name() {
    assertEquals("setting transformer.paralelism is unknown to this job", error("--transformer.paralelism=2"));
    assertEquals("argument \"transformer.parallelism=2\" is not --key=value", error("transformer.parallelism=2"));
    assertEquals("argument \"--job.name\" has no value", error("--job.name"));
    SettingException none =
        assertThrows(SettingException.class, () -> Settings.of("--transformer.parallelism=0").count("transformer.parallelism"));
    assertEquals("setting transformer.parallelism is \"0\", expected a whole number, 1 or more", none.getMessage());
    SettingException rate =
        assertThrows(
            SettingException.class,
            () -> Settings.of("--kafka.output.records.per.second=-1").nanosPerRecord("kafka.output.records.per.second"));
    assertEquals("setting kafka.output.records.per.second is \"-1\", expected records a second, 0 for no limit", rate.getMessage());
  }

  @Test
  void no_limit_takes_no_time() {
    assertEquals(0, Settings.of("--transformer.records.per.second=0").nanosPerRecord("transformer.records.per.second"));
  }
}
