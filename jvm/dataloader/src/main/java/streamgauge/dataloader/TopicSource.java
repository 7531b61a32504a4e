package streamgauge.dataloader;

import java.io.IOException;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.util.FlinkRuntimeException;

/**
 * The planned records of a topic, each when it is due.
 *
 * <p>Flink's own Kafka source gives what it fetched, one partition's after the other's: behind a rate limiter one
 * partition would get all of the load for seconds. So this one keeps the partitions apart until their records are due.
 */
record TopicSource(Settings settings) implements Source<Item, ShareSplit, Void> {
  @Override
  public Boundedness getBoundedness() {
    return Boundedness.BOUNDED;
  }

  @Override
  public SplitEnumerator<ShareSplit, Void> createEnumerator(SplitEnumeratorContext<ShareSplit> context) {
    return new Assigner(context, settings);
  }

  @Override
  public SplitEnumerator<ShareSplit, Void> restoreEnumerator(
      SplitEnumeratorContext<ShareSplit> context, Void checkpoint) {
    throw new FlinkRuntimeException("a load cannot be restored: records would be sent twice");
  }

  @Override
  public SourceReader<Item, ShareSplit> createReader(SourceReaderContext context) {
    return new TopicReader(context, settings);
  }

  @Override
  public SimpleVersionedSerializer<ShareSplit> getSplitSerializer() {
    return new ShareSplit.Serializer();
  }

  @Override
  public SimpleVersionedSerializer<Void> getEnumeratorCheckpointSerializer() {
    return new Nothing();
  }

  /** Nothing is kept of a load, so nothing is written. */
  private static final class Nothing implements SimpleVersionedSerializer<Void> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(Void nothing) throws IOException {
      return new byte[0];
    }

    @Override
    public Void deserialize(int version, byte[] serialized) throws IOException {
      return null;
    }
  }
}
