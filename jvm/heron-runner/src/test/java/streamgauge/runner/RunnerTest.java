package streamgauge.runner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.heron.api.Config;
import org.apache.heron.api.topology.TopologyBuilder;
import org.apache.heron.api.tuple.Fields;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;
import streamgauge.runner.Components.Count;
import streamgauge.runner.Components.Seen;
import streamgauge.runner.Components.Sentences;
import streamgauge.runner.Components.Slow;
import streamgauge.runner.Components.Split;

class RunnerTest {
  @TempDir private Path directory;
  private String test;
  private Seen seen;

  @BeforeEach
  void nameTheTest(TestInfo info) {
    test = info.getTestMethod().orElseThrow().getName();
    seen = Seen.of(test);
  }

  /** sentence 1 → split 2 → count 3: tasks 1, 2 and 3, 4 to 6. */
  private static TopologyBuilder wordCount(Sentences sentences, Count count) {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("sentence", sentences, 1);
    builder.setBolt("split", new Split(), 2).shuffleGrouping("sentence");
    builder.setBolt("count", count, 3).fieldsGrouping("split", new Fields("word"));
    return builder;
  }

  private static TopologyBuilder straight(Sentences sentences, Slow slow) {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("sentence", sentences, 1);
    builder.setBolt("slow", slow, 1).shuffleGrouping("sentence");
    return builder;
  }

  @Test
  void every_tree_is_acked_and_counted_the_same_by_metrics_and_truth() throws Exception {
    TestTopology run = TestTopology.start(directory, wordCount(new Sentences(test, 1000), new Count(test)), TestTopology.acking());
    try (run) {
      run.await("1000 acks", () -> seen.acks.get() == 1000);
      run.awaitExport();
    }
    assertEquals(4000, seen.executed.get());
    assertEquals(1000.0, run.sum("container_1_sentence_1", "__emit-count/default"));
    assertEquals(1000.0, run.sum("container_1_sentence_1", "__ack-count/default"));
    assertEquals(4000.0, overAll(run, "split", 2, 3, "__emit-count/default"));
    assertEquals(1000.0, overAll(run, "split", 2, 3, "__execute-count/sentence/default"));
    assertEquals(4000.0, overAll(run, "count", 4, 6, "__execute-count/default"));
    assertEquals(4000.0, overAll(run, "count", 4, 6, "__execute-count/split/default"));
    assertEquals(4000.0, overAll(run, "count", 4, 6, "words"));
    JsonNode truth = run.truth();
    assertEquals(1000, truth.path("completeLatencyCount").asInt());
    assertTrue(truth.path("completeLatencyNanosSum").asLong() > 0);
    JsonNode spout = truth.path("instances").path("container_1_sentence_1");
    assertEquals(List.of(1000, 0, 1000, 0), counters(spout));
    assertEquals("sentence", spout.path("component").asText());
  }

  private static double overAll(TestTopology run, String component, int first, int last, String metric) {
    double sum = 0;
    for (int task = first; task <= last; task++) {
      sum += run.sum("container_1_" + component + "_" + task, metric);
    }
    return sum;
  }

  private static List<Integer> counters(JsonNode instance) {
    return List.of(
        instance.path("emitted").asInt(), instance.path("executed").asInt(), instance.path("acked").asInt(), instance.path("failed").asInt());
  }

  @Test
  void events_come_in_order_and_user_code_cannot_print_among_them() throws Exception {
    TestTopology run = TestTopology.start(directory, wordCount(new Sentences(test, 10), new Count(test)), TestTopology.acking());
    try (run) {
      run.awaitEvent("state", event -> true);
    }
    List<String> kinds = run.events().stream().map(event -> event.path("event").asText()).filter(kind -> !kind.equals("metrics")).toList();
    assertEquals(List.of("instance", "instance", "instance", "instance", "instance", "instance", "running", "state"), kinds);
    Set<String> up = new HashSet<>();
    run.events("instance").forEach(event -> up.add(event.path("instance").asText() + " " + event.path("state").asText()));
    assertEquals(6, up.size(), up.toString());
    assertTrue(up.contains("container_1_sentence_1 up"), up.toString());
  }

