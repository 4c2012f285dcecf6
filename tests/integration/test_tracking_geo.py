"""Geo databases on disk: every known schema, files that change, are absent, are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.tracking.domain.geo import Locate
from services.tracking.geo import GeoDatabases
from tests.tracking_geo import write_geo

GEOLITE = {
    "81.2.69.0/24": {"country": {"iso_code": "GB"}},
    "2001:db8::/32": {"country": {"iso_code": "JP"}},
}
IP_LOCATION_DB = {"81.2.69.0/24": {"country_code": "GB"}, "2001:db8::/32": {"country_code": "JP"}}
ASN = {"81.2.0.0/16": {"autonomous_system_number": 2856, "autonomous_system_organization": "x"}}


class Published:
    """Remembers the lookup that was published last, as the edge does."""

    def __init__(self) -> None:
        self.locate: Locate | None = None
        self.times = 0

    def __call__(self, locate: Locate) -> None:
        self.locate = locate
        self.times += 1


@pytest.mark.parametrize("records", [GEOLITE, IP_LOCATION_DB])
def test_both_schemas_say_the_country(tmp_path: Path, records: dict[str, object]) -> None:
    write_geo(tmp_path / "geo.mmdb", records)
    write_geo(tmp_path / "asn.mmdb", ASN)
    published = Published()
    databases = GeoDatabases(f"{tmp_path}/geo.mmdb, {tmp_path}/asn.mmdb", published)
    assert databases.refresh() and published.locate is not None
    locate = published.locate
    assert locate("81.2.69.142") == ("GB", 2856)
    assert locate("81.2.70.1") == (None, 2856)
    assert locate("2001:db8::7") == ("JP", None)
    for unknown in ("10.0.0.1", "::1", "", "garbage", "81.2.69.142:80", "1" * 500):
        assert locate(unknown) == (None, None)


def test_a_file_is_opened_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    published = Published()
    databases = GeoDatabases(str(path), published)
    assert not databases.refresh() and "not there" in databases.status[str(path)]
    write_geo(path, GEOLITE)
    assert databases.refresh() and not databases.refresh()
    write_geo(path, {"81.2.69.0/24": {"country_code": "FR"}})
    assert databases.refresh() and published.times == 2
    assert published.locate is not None and published.locate("81.2.69.1") == ("FR", None)


def test_a_broken_file_leaves_the_one_before_in_use_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    published = Published()
    databases = GeoDatabases(str(path), published)
    write_geo(path, GEOLITE)
    databases.refresh()
    assert databases.status == {str(path): "Country"}
    path.write_bytes(b"no database")
    assert not databases.refresh() and "MaxMind" in databases.status[str(path)]
    path.unlink()
    assert not databases.refresh() and "not there" in databases.status[str(path)]
    assert published.locate is not None and published.locate("81.2.69.1") == ("GB", None)


def test_without_the_setting_nothing_is_looked_up() -> None:
    published = Published()
    databases = GeoDatabases("", published)
    assert not databases.refresh() and databases.status == {} and published.locate is None
