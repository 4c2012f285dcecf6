"""The one catalogue of metrics: name, type, labels, meaning. The docs table is made from it."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter(
    "afflux_records", "Records taken from Kafka, by stage and topic.", ["stage", "topic"]
)
EMITTED = Counter("afflux_emitted", "Events published, by stage and topic.", ["stage", "topic"])
DEAD_LETTERS = Counter(
    "afflux_dead_letters", "Records sent to the dead letters.", ["stage", "topic", "reason"]
)
DROPPED = Counter(
    "afflux_dropped",
    "Records that needed nothing, by reason; attribution does not count repeated clicks.",
    ["stage", "reason"],
)
PARKED = Gauge("afflux_parked", "Records in state waiting for what they need.", ["stage"])
LAG = Gauge(
    "afflux_lag_records", "Records in Kafka not yet committed.", ["stage", "topic", "partition"]
)
BATCH_SECONDS = Histogram(
    "afflux_batch_seconds",
    "Time from decode to commit of a batch.",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PUBLISH_RETRIES = Counter("afflux_publish_retries", "Sends repeated after an error.", ["stage"])
CLICKS = Counter("afflux_clicks", "Clicks the edge answered, by outcome.", ["outcome"])
VIEWS = Counter(
    "afflux_views", "Views the edge answered: counted, not_counted, unknown.", ["outcome"]
)
CLICKS_UNLOGGED = Counter(
    "afflux_clicks_unlogged", "Clicks redirected without a record, because the journal was full."
)
REPORTS = Counter(
    "afflux_reports", "Reports the edge answered, by path and reason code.", ["path", "result"]
)
JOURNALED = Gauge("afflux_journaled", "Records in the journal since ever, by kind.", ["kind"])
JOURNAL_BYTES = Gauge("afflux_journal_bytes", "Size of the journal on disk.")
FSYNC_SECONDS = Histogram(
    "afflux_journal_fsync_seconds",
    "Time of one fdatasync of the journal.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5),
)
GROUP_RECORDS = Histogram(
    "afflux_journal_group_records",
    "Records that became durable by one fdatasync.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000),
)
JOURNAL_UNSHIPPED_BYTES = Gauge(
    "afflux_journal_unshipped_bytes", "Bytes of journal records that Kafka has not acknowledged."
)
JOURNAL_OLDEST_SECONDS = Gauge(
    "afflux_journal_oldest_unshipped_seconds",
    "Age of the oldest journal record that Kafka has not acknowledged; 0 without one.",
)
SHIPPED = Counter("afflux_shipped", "Journal records acknowledged by Kafka, by topic.", ["topic"])
SHIP_SKIPPED = Counter(
    "afflux_ship_skipped", "Journal records found in Kafka already after a restart.", ["topic"]
)
CUT_JOURNEYS = Counter(
    "afflux_cut_journeys",
    "Times a decision looked at the newest 200 clicks or views of more of its advertiser's.",
)
EXPIRED_BUCKETS = Counter(
    "afflux_expired_buckets",
    "Months of touches dropped whole, because no conversion can see them any more.",
)
CHECKPOINTS = Counter(
    "afflux_checkpoints",
    "Checkpoints of a stage's state, by result (kept, failed).",
    ["stage", "result"],
)
CHECKPOINT_MADE = Gauge(
    "afflux_checkpoint_made_timestamp_seconds",
    "When the newest checkpoint of a partition was made, in Unix time; 0 without one.",
    ["stage", "partition"],
)
CHECKPOINT_BYTES = Gauge(
    "afflux_checkpoint_bytes",
    "Size of the newest checkpoint of a partition; what checkpoints share counts in each.",
    ["stage", "partition"],
)
CHECKPOINT_SECONDS = Histogram(
    "afflux_checkpoint_seconds",
    "Time of a checkpoint: link (the stage waits), keep (beside it: hash, link or copy).",
    ["stage", "step"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
RESTORES = Counter(
    "afflux_state_opened",
    "States of partitions opened, by source: live, checkpoint, log (built anew).",
    ["stage", "source"],
)
CUSTOMER_REQUESTS = Counter(
    "afflux_customer_requests", "Decisions handed to the book of their customer."
)
CUSTOMER_BOOKS = Counter("afflux_customer_books_read", "Customers' books read, one a batch.")
CUSTOMER_REVISIONS = Counter(
    "afflux_customer_revisions", "Decisions revised because of what came of their customer."
)
ERASED_ROWS = Counter(
    "afflux_erased_rows",
    "Rows of erased visitors deleted in ClickHouse, by topic; of conversions: blanked.",
    ["topic"],
)
ERASED_VISITORS = Gauge(
    "afflux_erased_visitors", "Erased visitors that a stage knows of and refuses.", ["stage"]
)
ERASURES_PENDING = Gauge(
    "afflux_erasures_pending",
    "Erasures of which a stage still has to delete its state, over its partitions.",
    ["stage"],
)
POSTBACKS = Counter(
    "afflux_postbacks", "Postbacks to partners that ended, by how (delivered, parked).", ["result"]
)
POSTBACK_ATTEMPTS = Counter(
    "afflux_postback_attempts", "Attempts to call a partner, by what they came to.", ["result"]
)
POSTBACK_SECONDS = Histogram(
    "afflux_postback_seconds",
    "Time of one attempt to call a partner.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
POSTBACKS_WAITING = Gauge("afflux_postbacks_waiting", "Postbacks that are not ended.")
POSTBACKS_PARKED = Gauge("afflux_postbacks_parked", "Postbacks that wait for a person.")
POSTBACK_OLDEST_SECONDS = Gauge(
    "afflux_postback_oldest_seconds", "Age of the oldest postback that is not ended."
)
