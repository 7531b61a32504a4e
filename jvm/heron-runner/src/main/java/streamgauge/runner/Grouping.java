package streamgauge.runner;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.grouping.CustomStreamGrouping;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.utils.Utils;

/** Chooses which tasks of one consumer get a tuple. Each sending task has its own, so there is no sharing. */
interface Grouping {
  /** Task ids for these values. */
  List<Integer> choose(List<Object> values);

  /** The grouping that an input asks for, towards the consumer's tasks in ascending order of their ids. */
  static Grouping of(TopologyAPI.InputStream input, Fields fields, List<Integer> tasks, TopologyContext sender)
      throws RunnerException {
    return switch (input.getGtype()) {
      case SHUFFLE, NONE -> new Shuffle(tasks);
      case FIELDS -> new ByFields(input, fields, tasks);
      case ALL -> values -> tasks;
      case LOWEST -> {
        List<Integer> lowest = List.of(tasks.get(0));
        yield values -> lowest;
      }
      // Only emitDirect reaches such a consumer.
      case DIRECT -> values -> List.of();
      case CUSTOM -> custom(input, tasks, sender);
    };
  }

  private static Grouping custom(TopologyAPI.InputStream input, List<Integer> tasks, TopologyContext sender)
      throws RunnerException {
    String source = input.getStream().getComponentName();
    try {
      CustomStreamGrouping grouping =
          (CustomStreamGrouping) Utils.deserialize(input.getCustomGroupingObject().toByteArray());
      grouping.prepare(sender, source, input.getStream().getId(), tasks);
      return grouping::chooseTasks;
    } catch (RuntimeException | LinkageError e) {
      throw new RunnerException("cannot use the custom grouping of stream " + source + "/" + input.getStream().getId(), e);
    }
  }

  /** Round robin from a random start. */
  final class Shuffle implements Grouping {
    private final List<List<Integer>> tasks = new ArrayList<>();
    private int next;

    Shuffle(List<Integer> tasks) {
      tasks.forEach(task -> this.tasks.add(List.of(task)));
      next = ThreadLocalRandom.current().nextInt(tasks.size());
    }

    @Override
    public List<Integer> choose(List<Object> values) {
      List<Integer> chosen = tasks.get(next);
      next = next + 1 == tasks.size() ? 0 : next + 1;
      return chosen;
    }
  }

  /** Equal values of the grouping's fields go to the same task. */
  final class ByFields implements Grouping {
    private final int[] indexes;
    private final List<List<Integer>> tasks = new ArrayList<>();

    ByFields(TopologyAPI.InputStream input, Fields fields, List<Integer> tasks) throws RunnerException {
      List<TopologyAPI.StreamSchema.KeyType> keys = input.getGroupingFields().getKeysList();
      indexes = new int[keys.size()];
      for (int i = 0; i < indexes.length; i++) {
        String key = keys.get(i).getKey();
        if (!fields.contains(key)) {
          throw new RunnerException(
              "stream " + input.getStream().getComponentName() + "/" + input.getStream().getId() + " has no field " + key + " to group by");
        }
        indexes[i] = fields.fieldIndex(key);
      }
      tasks.forEach(task -> this.tasks.add(List.of(task)));
    }

    @Override
    public List<Integer> choose(List<Object> values) {
      int hash = 0;
      for (int index : indexes) {
        Object value = values.get(index);
        hash += value instanceof byte[] bytes ? Arrays.hashCode(bytes) : Objects.hashCode(value);
      }
      return tasks.get(Math.floorMod(hash, tasks.size()));
    }
  }
}
