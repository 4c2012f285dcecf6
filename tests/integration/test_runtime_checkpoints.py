"""Checkpoints of a real RocksDB: what is kept, what is trusted, what is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from afflux.kernel.types import Millis
from afflux.runtime.checkpointing import Keeper, ask
from afflux.runtime.checkpoints import Abandoned, About, CheckpointDamaged
from afflux.runtime.restoring import (
    DAMAGE,
    Mark,
    Source,
    begin_anew,
    marking_damage,
    prepare,
    read_mark,
    seen,
)
from afflux.runtime.rocks import Rocks
from afflux.runtime.store_faults import StoreBusy, StoreDamaged
from tests.support.checkpoints import (
    DAMAGES,
    Damage,
    Home,
    flipped,
    offsets,
    own_table,
)
from tests.support.faults import small_disk


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two checkpoints, of 2,000 and 4,000 rows, and a live store of 5,000."""
    home = Home(tmp_path)
    home.open()
    for upto in (2_000, 4_000):
        home.write(upto)
        home.checkpoint()
    home.write(5_000)
    home.close()
    return home


def test_a_whole_live_folder_is_used_though_there_are_checkpoints(home: Home) -> None:
    assert home.open() == Mark(Source.LIVE)
    assert home.count() == 5_000


def test_a_lost_live_folder_is_restored_with_its_offsets(home: Home) -> None:
    shutil.rmtree(home.live)
    assert home.open() == Mark(Source.CHECKPOINT, 2)
    assert home.count() == 4_000 and home.rocks is not None
    assert offsets(home.rocks) == {"topic": 4_000}
    home.write(6_000)
    assert home.checkpoint() == 3
    assert home.checkpoints.numbers() == [3, 2]
    assert home.checkpoints.verify(2) and home.checkpoints.verify(3)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_named_set_aside_and_the_one_before_used(
    home: Home, damage: Damage
) -> None:
    shutil.rmtree(home.live)
    damage(home.checkpoints.path(2))
    with pytest.raises(CheckpointDamaged, match=r"checkpoint_damaged: .*00000002/"):
        home.checkpoints.verify(2)
    assert home.open() == Mark(Source.CHECKPOINT, 1)
    assert home.count() == 2_000
    assert home.checkpoints.numbers() == [1]
    assert home.checkpoints.path(2).with_name("00000002.damaged").is_dir()
    home.write(3_000)
    assert home.checkpoint() == 3, "a number is never used again"


def test_without_a_whole_checkpoint_the_state_is_built_from_the_log(home: Home) -> None:
    shutil.rmtree(home.live)
    for number in (1, 2):
        flipped(own_table(home.checkpoints.path(number)))
    assert home.open() == Mark(Source.LOG)
    assert home.count() == 0


@pytest.mark.parametrize("damage", [*DAMAGES.values()][:4], ids=[*DAMAGES][:4])
def test_a_damaged_live_folder_is_set_aside_and_the_newest_checkpoint_used(
    home: Home, damage: Damage
) -> None:
    damage(home.live)
    if home.open().source is Source.LIVE:  # RocksDB opens without reading its tables
        with pytest.raises(StoreDamaged, match="state_damaged"), marking_damage():
            home.count()
        assert (home.live / DAMAGE).is_file()
        home.close()
        home.open()
    assert home.count() == 4_000
    assert list(home.live.parent.glob("0.aside-*"))


def test_a_live_folder_without_current_is_never_taken_for_a_new_store(home: Home) -> None:
    """RocksDB would make an empty store and delete the tables."""
    (home.live / "CURRENT").unlink()
    assert home.open() == Mark(Source.CHECKPOINT, 2)


def test_a_live_folder_behind_the_newest_checkpoint_is_not_used(home: Home, tmp_path: Path) -> None:
    """A partition was moved away, went on elsewhere, and came back."""
    other = Home(tmp_path / "other", tmp_path / "checkpoints")
    assert other.open() == Mark(Source.CHECKPOINT, 2)
    other.write(9_000)
    other.checkpoint()
    other.close()
    assert home.open() == Mark(Source.CHECKPOINT, 3)
    assert home.count() == 9_000


def test_the_mark_of_a_restored_state_stays_until_its_owner_has_seen_it(home: Home) -> None:
    shutil.rmtree(home.live)
    first = prepare(home.live, home.checkpoints, offsets, 1)
    assert prepare(home.live, home.checkpoints, offsets, 1) == first == read_mark(home.live)
    seen(home.live)
    assert prepare(home.live, home.checkpoints, offsets, 1) == Mark(Source.LIVE)


