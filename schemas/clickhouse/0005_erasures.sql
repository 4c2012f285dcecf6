-- Erasures as they were asked for. The sink deletes by this table: what is in it is not to be held.
CREATE TABLE IF NOT EXISTS raw_privacy_erasures
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    visitor_key FixedString(16),
    author LowCardinality(String),
    reason LowCardinality(Nullable(String)),
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row for each record whose row was deleted: place, hash and amount keep law K1 checkable; the
-- rest is what the hourly aggregates say of it anyway, so that counts stay the same after an erasure
-- (law K3). Nothing in it leads to a person; the instant is cut to the hour. Read with FINAL: an
-- erasure that was interrupted writes its rows again.
CREATE TABLE IF NOT EXISTS raw_erased
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    topic LowCardinality(String),
    amount Int64,
    hour DateTime64(3, 'UTC'),
    partner_id Int64,
    offer_id Int64,
    advertiser_id Int64,
    link_id Int64,
    country LowCardinality(String),
    device LowCardinality(String),
    os LowCardinality(String),
    browser LowCardinality(String),
    source LowCardinality(String),
    outcome LowCardinality(String),
    reason LowCardinality(String),
    invalid Bool
)
ENGINE = ReplacingMergeTree
PARTITION BY kafka_day
ORDER BY (topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Conversions of erased visitors: their rows and those of their decisions hold no visitor, click or
-- customer any more, whenever they come.
CREATE TABLE IF NOT EXISTS erased_conversions
(
    conversion_key FixedString(16)
)
ENGINE = ReplacingMergeTree
ORDER BY conversion_key
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
