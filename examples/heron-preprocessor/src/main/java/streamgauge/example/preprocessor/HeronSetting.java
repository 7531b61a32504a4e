package streamgauge.example.preprocessor;

import java.util.Set;
import org.apache.heron.api.Config;

/** Checks the values of Heron's own settings, which Heron itself would only stumble over once the topology runs. */
final class HeronSetting {
  private static final Set<String> BYTES =
      Set.of(
          Config.TOPOLOGY_CONTAINER_RAM_REQUESTED,
          Config.TOPOLOGY_CONTAINER_DISK_REQUESTED,
          Config.TOPOLOGY_CONTAINER_MAX_RAM_HINT,
          Config.TOPOLOGY_CONTAINER_MAX_DISK_HINT,
          Config.TOPOLOGY_CONTAINER_RAM_PADDING,
          Config.TOPOLOGY_STMGR_RAM,
          Config.TOPOLOGY_METRICSMGR_RAM);
  private static final Set<String> DECIMALS =
      Set.of(
          Config.TOPOLOGY_CONTAINER_CPU_REQUESTED,
          Config.TOPOLOGY_CONTAINER_MAX_CPU_HINT,
          Config.TOPOLOGY_CONTAINER_CPU_PADDING);
  private static final Set<String> COUNTS =
      Set.of(
          Config.TOPOLOGY_STMGRS,
          Config.TOPOLOGY_MAX_SPOUT_PENDING,
          Config.TOPOLOGY_MESSAGE_TIMEOUT_SECS,
          Config.TOPOLOGY_CONTAINER_MAX_NUM_INSTANCES);
  private static final Set<String> SWITCHES =
      Set.of(
          Config.TOPOLOGY_DEBUG,
          Config.TOPOLOGY_ENABLE_MESSAGE_TIMEOUTS,
          Config.TOPOLOGY_DROPTUPLES_UPON_BACKPRESSURE);

  private HeronSetting() {}

  /** The value as Heron reads it: sizes in bytes. */
  static String checked(Settings settings, String key) {
    if (BYTES.contains(key)) {
      return Long.toString(settings.bytes(key));
    }
    if (DECIMALS.contains(key)) {
      return Double.toString(settings.decimal(key));
    }
    if (COUNTS.contains(key)) {
      return Integer.toString(settings.count(key));
    }
    if (SWITCHES.contains(key)) {
      return Boolean.toString(settings.bool(key));
    }
    if (key.equals(Config.TOPOLOGY_RELIABILITY_MODE)) {
      return settings.oneOf(key, "ATLEAST_ONCE", "ATMOST_ONCE");
    }
    return settings.text(key);
  }
}
