-- What holds now, where the log may say a thing twice or anew: the highest version of an assessment,
-- each ledger entry once, each flagged click once, the newest version of an entity. Read with FINAL.
CREATE TABLE IF NOT EXISTS assessments_current
(
    conversion_key FixedString(16),
    version Int64,
    converted_at DateTime64(3, 'UTC'),
    reported_at DateTime64(3, 'UTC'),
    advertiser_id Int64,
    offer_id Int64,
    goal LowCardinality(String),
    country LowCardinality(String),
    verdict LowCardinality(String),
    result LowCardinality(String),
    status LowCardinality(String),
    new_customer Bool,
    value_minor Int64,
    currency LowCardinality(String),
    share_partner_id Array(Int64),
    share_offer_id Array(Int64),
    share_link_id Array(Int64),
    share_click_id Array(FixedString(16)),
    share_clicked_at Array(DateTime64(3, 'UTC')),
    share_numerator Array(Int64),
    share_denominator Array(Int64)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY conversion_key
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS assessments_current_view TO assessments_current AS
SELECT
    conversion_key,
    version,
    decided_occurred_at AS converted_at,
    decided_reported_at AS reported_at,
    decided_advertiser_id AS advertiser_id,
    ifNull(decided_offer_id, 0) AS offer_id,
    decided_goal AS goal,
    ifNull(decided_country, '') AS country,
    verdict,
    decided_result AS result,
    decided_status AS status,
    ifNull(decided_new_customer, false) AS new_customer,
    ifNull(decided_value_minor, 0) AS value_minor,
    ifNull(decided_currency, '') AS currency,
    decided_share_partner_id AS share_partner_id,
    decided_share_offer_id AS share_offer_id,
    decided_share_link_id AS share_link_id,
    arrayMap(id -> ifNull(id, toFixedString('', 16)), decided_share_click_id) AS share_click_id,
    arrayMap(at -> ifNull(at, toDateTime64(0, 3, 'UTC')), decided_share_clicked_at) AS share_clicked_at,
    decided_share_numerator AS share_numerator,
    decided_share_denominator AS share_denominator
FROM raw_fraud_assessments;

CREATE TABLE IF NOT EXISTS ledger_current
(
    event_id FixedString(16),
    chain Int64,
    sequence Int64,
    at DateTime64(3, 'UTC'),
    occurred_at DateTime64(3, 'UTC'),
    partner_id Int64,
    advertiser_id Int64,
    offer_id Int64,
    goal LowCardinality(String),
    conversion_key FixedString(16),
    debit LowCardinality(String),
    credit LowCardinality(String),
    amount_minor Int64,
    currency LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (chain, sequence)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- `at` is the instant a report files the money under: that of the conversion, so that a refund
-- stands in the row of its sale; without a conversion that of the entry.
CREATE MATERIALIZED VIEW IF NOT EXISTS ledger_current_view TO ledger_current AS
SELECT
    event_id,
    chain,
    sequence,
    ifNull(raw_payouts_commissions.converted_at, raw_payouts_commissions.occurred_at) AS at,
    occurred_at,
    ifNull(partner_id, 0) AS partner_id,
    ifNull(advertiser_id, 0) AS advertiser_id,
    ifNull(offer_id, 0) AS offer_id,
    ifNull(goal, '') AS goal,
    ifNull(conversion_key, toFixedString('', 16)) AS conversion_key,
    debit,
    credit,
    amount_minor,
    currency
FROM raw_payouts_commissions;

CREATE TABLE IF NOT EXISTS flagged_clicks
(
    click_id FixedString(16),
    action LowCardinality(String),
    signals Array(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (action, click_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS flagged_clicks_view TO flagged_clicks AS
SELECT
    assumeNotNull(raw_fraud_click_flags.click_id) AS click_id,
    action,
    signal_names AS signals
FROM raw_fraud_click_flags
WHERE raw_fraud_click_flags.click_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS adjustments_current
(
    conversion_key FixedString(16),
    event_id FixedString(16),
    occurred_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    value_minor Nullable(Int64),
    currency LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (conversion_key, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS adjustments_current_view TO adjustments_current AS
SELECT
    conversion_key,
    event_id,
    occurred_at,
    recorded_at,
    kind,
    value_minor,
    ifNull(currency, '') AS currency
FROM raw_tracking_adjustments;

CREATE TABLE IF NOT EXISTS catalog_current
(
    kind LowCardinality(String),
    entity_id String,
    version Int64,
    operation LowCardinality(String),
    name String
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (kind, entity_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS catalog_current_view TO catalog_current AS
SELECT
    kind,
    entity_id,
    version,
    operation,
    JSONExtractString(body, 'name') AS name
FROM raw_catalog_changes;
