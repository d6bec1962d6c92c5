"""Audit of replaced processes of nodes: what they said was refused, or their connections were closed."""

from __future__ import annotations

from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.events import AnswerRefused, NameTaken

__all__ = ["RefusedAnswerAudit"]

TAKEN = "another process has taken the name"


class RefusedAnswerAudit:
    """A subscriber of `AnswerRefused` and `NameTaken`."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def note(self, event: AnswerRefused) -> None:
        """Add an entry: once for each replaced process, since this master's start."""
        self._add(event.node, f"refused: its {event.what}, and what else it says")

    def note_taken(self, event: NameTaken) -> None:
        """Add an entry for a process that did not answer when another one joined."""
        self._add(event.node, "it did not answer, and is cut off")

    def _add(self, node: str, what: str) -> None:
        self._audit.note(node, "node.replaced", "refused", role="child", node=node, reason=f"{TAKEN}; {what}")
