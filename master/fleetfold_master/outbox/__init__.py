"""The outbox: callbacks, webhooks and alerts, delivered at least once."""

from __future__ import annotations

from fleetfold_master.outbox.outbox import Outbox
from fleetfold_master.webhooks.model import Delivery

__all__ = ["Delivery", "Outbox"]
