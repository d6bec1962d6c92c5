"""Named transactions, kept by the master in versions: the same steps again and again, with other inputs."""

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
"""Each input by name: a word for its type (`str`, `int`, `float`, `bool`, `list`, `dict`, `any`), or a JSON Schema; one
with a `default` need not be given."""


class Definition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """A transaction that is run by its name. `{{inputs.NAME}}` in the params of a step or of its rollback, and in the
    values of its `when`, is an input. `within_s` is its time, unless the caller gives another.
    """

    name: DefinitionName
    steps: Annotated[list[StepSpec], Meta(min_length=1, max_length=100)]
    inputs: Inputs = {}
    about: Annotated[str, Meta(max_length=1000)] = ""
    within_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] | None = None


class DefinitionPut(Message, frozen=True, kw_only=True):
    """`definitions.put`: keep it. Other content than that of the newest version is a new version; the same is the same.
    With `dry_run` it is only checked.
    """

    definition: Definition
    dry_run: bool = False


class DefinitionStored(Message, frozen=True, kw_only=True, omit_defaults=False):
    """It is kept as this version; `fresh`: it was not there before. `warnings` say what the fleet, as it is now, would
    refuse: a transaction is checked wholly when it is run.
    """

    name: str
    version: int
    fresh: bool
    warnings: list[str] = []


class DefinitionGet(Message, frozen=True, kw_only=True):
    """`definitions.get`: this version, or the newest."""

    name: str
    version: Annotated[int, Meta(ge=1)] | None = None


class DefinitionRecord(Message, frozen=True, kw_only=True, omit_defaults=False):
    """One version. `schema` is the JSON Schema of its inputs; one that was removed cannot be run any more."""

    definition: Definition
    version: int
    schema: dict[str, Any]
    created_at: float
    created_by: str
    removed_at: float | None = None


class DefinitionInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest version of a definition, in short."""

    name: str
    version: int
    about: str
    inputs: list[str]
    nodes: list[str]
    steps: int
    created_at: float
    created_by: str


class DefinitionList(Message, frozen=True, kw_only=True):
    """`definitions.list`, by name."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000


class DefinitionListed(Message, frozen=True, kw_only=True):
    definitions: list[DefinitionInfo]


class DefinitionRemove(Message, frozen=True, kw_only=True):
    """`definitions.remove`: no version of it can be run any more. Transactions that run go on."""

    name: str


class DefinitionRemoved(Message, frozen=True, kw_only=True):
    """How many versions there were."""

    name: str
    versions: int
