package streamgauge.dataloader;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class RanksTest {
  private static List<Share> shares(long... records) {
    List<Share> shares = new ArrayList<>();
    for (long count : records) {
      shares.add(new Share(shares.size(), 0, count, count, count));
    }
    return shares;
  }

  private static long[] numbers(List<Share> shares, int index) {
    Ranks ranks = new Ranks(shares, index);
    return LongStream.generate(ranks::next).limit(shares.get(index).records()).toArray();
  }

  @Test
  void recordsOfEachPartitionAreSpreadOverTheWhole() {
    List<Share> shares = shares(2, 6, 1);
    assertArrayEquals(new long[] {1, 6}, numbers(shares, 0));
    assertArrayEquals(new long[] {0, 2, 3, 5, 7, 8}, numbers(shares, 1));
    assertArrayEquals(new long[] {4}, numbers(shares, 2));
  }

  @Test
  void everyNumberIsGivenOnceInTheOrderOfTheRecordsPlaces() {
    Random random = new Random(7);
    for (int round = 0; round < 200; round++) {
      long[] counts = random.longs(1 + random.nextInt(7), 1, 60).toArray();
      List<Share> shares = shares(counts);
      record Place(double at, int partition) {}
      List<Place> places = new ArrayList<>();
      for (int partition = 0; partition < counts.length; partition++) {
        for (long number = 0; number < counts[partition]; number++) {
          // Two thirds and four sixths are the same only when they are computed in the same way.
          places.add(new Place(Math.rint((2 * number + 1) / (2.0 * counts[partition]) * 1e12), partition));
        }
      }
      places.sort(Comparator.comparingDouble(Place::at).thenComparingInt(Place::partition));
      int[] order = new int[places.size()];
      for (int partition = 0; partition < counts.length; partition++) {
        for (long number : numbers(shares, partition)) {
          order[(int) number] = partition + 1;
        }
      }
      int[] expected = places.stream().mapToInt(place -> place.partition() + 1).toArray();
      assertArrayEquals(expected, order, () -> "of " + java.util.Arrays.toString(counts));
    }
  }

  @Test
  void numbersOfBillionsOfRecordsAreExact() {
    long billions = 5_000_000_000L;
    List<Share> shares = shares(billions, billions, billions);
    Ranks ranks = new Ranks(shares, 1);
    for (int number = 0; number < 100_000; number++) {
      assertEquals(3L * number + 1, ranks.next());
    }
  }
}
