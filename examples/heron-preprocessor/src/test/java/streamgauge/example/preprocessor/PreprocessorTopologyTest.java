package streamgauge.example.preprocessor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.utils.Utils;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs main() as heron submit does: in a JVM of its own, which leaves a .defn. */
class PreprocessorTopologyTest {
  private record Result(int code, String error) {}

  @TempDir private Path directory;

  private Result submit(List<String> jvmProperties, String... args) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    jvmProperties.forEach(property -> command.add("-D" + property));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), PreprocessorTopology.class.getName()));
    command.addAll(Arrays.asList(args));
    Path error = directory.resolve("stderr");
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(error.toFile());
    builder
        .environment()
        .put("HERON_OPTIONS", "cmdline.topologydefn.tmpdirectory=" + directory + ",cmdline.topology.initial.state=RUNNING,cmdline.topology.role=ads,cmdline.topology.environment=staging");
    Process process = builder.start();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    return new Result(process.exitValue(), Files.readString(error, StandardCharsets.UTF_8));
  }

  private TopologyAPI.Topology definition(String name) throws IOException {
    return TopologyAPI.Topology.parseFrom(Files.readAllBytes(directory.resolve(name + ".defn")));
  }

  private static Map<String, String> config(TopologyAPI.Config config) {
    Map<String, String> map = new TreeMap<>();
    config
        .getKvsList()
        .forEach(kv -> map.put(kv.getKey(), kv.hasSerializedValue() ? String.valueOf(Utils.deserialize(kv.getSerializedValue().toByteArray())) : kv.getValue()));
    return map;
  }

  @Test
  void properties_reach_the_definition() throws Exception {
    Result result =
        submit(
            List.of(
                "kafka.input.parallelism=2",
                "transformer.parallelism=29",
                "kafka.output.parallelism=3",
                "topology.component.resourcemap.kafkaSpout.cpu=1.5",
                "topology.component.resourcemap.transformer.ram=2GB",
                "topology.max.spout.pending=77",
                "topology.stmgrs=4",
                "kafka.output.producer.ssl.key.password=hush",
                // A comma for the decimal point, if the topology let it.
                "user.language=de"),
            "my-topology");
    assertEquals(0, result.code, result.error);
    TopologyAPI.Topology topology = definition("my-topology");
    assertEquals("my-topology", topology.getName());
    assertEquals("2", config(topology.getSpouts(0).getComp().getConfig()).get("topology.component.parallelism"));
    assertEquals("transformer", topology.getBolts(0).getComp().getName());
    assertEquals("29", config(topology.getBolts(0).getComp().getConfig()).get("topology.component.parallelism"));
    assertEquals("3", config(topology.getBolts(1).getComp().getConfig()).get("topology.component.parallelism"));
    Map<String, String> config = config(topology.getTopologyConfig());
    assertTrue(Arrays.asList(config.get("topology.component.cpumap").split(",")).contains("kafkaSpout:1.500000"), config.toString());
    assertTrue(Arrays.asList(config.get("topology.component.rammap").split(",")).contains("transformer:2147483648"), config.toString());
    assertEquals("77", config.get("topology.max.spout.pending"));
    assertEquals("4", config.get("topology.stmgrs"));
    assertEquals("ATLEAST_ONCE", config.get("topology.reliability.mode"));
    assertEquals("29", config.get("transformer.parallelism"));
    assertFalse(config.toString().contains("hush"), "a password is not for the tracker's pages");
  }

  @Test
  void the_name_is_a_setting_where_no_argument_gives_it() throws Exception {
    Result result = submit(List.of("topology.name=from-a-property"));
    assertEquals(0, result.code, result.error);
    assertEquals("from-a-property", definition("from-a-property").getName());
  }

  @Test
  void a_bad_value_is_told_in_one_line() throws Exception {
    assertEquals(
        new Result(1, "preprocessor: setting transformer.parallelism is \"none\", expected a whole number, 1 or more\n"),
        submit(List.of("transformer.parallelism=none")));
    assertEquals(
        new Result(1, "preprocessor: setting kafka.input.start is \"committed\", which needs kafka.input.consumer.group.id\n"),
        submit(List.of("kafka.input.start=committed")));
  }
}
