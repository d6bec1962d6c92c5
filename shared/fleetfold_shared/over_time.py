"""The name under which a job cancels its own commands when their time is over."""

from __future__ import annotations

__all__ = ["OVER_TIME"]

OVER_TIME = "its job, whose time is over"
