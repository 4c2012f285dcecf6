"""What the edge answers instead of keeping something, and why."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.reasons import sentence

STATUS = {
    "authentication_missing": 401,
    "advertiser_unknown": 401,
    "token_wrong": 401,
    "key_unknown": 401,
    "signature_wrong": 401,
    "timestamp_outside": 401,
    "nonce_used": 401,
    "token_not_allowed": 403,
    "pixel_not_allowed": 403,
    "advertiser_paused": 403,
    "address_not_allowed": 403,
    "click_id_foreign": 403,
    "conversion_foreign": 403,
    "body_too_slow": 408,
    "conflicting_report": 409,
    "status_backwards": 409,
    "conversion_ambiguous": 409,
    "preset_unknown": 404,
    "visitor_erased": 410,
    "body_too_large": 413,
    "batch_too_large": 413,
    "rate_limited": 429,
    "query_too_long": 414,
    "encoding_unknown": 415,
    "journal_full": 503,
}
"""HTTP status by reason code; every other reason is a 400."""


class Refusal(Struct, frozen=True):
    """A report that is not kept: reason code, the field at fault, a sentence with its value.

    `retry_after_s` is how long to wait before sending again, where that helps. `sender` is the
    advertiser that is proven to have sent what is not taken from it (paused, from elsewhere).
    """

    reason: str
    detail: str
    field: str | None = None
    retry_after_s: int | None = None
    sender: int | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the report goes to the rejections: not if it is only to be sent again later."""
        return self.status not in (429, 503)

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return STATUS.get(self.reason, 400)

    def as_answer(self) -> dict[str, object]:
        """Return what the caller is told."""
        wait = {} if self.retry_after_s is None else {"retry_after": self.retry_after_s}
        return {
            "status": "refused",
            "code": self.status,
            "reason": self.reason,
            "field": self.field,
            "sentence": sentence(self.reason),
            "detail": self.detail,
            **wait,
        }


class RefusedError(Exception):
    """Carries a refusal out of nested parsing; never leaves this package."""

    def __init__(self, reason: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.refusal = Refusal(reason, detail, field)
