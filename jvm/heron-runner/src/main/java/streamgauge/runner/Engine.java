package streamgauge.runner;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/** A running topology: its instances, each on its thread, and what they share. */
final class Engine {
  private static final long CLOSE_MILLIS = 3_000;

  private final Plan plan;
  private final Definition definition;
  private final Events events;
  private final BackPressure backPressure;
  private final TreeMap<Integer, String> components = new TreeMap<>();
  private final TreeMap<Integer, Instance> instances = new TreeMap<>();
  private final List<Thread> threads = new ArrayList<>();
  private final Set<InstanceId> notYetUp = new HashSet<>();
  private volatile Plan.State state;

  Engine(Plan plan, Definition definition, Events events) throws RunnerException {
    this.plan = plan;
    this.definition = definition;
    this.events = events;
    this.state = plan.initialState();
    this.backPressure = new BackPressure(plan);
    checkAgainstPlan();
    for (Plan.Container container : plan.containers()) {
      for (Plan.InstancePlan instance : container.instances()) {
        add(new InstanceId(container.id(), instance.component(), instance.taskId(), instance.index()));
      }
    }
    // Made once here, so that a grouping that cannot work is refused before anything runs.
    for (Instance instance : instances.values()) {
      router(context(instance.id));
    }
  }

  private void checkAgainstPlan() throws RunnerException {
    String name = definition.topology().getName();
    if (!name.equals(plan.topology())) {
      throw new RunnerException("the plan is for topology " + plan.topology() + ", the definition is of " + name);
    }
    for (Plan.Container container : plan.containers()) {
      for (Plan.InstancePlan instance : container.instances()) {
        if (!definition.components().containsKey(instance.component())) {
          throw new RunnerException(
              "plan: component " + instance.component() + " is not in topology " + name + ", which has " + definition.components().keySet());
        }
        components.put(instance.taskId(), instance.component());
      }
    }
    for (String component : definition.components().keySet()) {
      if (!components.containsValue(component)) {
        throw new RunnerException("plan: component " + component + " of topology " + name + " has no instance");
      }
    }
  }

  private void add(InstanceId id) throws RunnerException {
    Definition.Component component = definition.components().get(id.component());
    try {
      Instance instance =
          component.spout() ? new SpoutInstance(id, component, this) : new BoltInstance(id, component, this);
      instances.put(id.taskId(), instance);
      notYetUp.add(id);
    } catch (IllegalArgumentException e) {
      throw new RunnerException("component " + id.component() + ": " + e.getMessage());
    }
  }

  /** Starts every instance. */
  void start() {
    for (Instance instance : instances.values()) {
      Thread thread = new Thread(instance, instance.id.name());
      thread.setDaemon(true);
      threads.add(thread);
      thread.start();
    }
  }

  /** An instance came up, for the first time or again. */
  void up(InstanceId id) {
    events.up(id);
    synchronized (notYetUp) {
      if (notYetUp.remove(id) && notYetUp.isEmpty()) {
        events.running();
        events.state(state);
      }
    }
  }

  /** Lets spouts emit, or not; they follow between two tuples. */
  void setState(Plan.State wanted) {
    state = wanted;
    instances.values().forEach(Instance::wake);
    events.state(wanted);
  }

  /** Closes every instance, and waits some seconds for those that are busy. */
  void kill() throws InterruptedException {
    instances.values().forEach(Instance::stop);
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(CLOSE_MILLIS);
    for (Thread thread : threads) {
      long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
      thread.join(Math.max(1, left));
    }
    for (Thread thread : threads) {
      if (thread.isAlive()) {
        System.err.println("heron-runner: " + thread.getName() + " did not close within " + CLOSE_MILLIS + " ms");
      }
    }
  }

  Plan.State state() {
    return state;
  }

  Plan.Queue queue() {
    return plan.queue();
  }

  Events events() {
    return events;
  }

  BackPressure backPressure() {
    return backPressure;
  }

  /** All instances by task id. */
  Map<Integer, Instance> instances() {
    return instances;
  }

  Context context(InstanceId id) {
    return new Context(definition, components, id);
  }

  Router router(Context context) throws RunnerException {
    return new Router(definition, context, task -> (BoltInstance) instances.get(task));
  }
}
