"""JSON as the commands print it: every field present, in snake_case, without the wire's own version number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetfold_cli.safe_text import escaped

__all__ = ["document", "line", "plain"]

WIRE_ONLY = {"v"}


def document(value: Any) -> str:
    """`value` as an indented JSON document."""
    return escaped(msgspec.json.format(msgspec.json.encode(plain(value)), indent=2).decode()) + "\n"


def line(value: Any) -> str:
    """`value` as JSON on one line."""
    return escaped(msgspec.json.encode(plain(value)).decode())


def plain(value: Any) -> Any:
    """Structs as dicts of all their fields; defaults, which the wire omits, are included for scripts."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name not in WIRE_ONLY}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value
