-- What `afflux import` has sent: one row for every imported click or conversion, so that a repeat
-- of a file, or of a part of it, sends nothing twice. A row is claimed before its event is
-- published and sent once it was acknowledged; what a crash leaves claimed is sent again.
CREATE SCHEMA imports;

CREATE TABLE imports.rows (
    row_id    bytea   PRIMARY KEY CHECK (octet_length(row_id) = 16),
    kind      text    NOT NULL CHECK (kind IN ('clicks', 'conversions')),
    body_hash bytea   NOT NULL CHECK (octet_length(body_hash) = 16),
    digest    text    NOT NULL,
    position  bigint  NOT NULL,
    sent      boolean NOT NULL DEFAULT false
);

CREATE TABLE imports.runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text   NOT NULL,
    file        text   NOT NULL,
    digest      text   NOT NULL,
    started_at  bigint NOT NULL,
    finished_at bigint,
    read        bigint NOT NULL DEFAULT 0,
    skipped     bigint NOT NULL DEFAULT 0,
    sent        bigint NOT NULL DEFAULT 0,
    repeated    bigint NOT NULL DEFAULT 0,
    refused     bigint NOT NULL DEFAULT 0
);
