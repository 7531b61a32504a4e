package streamgauge.runner;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Runs a topology until it is killed. Commands come in by stdin and events go out by stdout, each one JSON object a line; what
 * user code prints goes to stderr. Exit code 0 after a kill, 2 when there is nothing to run.
 */
public final class Main {
  private static final String USAGE = "usage: java -cp heron-runner.jar:topology.jar streamgauge.runner.Main --plan FILE [--counters FILE]";

  private Main() {}

  /** See the class. */
  public static void main(String[] args) {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    // User code may print; only events belong on stdout.
    System.setOut(System.err);
    int code;
    try {
      run(args, System.in, out);
      code = 0;
    } catch (RunnerException e) {
      System.err.println("heron-runner: " + e.getMessage());
      code = 2;
    } catch (InterruptedException e) {
      code = 1;
    }
    // Threads of user code may still run.
    System.exit(code);
  }

  /** Runs a topology until its commands end. */
  static void run(String[] args, InputStream commands, PrintStream out) throws RunnerException, InterruptedException {
    Path planFile = null;
    Path counters = null;
    for (int i = 0; i < args.length; i += 2) {
      if (i + 1 == args.length) {
        throw new RunnerException("option " + args[i] + " needs a value; " + USAGE);
      }
      switch (args[i]) {
        case "--plan" -> planFile = Path.of(args[i + 1]);
        case "--counters" -> counters = Path.of(args[i + 1]);
        default -> throw new RunnerException("unknown option " + args[i] + "; " + USAGE);
      }
    }
    if (planFile == null) {
      throw new RunnerException(USAGE);
    }
    Plan plan = Plan.read(planFile);
    Definition definition = Definition.read(Path.of(plan.definition()));
    Engine engine = new Engine(plan, definition, new Events(out));
    CountersLog log = counters == null ? null : new CountersLog(engine, counters);

    ScheduledExecutorService timers = Executors.newScheduledThreadPool(2, Main::timerThread);
    long interval = plan.exportIntervalMs();
    timers.scheduleAtFixedRate(new Exporter(engine, interval), interval, interval, TimeUnit.MILLISECONDS);
    if (log != null) {
      timers.scheduleAtFixedRate(log, 1, 1, TimeUnit.SECONDS);
    }
    engine.start();
    obey(commands, engine);
    engine.kill();
    timers.shutdownNow();
    if (log != null) {
      log.run();
    }
  }

  private static Thread timerThread(Runnable task) {
    Thread thread = new Thread(task, "timer");
    thread.setDaemon(true);
    return thread;
  }

  /** Follows commands until a kill or the end of the input. */
  private static void obey(InputStream commands, Engine engine) {
    ObjectMapper json = new ObjectMapper();
    try (BufferedReader lines = new BufferedReader(new InputStreamReader(commands, StandardCharsets.UTF_8))) {
      String line;
      while ((line = lines.readLine()) != null) {
        switch (command(json, line)) {
          case "activate" -> engine.setState(Plan.State.RUNNING);
          case "deactivate" -> engine.setState(Plan.State.PAUSED);
          case "kill" -> {
            return;
          }
          default -> System.err.println("heron-runner: command not understood, expected activate, deactivate or kill: " + line);
        }
      }
    } catch (IOException e) {
      System.err.println("heron-runner: commands ended: " + e.getMessage());
    }
  }

  private static String command(ObjectMapper json, String line) {
    try {
      JsonNode command = json.readTree(line).path("command");
      return command.asText();
    } catch (IOException e) {
      return "";
    }
  }
}
