"""`afflux catalog apply` and `export` against a real PostgreSQL and a real Kafka."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.kernel.catalog import Catalog, Offer, Partner
from afflux.kernel.events import CatalogChange
from afflux.kernel.types import Millis
from afflux.runtime import catalog_queries
from afflux.runtime.catalog_file import CatalogFile
from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.catalog_store import Planner, Relay, apply_plan, load_catalog, sleep_until
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.pg import connect, connect_async, errors
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home

DEMO = Path(__file__).parents[2] / "examples" / "demo" / "catalog.yaml"
FAR = Millis(2**62)
QUICK = {"AFFLUX_CATALOG_LEAD_MS": "400"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home, Stack(home, [], free_ports=True, env=QUICK) as running:
        yield running


@pytest.fixture
def settings(stack: Stack) -> Settings:
    return stack.settings


def afflux(stack: Stack, *args: str, ok: bool = True) -> Result:
    done = CliRunner().invoke(build(["catalog"]), [*args, "--home", str(stack.home)])
    assert (done.exit_code == 0) is ok, done.output
    return done


def report_of(done: Result) -> dict[str, Any]:
    """Return the JSON a command printed; log lines of this process may stand before it."""
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


async def followed(settings: Settings) -> Catalog:
    follower = CatalogFollower(settings, Codec.load())
    await follower.start()
    await follower.sync(now_ms())
    await follower.stop()
    return follower.view


def write(folder: Path, text: str) -> Path:
    path = folder / "catalog.yaml"
    path.write_text(text)
    return path


def everything(catalog: Catalog, kind: type[Partner] | type[Offer]) -> list[object]:
    return list(catalog.all(kind, now_ms(), FAR))


def test_a_file_is_applied_published_and_known_when_apply_returns(stack: Stack) -> None:
    before = now_ms()
    done = report_of(afflux(stack, "catalog", "apply", str(DEMO), "--json"))

    view = asyncio.run(followed(stack.settings))
    now = now_ms()
    assert done["counts"]["created"] == len(done["changes"]) == 230
    assert done["recorded_at"] <= now
    assert len(everything(view, Partner)) == 40
    assert view.find(Offer, 302, Millis(0), now) is not None, "the first version holds since ever"
    assert view.find(Offer, 302, Millis(0), before) is None


def test_a_file_applied_again_writes_nothing(stack: Stack) -> None:
    afflux(stack, "catalog", "apply", str(DEMO))
    again = report_of(afflux(stack, "catalog", "apply", str(DEMO), "--json"))
    assert again["changes"] == []
    assert again["counts"]["unchanged"] == 230
    assert again["recorded_at"] is None


def test_an_export_applies_to_no_change(stack: Stack, tmp_path: Path) -> None:
    afflux(stack, "catalog", "apply", str(DEMO))
    exported = write(tmp_path, afflux(stack, "catalog", "export").stdout)
    again = report_of(afflux(stack, "catalog", "apply", str(exported), "--json"))
    assert again["changes"] == []
    assert again["counts"]["unchanged"] == 230


def test_a_change_is_a_later_version_and_the_past_keeps_its_answer(
    stack: Stack, tmp_path: Path
) -> None:
    afflux(stack, "catalog", "apply", str(DEMO))
    before = now_ms()
    changed = "partners:\n  - {id: 5, name: Nomad Notes, group: gold, currency: EUR}\n"
    shown = afflux(stack, "catalog", "apply", str(write(tmp_path, changed)), "--dry-run").stdout
    assert "~ partner 5" in shown
    assert "group: content -> gold" in shown
    assert "dry run" in shown

    afflux(stack, "catalog", "apply", str(write(tmp_path, changed)), "--reason", "promoted")

    view, now = asyncio.run(followed(stack.settings)), now_ms()
    assert (found := view.find(Partner, 5, now, now)) is not None and found.group == "gold"
    assert (old := view.find(Partner, 5, before, now)) is not None and old.group == "content"
    # the demo file would change it back
    back = report_of(afflux(stack, "catalog", "apply", str(DEMO), "--json"))
    assert [change["id"] for change in back["changes"]] == ["5"]


def test_a_deletion_must_be_explicit(stack: Stack, tmp_path: Path) -> None:
    extra = "partners: [{id: 900, name: Short Lived}]"
    afflux(stack, "catalog", "apply", str(write(tmp_path, extra)))
    afflux(stack, "catalog", "apply", str(DEMO))  # does not name partner 900
    assert (asyncio.run(followed(stack.settings))).find(
        Partner, 900, now_ms(), now_ms()
    ) is not None

    gone = write(tmp_path, "delete:\n  - partner: 900\n")
    assert "- partner 900" in afflux(stack, "catalog", "apply", str(gone)).stdout
    assert (asyncio.run(followed(stack.settings))).find(Partner, 900, now_ms(), now_ms()) is None
    again = report_of(afflux(stack, "catalog", "apply", str(gone), "--json"))
    assert again["changes"] == []


def test_a_wrong_file_names_every_line_and_writes_nothing(stack: Stack, tmp_path: Path) -> None:
    wrong = write(
        tmp_path,
        "partners:\n"
        "  - {id: 800, name: Fine}\n"
        "links:\n"
        "  - {id: 800, code: a b, partner: 800, offer: 1}\n"
        "  - id: 801\n"
        "    code: x\n"
        "    partner: 8000\n"
        "    offer: 1\n",
    )
    done = afflux(stack, "catalog", "apply", str(wrong), ok=False)
    assert done.exit_code == 1
    assert re.search(r"catalog\.yaml:4: links\[0\]\.code: 'a b' is not a code", done.stderr)
    assert re.search(r"catalog\.yaml:7: links\[1\]\.partner: there is no partner", done.stderr)
    assert (asyncio.run(load_catalog(stack.settings))).find(Partner, 800, now_ms(), FAR) is None


async def test_what_a_crash_left_unpublished_is_published_by_the_next_apply(
    settings: Settings, tmp_path: Path
) -> None:
    class Crash(Exception):
        pass

    class CrashingPublisher(Publisher):
        async def publish(self, events: Sequence[object]) -> None:
            raise Crash

    file = CatalogFile(write(tmp_path, "partners: [{id: 700, name: Survivor}]"))
    async with await connect_async(settings.postgres, autocommit=True) as db:
        relay = Relay(settings, db, CrashingPublisher(settings, Codec.load(), "test"))
        plan = file.plan(await load_catalog(settings), now_ms())
        with pytest.raises(Crash):
            await relay.write(plan, now_ms(), "test", None)
        ((_, left),) = await catalog_queries.waiting(db)
    await sleep_until(left.recorded_at)
    assert (await followed(settings)).find(Partner, 700, now_ms(), FAR) is None

    done = await apply_plan(settings, file.plan, "test")

    assert done.resent == 1
    assert done.plan.steps == ()
    found = (await followed(settings)).find_version(Partner, 700, now_ms(), now_ms())
    assert found is not None and found[1] >= 2, "published as a later version, stamped anew"


async def test_A2_an_ack_after_recorded_at_is_stamped_again(
    settings: Settings, tmp_path: Path
) -> None:
    acked: list[tuple[int, int]] = []

    class SlowPublisher(Publisher):
        async def publish(self, events: Sequence[CatalogChange]) -> None:  # type: ignore[override]
            await super().publish(events)
            if not acked:
                await asyncio.sleep((events[0].recorded_at - now_ms()) / 1000 + 0.05)
            acked.append((events[0].version, events[0].recorded_at))

    quick = settings.model_copy(update={"catalog_lead_ms": 200})
    file = CatalogFile(write(tmp_path, "partners: [{id: 710, name: Late}]"))
    async with await connect_async(settings.postgres, autocommit=True) as db:
        publisher = SlowPublisher(quick, Codec.load(), "test")
        plan = file.plan(await load_catalog(settings), now_ms())
        recorded_at = await Relay(quick, db, publisher).write(plan, now_ms(), "test", None)
        await publisher.stop()
        assert await catalog_queries.waiting(db) == []

    assert len(acked) >= 2
    assert [version for version, _ in acked] == list(range(1, len(acked) + 1))
    assert recorded_at == acked[-1][1] > acked[0][1]


async def test_two_applies_at_once_write_one_history(settings: Settings, tmp_path: Path) -> None:
    def planner(number: int) -> Planner:
        path = tmp_path / f"{number}.yaml"
        path.write_text(f"partners: [{{id: 720, name: Writer {number}}}]")
        return CatalogFile(path).plan

    await asyncio.gather(*(apply_plan(settings, planner(n), "test") for n in range(3)))

    history = (await followed(settings)).history("partner", "720")
    assert [version.version for version in history] == list(range(len(history), 0, -1))
    names = {version.entity.name for version in history if isinstance(version.entity, Partner)}
    assert names == {"Writer 0", "Writer 1", "Writer 2"}


def test_versions_are_append_only(settings: Settings) -> None:
    delete = "DELETE FROM catalog.versions"
    with connect(settings.postgres) as db, pytest.raises(errors.RaiseException, match="append"):
        db.execute(delete)
