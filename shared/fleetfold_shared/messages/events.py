"""What the masters tell of by themselves: events, and the bodies of webhooks."""

from __future__ import annotations

from typing import Any, Literal

from fleetfold_shared.messages.base import Message

__all__ = ["Alert", "EndType", "WebhookBody"]

EndType = Literal["job.ended", "transaction.committed", "transaction.rolled_back", "transaction.parked"]
"""What a callback tells of; a webhook's `type`."""


class Alert(Message, frozen=True, kw_only=True, omit_defaults=False):
    """`evt.master.<kind>`: something waits for an operator. `why` is the reason, `to_do` the command to begin with."""

    kind: Literal["transaction.parked"]
    id: str
    name: str
    caller: str
    at: float
    why: str
    to_do: str


class WebhookBody(Message, frozen=True, kw_only=True, omit_defaults=False):
    """What a webhook is sent, as Standard Webhooks has it: `timestamp` is ISO 8601, when that happened which `type`
    names; `data` is the Job or the TransactionView as it stood when it was sent.
    """

    type: EndType
    timestamp: str
    data: Any