  @Test
  void equal_fields_go_to_one_task_and_shuffle_goes_around() throws Exception {
    TestTopology run = TestTopology.start(directory, wordCount(new Sentences(test, 1000), new Count(test)), TestTopology.acking());
    try (run) {
      run.await("1000 acks", () -> seen.acks.get() == 1000);
      run.awaitExport();
    }
    seen.tasks.forEach((word, tasks) -> assertEquals(1, tasks.size(), word));
    assertTrue(seen.tasks.values().stream().distinct().count() > 1, "more than one task counts: " + seen.tasks);
    assertEquals(500.0, run.sum("container_1_split_2", "__execute-count/default"));
    assertEquals(500.0, run.sum("container_1_split_3", "__execute-count/default"));
  }

  @Test
  void all_grouping_copies_to_every_task_and_lowest_to_the_first() throws Exception {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("sentence", new Sentences(test, 100), 1);
    builder.setBolt("all", new Count(test), 2).allGrouping("sentence");
    builder.setBolt("lowest", new Count(test), 2).globalGrouping("sentence");
    TestTopology run = TestTopology.start(directory, builder, TestTopology.acking());
    try (run) {
      run.await("100 acks", () -> seen.acks.get() == 100);
      run.awaitExport();
    }
    assertEquals(300, seen.executed.get());
    double first = run.sum("container_1_lowest_4", "__execute-count/default") + run.sum("container_1_lowest_2", "__execute-count/default");
    assertEquals(100.0, first);
    assertEquals(100.0, run.sum("container_1_sentence_1", "__emit-count/default"));
  }

  @Test
  void a_failed_word_fails_its_sentence_once() throws Exception {
    TopologyBuilder builder = wordCount(new Sentences(test, 100), new Count(test, "cow", Count.On.FAIL));
    TestTopology run = TestTopology.start(directory, builder, TestTopology.acking());
    try (run) {
      run.await("100 outcomes", () -> seen.acks.get() + seen.fails.get() == 100);
      run.awaitExport();
    }
    assertEquals(25, seen.fails.get());
    assertEquals(25.0, run.sum("container_1_sentence_1", "__fail-count/default"));
    assertEquals(25.0, overAll(run, "count", 4, 6, "__fail-count/default"));
    assertEquals(25.0, overAll(run, "count", 4, 6, "__fail-count/split/default"));
  }

  @Test
  void a_forgotten_word_times_its_sentence_out() throws Exception {
    Config config = TestTopology.acking();
    config.setMessageTimeoutSecs(1);
    TopologyBuilder builder = wordCount(new Sentences(test, 40), new Count(test, "apple", Count.On.FORGET));
    try (TestTopology run = TestTopology.start(directory, builder, config)) {
      run.await("40 outcomes", () -> seen.acks.get() + seen.fails.get() == 40);
    }
    assertEquals(10, seen.fails.get());
  }

  @Test
  void without_acking_everything_is_acked_at_once_with_no_latency() throws Exception {
    Config config = new Config();
    config.setTopologyReliabilityMode(Config.TopologyReliabilityMode.ATMOST_ONCE);
    TestTopology run =
        TestTopology.start(directory, wordCount(new Sentences(test, 100), new Count(test, "cow", Count.On.FAIL)), config);
    try (run) {
      run.await("400 words", () -> seen.executed.get() == 400 && seen.acks.get() == 100);
      run.awaitExport();
    }
    assertEquals(0, seen.fails.get());
    assertEquals(0, run.truth().path("completeLatencyNanosSum").asLong(-1));
    assertEquals(100, run.truth().path("completeLatencyCount").asLong());
    List<JsonNode> metrics = run.metrics("container_1_sentence_1");
    assertEquals(0.0, metrics.get(metrics.size() - 1).path("__complete-latency/default").asDouble(-1));
  }

  @Test
  void max_spout_pending_bounds_what_is_on_its_way() throws Exception {
    Config config = TestTopology.acking();
    config.setMaxSpoutPending(5);
    TestTopology run = TestTopology.start(directory, straight(new Sentences(test, 100_000), new Slow(5)), config);
    try (run) {
      run.await("some acks", () -> seen.acks.get() > 50);
    }
    List<Integer> spout = counters(run.truth().path("instances").path("container_1_sentence_1"));
    assertTrue(spout.get(0) - spout.get(2) <= 5, "emitted, executed, acked, failed: " + spout);
    assertEquals(0, run.truth().path("backPressureMs").asLong(-1));
  }

