"""Messages for transaction definitions: named, versioned templates of transactions with inputs, stored by the
master.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Identifier
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.transactions import StepSpec

__all__ = [
    "Definition", "DefinitionGet", "DefinitionInfo", "DefinitionList", "DefinitionListed", "DefinitionName",
    "DefinitionPut", "DefinitionRecord", "DefinitionRemove", "DefinitionRemoved", "DefinitionStored", "Inputs",
]  # fmt: skip

DefinitionName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$(?!\n)")]
Inputs = dict[Identifier, str | dict[str, Any]]
"""Inputs by name: a type name (`str`, `int`, `float`, `bool`, `list`, `dict`, `any`) or a JSON Schema; inputs with a
`default` are optional.
"""


class Definition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """A named transaction. `{{inputs.NAME}}` in the params of a step or of its rollback, and in the values of its
    `when`, is an input. `within_s` is its time limit, unless the caller gives another.
    """

    name: DefinitionName
    steps: Annotated[list[StepSpec], Meta(min_length=1, max_length=100)]
    inputs: Inputs = {}
    about: Annotated[str, Meta(max_length=1000)] = ""
    within_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] | None = None


class DefinitionPut(Message, frozen=True, kw_only=True):
    """`definitions.put`: store a definition. Content that differs from the newest version becomes a new version. With
    `dry_run` it is only checked.
    """

    definition: Definition
    dry_run: bool = False


class DefinitionStored(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The stored version; `fresh`: it is new. `warnings` name what the fleet would refuse as it is now; a transaction
    is fully checked when it is run.
    """

    name: str
    version: int
    fresh: bool
    warnings: list[str] = []


class DefinitionGet(Message, frozen=True, kw_only=True):
    """`definitions.get`: return this version, or the newest."""

    name: str
    version: Annotated[int, Meta(ge=1)] | None = None


class DefinitionRecord(Message, frozen=True, kw_only=True, omit_defaults=False):
    """One version of a definition. `schema` is the JSON Schema of its inputs; a removed one cannot be run."""

    definition: Definition
    version: int
    schema: dict[str, Any]
    created_at: float
    created_by: str
    removed_at: float | None = None


class DefinitionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Summary of a definition's newest version."""

    name: str
    version: int
    about: str
    inputs: list[str]
    nodes: list[str]
    steps: int
    created_at: float
    created_by: str


class DefinitionList(Message, frozen=True, kw_only=True):
    """`definitions.list`: list definitions by name."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000


class DefinitionListed(Message, frozen=True, kw_only=True):
    definitions: list[DefinitionInfo]


class DefinitionRemove(Message, frozen=True, kw_only=True):
    """`definitions.remove`: remove all versions; running transactions go on."""

    name: str


class DefinitionRemoved(Message, frozen=True, kw_only=True):
    """Number of removed versions."""

    name: str
    versions: int
