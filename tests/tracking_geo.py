"""Tiny MaxMind-format databases, made on the fly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet


def write_geo(path: Path, records: Mapping[str, object], database_type: str = "Country") -> None:
    """Write a database of networks (CIDR) to records, and rename it onto `path` at once."""
    writer = MMDBWriter(6, database_type, ipv4_compatible=True)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    fresh = path.with_suffix(".new")
    writer.to_db_file(str(fresh))
    fresh.replace(path)
