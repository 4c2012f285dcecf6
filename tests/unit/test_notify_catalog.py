"""T4: a partner's postbacks are checked when the catalogue is applied."""

from __future__ import annotations

import pytest

from afflux.kernel.catalog import Catalog, Partner, Postback
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import read_declaration
from afflux.kernel.catalog.fields import show_entity
from afflux.kernel.document import Problems
from afflux.kernel.postback import POSTBACK_MACROS, PostbackEvent, PostbackMethod
from afflux.kernel.types import Millis
from afflux.runtime.yaml_document import parse_document

HEAD = "partners:\n  - id: 7\n    name: Blog\n    postbacks:\n"
ALL = "&".join(f"{name}={{{name}}}" for name in sorted(POSTBACK_MACROS))


def read(text: str) -> tuple[Partner | None, list[tuple[int, str]]]:
    """The partner of a file and what is wrong with it, by line."""
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, ["UTC"])
    check(declaration, Catalog(), Millis(0), problems)
    found = [each.entity for each in declaration.entities if isinstance(each.entity, Partner)]
    return (found[0] if found else None), [(p.line, p.message) for p in problems]


def test_a_postback_with_every_macro_is_read_and_shown_again() -> None:
    url = f"https://tracker.example:8443/pb?{ALL}"
    partner, problems = read(
        f"{HEAD}      - url: '{url}'\n        events: [accepted, approved]\n"
        "        goals: [sale]\n        method: POST\n        sign: true\n"
    )
    assert problems == []
    assert partner is not None
    assert partner.postbacks == [
        Postback(
            url=url,
            events=[PostbackEvent.ACCEPTED, PostbackEvent.APPROVED],
            goals=["sale"],
            method=PostbackMethod.POST,
            sign=True,
        )
    ]
    assert show_entity(partner)["postbacks"] == [
        {"url": url, "events": ["accepted", "approved"], "goals": ["sale"]}
        | {"method": "POST", "sign": True}
    ]


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (["url: https://a.example/?x={advertiser_id}", "events: [held]"], 5, "unknown macro"),
        (["url: https://a.example/", "events: [paid]"], 6, "is none of accepted, held"),
        (["url: https://a.example/", "events: []"], 6, "at least 1"),
        (["url: https://a.example/"], 5, "is required"),
        (["url: https://a.example:22/", "events: [held]"], 5, "port 22"),
        (["url: ftp://a.example/", "events: [held]"], 5, "http or https"),
        (["url: https://{sub1}/", "events: [held]"], 5, "in the host"),
        (["url: https://u:p@a.example/", "events: [held]"], 5, "user name"),
        (["url: 'https://a.example/?a=b c'", "events: [held]"], 5, "percent-encode"),
        (["url: https://a.example/", "events: [held]", "method: PUT"], 7, "none of GET, POST"),
        (["url: https://a.example/", "events: [held]", "offers: [99]"], 4, "no offer '99'"),
    ],
)
def test_T4_a_wrong_postback_is_refused_with_its_line(
    lines: list[str], line: int, words: str
) -> None:
    _, problems = read(HEAD + "      - " + "\n        ".join(lines) + "\n")
    assert [found for found, message in problems if words in message] == [line], problems


def test_a_partner_has_at_most_ten_postbacks() -> None:
    one = "      - url: https://a.example/\n        events: [held]\n"
    assert read(HEAD + 10 * one)[1] == []
    assert [message for _, message in read(HEAD + 11 * one)[1]] == [
        "a partner has at most 10 postbacks, not 11"
    ]