  @Test
  void a_slow_bolt_stops_the_spout_and_the_time_is_put_down_to_it() throws Exception {
    Config config = TestTopology.acking();
    // Heron's default of 100 would hold the spout before the queue does.
    config.setMaxSpoutPending(10_000);
    TestTopology run = TestTopology.start(directory, straight(new Sentences(test, 100_000), new Slow(2)), config);
    try (run) {
      run.await("a second of back-pressure", () -> stmgr(run, "__server/__time_spent_back_pressure_aggr") > 1000);
    }
    double aggregate = stmgr(run, "__server/__time_spent_back_pressure_aggr");
    assertEquals(aggregate, stmgr(run, "__time_spent_back_pressure_by_compid/container_1_slow_2"), 1.0 * run.events("metrics").size());
    assertEquals(aggregate, stmgr(run, "__server/__time_spent_back_pressure_initiated"), 1.0 * run.events("metrics").size());
    assertEquals(0.0, stmgr(run, "__time_spent_back_pressure_by_compid/container_1_sentence_1"));
    assertTrue(run.truth().path("backPressureMs").asDouble() >= aggregate, run.truth().toString());
    assertTrue(run.sum("container_1_sentence_1", "__out-queue-full-count") > 0);
    List<Integer> spout = counters(run.truth().path("instances").path("container_1_sentence_1"));
    assertTrue(spout.get(0) - spout.get(2) < 300, "the queue is bounded; emitted, executed, acked, failed: " + spout);
    for (JsonNode event : run.events("metrics")) {
      double share = event.path("stmgrs").path("stmgr-1").path("__server/__time_spent_back_pressure_aggr").asDouble(-1);
      assertTrue(share >= 0, event.toString());
    }
  }

  private static double stmgr(TestTopology run, String metric) {
    return run.events("metrics").stream().mapToDouble(event -> event.path("stmgrs").path("stmgr-1").path(metric).asDouble(-1e9)).sum();
  }

  @Test
  void a_paused_spout_emits_nothing_until_it_is_activated() throws Exception {
    TestTopology run =
        TestTopology.start(directory, straight(new Sentences(test, 1_000_000_000), new Slow(0)), TestTopology.acking(), "PAUSED");
    try (run) {
      run.awaitEvent("state", event -> event.path("state").asText().equals("PAUSED"));
      run.awaitExport();
      assertEquals(0.0, run.sum("container_1_sentence_1", "__next-tuple-count"));
      run.command("activate");
      run.await("acks", () -> seen.acks.get() > 10);
      assertEquals(1, seen.activations.get());
      run.command("deactivate");
      run.await("deactivate()", () -> seen.deactivations.get() == 1);
      run.awaitExport();
      run.awaitExport();
      List<JsonNode> metrics = run.metrics("container_1_sentence_1");
      JsonNode last = metrics.get(metrics.size() - 1);
      assertEquals(0.0, last.path("__emit-count/default").asDouble(-1));
      assertTrue(last.has("__complete-latency/default"), "complete latency keeps its last value when idle: " + last);
      List<JsonNode> bolt = run.metrics("container_1_slow_2");
      assertFalse(bolt.get(bolt.size() - 1).has("__execute-latency/default"), "other latencies are absent when idle");
      assertEquals(0.0, bolt.get(bolt.size() - 1).path("__execute-count/default").asDouble(-1));
    }
    List<String> states = run.events("state").stream().map(event -> event.path("state").asText()).toList();
    assertEquals(List.of("PAUSED", "RUNNING", "PAUSED"), states);
  }

  @Test
  void a_bolt_that_throws_is_reported_and_comes_back_fresh() throws Exception {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("sentence", new Sentences(test, 4), 1);
    builder.setBolt("count", new Count(test, "an apple a day", Count.On.THROW_ONCE), 1).shuffleGrouping("sentence");
    Config config = TestTopology.acking();
    config.setMessageTimeoutSecs(1);
    TestTopology run = TestTopology.start(directory, builder, config);
    try (run) {
      run.await("a restart", () -> run.events("instance").size() == 3);
      run.await("all outcomes", () -> seen.acks.get() + seen.fails.get() == 4);
      run.awaitExport();
    }
    JsonNode exception = run.events("exception").get(0);
    assertEquals("container_1_count_2", exception.path("instance").asText());
    assertEquals("count", exception.path("component").asText());
    assertTrue(exception.path("stacktrace").asText().startsWith("java.lang.IllegalStateException: cannot count an apple a day"));
    assertTrue(exception.path("time").asLong() > 0);
    assertTrue(seen.fails.get() >= 1, "the tuple that killed it times out");
    assertEquals(1, run.events("running").size());
  }

