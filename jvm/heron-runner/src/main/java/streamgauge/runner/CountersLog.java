package streamgauge.runner;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;

/** Appends what really happened to a file, one JSON object a line: see {@link Truth}. */
final class CountersLog implements Runnable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private final Engine engine;
  private final BufferedWriter writer;

  CountersLog(Engine engine, Path file) throws RunnerException {
    this.engine = engine;
    try {
      writer = Files.newBufferedWriter(file, StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new RunnerException("cannot write counters to " + file, e);
    }
  }

  @Override
  public synchronized void run() {
    try {
      writer.write(JSON.writeValueAsString(snapshot()));
      writer.newLine();
      writer.flush();
    } catch (IOException e) {
      System.err.println("heron-runner: cannot write counters: " + e.getMessage());
    }
  }

  private Map<String, Object> snapshot() {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("time", System.currentTimeMillis());
    Map<String, Object> instances = new LinkedHashMap<>();
    long completeNanos = 0;
    long completeCount = 0;
    for (Instance instance : engine.instances().values()) {
      Truth truth = instance.truth;
      Map<String, Object> counters = new LinkedHashMap<>();
      counters.put("component", instance.id.component());
      counters.put("emitted", truth.emitted.get());
      counters.put("executed", truth.executed.get());
      counters.put("acked", truth.acked.get());
      counters.put("failed", truth.failed.get());
      instances.put(instance.id.name(), counters);
      if (instance.component.spout()) {
        completeNanos += truth.completeNanos.get();
        completeCount += truth.acked.get();
      }
    }
    line.put("instances", instances);
    line.put("completeLatencyNanosSum", completeNanos);
    line.put("completeLatencyCount", completeCount);
    line.put("backPressureMs", engine.backPressure().totalMillis());
    return line;
  }
}
