"""Schedules: recurring actions and transactions, each firing exactly once."""

from __future__ import annotations

from fleetfold_master.schedules.model import StoredSchedule, work_of
from fleetfold_master.schedules.schedules import Schedules, Start

__all__ = ["Schedules", "Start", "StoredSchedule", "work_of"]
