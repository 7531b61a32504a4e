package streamgauge.runner;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.LinkedHashMap;
import java.util.Map;

/** Writes what happens as one JSON object a line. */
final class Events {
  private static final ObjectMapper JSON = new ObjectMapper();
  private final PrintStream out;

  Events(PrintStream out) {
    this.out = out;
  }

  /** Instance came up: its open() or prepare() returned. */
  void up(InstanceId instance) {
    write(Map.of("event", "instance", "instance", instance.name(), "state", "up"));
  }

  /** Every instance is up. */
  void running() {
    write(Map.of("event", "running"));
  }

  /** Spouts emit, or do not any more. */
  void state(Plan.State state) {
    write(Map.of("event", "state", "state", state.name()));
  }

  /** User code threw, or reported an error. */
  void exception(InstanceId instance, Throwable error) {
    StringWriter trace = new StringWriter();
    error.printStackTrace(new PrintWriter(trace));
    Map<String, Object> event = new LinkedHashMap<>();
    event.put("event", "exception");
    event.put("instance", instance.name());
    event.put("component", instance.component());
    event.put("stacktrace", trace.toString());
    event.put("logging", "");
    event.put("time", System.currentTimeMillis());
    write(event);
  }

  /** Metrics of the interval that ended at this time, in ms. */
  void metrics(long time, Map<String, Object> instances, Map<String, Map<String, Double>> stmgrs) {
    Map<String, Object> event = new LinkedHashMap<>();
    event.put("event", "metrics");
    event.put("time", time);
    event.put("instances", instances);
    event.put("stmgrs", stmgrs);
    write(event);
  }

  private void write(Map<String, ?> event) {
    String line;
    try {
      line = JSON.writeValueAsString(event);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("an event of strings and numbers is always JSON", e);
    }
    synchronized (out) {
      out.println(line);
      out.flush();
    }
  }
}
