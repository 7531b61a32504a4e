package streamgauge.example.preprocessor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.junit.jupiter.api.Test;

class EnricherTest {
  private static final String EVENT =
      "{\"eventId\":\"e-1\",\"type\":\"click\",\"userId\":\"u-123\",\"campaignId\":117,\"adId\":4,\"price\":0.0123,"
          + "\"timestamp\":1790000000000,\"country\":\"JP\",\"userAgent\":\"Mozilla/5.0\"}";

  private static Optional<ObjectNode> parse(String value) {
    return Enricher.parse(value.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void an_event_keeps_its_fields_and_gains_advertiser_and_segment() {
    String written = new String(Enricher.write(Enricher.enrich(parse(EVENT).orElseThrow())), StandardCharsets.UTF_8);
    assertTrue(written.startsWith(EVENT.substring(0, EVENT.length() - 1) + ","), written);
    ObjectNode enriched = parse(written).orElseThrow();
    assertEquals(20, enriched.path("advertiserId").asInt());
    assertTrue(enriched.path("segment").isTextual(), written);
  }

  @Test
  void the_same_user_is_always_in_the_same_segment() {
    String segment = Enricher.enrich(parse(EVENT).orElseThrow()).path("segment").asText();
    assertEquals(segment, Enricher.enrich(parse(EVENT.replace("e-1", "e-2")).orElseThrow()).path("segment").asText());
  }

  @Test
  void what_is_not_an_event_is_malformed() {
    for (String value : new String[] {"", "{", "[]", "17", "null", EVENT.replace("click", "sneeze"), EVENT.replace("117", "\"x\""), EVENT.replace("userId", "user")}) {
      assertTrue(parse(value).isEmpty(), value);
    }
    assertTrue(Enricher.parse(null).isEmpty());
  }

  @Test
  void robots_are_known_by_their_user_agent() {
    assertFalse(Enricher.isBot(parse(EVENT).orElseThrow()));
    assertTrue(Enricher.isBot(parse(EVENT.replace("Mozilla/5.0", "SomeBot/2.1")).orElseThrow()));
  }

  @Test
  void headers_survive_the_way_through_the_topology() {
    org.apache.kafka.common.header.internals.RecordHeaders headers = new org.apache.kafka.common.header.internals.RecordHeaders();
    headers.add("source", "web".getBytes(StandardCharsets.UTF_8)).add("schema", null).add("source", new byte[] {1});
    assertEquals(headers.toArray().length, 3);
    Header[] back = RecordHeaders.fromTuple(RecordHeaders.toTuple(headers)).toArray(new Header[0]);
    assertEquals(java.util.List.of(headers.toArray()), java.util.List.of(back));
    assertEquals(new RecordHeader("schema", (byte[]) null), back[1]);
  }
}
