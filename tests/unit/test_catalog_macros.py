"""T4: destinations are fixed when the catalogue is applied; values cannot leave their place."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.macros import MACROS, MacroError, compile_template


def test_T4_the_macros_are_those_of_the_documentation() -> None:
    subs = {f"sub{number}" for number in range(1, 11)}
    named = "click_id partner_id offer_id advertiser_id link_id landing_id source ref_id timestamp"
    assert set(named.split()) | {"random", "country", "device"} | subs == MACROS


@given(value=st.text(), other=st.text())
def test_T4_values_are_encoded_and_never_change_the_destination(value: str, other: str) -> None:
    template = compile_template("https://shop.example/p/{sub1}?a={sub2}&b=1#x")
    url = template.render({"sub1": value, "sub2": other})
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "shop.example", "x")
    assert url.isascii() and url.isprintable() and " " not in url
    query = parse_qs(parts.query, keep_blank_values=True)
    assert query["b"] == ["1"]
    assert query["a"] == [other.encode("utf-8", "replace").decode()]


def test_T4_a_macro_without_a_value_is_empty() -> None:
    assert compile_template("https://a.example/?x={source}").render({}) == "https://a.example/?x="


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example/",
        "https://",
        "https:///x",
        "https://{sub1}/",
        "https://a{sub1}.example/",
        "https://a.example:{sub1}/",
        "{source}://a.example/",
        "https://user@a.example/",
        "https://a.example/\r\nSet-Cookie: x",
        "https://a.example/\x00",
        "https://a.example/é",
        "https://a.example/ x",
        "https://a.example\\@b.example/",
        "https://a.example/{nothing}",
        "https://a.example/{}",
        "https://a.example/{sub1",
        "https://a.example/sub1}",
        "https://a.example/{{sub1}}",
        "https://a.example:99999/",
        "javascript:alert(1)",
        "data:text/html,x",
    ],
)
def test_T4_what_could_redirect_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(MacroError):
        compile_template(url)
