"""Names and identifiers: slugs that may stand in a subject, and ids that sort by time."""

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
"""The name of a node, a caller or a collection: it may stand in a subject and in a path."""
Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}" + _END)]
"""The name of an action or a step: it may stand in Python and between dots."""
CallerId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+" + _END)]
"""An id that a caller chooses."""
MASTER = "master"
"""The masters' own name, also that under which their own collections are searched: no node and no caller has it."""

_NOT_FOR_NODES = {
    MASTER: "the masters' own name", "all": "what stands for all nodes",
    "auto": "what has a search choose among the nodes",
}  # fmt: skip
_RETRY = re.compile(r"^(t\.[^.]+\.[^.]+\.(?:f|c))\d*(?:r\d+)?$")
_SLUG = re.compile(SLUG)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts as the number does


def check_slug(value: str, field: str) -> str:
    """`value` itself if it may stand in a subject; else `InvalidInput` naming `field`."""
    if not _SLUG.match(value):
        raise InvalidInput(
            f"{field}: {value[:80]!r} is not a usable name; use 1-63 of a-z, 0-9 and '-', not starting with '-'",
            field=field,
        )
    return value


def check_node_name(value: str, field: str) -> str:
    """`value` itself if a node may be called so; else `InvalidInput` naming `field`."""
    if (meaning := _NOT_FOR_NODES.get(check_slug(value, field))) is not None:
        raise InvalidInput(f"{field}: {value!r} is {meaning}; choose another", field=field)
    return value


def new_id() -> str:
    """26 characters, a ULID: 48 bits of milliseconds, then 80 random bits. Sorts by time of creation."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))


def key_of(command_id: str) -> str:
    """The idempotency key of a command: its id, which the retries of a transaction's step share.

    `t.TX.STEP.f2` is the second try of `t.TX.STEP.f`, a command of its own to the ledger, but the same to a target. So
    are all that undo the step, `t.TX.STEP.c`, `.cr2` and `.c2`: it took effect once, and is undone once.
    """
    return _RETRY.sub(r"\1", command_id)
