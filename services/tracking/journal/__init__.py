"""The journal: what the edge answered for, on disk before the answer (laws T1, T2)."""

from services.tracking.journal.counts import journal_counts
from services.tracking.journal.reader import JournalDamaged, JournalReader, StoredRecord
from services.tracking.journal.writer import Journal

__all__ = [
    "Journal",
    "JournalDamaged",
    "JournalReader",
    "StoredRecord",
    "journal_counts",
]
