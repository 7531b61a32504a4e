package streamgauge.dataloader;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * What the job is told, as {@code --name value} pairs. Flink shows them to whoever may look at the job, so none is a
 * secret: what a client needs to prove who it is stands in a file of its own, which arguments only name.
 *
 * @param source where records come from
 * @param target where they go
 * @param partitions how many partitions the target has, when a record's key decides; 0 to keep its partition
 * @param shares which records, by partition
 * @param schedule when they are due; null when their timestamps say so
 * @param replay how their timestamps do; null when the schedule does
 * @param warmUp how many records come before the measured ones
 * @param runHeader what the header {@code streamgauge-run} says; null for none
 * @param compression how the target's batches are compressed
 * @param startAt when the first record is due, in Unix milliseconds; 0 for as soon as all are ready
 * @param lateAfter from when a record is late, in nanoseconds
 * @param patience how long Kafka may give or take nothing, in milliseconds
 */
record Settings(
    String name,
    Topic source,
    Topic target,
    int partitions,
    List<Share> shares,
    Schedule schedule,
    Replay replay,
    long warmUp,
    String runHeader,
    String compression,
    long startAt,
    long lateAfter,
    int patience)
    implements Serializable {

  /** A topic, the servers of its cluster, and the client's settings as a file on the TaskManagers; null for none. */
  record Topic(String servers, String name, String config) implements Serializable {}

  /**
   * Records are as far apart as their timestamps say.
   *
   * @param speed thousandths of the original speed
   * @param length how long it lasts, in nanoseconds
   */
  record Replay(long speed, long length) implements Serializable {}

  private static final Set<String> NAMES =
      Set.of(
          "name",
          "source-bootstrap-servers",
          "source-topic",
          "source-config",
          "target-bootstrap-servers",
          "target-topic",
          "target-config",
          "target-partitions",
          "shares",
          "schedule",
          "replay",
          "warm-up",
          "run-header",
          "compression",
          "start-at",
          "late-after",
          "give-up-after");

  /** Reads the job's arguments. */
  static Settings parse(String[] args) {
    Map<String, String> given = pairs(args);
    Schedule schedule = null;
    Replay replay = null;
    if (given.containsKey("replay")) {
      String[] parts = given.get("replay").split(":", -1);
      replay = new Replay(Long.parseLong(parts[0]), Long.parseLong(parts[1]));
    } else {
      schedule = new Schedule(list(required(given, "schedule"), Schedule.Segment::parse));
    }
    return new Settings(
        required(given, "name"),
        topic(given, "source"),
        topic(given, "target"),
        Integer.parseInt(given.getOrDefault("target-partitions", "0")),
        shares(required(given, "shares")),
        schedule,
        replay,
        Long.parseLong(given.getOrDefault("warm-up", "0")),
        given.get("run-header"),
        required(given, "compression"),
        Long.parseLong(given.getOrDefault("start-at", "0")),
        Long.parseLong(required(given, "late-after")),
        Integer.parseInt(required(given, "give-up-after")));
  }

  private static Map<String, String> pairs(String[] args) {
    Map<String, String> given = new HashMap<>();
    for (int index = 0; index < args.length; index += 2) {
      String name = args[index].startsWith("--") ? args[index].substring(2) : args[index];
      if (!NAMES.contains(name)) {
        throw new IllegalArgumentException(args[index] + " is no argument of this job");
      }
      if (index + 1 == args.length) {
        throw new IllegalArgumentException(args[index] + " has no value");
      }
      if (given.put(name, args[index + 1]) != null) {
        throw new IllegalArgumentException(args[index] + " is given twice");
      }
    }
    return given;
  }

  private static String required(Map<String, String> given, String name) {
    String value = given.get(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalArgumentException("--" + name + " is missing");
    }
    return value;
  }

  private static Topic topic(Map<String, String> given, String side) {
    return new Topic(
        required(given, side + "-bootstrap-servers"), required(given, side + "-topic"), given.get(side + "-config"));
  }

  private static List<Share> shares(String text) {
    List<Share> shares = list(text, Share::parse);
    Set<Integer> partitions = new HashSet<>();
    for (Share share : shares) {
      if (!partitions.add(share.partition())) {
        throw new IllegalArgumentException("--shares names partition " + share.partition() + " twice");
      }
    }
    return List.copyOf(shares);
  }

  private static <T> List<T> list(String text, Function<String, T> parse) {
    List<T> list = new ArrayList<>();
    for (String part : text.split(",", -1)) {
      list.add(parse.apply(part));
    }
    return list;
  }
}
