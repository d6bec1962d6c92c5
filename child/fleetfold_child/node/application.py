"""The application that a node fronts, and the options of the node."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions
from fleetfold_child.node.answerer import Answerer
from fleetfold_shared.messages import CAPABILITIES, Capability, CollectionInfo
from fleetfold_shared.redaction import Redactor

if TYPE_CHECKING:  # NumPy is behind it
    from fleetfold_child.index import Collection

__all__ = ["Application", "NodeOptions"]

RETENTION_S = 30 * 86_400.0
CHECK_EVERY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Application:
    """What the node offers for its application: actions, collections, answers in words.

    `databases` are the application's own; `lost` are collections whose tables cannot be opened.
    """

    actions: Actions
    collections: Mapping[str, Collection]
    answerer: Answerer | None = None
    databases: Databases | None = None
    lost: Mapping[str, CollectionInfo] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """`granted`: the capabilities that the fleet has granted. `retention_s`: seconds for which the ledger keeps ended
    commands that the masters have confirmed. `redact` is applied to errors; all files are read every `check_every_s`
    seconds. `new`: its operator says that its ledger begins anew.
    """

    granted: Several[Capability] = CAPABILITIES
    retention_s: float = RETENTION_S
    redact: Redactor = field(default_factory=Redactor)
    check_every_s: float = CHECK_EVERY_S
    new: bool = False
