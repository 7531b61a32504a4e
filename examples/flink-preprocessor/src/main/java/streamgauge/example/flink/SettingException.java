package streamgauge.example.flink;

/** A setting that cannot be used; the message names its key, its value and what is expected. */
public final class SettingException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  SettingException(String message) {
    super(message);
  }

  SettingException(String key, String value, String expected) {
    super("setting " + key + " is \"" + value + "\", expected " + expected);
  }
}
