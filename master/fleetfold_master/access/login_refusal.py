"""The refusal of a login. The broker reports only the refusal; the audit log has the reason."""

from __future__ import annotations

from typing import Literal

from fleetfold_broker.identity import LoginRefused

__all__ = ["Reason", "Refusal"]

Reason = Literal[
    "missing", "malformed", "forged", "expired", "not_yet_valid", "wrong_audience", "wrong_issuer", "wrong_algorithm",
    "unknown_key", "unknown", "wrong_name", "spent", "reused", "revoked", "inactive", "live", "limited", "not_allowed",
]  # fmt: skip


class Refusal(LoginRefused):
    """`reason` is stable and counted, `detail` is for people, `who` is the name as far as it is known."""

    def __init__(self, reason: Reason, detail: str, who: str = "") -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail, self.who = detail, who
