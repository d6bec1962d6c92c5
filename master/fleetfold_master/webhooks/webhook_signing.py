"""Signatures of webhooks after Standard Webhooks, and the fleet's secret for them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from fleetfold_broker.secret_file import from_environment, read_or_create
from fleetfold_shared.errors import InvalidInput

__all__ = ["FILE", "WEBHOOK_SECRET", "WebhookSecret"]

FILE = "webhook.secret"
WEBHOOK_SECRET = "FLEETFOLD_WEBHOOK_SECRET"  # noqa: S105 (the name of a variable)
PREFIX = "whsec_"
BYTES = 32
LEAST_BYTES, MOST_BYTES = 24, 64


class WebhookSecret:
    """A secret shared by the masters and the recipients of their webhooks."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, directory: Path, env: Mapping[str, str]) -> WebhookSecret:
        """The secret of `$FLEETFOLD_WEBHOOK_SECRET` (or of the file that `$FLEETFOLD_WEBHOOK_SECRET_FILE` names),
        else that in `directory`, which is created if missing. Raises `InvalidInput` for an invalid secret."""
        given = from_environment(WEBHOOK_SECRET, env)
        if given is not None:
            return cls(_decode(given, WEBHOOK_SECRET))
        path = directory / FILE
        text = read_or_create(path, lambda: f"{cls(os.urandom(BYTES)).text}\n".encode())
        return cls(_decode(text.decode(errors="replace").strip(), str(path)))

    @property
    def text(self) -> str:
        """The format that libraries of Standard Webhooks read: `whsec_` and base64."""
        return PREFIX + base64.b64encode(self._key).decode()

    def headers(self, message_id: str, at: float, body: bytes) -> dict[str, str]:
        """The three headers with id, time and signature; `at` in Unix seconds."""
        stamp = str(int(at))
        digest = hmac.digest(self._key, f"{message_id}.{stamp}.".encode() + body, "sha256")
        signature = f"v1,{base64.b64encode(digest).decode()}"
        return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signature}

    def __repr__(self) -> str:
        return "WebhookSecret(…)"


def _decode(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise InvalidInput(
            f"{where}: this is no secret for webhooks; write {PREFIX} and base64 of {LEAST_BYTES} to {MOST_BYTES} "
            "bytes, or remove it to have a new one made",
            field="keys",
        )
    return key
