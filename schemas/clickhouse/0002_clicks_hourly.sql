-- Clicks by hour and by what reports group them by. Counts are of records, as in the raw table (K3).
CREATE TABLE IF NOT EXISTS clicks_hourly
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
    outcome LowCardinality(String),
    clicks SimpleAggregateFunction(sum, UInt64),
    visitors AggregateFunction(uniq, FixedString(16))
)
ENGINE = AggregatingMergeTree
ORDER BY (hour, partner_id, offer_id, advertiser_id, link_id, country, device, os, browser, source, outcome)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS clicks_hourly_view TO clicks_hourly AS
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
    outcome,
    count() AS clicks,
    uniqState(visitor_key) AS visitors
FROM raw_tracking_clicks
GROUP BY hour, partner_id, offer_id, advertiser_id, link_id, country, device, os, browser, source, outcome;

-- Clicks found invalid, by hour; a flag that was sent twice counts once.
CREATE TABLE IF NOT EXISTS flags_hourly
(
    hour DateTime('UTC'),
    partner_id Int64,
    offer_id Int64,
    link_id Int64,
    action LowCardinality(String),
    signal LowCardinality(String),
    clicks AggregateFunction(uniqExact, FixedString(16))
)
ENGINE = AggregatingMergeTree
ORDER BY (hour, partner_id, offer_id, link_id, action, signal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS flags_hourly_view TO flags_hourly AS
SELECT
    toStartOfHour(toDateTime(occurred_at, 'UTC')) AS hour,
    ifNull(partner_id, 0) AS partner_id,
    ifNull(offer_id, 0) AS offer_id,
    ifNull(link_id, 0) AS link_id,
    action,
    arrayJoin(signal_names) AS signal,
    uniqExactState(assumeNotNull(click_id)) AS clicks
FROM raw_fraud_click_flags
WHERE click_id IS NOT NULL
GROUP BY hour, partner_id, offer_id, link_id, action, signal;
