"""Messages that the masters send unasked: events, and the bodies of webhooks."""

from __future__ import annotations

from typing import Any, Literal

from fleetfold_shared.messages.base import Message

__all__ = ["Alert", "EndType", "WebhookBody"]

EndType = Literal["job.ended", "transaction.committed", "transaction.rolled_back", "transaction.parked"]
"""Event that a callback reports; the `type` of a webhook."""


class Alert(Message, frozen=True, kw_only=True, omit_defaults=False):
    """`evt.master.<kind>`: something needs an operator. `why` is the reason, `to_do` the first command to run."""

    kind: Literal["transaction.parked"]
    id: str
    name: str
    caller: str
    at: float
    why: str
    to_do: str


class WebhookBody(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Body of a webhook, as defined by Standard Webhooks. `timestamp` (ISO 8601) is the time of the event `type`;
    `data` is the Job or the TransactionView at the time of sending.
    """

    type: EndType
    timestamp: str
    data: Any
