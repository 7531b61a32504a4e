package streamgauge.example.preprocessor;

import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.heron.api.metric.IMetric;
import org.apache.heron.api.topology.TopologyContext;

/** The part of a topology context that the components ask for. */
final class FakeContext {
  /** Metrics that were registered. */
  final Map<String, IMetric<?>> metrics = new HashMap<>();

  private final int index;
  private final int parallelism;

  FakeContext(int index, int parallelism) {
    this.index = index;
    this.parallelism = parallelism;
  }

  TopologyContext get() {
    return (TopologyContext)
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {TopologyContext.class},
            (proxy, method, args) ->
                switch (method.getName()) {
                  case "getThisTaskIndex" -> index;
                  case "getThisComponentId" -> "component";
                  case "getComponentTasks" -> IntStream.range(0, parallelism).boxed().toList();
                  case "registerMetric" -> {
                    metrics.put((String) args[0], (IMetric<?>) args[1]);
                    yield args[1];
                  }
                  default -> throw new UnsupportedOperationException(method.getName() + List.of(args));
                });
  }

  Object value(String metric) {
    return metrics.get(metric).getValueAndReset();
  }
}
