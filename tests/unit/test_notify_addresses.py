"""Postbacks go to public addresses only, however an address is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.addresses import parse_networks, refusal

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254
168.63.129.16 169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.170
192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe
64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2001:10::1 2002:7f00:1::
2002:c0a8:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1
""".split()
NO_ADDRESSES = """
2130706433 0x7f000001 0177.0.0.1 127.1 127.0.1 0x7f.0.0.1 127.0.0.1. localhost 1.2.3.4.5 [::1]
""".split()
PUBLIC = """
1.1.1.1 8.8.8.8 93.184.215.14 172.32.0.1 100.128.0.1 192.0.1.1 198.20.0.1 223.255.255.254
2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::808:808
""".split()


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address: str) -> None:
    reason = refusal(address, ())
    assert reason is not None and "not a public address" in reason


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_as_it_stands_is_refused(text: str) -> None:
    reason = refusal(text, parse_networks("0.0.0.0/0,::/0"))
    assert reason is not None and "not an address" in reason


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_not(address: str) -> None:
    assert refusal(address, ()) is None


def test_a_setting_allows_networks_in_either_spelling() -> None:
    allowed = parse_networks("127.0.0.0/8, 10.1.0.0/16,fd00::/64")
    for good in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "64:ff9b::a01:203", "fd00::5"):
        assert refusal(good, allowed) is None
    for bad in ("10.2.0.1", "::1", "fd00:0:0:1::5", "::ffff:10.2.0.1"):
        assert refusal(bad, allowed) is not None


@pytest.mark.parametrize("text", ["10.0.0.1/8", "hosts", "10.0.0.0/33"])
def test_a_wrong_setting_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("/")[0]):
        parse_networks(text)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_like_itself(address: object) -> None:
    assert (refusal(f"::ffff:{address}", ()) is None) == (refusal(str(address), ()) is None)


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    refusal(text, ())
