"""The outbox: callbacks, webhooks and alerts, delivered at least once."""

from __future__ import annotations

from fleetfold_master.outbox.model import Delivery
from fleetfold_master.outbox.outbox import Outbox

__all__ = ["Delivery", "Outbox"]
