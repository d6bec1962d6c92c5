"""Actions: parameters checked, commands delivered, jobs followed to their end."""

from __future__ import annotations

from fleetfold_master.actions.bulk import Bulk
from fleetfold_master.actions.delivery import Health, Outgoing, Sender
from fleetfold_master.actions.jobs import Jobs
from fleetfold_master.actions.schema import check_params
from fleetfold_master.actions.withdrawals import Withdrawals

__all__ = ["Bulk", "Health", "Jobs", "Outgoing", "Sender", "Withdrawals", "check_params"]
