package streamgauge.dataloader;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.Optional;
import org.apache.kafka.clients.producer.KafkaProducer;

/**
 * By which id and epoch a producer's records are known in the log. Kafka's client keeps that to itself, so it is looked up in
 * its fields; where they are not as expected the id is not known, and records are told apart by their offsets alone.
 */
final class Producers {
  private Producers() {}

  /** Id and epoch, once the cluster has given them. */
  static Optional<long[]> current(KafkaProducer<?, ?> producer) {
    try {
      Object transactions = field(producer, "transactionManager");
      Object both = call(transactions, "producerIdAndEpoch");
      long id = ((Number) field(both, "producerId")).longValue();
      short epoch = ((Number) field(both, "epoch")).shortValue();
      return id < 0 ? Optional.empty() : Optional.of(new long[] {id, epoch});
    } catch (ReflectiveOperationException | RuntimeException unexpected) {
      return Optional.empty();
    }
  }

  private static Object field(Object object, String name) throws ReflectiveOperationException {
    Field field = object.getClass().getDeclaredField(name);
    field.setAccessible(true);
    return field.get(object);
  }

  private static Object call(Object object, String name) throws ReflectiveOperationException {
    Method method = object.getClass().getDeclaredMethod(name);
    method.setAccessible(true);
    return method.invoke(object);
  }
}
