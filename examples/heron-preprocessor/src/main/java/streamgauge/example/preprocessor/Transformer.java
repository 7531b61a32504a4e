package streamgauge.example.preprocessor;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Optional;
import org.apache.heron.api.bolt.BaseRichBolt;
import org.apache.heron.api.bolt.OutputCollector;
import org.apache.heron.api.metric.CountMetric;
import org.apache.heron.api.topology.OutputFieldsDeclarer;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.tuple.Tuple;
import org.apache.heron.api.tuple.Values;

/**
 * Parses an event, looks up its campaign and user, and emits it enriched. The look-up stands for a remote store: it takes its time
 * and no CPU, which is what limits an instance.
 */
public final class Transformer extends BaseRichBolt {
  private static final long serialVersionUID = 1L;
  private static final int METRIC_SECONDS = 10;

  private final long lookupNanos;
  private final boolean dropBots;
  private transient OutputCollector collector;
  private transient Pacer pacer;
  private transient CountMetric malformed;
  private transient CountMetric bots;

  /** Each look-up takes this long, in ns. */
  Transformer(long lookupNanos, boolean dropBots) {
    this.lookupNanos = lookupNanos;
    this.dropBots = dropBots;
  }

  @Override
  public void prepare(Map<String, Object> config, TopologyContext context, OutputCollector collector) {
    this.collector = collector;
    Enricher.warmUp();
    pacer = new Pacer(Clock.SYSTEM, lookupNanos);
    malformed = context.registerMetric("malformed-events", new CountMetric(), METRIC_SECONDS);
    bots = context.registerMetric("bot-events", new CountMetric(), METRIC_SECONDS);
  }

  @Override
  public void execute(Tuple tuple) {
    pacer.begin();
    Optional<ObjectNode> event = Enricher.parse(tuple.getBinaryByField("value"));
    if (event.isEmpty()) {
      malformed.incr();
    } else if (dropBots && Enricher.isBot(event.get())) {
      bots.incr();
    } else {
      lookUpAndEmit(tuple, event.get());
      return;
    }
    collector.ack(tuple);
  }

  private void lookUpAndEmit(Tuple tuple, ObjectNode event) {
    ObjectNode enriched = Enricher.enrich(event);
    pacer.await();
    collector.emit(
        tuple,
        new Values(
            tuple.getValueByField("key"),
            Enricher.write(enriched),
            tuple.getValueByField("timestamp"),
            tuple.getValueByField("headers")));
    collector.ack(tuple);
    pacer.end();
  }

  @Override
  public void declareOutputFields(OutputFieldsDeclarer declarer) {
    declarer.declare(new Fields("key", "value", "timestamp", "headers"));
  }
}
