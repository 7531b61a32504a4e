package streamgauge.dataloader;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.util.FlinkRuntimeException;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.header.Header;

/** Reads some partitions ahead and gives each record when it is due. All but the timer happens in the task's thread. */
final class TopicReader implements SourceReader<Item, ShareSplit> {
  /** What falls due within this time is sent together, in nanoseconds. */
  private static final long TICK = 5_000_000L;

  /** The most of the schedule that is sent at once when the load is behind: it catches up without a burst. */
  private static final long MOST_AT_ONCE = 8_000_000L;

  /** How long to wait for records that are due and not there yet. */
  private static final long SOON = 1_000_000L;

  private static final long SECOND = 1_000_000_000L;

  /** The most memory for records read ahead, over all partitions, in bytes. */
  private static final long READ_AHEAD = 48L << 20;

  private final SourceReaderContext context;
  private final Settings settings;
  private final List<Share> shares = new ArrayList<>();
  private final Map<Integer, Lane> lanes = new HashMap<>();

  /** The lanes that give records yet, by when they do; those of which that is unknown wait in {@link #starved}. */
  private final PriorityQueue<Lane> next =
      new PriorityQueue<>(Comparator.comparingLong(Lane::due).thenComparingInt(Lane::partition));

  private final List<Lane> starved = new ArrayList<>();
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          work -> {
            Thread thread = new Thread(work, "streamgauge-timer");
            thread.setDaemon(true);
            return thread;
          });
  private CompletableFuture<Void> available = new CompletableFuture<>();
  private KafkaConsumer<byte[], byte[]> consumer;
  private boolean assigned;
  private boolean ready;

  /** What the assigner said; null before it did. */
  private Begin begin;

  private long window;
  private long lastTick;

  /** Records that are due until then, after the start, are sent now. */
  private long horizon = -1;

  private long lastPoll;
  private long lastRecord;

  /** Since when a record is due that is not there; 0 when all are. */
  private long waiting;

  private long waited;

  TopicReader(SourceReaderContext context, Settings settings) {
    this.context = context;
    this.settings = settings;
  }

  @Override
  public void start() {}

  @Override
  public void addSplits(List<ShareSplit> splits) {
    splits.forEach(split -> shares.add(split.share()));
  }

  @Override
  public void notifyNoMoreSplits() {
    assigned = true;
    available.complete(null);
  }

  @Override
  public void handleSourceEvents(SourceEvent event) {
    if (event instanceof Begin said && begin == null) {
      begin = said;
      Schedule schedule = settings.schedule();
      window = said.start() + (schedule == null ? 0 : schedule.due(settings.warmUp()));
      for (Share share : shares) {
        Lane lane = lanes.get(share.partition());
        lane.start(pace(share));
        next.add(lane);
      }
      available.complete(null);
    }
  }

  private Pace pace(Share share) {
    return settings.schedule() == null
        ? new Pace.ByTimestamp(settings.replay(), begin.earliest())
        : new Pace.ByNumber(settings.schedule(), new Ranks(settings.shares(), settings.shares().indexOf(share)));
  }

  @Override
  public InputStatus pollNext(ReaderOutput<Item> output) {
    if (!assigned) {
      return nothing();
    }
    if (consumer == null) {
      open();
    }
    if (begin == null) {
      prepare();
      return nothing();
    }
    if (next.isEmpty() && starved.isEmpty()) {
      return InputStatus.END_OF_INPUT;
    }
    return give(output);
  }

  /** Reads until every partition has a record at hand, then says so. */
  private void prepare() {
    if (!ready) {
      read();
      if (lanes.values().stream().noneMatch(Lane::isEmpty)) {
        ready = true;
        long earliest = Long.MAX_VALUE;
        for (Lane lane : lanes.values()) {
          earliest = lane.timestamp() >= 0 ? Math.min(earliest, lane.timestamp()) : earliest;
        }
        context.sendSourceEventToCoordinator(new Ready(earliest));
      }
    }
    if (begin == null) {
      wake(TICK);
    }
  }

  private InputStatus give(ReaderOutput<Item> output) {
    long now = Clock.now();
    long elapsed = now - begin.start();
    feed();
    Lane lane = next.peek();
    if (lane == null) {
      return hungry(now);
    }
    if (lane.due() > horizon) {
      long wait = Math.max(lane.due() - elapsed, lastTick + TICK - now);
      if (now - lastPoll >= TICK) {
        read();
      }
      if (wait > 0) {
        wake(Math.min(wait, TICK));
        return nothing();
      }
      lastTick = now;
      horizon = Math.min(elapsed, lane.due() + MOST_AT_ONCE);
    }
    if (lane.isEmpty()) {
      return hungry(now);
    }
    if (waiting > 0) {
      waited += now - waiting;
      waiting = 0;
    }
    next.remove();
    output.collect(item(lane));
    if (!lane.done()) {
      starved.add(lane);
    }
    return InputStatus.MORE_AVAILABLE;
  }

  /** Puts the lanes back of which it is known again when their next record is due. */
  private void feed() {
    if (!starved.isEmpty()) {
      starved.removeIf(lane -> lane.known() && next.add(lane));
    }
  }

  /** A record is due, or may be, and was not read yet. */
  private InputStatus hungry(long now) {
    waiting = waiting == 0 ? now : waiting;
    read();
    wake(SOON);
    return nothing();
  }

  private Item item(Lane lane) {
    long due = lane.due();
    boolean measured = settings.schedule() == null || lane.number() >= settings.warmUp();
    ConsumerRecord<byte[], byte[]> record = lane.take();
    Item item = new Item();
    item.partition = record.partition();
    item.timestamp = record.timestamp();
    item.key = record.key();
    item.value = record.value();
    Header[] headers = record.headers().toArray();
    item.names = new String[headers.length];
    item.values = new byte[headers.length][];
    for (int index = 0; index < headers.length; index++) {
      item.names[index] = headers[index].key();
      item.values[index] = headers[index].value();
    }
    item.due = begin.start() + due;
    item.window = window;
    item.measured = measured;
    item.sourceWait = waited;
    return item;
  }

  private void open() {
    try {
      consumer = Clients.consumer(settings);
    } catch (KafkaException error) {
      throw Clients.failure("read", settings.source(), error);
    }
    List<TopicPartition> partitions = new ArrayList<>();
    for (Share share : shares) {
      lanes.put(share.partition(), new Lane(share));
      partitions.add(partition(share));
    }
    consumer.assign(partitions);
    shares.forEach(share -> consumer.seek(partition(share), share.start()));
  }

  private TopicPartition partition(Share share) {
    return new TopicPartition(settings.source().name(), share.partition());
  }

  /** Takes what the consumer has, and lets it read on where there is room. */
  private void read() {
    long now = Clock.now();
    // While nobody asked, nothing could come.
    lastRecord = now - lastPoll > SECOND ? now : lastRecord;
    lastPoll = now;
    if (lanes.values().stream().allMatch(Lane::whole)) {
      return;
    }
    ConsumerRecords<byte[], byte[]> records = poll();
    for (TopicPartition partition : records.partitions()) {
      Lane lane = lanes.get(partition.partition());
      records.records(partition).forEach(lane::offer);
    }
    boolean room = false;
    for (Lane lane : lanes.values()) {
      room |= flow(lane);
    }
    lastRecord = records.isEmpty() && room ? lastRecord : now;
    if (now - lastRecord > settings.patience() * 1_000_000L) {
      throw new FlinkRuntimeException(
          "cannot read " + settings.source().name() + ": it gave nothing for " + settings.patience() / 1000 + " s");
    }
  }

  private ConsumerRecords<byte[], byte[]> poll() {
    try {
      return consumer.poll(Duration.ZERO);
    } catch (InterruptException cancelled) {
      throw cancelled;
    } catch (KafkaException error) {
      throw Clients.failure("read", settings.source(), error);
    }
  }

  /** Lets a partition be read on, or not; says which. */
  private boolean flow(Lane lane) {
    TopicPartition partition = partition(lane.share());
    if (lane.again()) {
      consumer.seek(partition, lane.share().start());
    }
    boolean room = lane.hasRoom(READ_AHEAD / lanes.size());
    if (room && lane.isPaused()) {
      consumer.resume(List.of(partition));
    } else if (!room && !lane.isPaused()) {
      consumer.pause(List.of(partition));
    }
    lane.setPaused(!room);
    return room;
  }

  private InputStatus nothing() {
    return InputStatus.NOTHING_AVAILABLE;
  }

  private void wake(long nanos) {
    CompletableFuture<Void> future = new CompletableFuture<>();
    available = future;
    timer.schedule(() -> future.complete(null), nanos, TimeUnit.NANOSECONDS);
  }

  @Override
  public CompletableFuture<Void> isAvailable() {
    return available;
  }

  @Override
  public List<ShareSplit> snapshotState(long checkpoint) {
    return List.of();
  }

  @Override
  public void close() {
    timer.shutdownNow();
    // Set when the job is cancelled, and the consumer would not close in peace then.
    Thread.interrupted();
    if (consumer != null) {
      consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
    }
  }
}
