package streamgauge.runner;

import java.util.Map;

/** Reads Heron settings, which arrive as strings or as the objects the topology put there. */
final class Setting {
  private Setting() {}

  static int integer(Map<String, Object> config, String key, int otherwise) {
    Object value = config.get(key);
    if (value == null) {
      return otherwise;
    }
    try {
      return Integer.parseInt(value.toString().trim());
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("setting " + key + " is \"" + value + "\", expected a whole number", e);
    }
  }

  static boolean bool(Map<String, Object> config, String key, boolean otherwise) {
    Object value = config.get(key);
    return value == null ? otherwise : Boolean.parseBoolean(value.toString().trim());
  }
}
