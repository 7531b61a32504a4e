package streamgauge.runner;

/** Where an instance is and what it runs; its name is the one Heron gives: container_1_kafkaSpout_3. */
record InstanceId(int container, String component, int taskId, int index) {
  String name() {
    return "container_" + container + "_" + component + "_" + taskId;
  }
}
