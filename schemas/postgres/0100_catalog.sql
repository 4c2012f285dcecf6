-- The catalogue: every version of every entity, bitemporal and append-only.
-- Instants are milliseconds since 1970 UTC. A version is true from valid_from until valid_to and
-- known from recorded_at; of several that cover both instants the highest version answers.
CREATE SCHEMA catalog;

CREATE TABLE catalog.versions (
    kind        text    NOT NULL,
    entity_id   text    NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    tenant_id   integer NOT NULL DEFAULT 0,
    valid_from  bigint  NOT NULL CHECK (valid_from >= 0),
    valid_to    bigint  CHECK (valid_to > valid_from),
    said_at     bigint  NOT NULL,
    recorded_at bigint  NOT NULL,
    operation   text    NOT NULL CHECK (operation IN ('put', 'delete')),
    body        text    NOT NULL,
    author      text    NOT NULL,
    reason      text,
    PRIMARY KEY (kind, entity_id, version)
);

-- What is not yet known to be in Kafka; the next apply sends what a crash left here.
CREATE TABLE catalog.outbox (
    id        bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text    NOT NULL,
    entity_id text    NOT NULL,
    version   integer NOT NULL,
    FOREIGN KEY (kind, entity_id, version) REFERENCES catalog.versions
);

CREATE FUNCTION catalog.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION 'catalog.versions is append-only';
END
$$;

CREATE TRIGGER versions_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.versions
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.refuse_change();
