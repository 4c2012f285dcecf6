"""MaxMind-format databases on disk: opened whole, opened again when their files change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import maxminddb
from maxminddb import Reader

from afflux.runtime.log import get_logger
from afflux.runtime.waiting import pause
from services.tracking.domain.geo import NOWHERE, Locate, Origin, nowhere, read_origin

log = get_logger(__name__)
_LOOK_S = 5.0
Stamp = tuple[int, int, int]


class GeoDatabases:
    """The databases of one edge; `publish` receives a new way to look up after every change.

    A file that is absent or broken is logged and named in `status`; what was open before stays in
    use, and without anything clicks go on without a country.
    """

    def __init__(self, paths: str, publish: Callable[[Locate], None]) -> None:
        self._paths = [Path(text.strip()) for text in paths.split(",") if text.strip()]
        self._publish = publish
        self._stamps: dict[Path, Stamp | None] = {}
        self._readers: dict[Path, Reader] = {}
        self._troubles: dict[Path, str] = {}

    @property
    def status(self) -> dict[str, str]:
        """What is known of each file: its database's type, or what is wrong with it."""
        return {
            str(path): self._troubles.get(path)
            or (self._readers[path].metadata().database_type if path in self._readers else "absent")
            for path in self._paths
        }

    def refresh(self) -> bool:
        """Open what is new or changed; return whether something was. Blocking."""
        changed = False
        for path in self._paths:
            stamp = _stamp(path)
            if path in self._stamps and self._stamps[path] == stamp:
                continue
            self._stamps[path] = stamp
            changed = self._open(path, stamp) or changed
        if changed:
            self._publish(_lookup(list(self._readers.values())))
        return changed

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the files every few seconds until `stop`."""
        while self._paths and not stop.is_set():
            await asyncio.to_thread(self.refresh)
            await pause(stop, _LOOK_S)

    def _open(self, path: Path, stamp: Stamp | None) -> bool:
        try:
            if stamp is None:
                raise FileNotFoundError(f"{path} is not there")
            reader = maxminddb.open_database(path, maxminddb.MODE_MEMORY)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            self._troubles[path] = str(error)
            log.error("geo_database_unusable", path=str(path), error=repr(error))
            return False
        self._troubles.pop(path, None)
        self._readers[path] = reader
        built = reader.metadata()
        log.info(
            "geo_database_open", path=str(path), type=built.database_type, built=built.build_epoch
        )
        return True


def _lookup(readers: list[Reader]) -> Locate:
    """Return a lookup in all databases: the first one that knows a value says it."""
    if not readers:
        return nowhere

    def locate(address: str) -> Origin:
        country, asn = NOWHERE
        for reader in readers:
            here, network = read_origin(_record(reader, address))
            country, asn = country or here, asn or network
        return country, asn

    return locate


def _record(reader: Reader, address: str) -> object:
    try:
        return reader.get(address)
    except (ValueError, maxminddb.InvalidDatabaseError):
        return None  # no address, IPv6 in a database of IPv4, or a damaged record


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
