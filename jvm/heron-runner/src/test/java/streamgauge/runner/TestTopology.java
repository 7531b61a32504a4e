package streamgauge.runner;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.apache.heron.api.Config;
import org.apache.heron.api.HeronTopology;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.topology.TopologyBuilder;

/** A small topology run by {@link Main#run} as a process would: plan file in, commands in, events and counters out. */
final class TestTopology implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long DEADLINE_SECONDS = 60;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final PipedOutputStream commands = new PipedOutputStream();
  private final Path counters;
  private final Thread thread;
  private volatile Throwable failure;

  private TestTopology(Path directory, Path plan) throws IOException {
    counters = directory.resolve("counters.jsonl");
    PipedInputStream stdin = new PipedInputStream(commands);
    String[] args = {"--plan", plan.toString(), "--counters", counters.toString()};
    thread =
        new Thread(
            () -> {
              try {
                Main.run(args, stdin, new PrintStream(out, false, StandardCharsets.UTF_8));
              } catch (Throwable e) {
                failure = e;
              }
            });
    thread.start();
  }

  /** Settings of a topology with acking. */
  static Config acking() {
    Config config = new Config();
    config.setTopologyReliabilityMode(Config.TopologyReliabilityMode.ATLEAST_ONCE);
    return config;
  }

  /** The topology as its main() would have written it. */
  static TopologyAPI.Topology topology(TopologyBuilder builder, Config config) {
    HeronTopology topology = builder.createTopology();
    return topology.setConfig(config).setName("test").setState(TopologyAPI.TopologyState.RUNNING).getTopology();
  }

  /** A plan that gives each component the parallelism it asked for, all in container 1. */
  static ObjectNode plan(Path definition, TopologyAPI.Topology topology) {
    ObjectNode plan = JSON.createObjectNode();
    plan.put("topology", "test").put("definition", definition.toString());
    plan.put("exportIntervalMs", 200).put("initialState", "RUNNING");
    plan.putObject("queue").put("highWatermark", 100).put("lowWatermark", 50);
    ArrayNode instances = plan.putArray("containers").addObject().put("id", 1).putArray("instances");
    List<TopologyAPI.Component> components = new ArrayList<>();
    topology.getSpoutsList().forEach(spout -> components.add(spout.getComp()));
    topology.getBoltsList().forEach(bolt -> components.add(bolt.getComp()));
    int task = 1;
    for (TopologyAPI.Component component : components) {
      for (int index = 0; index < parallelism(component); index++) {
        instances.addObject().put("component", component.getName()).put("taskId", task++).put("index", index);
      }
    }
    return plan;
  }

  private static int parallelism(TopologyAPI.Component component) {
    return component.getConfig().getKvsList().stream()
        .filter(kv -> kv.getKey().equals(Config.TOPOLOGY_COMPONENT_PARALLELISM))
        .mapToInt(kv -> Integer.parseInt(kv.getValue()))
        .findFirst()
        .orElse(1);
  }

  /** Starts it in a directory. */
  static TestTopology start(Path directory, TopologyBuilder builder, Config config) throws IOException {
    return start(directory, builder, config, "RUNNING");
  }

  /** Starts it in a directory and state. */
  static TestTopology start(Path directory, TopologyBuilder builder, Config config, String state) throws IOException {
    TopologyAPI.Topology topology = topology(builder, config);
    Path definition = Files.write(directory.resolve("test.defn"), topology.toByteArray());
    ObjectNode plan = plan(definition, topology).put("initialState", state);
    return new TestTopology(directory, Files.writeString(directory.resolve("plan.json"), plan.toString()));
  }

  /** Sends a command. */
  void command(String name) throws IOException {
    commands.write(("{\"command\":\"" + name + "\"}\n").getBytes(StandardCharsets.UTF_8));
    commands.flush();
  }

  /** All events so far. */
  List<JsonNode> events() {
    String text = out.toString(StandardCharsets.UTF_8);
    return parse(text.substring(0, text.lastIndexOf('\n') + 1));
  }

  /** The events of a kind so far. */
  List<JsonNode> events(String kind) {
    return events().stream().filter(event -> event.path("event").asText().equals(kind)).toList();
  }

  /** The metrics of an instance, one node per interval. */
  List<JsonNode> metrics(String instance) {
    return events("metrics").stream().map(event -> event.path("instances").path(instance).path("values")).toList();
  }

  /** A metric of an instance over all intervals. */
  double sum(String instance, String metric) {
    return metrics(instance).stream().mapToDouble(values -> values.path(metric).asDouble()).sum();
  }

  /** The last line of the counters file. */
  JsonNode truth() throws IOException {
    List<JsonNode> lines = parse(Files.readString(counters));
    return lines.get(lines.size() - 1);
  }

  private static List<JsonNode> parse(String lines) {
    List<JsonNode> nodes = new ArrayList<>();
    try {
      for (String line : lines.lines().toList()) {
        nodes.add(JSON.readTree(line));
      }
    } catch (IOException e) {
      throw new AssertionError("not JSON: " + lines, e);
    }
    return nodes;
  }

  /** Waits until something holds. */
  void await(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (!condition.getAsBoolean()) {
      if (failure != null) {
        throw new AssertionError("the runner ended", failure);
      }
      if (System.nanoTime() > end) {
        throw new AssertionError("not within " + DEADLINE_SECONDS + " s: " + what + "; events: " + out);
      }
      try {
        TimeUnit.MILLISECONDS.sleep(5);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  /** Waits for an event. */
  void awaitEvent(String kind, Predicate<JsonNode> matches) {
    await("event " + kind, () -> events(kind).stream().anyMatch(matches));
  }

  /** Waits until all metrics of what was done so far are out. */
  void awaitExport() {
    int seen = events("metrics").size();
    await("two more metrics events", () -> events("metrics").size() >= seen + 2);
  }

  /** Ends it as stdin's end would, and waits. */
  @Override
  public void close() throws IOException {
    commands.close();
    try {
      thread.join(TimeUnit.SECONDS.toMillis(DEADLINE_SECONDS));
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    if (thread.isAlive()) {
      throw new AssertionError("the runner did not end");
    }
    if (failure != null) {
      throw new AssertionError("the runner failed", failure);
    }
  }
}
