-- Postbacks to partners. Instants are milliseconds UTC.
CREATE SCHEMA notify;

-- One row a partition that is read: who owns it (epoch) and the next offset. Every commit compares
-- and sets it.
CREATE TABLE notify.partitions (
    topic text NOT NULL,
    partition integer NOT NULL,
    epoch bigint NOT NULL,
    next bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
);

-- What is known of a partner's part of a conversion and what it was told;
-- `story` is services/notify/domain/stories.Story. `due_at`: when to look whether to tell more.
CREATE TABLE notify.stories (
    conversion_key bytea NOT NULL,
    partner_id bigint NOT NULL,
    due_at bigint,
    changed_at bigint NOT NULL,
    story bytea NOT NULL,
    PRIMARY KEY (conversion_key, partner_id)
);
CREATE INDEX stories_due ON notify.stories (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX stories_changed ON notify.stories (changed_at);

-- The requests. `blocked`: an earlier one of the same conversion, partner and slot is not ended.
-- `next_at`: when to try (again); while an attempt runs, when it is believed lost.
-- `attempts` counts all, `tries` those since it was last asked for.
CREATE TABLE notify.deliveries (
    delivery_id bytea PRIMARY KEY,
    event_id bytea NOT NULL,
    conversion_key bytea NOT NULL,
    partner_id bigint NOT NULL,
    slot integer NOT NULL,
    number integer NOT NULL,
    event text NOT NULL,
    endpoint text NOT NULL,
    method text NOT NULL,
    url text NOT NULL,
    body text NOT NULL,
    key_id text,
    created_at bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('blocked', 'waiting', 'delivered', 'parked')),
    next_at bigint NOT NULL,
    give_up_at bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    ended_at bigint,
    status integer,
    reason text
);
CREATE INDEX deliveries_due ON notify.deliveries (endpoint, next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_late ON notify.deliveries (give_up_at) WHERE state = 'waiting';
CREATE INDEX deliveries_open ON notify.deliveries (created_at) WHERE state IN ('blocked', 'waiting');
CREATE INDEX deliveries_lane ON notify.deliveries (conversion_key, partner_id, slot, number);
CREATE INDEX deliveries_partner ON notify.deliveries (partner_id, created_at);
CREATE INDEX deliveries_parked ON notify.deliveries (ended_at) WHERE state = 'parked';
CREATE INDEX deliveries_ended ON notify.deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- What each attempt came to; goes with its delivery.
CREATE TABLE notify.attempts (
    delivery_id bytea NOT NULL REFERENCES notify.deliveries ON DELETE CASCADE,
    number integer NOT NULL,
    at bigint NOT NULL,
    took_ms integer NOT NULL,
    status integer,
    result text NOT NULL,
    detail text NOT NULL,
    answer text NOT NULL,
    PRIMARY KEY (delivery_id, number)
);
