"""Interceptors that masters and nodes share: each is one file, and an entry in the lists of those who use it."""

from __future__ import annotations

from fleetfold_broker.rpc.interceptors.empty_bodies import skip_empty
from fleetfold_broker.rpc.interceptors.late_replies import drop_late_reply
from fleetfold_broker.rpc.interceptors.log_context import bind_log_context

__all__ = ["bind_log_context", "drop_late_reply", "skip_empty"]
