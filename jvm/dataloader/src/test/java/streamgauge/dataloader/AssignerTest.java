package streamgauge.dataloader;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class AssignerTest {
  @Test
  void wholePartitionsGoToWhoeverHasLeast() {
    long[] counts = {50, 10, 30, 20, 11};
    List<Share> shares =
        java.util.stream.IntStream.range(0, counts.length)
            .mapToObj(index -> new Share(index, 0, counts[index], counts[index], counts[index]))
            .toList();
    List<List<Integer>> partitions =
        Assigner.split(shares, 2).stream().map(part -> part.stream().map(Share::partition).toList()).toList();
    assertEquals(List.of(List.of(0, 4), List.of(2, 3, 1)), partitions);
    assertEquals(List.of(0, 0, 1, 1, 1, 1, 1), Assigner.split(shares, 7).stream().map(List::size).sorted().toList());
  }

  @Test
  void aShareTravels() throws Exception {
    ShareSplit split = new ShareSplit(new Share(7, 1, 1L << 40, 5, 9));
    ShareSplit.Serializer serializer = new ShareSplit.Serializer();
    assertEquals(split, serializer.deserialize(1, serializer.serialize(split)));
  }
}
