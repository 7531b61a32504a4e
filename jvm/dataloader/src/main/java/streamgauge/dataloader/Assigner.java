package streamgauge.dataloader;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.util.FlinkRuntimeException;

/** Hands each reader its partitions, and starts all of them at once when every one is ready. */
final class Assigner implements SplitEnumerator<ShareSplit, Void> {
  /** How long the word to begin may take to the readers, in nanoseconds. */
  private static final long NOTICE = 300_000_000L;

  private final SplitEnumeratorContext<ShareSplit> context;
  private final Settings settings;
  private final Set<Integer> ready = new HashSet<>();
  private long earliest = Long.MAX_VALUE;
  private boolean assigned;

  Assigner(SplitEnumeratorContext<ShareSplit> context, Settings settings) {
    this.context = context;
    this.settings = settings;
  }

  @Override
  public void start() {}

  @Override
  public void handleSplitRequest(int subtask, String host) {}

  /** A load that went wrong is over: what comes back is not sent a second time. */
  @Override
  public void addSplitsBack(List<ShareSplit> splits, int subtask) {}

  @Override
  public void addReader(int subtask) {
    if (assigned || context.registeredReaders().size() < context.currentParallelism()) {
      return;
    }
    assigned = true;
    List<List<Share>> parts = split(settings.shares(), context.currentParallelism());
    for (int reader = 0; reader < parts.size(); reader++) {
      for (Share share : parts.get(reader)) {
        context.assignSplit(new ShareSplit(share), reader);
      }
      context.signalNoMoreSplits(reader);
    }
  }

  /** Whole partitions, the largest first, each to the reader that has least. */
  static List<List<Share>> split(List<Share> shares, int readers) {
    List<List<Share>> parts = new ArrayList<>();
    for (int reader = 0; reader < readers; reader++) {
      parts.add(new ArrayList<>());
    }
    long[] records = new long[readers];
    List<Share> largest = new ArrayList<>(shares);
    largest.sort(Comparator.comparingLong(Share::records).reversed());
    for (Share share : largest) {
      int least = 0;
      for (int reader = 1; reader < readers; reader++) {
        least = records[reader] < records[least] ? reader : least;
      }
      parts.get(least).add(share);
      records[least] += share.records();
    }
    return parts;
  }

  @Override
  public void handleSourceEvent(int subtask, SourceEvent event) {
    if (!(event instanceof Ready said) || !ready.add(subtask)) {
      return;
    }
    earliest = Math.min(earliest, said.earliest());
    if (ready.size() < context.currentParallelism()) {
      return;
    }
    Begin begin = new Begin(begin(), earliest == Long.MAX_VALUE ? 0 : earliest);
    for (int reader = 0; reader < context.currentParallelism(); reader++) {
      context.sendEventToSourceReader(reader, begin);
    }
  }

  private long begin() {
    long soonest = Clock.now() + NOTICE;
    long asked = settings.startAt() * 1_000_000L;
    if (settings.startAt() > 0 && asked < Clock.now()) {
      throw new FlinkRuntimeException("the load was to begin earlier than all was ready: give it a later start");
    }
    return settings.startAt() > 0 ? asked : soonest;
  }

  @Override
  public Void snapshotState(long checkpoint) {
    return null;
  }

  @Override
  public void close() throws IOException {}
}
