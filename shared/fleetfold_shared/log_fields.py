"""Log fields of the request that the current task serves: looked up only when a line is written.

Binding the fields for each request, as `structlog.contextvars` does, costs a tenth of a small request.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["SERVED", "LogFields", "add_served_fields"]


class LogFields(Protocol):
    """Something that log lines name while it is served."""

    def log_fields(self) -> Mapping[str, str]:
        """Return the fields by name."""


SERVED: ContextVar[LogFields | None] = ContextVar("fleetfold_served", default=None)
"""What the current task serves, if anything."""


def add_served_fields(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the fields of what is served to a log entry, unless it has them; a structlog processor."""
    if (served := SERVED.get()) is not None:
        for name, value in served.log_fields().items():
            event.setdefault(name, value)
    return event
