package streamgauge.runner;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What to run: the packing plan's containers and instances, and how.
 *
 * @param topology name the definition must have
 * @param definition path of the topology's .defn
 * @param exportIntervalMs time between two metrics events, in ms (Heron: 60 s)
 * @param initialState RUNNING or PAUSED
 * @param containers where each instance lives; container n has stream manager stmgr-n
 * @param queue watermarks of every bolt's input queue
 */
record Plan(
    @JsonProperty(required = true) String topology,
    @JsonProperty(required = true) String definition,
    @JsonProperty(required = true) long exportIntervalMs,
    @JsonProperty(required = true) State initialState,
    @JsonProperty(required = true) List<Container> containers,
    @JsonProperty(required = true) Queue queue) {

  /** Whether spouts emit. */
  enum State {
    RUNNING,
    PAUSED
  }

  /** One container of the packing plan. */
  record Container(
      @JsonProperty(required = true) int id,
      @JsonProperty(required = true) List<InstancePlan> instances) {}

  /** One instance of a component. */
  record InstancePlan(
      @JsonProperty(required = true) String component,
      @JsonProperty(required = true) int taskId,
      @JsonProperty(required = true) int index) {}

  /** Lengths of an input queue, in tuples, at which back-pressure begins and ends. */
  record Queue(
      @JsonProperty(required = true) int highWatermark,
      @JsonProperty(required = true) int lowWatermark) {}

  /** Reads and checks a plan file. */
  static Plan read(Path file) throws RunnerException {
    try {
      Plan plan = new ObjectMapper().readValue(file.toFile(), Plan.class);
      plan.check();
      return plan;
    } catch (IOException e) {
      throw new RunnerException("cannot read plan " + file, e);
    }
  }

  /** Refuses what could not run. */
  void check() throws RunnerException {
    if (exportIntervalMs < 1) {
      throw new RunnerException("plan: exportIntervalMs is " + exportIntervalMs + ", expected 1 or more");
    }
    if (queue.lowWatermark < 1 || queue.highWatermark < queue.lowWatermark) {
      throw new RunnerException(
          "plan: queue watermarks are " + queue.lowWatermark + " and " + queue.highWatermark + ", expected 1 <= low <= high");
    }
    Set<Integer> tasks = new HashSet<>();
    Set<Integer> ids = new HashSet<>();
    for (Container container : containers) {
      if (!ids.add(container.id)) {
        throw new RunnerException("plan: container " + container.id + " is listed twice");
      }
      for (InstancePlan instance : container.instances) {
        if (!tasks.add(instance.taskId)) {
          throw new RunnerException("plan: task id " + instance.taskId + " is given to two instances");
        }
      }
    }
  }
}
