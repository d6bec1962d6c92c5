"""Filters of a job list, as conditions of a SELECT."""

from __future__ import annotations

from sqlalchemy import ColumnElement

from fleetfold_master.store.tables import job
from fleetfold_shared.messages import JobList

__all__ = ["filters"]


def filters(of: JobList) -> list[ColumnElement[bool]]:
    """The conditions that each listed job must satisfy."""
    equal = [job.c[name] == value for name in ("state", "action", "caller") if (value := getattr(of, name)) is not None]
    return equal if of.since is None else [*equal, job.c.created_at >= of.since]
