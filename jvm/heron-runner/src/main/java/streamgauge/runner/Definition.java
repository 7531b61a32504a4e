package streamgauge.runner;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.heron.api.Config;
import org.apache.heron.api.bolt.IBolt;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.spout.ISpout;
import org.apache.heron.api.topology.IStatefulComponent;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.utils.Utils;

/** A topology as its main() wrote it: the protobuf message of a .defn file, made easy to ask. */
final class Definition {
  /**
   * A spout or bolt.
   *
   * @param object the serialised user object
   * @param config the topology's settings with the component's own over them
   * @param inputs what a bolt listens to; empty for a spout
   * @param outputs fields of each stream it declares
   */
  record Component(
      String name,
      boolean spout,
      byte[] object,
      Map<String, Object> config,
      List<TopologyAPI.InputStream> inputs,
      Map<String, Fields> outputs) {

    /** A fresh copy of the user's spout or bolt. */
    Object instantiate() throws RunnerException {
      try {
        Object copy = Utils.deserialize(object);
        if (spout ? copy instanceof ISpout : copy instanceof IBolt) {
          return copy;
        }
        throw new RunnerException(
            "component " + name + " is a " + copy.getClass().getName() + ", not a " + (spout ? "spout" : "bolt"));
      } catch (RuntimeException | LinkageError e) {
        throw new RunnerException("cannot read component " + name + " back (is its jar on the class path?)", e);
      }
    }
  }

  private final TopologyAPI.Topology topology;
  private final Map<String, Component> components = new LinkedHashMap<>();

  private Definition(TopologyAPI.Topology topology) throws RunnerException {
    this.topology = topology;
    Map<String, Object> config = configMap(topology.getTopologyConfig());
    refuse(config);
    for (TopologyAPI.Spout spout : topology.getSpoutsList()) {
      add(spout.getComp(), true, config, List.of(), spout.getOutputsList());
    }
    for (TopologyAPI.Bolt bolt : topology.getBoltsList()) {
      add(bolt.getComp(), false, config, bolt.getInputsList(), bolt.getOutputsList());
    }
  }

  /** Reads a .defn file and proves that every component can be made. */
  static Definition read(Path file) throws RunnerException {
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new RunnerException("cannot read definition " + file, e);
    }
    TopologyAPI.Topology topology;
    try {
      topology = TopologyAPI.Topology.parseFrom(bytes);
    } catch (IOException e) {
      throw new RunnerException("definition " + file + " is not a Heron topology", e);
    }
    return of(topology);
  }

  /** The same of a message at hand. */
  static Definition of(TopologyAPI.Topology topology) throws RunnerException {
    Definition definition = new Definition(topology);
    for (Component component : definition.components.values()) {
      if (component.instantiate() instanceof IStatefulComponent) {
        throw new RunnerException("component " + component.name + " is stateful: checkpoints are not supported here");
      }
    }
    return definition;
  }

  /** The message itself. */
  TopologyAPI.Topology topology() {
    return topology;
  }

  /** All components by name, spouts first. */
  Map<String, Component> components() {
    return components;
  }

  private void add(
      TopologyAPI.Component comp,
      boolean spout,
      Map<String, Object> topologyConfig,
      List<TopologyAPI.InputStream> inputs,
      List<TopologyAPI.OutputStream> outputs)
      throws RunnerException {
    if (comp.getSpec() != TopologyAPI.ComponentObjectSpec.JAVA_SERIALIZED_OBJECT) {
      throw new RunnerException(
          "component " + comp.getName() + " is given as " + comp.getSpec() + ": only Java objects can run here");
    }
    Map<String, Object> config = new HashMap<>(topologyConfig);
    config.putAll(configMap(comp.getConfig()));
    Map<String, Fields> streams = new LinkedHashMap<>();
    for (TopologyAPI.OutputStream output : outputs) {
      List<String> keys = new ArrayList<>();
      output.getSchema().getKeysList().forEach(key -> keys.add(key.getKey()));
      streams.put(output.getStream().getId(), new Fields(keys));
    }
    byte[] object = comp.getSerializedObject().toByteArray();
    components.put(comp.getName(), new Component(comp.getName(), spout, object, config, inputs, streams));
  }

  private static Map<String, Object> configMap(TopologyAPI.Config config) throws RunnerException {
    Map<String, Object> map = new HashMap<>();
    for (TopologyAPI.Config.KeyValue kv : config.getKvsList()) {
      switch (kv.getType()) {
        case STRING_VALUE -> map.put(kv.getKey(), kv.getValue());
        case JAVA_SERIALIZED_VALUE -> map.put(kv.getKey(), deserialized(kv));
        default -> throw new RunnerException("setting " + kv.getKey() + " has a value of type " + kv.getType());
      }
    }
    return map;
  }

  private static Object deserialized(TopologyAPI.Config.KeyValue kv) throws RunnerException {
    try {
      return Utils.deserialize(kv.getSerializedValue().toByteArray());
    } catch (RuntimeException | LinkageError e) {
      throw new RunnerException("cannot read the value of setting " + kv.getKey(), e);
    }
  }

  private static void refuse(Map<String, Object> config) throws RunnerException {
    if ("EFFECTIVELY_ONCE".equals(String.valueOf(config.get(Config.TOPOLOGY_RELIABILITY_MODE)))) {
      throw new RunnerException(Config.TOPOLOGY_RELIABILITY_MODE + " EFFECTIVELY_ONCE needs checkpoints, which are not supported here");
    }
    for (String key : List.of(Config.TOPOLOGY_AUTO_TASK_HOOKS, Config.TOPOLOGY_TIMER_EVENTS)) {
      if (config.containsKey(key)) {
        throw new RunnerException("setting " + key + " is not supported here");
      }
    }
  }
}
