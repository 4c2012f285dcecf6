-- Where the sink stands in every partition (law K2). A batch is planned here before it is inserted
-- and done after it: what is planned and not done is inserted again with the same bounds and token.
-- owner_epoch fences: a sink that lost the partition can change nothing here any more.
CREATE TABLE analytics_bounds (
    topic text NOT NULL,
    partition_id integer NOT NULL,
    owner_epoch bigint NOT NULL DEFAULT 1,
    done_to bigint NOT NULL DEFAULT 0,
    planned_to bigint,
    token text,
    day date,
    batches bigint NOT NULL DEFAULT 0,
    planned_at timestamptz,
    done_at timestamptz,
    PRIMARY KEY (topic, partition_id),
    CHECK (planned_to > done_to),
    CHECK ((planned_to IS NULL) = (token IS NULL) AND (planned_to IS NULL) = (day IS NULL))
);
