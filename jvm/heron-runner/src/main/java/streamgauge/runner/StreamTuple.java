package streamgauge.runner;

import java.util.List;
import java.util.Set;
import org.apache.heron.api.generated.TopologyAPI;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.tuple.Tuple;

/** A tuple on its way to one task, with the trees it belongs to. */
final class StreamTuple implements Tuple {
  private static final long serialVersionUID = 1L;

  /** Where tuples come from: the same for all tuples of a task's stream. */
  record Source(String component, int task, String stream, Fields fields) {
    /** Name under which a bolt counts tuples of this source: kafkaSpout/default. */
    String scope() {
      return component + "/" + stream;
    }
  }

  private final transient Source source;
  private final transient Set<Root> roots;
  private transient List<Object> values;
  private transient boolean settled;
  /** When execute() was entered, by System.nanoTime(); Heron measures process latency from here. */
  transient long startedNanos;

  StreamTuple(Source source, List<Object> values, Set<Root> roots) {
    this.source = source;
    this.values = values;
    this.roots = roots;
  }

  Source source() {
    return source;
  }

  Set<Root> roots() {
    return roots;
  }

  /** True the first time: a tuple is acked or failed once. */
  boolean settle() {
    boolean first = !settled;
    settled = true;
    return first;
  }

  @Override
  public int size() {
    return values.size();
  }

  @Override
  public int fieldIndex(String field) {
    return source.fields().fieldIndex(field);
  }

  @Override
  public boolean contains(String field) {
    return source.fields().contains(field);
  }

  @Override
  public Object getValue(int i) {
    return values.get(i);
  }

  @Override
  public String getString(int i) {
    return (String) values.get(i);
  }

  @Override
  public Integer getInteger(int i) {
    return (Integer) values.get(i);
  }

  @Override
  public Long getLong(int i) {
    return (Long) values.get(i);
  }

  @Override
  public Boolean getBoolean(int i) {
    return (Boolean) values.get(i);
  }

  @Override
  public Short getShort(int i) {
    return (Short) values.get(i);
  }

  @Override
  public Byte getByte(int i) {
    return (Byte) values.get(i);
  }

  @Override
  public Double getDouble(int i) {
    return (Double) values.get(i);
  }

  @Override
  public Float getFloat(int i) {
    return (Float) values.get(i);
  }

  @Override
  public byte[] getBinary(int i) {
    return (byte[]) values.get(i);
  }

  @Override
  public Object getValueByField(String field) {
    return values.get(fieldIndex(field));
  }

  @Override
  public String getStringByField(String field) {
    return getString(fieldIndex(field));
  }

  @Override
  public Integer getIntegerByField(String field) {
    return getInteger(fieldIndex(field));
  }

  @Override
  public Long getLongByField(String field) {
    return getLong(fieldIndex(field));
  }

  @Override
  public Boolean getBooleanByField(String field) {
    return getBoolean(fieldIndex(field));
  }

  @Override
  public Short getShortByField(String field) {
    return getShort(fieldIndex(field));
  }

  @Override
  public Byte getByteByField(String field) {
    return getByte(fieldIndex(field));
  }

  @Override
  public Double getDoubleByField(String field) {
    return getDouble(fieldIndex(field));
  }

  @Override
  public Float getFloatByField(String field) {
    return getFloat(fieldIndex(field));
  }

  @Override
  public byte[] getBinaryByField(String field) {
    return getBinary(fieldIndex(field));
  }

  @Override
  public List<Object> getValues() {
    return values;
  }

  @Override
  public Fields getFields() {
    return source.fields();
  }

  @Override
  public List<Object> select(Fields selector) {
    return source.fields().select(selector, values);
  }

  @Override
  public TopologyAPI.StreamId getSourceGlobalStreamId() {
    return TopologyAPI.StreamId.newBuilder().setComponentName(source.component()).setId(source.stream()).build();
  }

  @Override
  public String getSourceComponent() {
    return source.component();
  }

  @Override
  public int getSourceTask() {
    return source.task();
  }

  @Override
  public String getSourceStreamId() {
    return source.stream();
  }

  @Override
  public void resetValues() {
    values = null;
  }

  @Override
  public String toString() {
    return "source: " + source.component() + ":" + source.task() + ", stream: " + source.stream() + ", values: " + values;
  }
}