  @Test
  void ticks_are_counted_apart() throws Exception {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("sentence", new Sentences(test, 4, false), 1);
    builder.setBolt("count", new Count(test), 1).shuffleGrouping("sentence").addConfiguration(Config.TOPOLOGY_TICK_TUPLE_FREQ_MS, 20);
    TestTopology run = TestTopology.start(directory, builder, TestTopology.acking());
    try (run) {
      run.await("ticks and sentences", () -> seen.ticks.get() > 5 && seen.executed.get() == 4);
      run.awaitExport();
    }
    assertEquals(4.0, run.sum("container_1_count_2", "__execute-count/default"));
    assertTrue(run.sum("container_1_count_2", "__execute-count/__tick") > 5);
    assertTrue(run.sum("container_1_count_2", "__execute-count/__system/__tick") > 5);
    assertEquals(List.of(0, 4, 4, 0), counters(run.truth().path("instances").path("container_1_count_2")));
    assertEquals(0, seen.acks.get(), "tuples without a message id are not tracked");
  }

  @Test
  void metrics_have_the_names_of_heron() throws Exception {
    TestTopology run = TestTopology.start(directory, wordCount(new Sentences(test, 1_000_000_000), new Count(test)), TestTopology.acking());
    Map<String, Set<String>> expected =
        Map.of(
            "container_1_sentence_1",
            Set.of(
                "__emit-count/default", "__ack-count/default", "__fail-count/default", "__complete-latency/default",
                "__next-tuple-count", "__pending-acked-count", "__out-queue-full-count", "__jvm-uptime-secs",
                "__jvm-process-cpu-load", "__jvm-memory-heap-mb-used", "__task-run-count"),
            "container_1_split_2",
            Set.of(
                "__emit-count/default", "__execute-count/default", "__execute-count/sentence/default", "__ack-count/default",
                "__ack-count/sentence/default", "__fail-count/default", "__fail-count/sentence/default",
                "__execute-latency/default", "__execute-latency/sentence/default", "__process-latency/default",
                "__process-latency/sentence/default", "__execute-time-ns/default", "__execute-time-ns/sentence/default",
                "__jvm-uptime-secs", "__jvm-process-cpu-load", "__jvm-memory-heap-mb-used", "__task-run-count"));
    try (run) {
      run.await("acks", () -> seen.acks.get() > 100);
      run.awaitExport();
    }
    List<JsonNode> events = run.events("metrics");
    JsonNode instances = events.get(events.size() - 1).path("instances");
    expected.forEach(
        (instance, names) -> {
          Set<String> got = new HashSet<>();
          instances.path(instance).path("values").fieldNames().forEachRemaining(got::add);
          assertTrue(got.containsAll(names), instance + " has " + got);
        });
    assertEquals("spout", instances.path("container_1_sentence_1").path("type").asText());
    assertEquals("bolt", instances.path("container_1_split_2").path("type").asText());
    JsonNode last = instances.path("container_1_count_4").path("values");
    assertFalse(last.has("__emit-count/default"), "the last component emits nothing: " + last);
    assertFalse(last.has("__complete-latency/default"), "only spouts have a complete latency: " + last);
    assertTrue(run.sum("container_1_count_4", "by-word/seven") + run.sum("container_1_count_5", "by-word/seven") + run.sum("container_1_count_6", "by-word/seven") > 0);
  }

  @Test
  void a_kill_closes_every_instance() throws IOException {
    TestTopology run = TestTopology.start(directory, wordCount(new Sentences(test, 10), new Count(test)), TestTopology.acking());
    try (run) {
      run.awaitEvent("running", event -> true);
      run.command("kill");
    }
    assertEquals(4, seen.closes.get(), "1 spout and 3 counts");
    assertEquals(1, seen.deactivations.get());
  }
}
