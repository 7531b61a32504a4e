package streamgauge.example.flink;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/** Turns an ad event into an enriched one. Pure: the time of the look-up is the caller's. */
final class Enricher {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Set<String> TYPES = Set.of("impression", "click", "conversion");
  private static final List<String> SEGMENTS = List.of("new", "casual", "regular", "loyal", "vip");
  private static final int ADVERTISERS = 97;

  private static final byte[] SAMPLE =
      "{\"eventId\":\"0\",\"type\":\"click\",\"userId\":\"u\",\"campaignId\":1,\"price\":0.5}".getBytes(StandardCharsets.UTF_8);
  private static final int WARM_UP_EVENTS = 500;

  private Enricher() {}

  /** Loads what parsing needs, so that the first real events do not wait for it. */
  static void warmUp() {
    for (int i = 0; i < WARM_UP_EVENTS; i++) {
      parse(SAMPLE).ifPresent(event -> write(enrich(event)));
    }
  }

  /** The event in these bytes, if it is one. */
  static Optional<ObjectNode> parse(byte[] value) {
    if (value == null) {
      return Optional.empty();
    }
    try {
      JsonNode node = JSON.readTree(value);
      return node instanceof ObjectNode event && isEvent(event) ? Optional.of(event) : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static boolean isEvent(ObjectNode event) {
    return event.path("eventId").isTextual()
        && event.path("userId").isTextual()
        && event.path("campaignId").isIntegralNumber()
        && TYPES.contains(event.path("type").asText());
  }

  /** Whether its user agent calls itself a robot. */
  static boolean isBot(ObjectNode event) {
    String agent = event.path("userAgent").asText().toLowerCase(Locale.ROOT);
    return agent.contains("bot") || agent.contains("crawler") || agent.contains("spider");
  }

  /** Adds what is known of the campaign and the user. */
  static ObjectNode enrich(ObjectNode event) {
    long campaign = event.path("campaignId").asLong();
    int user = event.path("userId").asText().hashCode();
    event.put("advertiserId", Math.floorMod(campaign, ADVERTISERS));
    event.put("segment", SEGMENTS.get(Math.floorMod(user, SEGMENTS.size())));
    return event;
  }

  /** The event as bytes. */
  static byte[] write(ObjectNode event) {
    try {
      return JSON.writeValueAsBytes(event);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a parsed event is always JSON", e);
    }
  }
}
