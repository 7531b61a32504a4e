package streamgauge.dataloader;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** A partition's share, as Flink hands it to a reader. */
record ShareSplit(Share share) implements SourceSplit {
  @Override
  public String splitId() {
    return Integer.toString(share.partition());
  }

  /** How it travels. */
  static final class Serializer implements SimpleVersionedSerializer<ShareSplit> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(ShareSplit split) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      Share share = split.share();
      out.writeInt(share.partition());
      for (long number : new long[] {share.start(), share.stop(), share.held(), share.records()}) {
        out.writeLong(number);
      }
      return bytes.toByteArray();
    }

    @Override
    public ShareSplit deserialize(int version, byte[] serialized) throws IOException {
      DataInputStream in = new DataInputStream(new ByteArrayInputStream(serialized));
      return new ShareSplit(new Share(in.readInt(), in.readLong(), in.readLong(), in.readLong(), in.readLong()));
    }
  }
}
