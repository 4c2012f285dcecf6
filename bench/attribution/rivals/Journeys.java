import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Clicks into journeys with Kafka Streams: one thread, a persistent RocksDB store.
 *
 * Arguments: bootstrap servers, topic, schema file, state folder, number of records, changelog or
 * plain, application id. Prints one JSON line: seconds from the first record until the offset of
 * the last one is committed, which Streams does only after its store's changelog is acked.
 *
 * It has less to do than attribution: it keeps no log time and puts without looking whether the
 * click is there already.
 */
public final class Journeys {
    private static long total;
    private static long seen;
    private static long firstNanos;
    private static long halfNanos;
    private static long firstCpu;
    private static final CountDownLatch ALL = new CountDownLatch(1);

    /** Keeps a click under (visitor, click ulid): the ulid begins with the time. */
    private static final class Keep implements Processor<byte[], byte[], Void, Void> {
        private static final int HEADER = 5;
        private final Schema schema;
        private final GenericDatumReader<GenericRecord> reader;
        private final GenericRecord click;
        private final int[] longs;
        private final int[] texts;
        private final int clickId;
        private final int visitor;
        private BinaryDecoder decoder;
        private ProcessorContext<Void, Void> context;
        private KeyValueStore<Bytes, byte[]> store;

        Keep(Schema schema) {
            this.schema = schema;
            reader = new GenericDatumReader<>(schema);
            click = new GenericData.Record(schema);
            clickId = place("click_id");
            visitor = place("visitor_key");
            longs = places("occurred_at", "recorded_at", "partner_id", "offer_id", "link_id", "advertiser_id");
            texts = places("ref_id", "source", "sub", "country", "device", "reason");
        }

        private int place(String name) {
            return schema.getField(name).pos();
        }

        private int[] places(String... names) {
            int[] found = new int[names.length];
            for (int n = 0; n < names.length; n++) {
                found[n] = place(names[n]);
            }
            return found;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            this.context = context;
            store = context.getStateStore("journeys");
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            if (seen == 0) {
                firstNanos = System.nanoTime();
                firstCpu = cpuNanos();
            }
            byte[] value = record.value();
            decoder = DecoderFactory.get().binaryDecoder(value, HEADER, value.length - HEADER, decoder);
            try {
                reader.read(click, decoder);
            } catch (java.io.IOException error) {
                throw new IllegalStateException(error);
            }
            store.put(key(), row());
            if (++seen == total / 2) {
                halfNanos = System.nanoTime();
            }
            if (seen == total) {
                context.commit();
                ALL.countDown();
            }
        }

        private Bytes key() {
            ByteBuffer key = ByteBuffer.allocate(32);
            key.put(((ByteBuffer) click.get(visitor)).duplicate());
            key.put(((ByteBuffer) click.get(clickId)).duplicate());
            return Bytes.wrap(key.array());
        }

        private byte[] row() {
            StringBuilder tags = new StringBuilder();
            for (int at : texts) {
                Object text = click.get(at);
                tags.append(text == null ? "" : text).append('\0');
            }
            byte[] tail = tags.toString().getBytes(StandardCharsets.UTF_8);
            ByteBuffer row = ByteBuffer.allocate(8 * longs.length + 8 + tail.length);
            for (int at : longs) {
                row.putLong((Long) click.get(at));
            }
            row.putLong(context.recordMetadata().map(data -> data.offset()).orElse(0L));
            return row.put(tail).array();
        }
    }

    private static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    }

    private static Properties properties(String bootstrap, String folder, String application) {
        Properties all = new Properties();
        all.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        all.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        all.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        all.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        // The default commits every 30 s; 5 s is nearer to what one would run, and Quix's default.
        all.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 5_000);
        // Five times the default cache, and larger fetches and polls: fewer trips for each record.
        all.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 50L << 20);
        all.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        all.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        all.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        // The changelog in large compressed batches.
        all.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        all.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        all.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        return all;
    }

    private static Topology topology(Schema schema, String topic, boolean changelog) {
        var store = Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore("journeys"), Serdes.Bytes(), Serdes.ByteArray()
        ).withCachingEnabled();
        var bytes = new ByteArrayDeserializer();
        return new Topology()
            .addSource("clicks", bytes, bytes, topic)
            .addProcessor("keep", () -> new Keep(schema), "clicks")
            .addStateStore(changelog ? store.withLoggingEnabled(Map.of()) : store.withLoggingDisabled(), "keep");
    }

    private static void awaitCommitted(String bootstrap, String application) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            long committed = 0;
            while (committed < total) {
                Thread.sleep(20);
                committed = admin.listConsumerGroupOffsets(application).partitionsToOffsetAndMetadata().get()
                    .values().stream().mapToLong(offset -> offset.offset()).sum();
            }
        }
    }

    public static void main(String[] words) throws Exception {
        String bootstrap = words[0];
        String application = words[6];
        Schema schema = new Schema.Parser().parse(Path.of(words[2]).toFile());
        total = Long.parseLong(words[4]);
        KafkaStreams streams = new KafkaStreams(
            topology(schema, words[1], words[5].equals("changelog")), properties(bootstrap, words[3], application));
        streams.start();
        ALL.await();
        awaitCommitted(bootstrap, application);
        long end = System.nanoTime();
        System.out.printf(
            java.util.Locale.ROOT,
            "{\"records\": %d, \"wall_s\": %.3f, \"second_half_s\": %.3f, \"cpu_s\": %.3f}%n",
            seen, (end - firstNanos) / 1e9, (end - halfNanos) / 1e9, (cpuNanos() - firstCpu) / 1e9);
        System.out.flush();
        streams.close(Duration.ofSeconds(10));
    }
}
