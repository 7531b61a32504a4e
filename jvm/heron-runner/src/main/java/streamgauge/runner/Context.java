package streamgauge.runner;

import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.heron.api.Config;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.hooks.ITaskHook;
import org.apache.heron.api.metric.CombinedMetric;
import org.apache.heron.api.metric.ICombiner;
import org.apache.heron.api.metric.IMetric;
import org.apache.heron.api.metric.IReducer;
import org.apache.heron.api.metric.ReducedMetric;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;

/** What a user object may ask about its topology and itself. One per incarnation of an instance. */
final class Context implements TopologyContext {
  private final Definition definition;
  private final TreeMap<Integer, String> tasks;
  private final InstanceId self;
  private final Map<String, Object> taskData = new HashMap<>();
  private final Map<String, IMetric<?>> metrics = new LinkedHashMap<>();

  Context(Definition definition, TreeMap<Integer, String> tasks, InstanceId self) {
    this.definition = definition;
    this.tasks = tasks;
    this.self = self;
  }

  /** Metrics that the user object registered. */
  Map<String, IMetric<?>> metrics() {
    return metrics;
  }

  @Override
  public int getThisTaskId() {
    return self.taskId();
  }

  @Override
  public String getThisComponentId() {
    return self.component();
  }

  @Override
  public int getThisTaskIndex() {
    return self.index();
  }

  @Override
  public Fields getThisOutputFields(String stream) {
    return getComponentOutputFields(self.component(), stream);
  }

  @Override
  public Set<String> getThisStreams() {
    return getComponentStreams(self.component());
  }

  @Override
  public Map<TopologyAPI.StreamId, TopologyAPI.Grouping> getThisSources() {
    return getSources(self.component());
  }

  @Override
  public Map<String, Map<String, TopologyAPI.Grouping>> getThisTargets() {
    return getTargets(self.component());
  }

  @Override
  public void setTaskData(String name, Object data) {
    taskData.put(name, data);
  }

  @Override
  public Object getTaskData(String name) {
    return taskData.get(name);
  }

  @Override
  public void addTaskHook(ITaskHook hook) {
    throw new UnsupportedOperationException("task hooks are not supported here");
  }

  @Override
  public Collection<ITaskHook> getHooks() {
    return List.of();
  }

  @Override
  public <T extends IMetric<U>, U> T registerMetric(String name, T metric, int timeBucketSizeInSecs) {
    if (metrics.putIfAbsent(name, metric) != null) {
      throw new IllegalArgumentException("a metric named " + name + " is already registered by " + self.component());
    }
    return metric;
  }

  @Override
  public <T, U, V> ReducedMetric<T, U, V> registerMetric(String name, IReducer<T, U, V> reducer, int timeBucketSizeInSecs) {
    return registerMetric(name, new ReducedMetric<>(reducer), timeBucketSizeInSecs);
  }

  @Override
  public <T> CombinedMetric<T> registerMetric(String name, ICombiner<T> combiner, int timeBucketSizeInSecs) {
    return registerMetric(name, new CombinedMetric<>(combiner), timeBucketSizeInSecs);
  }

  @Override
  public String getTopologyId() {
    return definition.topology().getId();
  }

  @Override
  @Deprecated
  public TopologyAPI.Topology getRawTopology() {
    return definition.topology();
  }

  @Override
  public String getComponentId(int taskId) {
    return tasks.get(taskId);
  }

  @Override
  public Set<String> getComponentStreams(String component) {
    return definition.components().get(component).outputs().keySet();
  }

  @Override
  public List<Integer> getComponentTasks(String component) {
    return tasks.entrySet().stream().filter(task -> task.getValue().equals(component)).map(Map.Entry::getKey).toList();
  }

  @Override
  public Fields getComponentOutputFields(String component, String stream) {
    return definition.components().get(component).outputs().get(stream);
  }

  @Override
  public Map<TopologyAPI.StreamId, TopologyAPI.Grouping> getSources(String component) {
    Map<TopologyAPI.StreamId, TopologyAPI.Grouping> sources = new HashMap<>();
    definition.components().get(component).inputs().forEach(input -> sources.put(input.getStream(), input.getGtype()));
    return sources;
  }

  @Override
  public Map<String, Map<String, TopologyAPI.Grouping>> getTargets(String component) {
    Map<String, Map<String, TopologyAPI.Grouping>> targets = new HashMap<>();
    for (Definition.Component consumer : definition.components().values()) {
      for (TopologyAPI.InputStream input : consumer.inputs()) {
        if (input.getStream().getComponentName().equals(component)) {
          targets
              .computeIfAbsent(input.getStream().getId(), stream -> new HashMap<>())
              .put(consumer.name(), input.getGtype());
        }
      }
    }
    return targets;
  }

  @Override
  public Map<Integer, String> getTaskToComponent() {
    return Map.copyOf(tasks);
  }

  @Override
  public Set<String> getComponentIds() {
    return definition.components().keySet();
  }

  @Override
  public int maxTopologyMessageTimeout() {
    int longest = 0;
    for (Definition.Component component : definition.components().values()) {
      longest = Math.max(longest, Setting.integer(component.config(), Config.TOPOLOGY_MESSAGE_TIMEOUT_SECS, 30));
    }
    return longest;
  }
}
