package streamgauge.dataloader;

import org.apache.flink.api.connector.source.SourceEvent;

/**
 * All readers are ready.
 *
 * @param start when the load starts, in nanoseconds since 1970
 * @param earliest the earliest timestamp of all partitions' first records, in Unix milliseconds
 */
record Begin(long start, long earliest) implements SourceEvent {}
