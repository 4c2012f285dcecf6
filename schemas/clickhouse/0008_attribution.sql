-- Decisions made again with later knowledge of the catalogue, customers bound by an earlier conversion.
ALTER TABLE raw_attribution_decisions
    ADD COLUMN IF NOT EXISTS terms_known_at Nullable(DateTime64(3, 'UTC')) AFTER waited_ms,
    ADD COLUMN IF NOT EXISTS bound_by Nullable(FixedString(16)) AFTER terms_known_at;

ALTER TABLE raw_fraud_assessments
    ADD COLUMN IF NOT EXISTS decided_terms_known_at Nullable(DateTime64(3, 'UTC')) AFTER decided_waited_ms,
    ADD COLUMN IF NOT EXISTS decided_bound_by Nullable(FixedString(16)) AFTER decided_terms_known_at;

-- A trace looks impressions up by id, since views can be touches.
ALTER TABLE raw_tracking_impressions
    ADD INDEX IF NOT EXISTS by_impression_id impression_id TYPE bloom_filter GRANULARITY 4;

-- Requests to decide a conversion again: who asked, and why.
CREATE TABLE IF NOT EXISTS raw_attribution_redecisions
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    known_at DateTime64(3, 'UTC'),
    author LowCardinality(String),
    reason_text String,
    conversion_key FixedString(16),
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Trial runs of other models. Their shares name no click: nothing in them leads to a person.
CREATE TABLE IF NOT EXISTS raw_attribution_shadow
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    conversion_key FixedString(16),
    decision_id FixedString(16),
    version Int64,
    result LowCardinality(String),
    reason LowCardinality(Nullable(String)),
    advertiser_id Int64,
    offer_id Nullable(Int64),
    goal LowCardinality(String),
    value_minor Nullable(Int64),
    currency LowCardinality(Nullable(String)),
    model LowCardinality(String),
    real_model LowCardinality(String),
    share_partner_id Array(Int64),
    share_offer_id Array(Int64),
    share_link_id Array(Int64),
    share_numerator Array(Int64),
    share_denominator Array(Int64),
    real_share_partner_id Array(Int64),
    real_share_offer_id Array(Int64),
    real_share_link_id Array(Int64),
    real_share_numerator Array(Int64),
    real_share_denominator Array(Int64),
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What a trial run says now of each conversion: the highest version. Read with FINAL.
CREATE TABLE IF NOT EXISTS shadow_current
(
    offer_id Int64,
    model LowCardinality(String),
    conversion_key FixedString(16),
    version Int64,
    converted_at DateTime64(3, 'UTC'),
    goal LowCardinality(String),
    value_minor Int64,
    currency LowCardinality(String),
    real_model LowCardinality(String),
    share_partner_id Array(Int64),
    share_numerator Array(Int64),
    share_denominator Array(Int64),
    real_share_partner_id Array(Int64),
    real_share_numerator Array(Int64),
    real_share_denominator Array(Int64)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (offer_id, model, conversion_key)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS shadow_current_view TO shadow_current AS
SELECT
    ifNull(raw_attribution_shadow.offer_id, 0) AS offer_id,
    model,
    conversion_key,
    version,
    occurred_at AS converted_at,
    goal,
    ifNull(raw_attribution_shadow.value_minor, 0) AS value_minor,
    ifNull(raw_attribution_shadow.currency, '') AS currency,
    real_model,
    share_partner_id,
    share_numerator,
    share_denominator,
    real_share_partner_id,
    real_share_numerator,
    real_share_denominator
FROM raw_attribution_shadow;
