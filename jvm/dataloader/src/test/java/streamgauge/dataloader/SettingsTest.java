package streamgauge.dataloader;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class SettingsTest {
  private static final String[] LEAST = {
    "--name", "load", "--source-bootstrap-servers", "a:1,b:2", "--source-topic", "s", "--target-bootstrap-servers", "c:3",
    "--target-topic", "t", "--shares", "0:5:20:10:10,3:0:1:1:7", "--schedule", "0:0:1000000000:17:17", "--compression",
    "zstd", "--late-after", "1000000000", "--give-up-after", "30000"
  };

  private static Settings parse(String... more) {
    List<String> args = new ArrayList<>(Arrays.asList(LEAST));
    args.addAll(List.of(more));
    return Settings.parse(args.toArray(String[]::new));
  }

  private static String refused(String... more) {
    return assertThrows(IllegalArgumentException.class, () -> parse(more)).getMessage();
  }

  @Test
  void argumentsSayWhatTheLoadIs() {
    Settings settings = parse("--run-header", "a = b, c", "--warm-up", "3", "--target-config", "/secrets/t.properties");
    assertEquals(List.of(new Share(0, 5, 20, 10, 10), new Share(3, 0, 1, 1, 7)), settings.shares());
    assertEquals(new Settings.Topic("a:1,b:2", "s", null), settings.source());
    assertEquals("/secrets/t.properties", settings.target().config());
    assertEquals("a = b, c", settings.runHeader());
    assertEquals(3, settings.warmUp());
    assertEquals(0, settings.partitions());
    assertEquals(List.of(new Schedule.Segment(0, 0, 1_000_000_000, 17, 17)), settings.schedule().segments());
    assertNull(settings.replay());
  }

  @Test
  void aReplayHasNoSchedule() {
    Settings settings = parse("--replay", "2000:60000000000");
    assertEquals(new Settings.Replay(2000, 60_000_000_000L), settings.replay());
    assertNull(settings.schedule());
  }

  @Test
  void whatIsNoArgumentIsNamed() {
    assertEquals("--sink-topic is no argument of this job", refused("--sink-topic", "t"));
    assertEquals("--name is given twice", refused("--name", "x"));
    assertEquals("--warm-up has no value", refused("--warm-up"));
    String[] half = Arrays.copyOf(LEAST, 4);
    String missing = assertThrows(IllegalArgumentException.class, () -> Settings.parse(half)).getMessage();
    assertEquals("--schedule is missing", missing);
  }

  @Test
  void aShareThatCannotBeIsRefused() {
    for (String wrong : new String[] {"", "1:2:3", "0:5:4:1:1", "0:0:5:6:6", "0:0:5:5:0", "-1:0:5:5:5"}) {
      assertThrows(IllegalArgumentException.class, () -> Share.parse(wrong), wrong);
    }
  }
}
