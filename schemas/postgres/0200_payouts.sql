-- The ledger of payouts. Amounts are integer minor units; instants are milliseconds UTC.
CREATE SCHEMA payouts;

-- One row a partition of fraud.assessments and tracking.adjustments: who owns it (epoch), the next
-- offsets, the last step and its instant. Every commit compares and sets it (law L6).
CREATE TABLE payouts.partitions (
    partition integer PRIMARY KEY,
    epoch bigint NOT NULL,
    step bigint NOT NULL DEFAULT 0,
    assessments bigint NOT NULL DEFAULT 0,
    adjustments bigint NOT NULL DEFAULT 0,
    as_of bigint NOT NULL DEFAULT 0
);

-- What each step took: offset ranges [from, to), the keys that the clock woke (16 bytes each).
CREATE TABLE payouts.steps (
    partition integer NOT NULL,
    number bigint NOT NULL,
    epoch bigint NOT NULL,
    as_of bigint NOT NULL,
    assessments_from bigint NOT NULL,
    assessments_to bigint NOT NULL,
    adjustments_from bigint NOT NULL,
    adjustments_to bigint NOT NULL,
    woken bytea NOT NULL,
    PRIMARY KEY (partition, number)
);

-- What the ledger knows of each conversion; `standing` is services/payouts/domain/facts.Standing.
CREATE TABLE payouts.conversions (
    key bytea PRIMARY KEY,
    partition integer NOT NULL,
    status text NOT NULL,
    waiting text,
    due_at bigint,
    standing bytea NOT NULL
);
CREATE INDEX conversions_due ON payouts.conversions (partition, due_at, key)
    WHERE due_at IS NOT NULL;
CREATE INDEX conversions_waiting ON payouts.conversions (partition, key)
    WHERE waiting IS NOT NULL;

-- The transfers, for ever (law L2). `subject` is the conversion or the payout, `number` counts its
-- transfers: the entry's id derives from both.
CREATE TABLE payouts.entries (
    chain integer NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    subject bytea NOT NULL,
    number integer NOT NULL,
    event_id bytea NOT NULL,
    occurred_at bigint NOT NULL,
    recorded_at bigint NOT NULL,
    tenant_id integer NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    kind text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    partner_id bigint,
    advertiser_id bigint,
    offer_id bigint,
    goal text,
    conversion_key bytea,
    payout_id bytea,
    converted_at bigint,
    rule_id text,
    rule_version integer,
    decision_version integer,
    assessment_version integer,
    fx_rate text,
    fx_version integer,
    state_before text NOT NULL,
    state_after text NOT NULL,
    reason text NOT NULL,
    corrects bytea,
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    PRIMARY KEY (chain, sequence),
    UNIQUE (subject, number),
    CHECK (debit <> credit)
);
CREATE INDEX entries_partner ON payouts.entries (partner_id, recorded_at);

CREATE FUNCTION payouts.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: post a correcting entry instead';
END
$$;
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON payouts.entries
    FOR EACH ROW EXECUTE FUNCTION payouts.refuse_change();
CREATE TRIGGER entries_keep_all BEFORE TRUNCATE ON payouts.entries
    FOR EACH STATEMENT EXECUTE FUNCTION payouts.refuse_change();

CREATE TABLE payouts.balances (
    account text NOT NULL,
    currency text NOT NULL,
    balance numeric(40, 0) NOT NULL,
    PRIMARY KEY (account, currency)
);

-- The last entry of each chain, locked by whoever appends (law L5).
CREATE TABLE payouts.heads (
    chain integer PRIMARY KEY,
    sequence bigint NOT NULL,
    hash bytea NOT NULL
);

-- The outbox is the entries behind `published`: the relay sends them in the order of the chain and
-- moves it when they are acknowledged (law L7).
CREATE TABLE payouts.outbox (
    chain integer PRIMARY KEY,
    published bigint NOT NULL DEFAULT 0
);

-- Facts that were not applied, with the reason; their bytes are in the dead letters.
CREATE TABLE payouts.refusals (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    conversion_key bytea NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    as_of bigint NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);

CREATE TABLE payouts.payouts (
    payout_id bytea PRIMARY KEY,
    partner_id bigint NOT NULL,
    period text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    status text NOT NULL,
    instructed_at bigint NOT NULL,
    ended_at bigint
);
