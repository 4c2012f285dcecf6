"""The deployment files agree with the code: settings, workers, ports, metrics, folders."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from prometheus_client import generate_latest

from afflux.cli.main import COMMANDS
from afflux.cli.worker import BUILDERS, OWN_PROCESS
from afflux.runtime import metrics
from afflux.runtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one.get("image") == "afflux:local"}
NOT_SETTINGS = {"AFFLUX_POSTGRES_PASSWORD", "AFFLUX_CLICKHOUSE_PASSWORD", "AFFLUX_GRAFANA_PASSWORD"}


def test_every_worker_has_a_container_of_its_own() -> None:
    commands = {tuple(one["command"]) for one in OURS.values()}
    workers = {("worker", name) for name in BUILDERS.keys() | OWN_PROCESS.keys()}
    assert commands == workers | {("prepare",)}
    assert {command[0] for command in commands} <= COMMANDS.keys()


def test_every_setting_has_its_name_in_the_settings() -> None:
    names = {f"AFFLUX_{field.upper()}" for field in Settings.model_fields}
    text = (ROOT / "docker-compose.yml").read_text()
    used = set(re.findall(r"\bAFFLUX_[A-Z_]+", text))
    assert used <= names | NOT_SETTINGS
    env = {name.lower().removeprefix("afflux_"): value for name, value in environment().items()}
    Settings.model_validate({name: value for name, value in env.items() if "$" not in value})


def environment() -> dict[str, str]:
    found: dict[str, str] = OURS["edge"]["environment"]
    return found


def test_all_our_containers_share_one_environment_and_never_publish_the_admin_port() -> None:
    """Law S4: admin ports are never the public port."""
    admin = environment()["AFFLUX_ADMIN_PORT"]
    for name, one in OURS.items():
        assert one["environment"] == environment(), name
        assert not any(str(port).endswith(f":{admin}") for port in one.get("ports", [])), name


def test_volumes_and_dependencies_name_what_is_there() -> None:
    for name, one in SERVICES.items():
        for volume in one.get("volumes", []):
            source = volume.split(":")[0]
            there = source in COMPOSE["volumes"] or (ROOT / source).exists()
            assert there, f"{name}: {source}"
        for other in one.get("depends_on", []):
            assert other in SERVICES, f"{name}: {other}"


def test_the_image_copies_what_is_there() -> None:
    text = (ROOT / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_prometheus_scrapes_every_worker() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = set(config["scrape_configs"][0]["static_configs"][0]["targets"])
    port = environment()["AFFLUX_ADMIN_PORT"]
    assert targets == {f"{name}:{port}" for name in OURS if name != "prepare"}


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    assert metrics.RECORDS is not None
    known = set(re.findall(r"^# TYPE (\w+)", generate_latest().decode(), re.MULTILINE))
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/pipeline.json").read_text())
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    used = {name for text in expressions for name in re.findall(r"\bafflux_\w+", text)}
    assert used
    assert {name.removesuffix("_bucket") for name in used} <= known


def test_the_lock_has_hashes_and_no_addresses() -> None:
    text = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,]+\])?==", text, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) == len(blocks) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
