package streamgauge.runner;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;

/** Sends one task's tuples to the tasks that its streams lead to. Used by that task's thread only. */
final class Router {
  private record Consumer(Grouping grouping, Set<Integer> tasks) {}

  private record Stream(StreamTuple.Source source, List<Consumer> consumers) {}

  private final Map<String, Stream> streams = new HashMap<>();
  private final IntFunction<BoltInstance> bolts;
  private final String component;

  Router(Definition definition, Context context, IntFunction<BoltInstance> bolts) throws RunnerException {
    this.bolts = bolts;
    this.component = context.getThisComponentId();
    for (Map.Entry<String, Fields> output : definition.components().get(component).outputs().entrySet()) {
      String stream = output.getKey();
      List<Consumer> consumers = new ArrayList<>();
      for (Definition.Component consumer : definition.components().values()) {
        for (TopologyAPI.InputStream input : consumer.inputs()) {
          if (input.getStream().getComponentName().equals(component) && input.getStream().getId().equals(stream)) {
            List<Integer> tasks = context.getComponentTasks(consumer.name());
            consumers.add(new Consumer(Grouping.of(input, output.getValue(), tasks, context), Set.copyOf(tasks)));
          }
        }
      }
      StreamTuple.Source source = new StreamTuple.Source(component, context.getThisTaskId(), stream, output.getValue());
      streams.put(stream, new Stream(source, consumers));
    }
  }

  /** Tasks that these values go to by the consumers' groupings. */
  List<Integer> choose(String stream, List<Object> values) {
    Stream target = checked(stream, values);
    if (target.consumers.size() == 1) {
      return target.consumers.get(0).grouping.choose(values);
    }
    List<Integer> tasks = new ArrayList<>();
    target.consumers.forEach(consumer -> tasks.addAll(consumer.grouping.choose(values)));
    return tasks;
  }

  /** The one task of emitDirect, which must listen to the stream. */
  List<Integer> direct(String stream, List<Object> values, int task) {
    Stream target = checked(stream, values);
    if (target.consumers.stream().noneMatch(consumer -> consumer.tasks.contains(task))) {
      throw new IllegalArgumentException(component + " emits to task " + task + ", which does not listen to stream " + stream);
    }
    return List.of(task);
  }

  /** Puts the tuple into the tasks' queues. The trees must have been grown before. */
  void send(String stream, List<Object> values, Set<Root> roots, List<Integer> tasks) {
    StreamTuple.Source source = streams.get(stream).source;
    for (int i = 0; i < tasks.size(); i++) {
      bolts.apply(tasks.get(i)).offer(new StreamTuple(source, values, roots));
    }
  }

  private Stream checked(String name, List<Object> values) {
    Stream stream = streams.get(name);
    if (stream == null) {
      throw new IllegalArgumentException(component + " emits to stream " + name + ", which it did not declare");
    }
    if (values.size() != stream.source.fields().size()) {
      throw new IllegalArgumentException(
          component + " emits " + values.size() + " values to stream " + name + " of " + stream.source.fields().size() + " fields");
    }
    return stream;
  }
}
