package streamgauge.example.preprocessor;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;

/** What the spout's consumer and the publisher's producer share. */
final class KafkaClients {
  /** A kill waits no longer than this for a broker that is gone. */
  static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(2);

  /** Held, because java.util.logging forgets the level of a logger that nobody holds. */
  private static final Logger KAFKA = Logger.getLogger("org.apache.kafka");

  private KafkaClients() {}

  /** Leaves out the hundred lines in which each Kafka client prints its settings. */
  static void quieten() {
    KAFKA.setLevel(Level.WARNING);
  }

  /** The settings with a client.id of the instance's own. */
  static Map<String, Object> named(Map<String, Object> config, int index) {
    Map<String, Object> named = new HashMap<>(config);
    named.merge("client.id", "", (id, none) -> id + "-" + index);
    return named;
  }
}
