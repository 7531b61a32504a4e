package streamgauge.dataloader;

import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** The data loader's job: the planned records of a topic go to another one, each when it is due. */
public final class Main {
  private Main() {}

  /** Arguments as {@link Settings} reads them. */
  public static void main(String[] args) throws Exception {
    Settings settings = Settings.parse(args);
    Configuration own = new Configuration();
    own.set(ExecutionOptions.RUNTIME_MODE, RuntimeExecutionMode.STREAMING);
    // What was sent cannot be taken back: a job that begins again would send it twice.
    own.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
    own.set(PipelineOptions.OPERATOR_CHAINING, true);
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment(own);
    flink.getConfig().enableObjectReuse();
    flink.getCheckpointConfig().disableCheckpointing();
    flink
        .fromSource(
            new TopicSource(settings),
            WatermarkStrategy.noWatermarks(),
            settings.source().name(),
            TypeInformation.of(Item.class))
        .uid("source")
        .transform(settings.target().name(), Types.VOID, new Delivery(settings))
        .uid("target")
        .sinkTo(new DiscardingSink<>())
        .name("done");
    flink.execute(settings.name());
  }
}
