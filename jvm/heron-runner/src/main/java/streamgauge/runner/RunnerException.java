package streamgauge.runner;

/** Input that cannot be run: a bad plan, definition, class or grouping. Its message is one line for a person. */
final class RunnerException extends Exception {
  private static final long serialVersionUID = 1L;

  RunnerException(String message) {
    super(message);
  }

  RunnerException(String message, Throwable cause) {
    super(message + ": " + oneLine(cause), cause);
  }

  /** The innermost cause, without line breaks: the outer ones mostly repeat it. */
  private static String oneLine(Throwable error) {
    Throwable root = error;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return root.toString().replaceAll("\\s+", " ");
  }
}
