package streamgauge.dataloader;

/**
 * A record on its way, with when it was due. Mutable and public as Flink's own serializer wants it; source and target run
 * in one task, so it is not needed there.
 */
public final class Item {
  /** The partition it came from. */
  public int partition;

  /** Unix milliseconds; −1 for none. */
  public long timestamp;

  /** May be null, which is not the same as empty; so may the value. */
  public byte[] key;

  public byte[] value;

  /** The headers' names, in their order. */
  public String[] names;

  /** The headers' values; each may be null. */
  public byte[][] values;

  /** When it was due, as {@link Clock} counts. */
  public long due;

  /** When the measured window begins, as {@link Clock} counts. */
  public long window;

  /** Whether it is one of the measured records. */
  public boolean measured;

  /** How long the source has kept this subtask's schedule waiting until now, in nanoseconds. */
  public long sourceWait;

  /** An empty one, for Flink. */
  public Item() {}
}
