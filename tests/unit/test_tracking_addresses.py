"""A forwarding header is believed only when it comes from a proxy of ours."""

from __future__ import annotations

import pytest

from services.tracking.domain.addresses import Proxies, host_of, parse_networks

OURS = Proxies(parse_networks("10.0.0.0/8, fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("1.2.3.4:567", "1.2.3.4"),
        ("1.2.3.4", "1.2.3.4"),
        ("[2001:db8::1]:567", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_an_address_stands_without_its_port(peer: str, host: str) -> None:
    assert host_of(peer) == host


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9:1", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1:1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1:1", None, "10.0.0.1"),
        ("10.0.0.1:1", "", "10.0.0.1"),
        ("10.0.0.1:1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1:1", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1:1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("[::ffff:10.0.0.1]:1", "198.51.100.7:99", "198.51.100.7"),
        ("[fd00::1]:1", "[2001:db8::7]:99", "2001:db8::7"),
        ("10.0.0.1:1", "nonsense", "nonsense"),
        ("10.0.0.1:1", "198.51.100.7, ", "10.0.0.1"),
    ],
)
def test_only_our_proxies_name_the_client(peer: str, forwarded: str | None, client: str) -> None:
    assert OURS.client(peer, forwarded) == client


def test_without_proxies_the_header_is_not_even_read() -> None:
    nobody = Proxies()
    assert nobody.header == ""
    assert nobody.client("10.0.0.1:1", "198.51.100.7") == "10.0.0.1"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "ten", "10.0.0.0/40"])
def test_a_wrong_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_networks(text)


class Lines:
    """A header in several lines."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    def get_all(self, key: str) -> tuple[str, ...]:
        return self._lines if key == "x-forwarded-for" else ()


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        ("10.0.0.1:1", ("6.6.6.6", "198.51.100.7"), "198.51.100.7"),
        ("10.0.0.1:1", ("6.6.6.6", "198.51.100.7, 10.0.0.2"), "198.51.100.7"),
        ("10.0.0.1:1", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1:1", (), "10.0.0.1"),
        ("203.0.113.9:1", ("6.6.6.6", "198.51.100.7"), "203.0.113.9"),
    ],
)
def test_a_line_that_a_proxy_adds_counts_before_what_the_client_sent(
    peer: str, lines: tuple[str, ...], client: str
) -> None:
    assert OURS.address(peer, Lines(*lines)) == client
