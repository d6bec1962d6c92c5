"""Audit of messages that were refused because they came from a replaced process of a node."""

from __future__ import annotations

from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.events import AnswerRefused

__all__ = ["RefusedAnswerAudit"]


class RefusedAnswerAudit:
    """A subscriber of `AnswerRefused`."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def note(self, event: AnswerRefused) -> None:
        """Add an entry: once for each replaced process, since this master's start."""
        reason = f"another process has taken the name; refused: its {event.what}, and what else it says"
        self._audit.note(event.node, "node.replaced", "refused", role="child", node=event.node, reason=reason)
