-- What `afflux rejections resubmit` has sent: one row for every attempt, written after the edge
-- answered. It is for people to see; that a report is paid once is the conversion key's work.
CREATE SCHEMA tracking;

CREATE TABLE tracking.resubmissions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rejection_id bytea  NOT NULL CHECK (octet_length(rejection_id) = 16),
    sent_at      bigint NOT NULL,
    outcome      text   NOT NULL CHECK (outcome IN ('accepted', 'duplicate', 'refused')),
    reason       text,
    changes      text   NOT NULL,
    author       text   NOT NULL
);

CREATE INDEX resubmissions_by_rejection ON tracking.resubmissions (rejection_id);
