"""Quarantine of an embedded server's damaged store: it is kept under another name, and the server starts without one.

No work is lost by it: masters and nodes send again what was in the store. The history of events stays in the old one.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from fleetfold_broker.quarantine import is_of_the_machine, set_aside

__all__ = ["StoreQuarantine", "prevents_start"]

log = structlog.get_logger(__name__)

FOLDER = "jetstream"
PANIC = "ended with code 2"
"""Go's exit code of a panic."""
NO_JETSTREAM = "Can't start JetStream"


def prevents_start(error: Exception) -> bool:
    """Tell whether the server did not start because of its store, as far as the error says."""
    said = str(error)
    return (NO_JETSTREAM in said or PANIC in said) and not is_of_the_machine(said)


class StoreQuarantine:
    """The store in `directory`, and how to move it away. Call it while no server runs."""

    def __init__(self, directory: Path) -> None:
        self._store = directory / FOLDER

    def move(self, reason: str) -> bool:
        """Rename the store to `jetstream.damaged-<time>`, and log it; return whether there was one to rename."""
        try:
            moved = set_aside(self._store)
        except OSError as error:
            log.error("broker.store_damaged", reason=reason, not_moved=error.strerror)  # noqa: TRY400  # one line
            return False
        if moved is not None:
            log.error("broker.store_damaged", reason=reason, moved_to=str(moved), then="work is sent again")
        return moved is not None
