// Kafka Streams: windowed count, sum, min and max of `amount` by user. java Windows KEY=VALUE ...
// Keys: broker topic schema (a file) size advance (s) state (a folder) guarantee commit (ms) show (a user, or nothing).
// Prints the lines of bench/peers/lines.py twice a second and runs until it is ended.
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.WindowStore;

public class Windows {
  static final class State {
    long count;
    double sum, min = Double.POSITIVE_INFINITY, max = Double.NEGATIVE_INFINITY;
  }

  /** Decodes every field of a bare datum. */
  static final class Datum implements Deserializer<GenericRecord> {
    final GenericDatumReader<GenericRecord> reader;
    BinaryDecoder decoder;

    Datum(Schema schema) {
      reader = new GenericDatumReader<>(schema);
    }

    public GenericRecord deserialize(String topic, byte[] bytes) {
      try {
        decoder = DecoderFactory.get().binaryDecoder(bytes, decoder);
        return reader.read(null, decoder);
      } catch (java.io.IOException e) {
        throw new RuntimeException(e);
      }
    }
  }

  static byte[] encode(String topic, State s) {
    return s == null ? null : ByteBuffer.allocate(32).putLong(s.count).putDouble(s.sum).putDouble(s.min).putDouble(s.max).array();
  }

  static State decode(String topic, byte[] bytes) {
    if (bytes == null) return null;
    ByteBuffer b = ByteBuffer.wrap(bytes);
    State s = new State();
    s.count = b.getLong();
    s.sum = b.getDouble();
    s.min = b.getDouble();
    s.max = b.getDouble();
    return s;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, String> given = new HashMap<>();
    for (String each : arguments) given.put(each.split("=", 2)[0], each.split("=", 2)[1]);
    Schema schema = new Schema.Parser().parse(Files.readString(Path.of(given.get("schema"))));
    int ts = schema.getField("ts").pos(), amount = schema.getField("amount").pos();
    String show = given.get("show");
    Properties p = new Properties();
    p.put("application.id", "streams" + System.nanoTime());
    p.put("bootstrap.servers", given.get("broker"));
    p.put("num.stream.threads", "1");
    p.put("auto.offset.reset", "earliest");
    p.put("processing.guarantee", given.get("guarantee"));
    p.put("commit.interval.ms", given.get("commit"));
    p.put("state.dir", given.get("state"));
    p.put("replication.factor", "1");
    LongAdder in = new LongAdder(), out = new LongAdder();
    Duration size = Duration.ofSeconds(Long.parseLong(given.get("size")));
    Duration advance = Duration.ofSeconds(Long.parseLong(given.get("advance")));
    Serde<State> states = Serdes.serdeFrom(Windows::encode, Windows::decode);
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream(given.get("topic"), Consumed.with(Serdes.String(), Serdes.serdeFrom((t, x) -> null, new Datum(schema)))
            .withTimestampExtractor((record, partition) -> (Long) ((GenericRecord) record.value()).get(ts)))
        .peek((user, event) -> in.increment())
        .groupByKey()
        .windowedBy(TimeWindows.ofSizeAndGrace(size, Duration.ofSeconds(5)).advanceBy(advance))
        .aggregate(
            State::new,
            (user, event, s) -> {
              double x = (Double) event.get(amount);
              s.count++;
              s.sum += x;
              if (x < s.min) s.min = x;
              if (x > s.max) s.max = x;
              return s;
            },
            Materialized.<String, State, WindowStore<Bytes, byte[]>>as("windows").withKeySerde(Serdes.String()).withValueSerde(states).withCachingEnabled())
        .toStream()
        .foreach((user, s) -> {
          out.increment();
          if (user.key().equals(show)) System.out.println("WINDOW " + user.window().start() + " " + s.count + " " + s.sum + " " + s.min + " " + s.max);
        });
    KafkaStreams streams = new KafkaStreams(builder.build(), p);
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      Runtime.getRuntime().halt(3);
      return null;
    });
    streams.start();
    while (true) {
      Thread.sleep(500);
      if (in.sum() > 0) System.out.printf("EVENTS %.3f %d %d%n", System.nanoTime() / 1e9, in.sum(), out.sum());
    }
  }
}
