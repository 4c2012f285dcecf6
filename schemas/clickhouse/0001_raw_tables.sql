-- One raw table a topic: one row a Kafka record. Laws K1 and K2 rest on the settings:
-- kafka_day is one value a batch, so that an insert is one part; the window remembers the tokens of
-- inserts; fsync before an insert is answered. No statement may run twice with another effect.

CREATE TABLE IF NOT EXISTS raw_catalog_changes
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    kind LowCardinality(String),
    entity_id String,
    version Int64,
    valid_from DateTime64(3, 'UTC'),
    valid_to Nullable(DateTime64(3, 'UTC')),
    operation LowCardinality(String),
    body String,
    author LowCardinality(String),
    reason LowCardinality(Nullable(String)),
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_tracking_clicks
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    click_id FixedString(16),
    visitor_key FixedString(16),
    visitor_is_new Bool,
    link_id Int64,
    partner_id Int64,
    offer_id Int64,
    advertiser_id Int64,
    creative_id Nullable(Int64),
    landing_id Nullable(Int64),
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
    cost_minor Nullable(Int64),
    cost_currency LowCardinality(Nullable(String)),
    fetch_metadata LowCardinality(Nullable(String)),
    outcome LowCardinality(String),
    reason LowCardinality(Nullable(String)),
    edge_id LowCardinality(String),
    journal_position Int64,
    INDEX by_click_id click_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_tracking_conversions
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
    body_hash FixedString(16),
    advertiser_id Int64,
    offer_id Nullable(Int64),
    goal LowCardinality(String),
    transaction_id Nullable(String),
    click_id Nullable(FixedString(16)),
    visitor_key Nullable(FixedString(16)),
    click_partner_id Nullable(Int64),
    click_offer_id Nullable(Int64),
    click_link_id Nullable(Int64),
    clicked_at Nullable(DateTime64(3, 'UTC')),
    coupon LowCardinality(Nullable(String)),
    customer_key Nullable(FixedString(16)),
    new_customer Nullable(Bool),
    value_minor Nullable(Int64),
    currency LowCardinality(Nullable(String)),
    items String,
    country LowCardinality(Nullable(String)),
    channel LowCardinality(String),
    authentication LowCardinality(String),
    status LowCardinality(String),
    partition_reason LowCardinality(String),
    edge_id LowCardinality(String),
    journal_position Int64,
    INDEX by_click_id click_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_tracking_adjustments
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
    body_hash FixedString(16),
    advertiser_id Int64,
    goal LowCardinality(String),
    transaction_id Nullable(String),
    kind LowCardinality(String),
    adjustment_id String,
    value_minor Nullable(Int64),
    currency LowCardinality(Nullable(String)),
    items String,
    reason_text Nullable(String),
    channel LowCardinality(String),
    authentication LowCardinality(String),
    edge_id LowCardinality(String),
    journal_position Int64,
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_tracking_rejections
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    advertiser_id Nullable(Int64),
    method LowCardinality(String),
    path String,
    query String,
    body String,
    content_type LowCardinality(Nullable(String)),
    status Int64,
    reason LowCardinality(String),
    field LowCardinality(Nullable(String)),
    detail String,
    conversion_key Nullable(FixedString(16)),
    edge_id LowCardinality(String),
    journal_position Int64,
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_fraud_click_flags
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    action LowCardinality(String),
    click_id Nullable(FixedString(16)),
    visitor_key Nullable(FixedString(16)),
    partner_id Nullable(Int64),
    offer_id Nullable(Int64),
    link_id Nullable(Int64),
    signal_names Array(String),
    signals String,
    source_partition Int64,
    source_offset Int64,
    INDEX by_click_id click_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_fraud_click_counts
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    partner_id Int64,
    offer_id Int64,
    hour DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    valid Int64,
    invalid String,
    source_partition Int64,
    from_offset Int64,
    to_offset Int64,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_attribution_decisions
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
    body_hash FixedString(16),
    version Int64,
    supersedes Nullable(FixedString(16)),
    result LowCardinality(String),
    reason LowCardinality(Nullable(String)),
    advertiser_id Int64,
    offer_id Nullable(Int64),
    goal LowCardinality(String),
    transaction_id Nullable(String),
    value_minor Nullable(Int64),
    currency LowCardinality(Nullable(String)),
    items String,
    coupon LowCardinality(Nullable(String)),
    customer_key Nullable(FixedString(16)),
    new_customer Nullable(Bool),
    country LowCardinality(Nullable(String)),
    status LowCardinality(String),
    channel LowCardinality(String),
    authentication LowCardinality(String),
    reported_at DateTime64(3, 'UTC'),
    share_partner_id Array(Int64),
    share_offer_id Array(Int64),
    share_link_id Array(Int64),
    share_click_id Array(Nullable(FixedString(16))),
    share_clicked_at Array(Nullable(DateTime64(3, 'UTC'))),
    share_numerator Array(Int64),
    share_denominator Array(Int64),
    touches String,
    signal LowCardinality(String),
    model LowCardinality(String),
    window_s Int64,
    terms_version Int64,
    screened Bool,
    waited_ms Int64,
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_fraud_assessments
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
    version Int64,
    decision_id FixedString(16),
    decision_version Int64,
    verdict LowCardinality(String),
    reason_rules Array(String),
    reasons String,
    rules_version Int64,
    decided_event_id FixedString(16),
    decided_occurred_at DateTime64(3, 'UTC'),
    decided_recorded_at DateTime64(3, 'UTC'),
    decided_tenant_id Int64,
    decided_conversion_key FixedString(16),
    decided_body_hash FixedString(16),
    decided_version Int64,
    decided_supersedes Nullable(FixedString(16)),
    decided_result LowCardinality(String),
    decided_reason LowCardinality(Nullable(String)),
    decided_advertiser_id Int64,
    decided_offer_id Nullable(Int64),
    decided_goal LowCardinality(String),
    decided_transaction_id Nullable(String),
    decided_value_minor Nullable(Int64),
    decided_currency LowCardinality(Nullable(String)),
    decided_items String,
    decided_coupon LowCardinality(Nullable(String)),
    decided_customer_key Nullable(FixedString(16)),
    decided_new_customer Nullable(Bool),
    decided_country LowCardinality(Nullable(String)),
    decided_status LowCardinality(String),
    decided_channel LowCardinality(String),
    decided_authentication LowCardinality(String),
    decided_reported_at DateTime64(3, 'UTC'),
    decided_share_partner_id Array(Int64),
    decided_share_offer_id Array(Int64),
    decided_share_link_id Array(Int64),
    decided_share_click_id Array(Nullable(FixedString(16))),
    decided_share_clicked_at Array(Nullable(DateTime64(3, 'UTC'))),
    decided_share_numerator Array(Int64),
    decided_share_denominator Array(Int64),
    decided_touches String,
    decided_signal LowCardinality(String),
    decided_model LowCardinality(String),
    decided_window_s Int64,
    decided_terms_version Int64,
    decided_screened Bool,
    decided_waited_ms Int64,
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_payouts_commissions
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    chain Int64,
    sequence Int64,
    previous_hash String,
    hash String,
    kind LowCardinality(String),
    debit LowCardinality(String),
    credit LowCardinality(String),
    amount_minor Int64,
    currency LowCardinality(String),
    partner_id Nullable(Int64),
    advertiser_id Nullable(Int64),
    offer_id Nullable(Int64),
    goal LowCardinality(Nullable(String)),
    conversion_key Nullable(FixedString(16)),
    payout_id Nullable(FixedString(16)),
    converted_at Nullable(DateTime64(3, 'UTC')),
    rule_id LowCardinality(Nullable(String)),
    rule_version Nullable(Int64),
    decision_version Nullable(Int64),
    assessment_version Nullable(Int64),
    fx_rate Nullable(String),
    fx_version Nullable(Int64),
    state_before LowCardinality(String),
    state_after LowCardinality(String),
    reason LowCardinality(String),
    corrects Nullable(FixedString(16)),
    source_topic LowCardinality(String),
    source_partition Int64,
    source_offset Int64,
    INDEX by_conversion_key conversion_key TYPE bloom_filter GRANULARITY 4,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS raw_deadletters
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    tenant_id Int64,
    origin_topic LowCardinality(String),
    origin_partition Int64,
    origin_offset Int64,
    origin_key Nullable(String),
    origin_value Nullable(String),
    headers String,
    stage LowCardinality(String),
    reason LowCardinality(String),
    error String,
    attempts Int64,
    INDEX by_occurred_at occurred_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Records that cannot be decoded: the row keeps count and hash equal to Kafka's. The bytes stand in
-- the dead letters, sent there once by the service that works on the topic.
CREATE TABLE IF NOT EXISTS raw_undecodable
(
    kafka_partition Int32,
    kafka_offset Int64,
    kafka_day Date,
    row_hash UInt64,
    topic LowCardinality(String),
    reason LowCardinality(String),
    detail String,
    size Int64
)
ENGINE = MergeTree
PARTITION BY kafka_day
ORDER BY (topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
