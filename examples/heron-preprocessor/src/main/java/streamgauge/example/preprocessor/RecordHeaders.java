package streamgauge.example.preprocessor;

import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Kafka headers as a tuple can carry them between containers: name, bytes, name, bytes. */
final class RecordHeaders {
  private RecordHeaders() {}

  static ArrayList<Object> toTuple(Headers headers) {
    ArrayList<Object> flat = new ArrayList<>();
    for (Header header : headers) {
      flat.add(header.key());
      flat.add(header.value());
    }
    return flat;
  }

  static List<Header> fromTuple(List<?> flat) {
    List<Header> headers = new ArrayList<>();
    for (int i = 0; i < flat.size(); i += 2) {
      headers.add(new RecordHeader((String) flat.get(i), (byte[]) flat.get(i + 1)));
    }
    return headers;
  }
}