def test_a_state_begun_anew_by_a_person_says_from_when_on_it_reads(home: Home) -> None:
    begin_anew(home.live, since=1_234)
    assert home.open() == Mark(Source.LOG, since=1_234)


def test_a_checkpoint_of_another_row_format_is_left_where_it_is(home: Home) -> None:
    shutil.rmtree(home.live)
    assert prepare(home.live, home.checkpoints, offsets, rows=0) == Mark(Source.LOG)
    assert home.checkpoints.numbers() == [2, 1]


def test_a_table_is_hashed_and_kept_once(home: Home) -> None:
    first, second = home.checkpoints.verify(1), home.checkpoints.verify(2)
    shared = {file.name for file in first.files} & {
        f.name for f in second.files if ".sst" in f.name
    }
    assert shared
    for name in shared:
        paths = [home.live / name, *(home.checkpoints.path(number) / name for number in (1, 2))]
        assert len({path.stat().st_ino for path in paths}) == 1


def test_on_another_disk_only_new_bytes_are_copied(tmp_path: Path) -> None:
    with small_disk(tmp_path / "volume", "32m") as volume:
        home = Home(tmp_path, volume)
        home.open()
        for upto in (2_000, 4_000):
            home.write(upto)
            home.checkpoint()
        names = {file.name for file in home.checkpoints.verify(1).files if ".sst" in file.name}
        home.checkpoints.verify(2)
        for name in names:
            one, other = (home.checkpoints.path(number) / name for number in (1, 2))
            assert one.stat().st_ino == other.stat().st_ino
            assert one.stat().st_dev != (home.live / name).stat().st_dev
        home.close()
        shutil.rmtree(home.live)
        assert home.open() == Mark(Source.CHECKPOINT, 2)
        assert home.count() == 4_000
        home.close()


def test_what_was_not_renamed_is_no_checkpoint_and_is_swept(home: Home) -> None:
    left = home.checkpoints.folder / ".making-00000003-1"
    shutil.copytree(home.checkpoints.path(2), left)
    assert home.checkpoints.numbers() == [2, 1]
    home.open()
    home.checkpoint()
    assert not left.exists()


def test_a_checkpoint_given_up_leaves_nothing(home: Home, tmp_path: Path) -> None:
    home.open()
    assert home.rocks is not None
    home.rocks.checkpoint(tmp_path / "staged")
    with pytest.raises(Abandoned):
        home.checkpoints.keep(tmp_path / "staged", About(1, {}, 1, 1), lambda: True)
    assert home.checkpoints.numbers() == [2, 1]
    assert not list(home.checkpoints.folder.glob(".making-*"))


def test_a_full_disk_fails_one_checkpoint_and_keeps_the_earlier_ones(tmp_path: Path) -> None:
    with small_disk(tmp_path / "volume", "4m") as volume:
        home = Home(tmp_path, volume)
        home.open()
        home.write(2_000)
        home.checkpoint()
        (volume / "ballast").write_bytes(bytes((4 << 20) - (512 << 10)))
        home.write(20_000)
        with pytest.raises(OSError, match="No space left"):
            home.checkpoint()
        assert home.checkpoints.numbers() == [1]
        (volume / "ballast").unlink()
        shutil.rmtree(home.live.with_name("staged"))
        assert home.checkpoint() == 2 and home.checkpoints.verify(2)
        home.close()


def test_a_store_has_one_owner(home: Home) -> None:
    home.open()
    with pytest.raises(StoreBusy, match="state_busy"):
        Rocks(home.live)


def test_the_keeper_makes_one_when_its_time_comes_or_when_asked(home: Home) -> None:
    home.open()
    assert home.rocks is not None
    keeper = Keeper("test", home.checkpoints.folder.parent, minutes=10, keep=2)
    began = Millis(1_000_000)
    keeper.opened(0, began)
    assert keeper.due(began) is None
    later = Millis(began + 10 * 60_000)
    assert keeper.due(later) == 0
    keeper.make(0, home.rocks, About(later, {"topic": 5_000}, 1, 1))
    keeper.wait()
    assert home.checkpoints.numbers() == [3, 2]
    assert home.checkpoints.verify(3).about.offsets == {"topic": 5_000}
    assert keeper.due(Millis(later + 1_000)) is None
    ask(home.checkpoints.folder)
    assert keeper.due(Millis(later + 2_000)) == 0
    keeper.make(0, home.rocks, About(later, {"topic": 5_000}, 1, 1))
    keeper.wait()
    assert keeper.due(Millis(later + 3_000)) is None
    assert home.checkpoints.numbers() == [4, 3]
    keeper.end()
