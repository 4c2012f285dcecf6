"""Digests that do not depend on order: equal for the same set of things, however it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec

from services.payouts.domain.transfers import Transfer

_MODULUS = 1 << 256
_encode = msgspec.msgpack.Encoder().encode


class SetDigest:
    """The sum of the members' BLAKE2b-256 modulo 2^256, and how many there are."""

    def __init__(self) -> None:
        self._sum = 0
        self.count = 0

    def add(self, content: bytes) -> None:
        """Take one member."""
        number = int.from_bytes(blake2b(content, digest_size=32).digest(), "big")
        self._sum = (self._sum + number) % _MODULUS
        self.count += 1

    def text(self) -> str:
        """Return the digest as 16 bytes of hexadecimal and the count."""
        whole = self._sum.to_bytes(32, "big") + self.count.to_bytes(8, "big")
        return f"{blake2b(whole, digest_size=16).hexdigest()}:{self.count}"


def encode_transfer(transfer: Transfer) -> bytes:
    """Return the bytes of all fields of a transfer."""
    return _encode(transfer)


def transfers_digest(transfers: Iterable[Transfer]) -> str:
    """Return the digest of transfers, all their fields."""
    digest = SetDigest()
    for transfer in transfers:
        digest.add(encode_transfer(transfer))
    return digest.text()


def balances_digest(balances: Mapping[tuple[str, str], int]) -> str:
    """Return the digest of balances by (account, currency); zero ones do not count."""
    digest = SetDigest()
    for (account, currency), balance in balances.items():
        if balance:
            digest.add(_encode((account, currency, balance)))
    return digest.text()


def fold(
    transfers: Iterable[Transfer], into: dict[tuple[str, str], int] | None = None
) -> dict[tuple[str, str], int]:
    """Return the balances that transfers make (law L4)."""
    balances = {} if into is None else into
    for transfer in transfers:
        debit, credit = (transfer.debit, transfer.currency), (transfer.credit, transfer.currency)
        balances[debit] = balances.get(debit, 0) - transfer.amount
        balances[credit] = balances.get(credit, 0) + transfer.amount
    return balances
