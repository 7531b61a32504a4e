package streamgauge.example.flink;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Optional;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.metrics.Counter;
import org.apache.flink.util.Collector;

/**
 * Parses an event, looks up its campaign and user, and hands it on enriched. The look-up stands for a remote store: it takes
 * its time and no CPU, which is what limits an instance.
 */
final class Transformer extends RichFlatMapFunction<Event, Event> {
  private static final long serialVersionUID = 1L;

  private final long nanosPerRecord;
  private final boolean dropBots;
  private final boolean failOnMalformed;
  private transient Pacer pacer;
  private transient Counter malformed;
  private transient Counter bots;

  Transformer(long nanosPerRecord, boolean dropBots, boolean failOnMalformed) {
    this.nanosPerRecord = nanosPerRecord;
    this.dropBots = dropBots;
    this.failOnMalformed = failOnMalformed;
  }

  @Override
  public void open(OpenContext context) {
    Enricher.warmUp();
    pacer = new Pacer(Clock.SYSTEM, nanosPerRecord);
    malformed = getRuntimeContext().getMetricGroup().counter("malformed_events");
    bots = getRuntimeContext().getMetricGroup().counter("bot_events");
  }

  @Override
  public void flatMap(Event event, Collector<Event> out) {
    pacer.begin();
    Optional<ObjectNode> parsed = Enricher.parse(event.value);
    if (parsed.isEmpty()) {
      if (failOnMalformed) {
        throw new IllegalArgumentException("a record of time " + event.timestamp + " is no ad event");
      }
      malformed.inc();
    } else if (dropBots && Enricher.isBot(parsed.get())) {
      bots.inc();
    } else {
      ObjectNode enriched = Enricher.enrich(parsed.get());
      pacer.await();
      out.collect(event.with(Enricher.write(enriched)));
      pacer.end();
    }
  }
}
