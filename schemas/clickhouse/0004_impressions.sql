-- Impressions: the raw table, and by hour what reports group them by. An impression counts when it
-- has no reason against it; the others are kept and aggregated beside them.
CREATE TABLE IF NOT EXISTS raw_tracking_impressions
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    impression_id FixedString(16),
    visitor_key FixedString(16),
    visitor_is_new Bool,
    link_id Int64,
    partner_id Int64,
    offer_id Int64,
    advertiser_id Int64,
    creative_id Nullable(Int64),
    ip_prefix String,
    ip_hash String,
    country LowCardinality(Nullable(String)),
    asn Nullable(Int64),
    user_agent String,
    device LowCardinality(String),
    os LowCardinality(String),
    browser LowCardinality(String),
    language LowCardinality(Nullable(String)),
    referrer_host Nullable(String),
    referrer_path Nullable(String),
    source LowCardinality(Nullable(String)),
    sub Array(String),
    ref_id Nullable(String),
    fetch_metadata LowCardinality(Nullable(String)),
    reason LowCardinality(Nullable(String)),
    edge_id LowCardinality(String),
    journal_position Int64,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS impressions_hourly
(
    hour DateTime('UTC'),
    partner_id Int64,
    offer_id Int64,
    advertiser_id Int64,
    link_id Int64,
    country LowCardinality(String),
    device LowCardinality(String),
    os LowCardinality(String),
    browser LowCardinality(String),
    source LowCardinality(String),
    reason LowCardinality(String),
    impressions SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (hour, partner_id, offer_id, advertiser_id, link_id, country, device, os, browser, source, reason)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS impressions_hourly_view TO impressions_hourly AS
SELECT
    toStartOfHour(toDateTime(occurred_at, 'UTC')) AS hour,
    partner_id,
    offer_id,
    advertiser_id,
    link_id,
    ifNull(country, '') AS country,
    device,
    os,
    browser,
    ifNull(source, '') AS source,
    ifNull(reason, '') AS reason,
    count() AS impressions
FROM raw_tracking_impressions
GROUP BY hour, partner_id, offer_id, advertiser_id, link_id, country, device, os, browser, source, reason;
