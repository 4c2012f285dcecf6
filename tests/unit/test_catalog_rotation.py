"""Keys and tokens are rotated with an overlap, and the old ones end by themselves."""

from __future__ import annotations

from msgspec.structs import replace

from afflux.kernel.catalog import Advertiser, Catalog
from afflux.kernel.catalog.declared import Declaration, Declared
from afflux.kernel.catalog.plan import changes, make_plan
from afflux.kernel.catalog.rotation import ends, rotate_key, rotate_token, with_keys_kept
from afflux.kernel.types import Millis

DAY = 86_400_000
T0 = Millis(1_790_000_000_000)
SHOP = Advertiser(id=7, name="Shop")


def applied(catalog: Catalog, declaration: Declaration, now: Millis = T0) -> Catalog:
    for change in changes(make_plan(declaration, catalog, now), now, now, "test", None):
        catalog.apply(change)
    return catalog


def declared(
    entity: Advertiser, *, names: tuple[str, ...] = (), since: Millis | None = None
) -> Declaration:
    lines = dict.fromkeys(("id", "name", *names), 1)
    return Declaration((Declared(entity, since, None, 1, "advertisers[0]", lines),))


def fresh() -> Catalog:
    return applied(Catalog(), declared(SHOP), Millis(T0 - 50 * DAY))


def at(catalog: Catalog, day: float) -> Advertiser:
    instant = Millis(T0 + int(day * DAY))
    found = catalog.find(Advertiser, 7, instant, Millis(T0 + 10**12))
    assert found is not None
    return found


def rotated(catalog: Catalog, day: int, overlap: int = 7) -> Catalog:
    now = Millis(T0 + day * DAY)
    return applied(catalog, rotate_key(catalog, 7, now, Millis(now + overlap * DAY)), now)


def test_the_old_key_is_valid_in_the_overlap_and_then_over() -> None:
    catalog = rotated(fresh(), 0)
    days = {day: at(catalog, day).key_ids for day in (-1, 0, 6.99, 7, 100)}
    assert days == {-1: ["k1"], 0: ["k2", "k1"], 6.99: ["k2", "k1"], 7: ["k2"], 100: ["k2"]}
    assert ends(catalog, 7, T0) == {"key k1": T0 + 7 * DAY}
    assert ends(catalog, 7, Millis(T0 + 8 * DAY)) == {}


def test_without_an_overlap_the_old_key_is_over_at_once() -> None:
    assert at(rotated(fresh(), 0, overlap=0), 0).key_ids == ["k2"]


def test_a_key_rotated_within_an_overlap_lets_each_end_in_its_own_time() -> None:
    catalog = rotated(rotated(fresh(), 0), 3)
    assert at(catalog, 3).key_ids == ["k3", "k2", "k1"]
    assert at(catalog, 7).key_ids == ["k3", "k2"]
    assert at(catalog, 10).key_ids == ["k3"]


def test_a_name_that_was_ever_used_is_not_given_out_again() -> None:
    catalog = rotated(rotated(fresh(), 0, overlap=0), 1, overlap=0)
    applied(catalog, declared(replace(SHOP, key_ids=["k1"]), names=("key_ids",)), Millis(T0 + DAY))
    assert at(rotated(catalog, 2, overlap=0), 2).key_ids == ["k4"]


def test_a_token_is_rotated_alike() -> None:
    catalog = fresh()
    applied(catalog, rotate_token(catalog, 7, T0, Millis(T0 + DAY)))
    now, later = at(catalog, 0.5), at(catalog, 1)
    assert (now.token_generation, now.old_token_generations) == (2, [1])
    assert (later.token_generation, later.old_token_generations) == (2, [])
    assert ends(catalog, 7, T0) == {"token 1": T0 + DAY}


def test_what_was_declared_for_later_stays_but_for_its_keys() -> None:
    catalog = fresh()
    applied(catalog, declared(replace(SHOP, name="New name"), since=Millis(T0 + 3 * DAY)))
    rotated(catalog, 0)
    assert [(at(catalog, day).name, at(catalog, day).key_ids) for day in (1, 4, 8)] == [
        ("Shop", ["k2", "k1"]),
        ("New name", ["k2", "k1"]),
        ("New name", ["k2"]),
    ]


def test_a_file_that_names_no_keys_leaves_a_rotation_as_it_is() -> None:
    catalog, now = rotated(fresh(), 0), Millis(T0 + DAY)
    again = with_keys_kept(declared(SHOP), catalog, now)
    assert make_plan(again, catalog, now).steps == ()
    changed = with_keys_kept(declared(replace(SHOP, hosts=["shop.example"])), catalog, now)
    applied(catalog, changed, now)
    assert [(at(catalog, day).hosts, at(catalog, day).key_ids) for day in (0.5, 2, 8)] == [
        ([], ["k2", "k1"]),
        (["shop.example"], ["k2", "k1"]),
        (["shop.example"], ["k2"]),
    ]


def test_a_file_that_names_keys_has_its_way() -> None:
    catalog, now = rotated(fresh(), 0), Millis(T0 + DAY)
    own = declared(replace(SHOP, key_ids=["mine"]), names=("key_ids",))
    applied(catalog, with_keys_kept(own, catalog, now), now)
    assert at(catalog, 8).key_ids == ["mine"]
