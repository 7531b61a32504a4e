package streamgauge.dataloader;

import org.apache.flink.api.connector.source.SourceEvent;

/**
 * A reader has a record of each of its partitions at hand.
 *
 * @param earliest the earliest timestamp of those, in Unix milliseconds; {@link Long#MAX_VALUE} when none has one
 */
record Ready(long earliest) implements SourceEvent {}
