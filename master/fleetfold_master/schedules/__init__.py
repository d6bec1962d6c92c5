"""Schedules: actions and transactions again and again, each firing once, whatever dies."""

from __future__ import annotations

from fleetfold_master.schedules.model import ScheduleStanding, work_of
from fleetfold_master.schedules.schedules import Schedules, Start

__all__ = ["ScheduleStanding", "Schedules", "Start", "work_of"]
