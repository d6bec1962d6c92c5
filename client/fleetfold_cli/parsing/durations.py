"""Duration arguments: `90s`, `15m`, `1h`, `7d`."""

from __future__ import annotations

import re

from fleetfold_shared.errors import InvalidInput

__all__ = ["duration_s"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(r"^(\d+(?:\.\d+)?)([smhd])$")


def duration_s(text: str, option: str) -> float:
    """Parse a duration into seconds. Raises `InvalidInput`, naming the `option`."""
    found = _FORM.match(text.strip())
    if found is None:
        raise InvalidInput(f"{option}: {text!r} is no duration: write 90s, 15m, 1h or 7d", field=option)
    return float(found[1]) * _UNITS[found[2]]
