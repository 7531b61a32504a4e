package streamgauge.runner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.apache.heron.api.Config;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.topology.TopologyBuilder;
import org.apache.heron.shaded.com.google.protobuf.ByteString;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import streamgauge.runner.Components.Sentences;
import streamgauge.runner.Components.Split;

class RefusalTest {
  @TempDir private Path directory;

  private static TopologyAPI.Topology topology(Config config) {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("sentence", new Sentences("refusal", 1), 1);
    builder.setBolt("split", new Split(), 1).shuffleGrouping("sentence");
    return TestTopology.topology(builder, config);
  }

  private ObjectNode plan(TopologyAPI.Topology topology) throws Exception {
    Path definition = Files.write(directory.resolve("test.defn"), topology.toByteArray());
    return TestTopology.plan(definition, topology);
  }

  private String refusal(ObjectNode plan) throws Exception {
    Path file = Files.writeString(directory.resolve("plan.json"), plan.toString());
    return assertThrows(RunnerException.class, () -> run("--plan", file.toString())).getMessage();
  }

  private static void run(String... args) throws Exception {
    Main.run(args, InputStream.nullInputStream(), new PrintStream(System.err, true, StandardCharsets.UTF_8));
  }

  @Test
  void a_plan_that_is_not_there() {
    String message = assertThrows(RunnerException.class, () -> run("--plan", "/nowhere/plan.json")).getMessage();
    assertTrue(message.startsWith("cannot read plan /nowhere/plan.json: "), message);
  }

  @Test
  void a_plan_without_a_field() throws Exception {
    ObjectNode plan = plan(topology(new Config()));
    plan.remove("queue");
    String message = refusal(plan);
    assertTrue(message.contains("queue"), message);
    assertEquals(1, message.lines().count());
  }

  @Test
  void a_definition_that_is_none() throws Exception {
    ObjectNode plan = plan(topology(new Config()));
    Files.writeString(directory.resolve("test.defn"), "not protobuf");
    String message = refusal(plan);
    assertTrue(message.contains("test.defn is not a Heron topology"), message);
  }

  @Test
  void another_topology_than_planned() throws Exception {
    assertEquals(
        "the plan is for topology other, the definition is of test", refusal(plan(topology(new Config())).put("topology", "other")));
  }

  @Test
  void a_component_without_an_instance() throws Exception {
    ObjectNode plan = plan(topology(new Config()));
    ((ObjectNode) plan.at("/containers/0")).withArray("instances").remove(1);
    assertEquals("plan: component split of topology test has no instance", refusal(plan));
  }

  @Test
  void a_class_that_is_missing() throws Exception {
    TopologyAPI.Topology.Builder topology = topology(new Config()).toBuilder();
    byte[] object = topology.getBolts(0).getComp().getSerializedObject().toByteArray();
    String renamed = new String(object, StandardCharsets.ISO_8859_1).replace("Components$Split", "Components$Gone!");
    topology
        .getBoltsBuilder(0)
        .getCompBuilder()
        .setSerializedObject(ByteString.copyFrom(renamed.getBytes(StandardCharsets.ISO_8859_1)));
    String message = refusal(plan(topology.build()));
    assertTrue(message.startsWith("cannot read component split back (is its jar on the class path?): "), message);
    assertTrue(message.contains("Gone!"), message);
  }

  @Test
  void checkpoints() throws Exception {
    Config config = new Config();
    config.setTopologyReliabilityMode(Config.TopologyReliabilityMode.EFFECTIVELY_ONCE);
    assertEquals(
        "topology.reliability.mode EFFECTIVELY_ONCE needs checkpoints, which are not supported here", refusal(plan(topology(config))));
  }

  @Test
  void a_grouping_by_a_field_that_is_not_there() throws Exception {
    TopologyAPI.Topology.Builder topology = topology(new Config()).toBuilder();
    TopologyAPI.InputStream.Builder input = topology.getBoltsBuilder(0).getInputsBuilder(0);
    input.setGtype(TopologyAPI.Grouping.FIELDS);
    input.getGroupingFieldsBuilder().addKeysBuilder().setKey("colour").setType(TopologyAPI.Type.OBJECT);
    assertEquals("stream sentence/default has no field colour to group by", refusal(plan(topology.build())));
  }

  @Test
  void the_process_says_why_on_one_line_and_exits_2() throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "streamgauge.runner.Main",
                "--plan",
                "/nowhere/plan.json")
            .start();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(2, process.exitValue());
    String error = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(1, error.lines().count(), error);
    assertTrue(error.startsWith("heron-runner: cannot read plan /nowhere/plan.json: "), error);
    assertEquals("", new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
  }
}
