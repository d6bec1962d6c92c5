"""Rate-limited log of warnings that other identities can cause: one line per event and identity in a minute, and a
count of the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["LimitedLog"]

WINDOW_S = 60.0
MOST_HELD = 10_000
"""Most pairs of event and identity in one minute; all others are counted together."""
OTHERS = "others"


@dataclass(slots=True)
class _Window:
    """The fields of the first warning in this minute, and the number of later ones."""

    fields: dict[str, Any]
    more: int = 0


class LimitedLog:
    """Logs warnings to `log`, a structlog logger.

    The first of an event and identity is logged at once. At the end of its minute the others follow as one line with
    their number as `more` and the fields of the first. `later` calls a function after so many seconds; by default the
    event loop's `call_later`.
    """

    def __init__(self, log: Any, later: Callable[..., object] | None = None) -> None:
        self._log, self._later = log, later
        self._windows: dict[tuple[str, str], _Window] = {}

    def warning(self, event: str, by: str, **fields: Any) -> None:
        """Log `event`, caused by the identity `by`."""
        key = event, by
        if key not in self._windows and len(self._windows) >= MOST_HELD:
            key = event, OTHERS
        window = self._windows.get(key)
        if window is not None:
            window.more += 1
            return
        self._windows[key] = _Window(fields)
        self._log.warning(event, **fields)
        (self._later or asyncio.get_running_loop().call_later)(WINDOW_S, self._end, key)

    def _end(self, key: tuple[str, str]) -> None:
        window = self._windows.pop(key)
        if window.more:
            self._log.warning(key[0], **window.fields, more=window.more, within_s=WINDOW_S)
