"""Names and identifiers: slugs that may be part of a subject, and ids that sort by time."""

from __future__ import annotations

import os
import re
import time
from typing import Annotated

import msgspec

from fleetfold_shared.errors import InvalidInput

__all__ = ["MASTER", "SLUG", "CallerId", "Identifier", "Slug", "check_node_name", "check_slug", "key_of", "new_id"]

_END = r"$(?!\n)"  # a bare `$` also matches before a last newline
SLUG = r"^[a-z0-9][a-z0-9-]{0,62}" + _END
Slug = Annotated[str, msgspec.Meta(pattern=SLUG)]
"""Name of a node, a caller or a collection: usable in a subject and in a path."""
Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}" + _END)]
"""Name of an action or a step: usable as a Python name and between dots."""
CallerId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+" + _END)]
"""Id chosen by a caller."""
MASTER = "master"
"""Name of the masters, under which their own collections are searched too; no node and no caller may have it."""

_NOT_FOR_NODES = {
    MASTER: "the masters' own name", "all": "what stands for all nodes",
    "auto": "what has a search choose among the nodes",
}  # fmt: skip
_RETRY = re.compile(r"^(t\.[^.]+\.[^.]+\.(?:f|c))\d*(?:r\d+)?$")
_SLUG = re.compile(SLUG)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts as the number does
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Two characters by the 10 bits that they stand for."""


def check_slug(value: str, field: str) -> str:
    """Return `value` if it is a slug; otherwise raise `InvalidInput` for `field`."""
    if not _SLUG.match(value):
        raise InvalidInput(
            f"{field}: {value[:80]!r} is not a usable name; use 1-63 of a-z, 0-9 and '-', not starting with '-'",
            field=field,
        )
    return value


def check_node_name(value: str, field: str) -> str:
    """Return `value` if a node may have this name; otherwise raise `InvalidInput` for `field`."""
    if (meaning := _NOT_FOR_NODES.get(check_slug(value, field))) is not None:
        raise InvalidInput(f"{field}: {value!r} is {meaning}; choose another", field=field)
    return value


def new_id() -> str:
    """Return a new ULID of 26 characters: 48 bits of milliseconds, then 80 random bits. Sorts by time of creation."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -10, -10)])


def key_of(command_id: str) -> str:
    """Return the idempotency key of a command: its id without the suffix of a retry.

    `t.TX.STEP.f2` is the second attempt of `t.TX.STEP.f`: a different command to the ledger, but the same to the
    application. So are all compensations of the step, `t.TX.STEP.c`, `.cr2` and `.c2`: the step took effect once, and
    is compensated once.
    """
    return _RETRY.sub(r"\1", command_id) if command_id.startswith("t.") else command_id
