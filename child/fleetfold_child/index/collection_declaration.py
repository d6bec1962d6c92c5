"""Declaration of a collection by its node, and the listeners to its writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleetfold_child.connectors.documents import USUAL
from fleetfold_child.index.collection_statistics import Difference
from fleetfold_child.index.interfaces import Index
from fleetfold_child.index.lance_table import Table
from fleetfold_shared.config import Reading
from fleetfold_shared.messages.nodes import CollectionInfo
from fleetfold_shared.text.declared_keys import declared_keys
from fleetfold_shared.text.scoring import check_alpha

__all__ = ["CollectionDeclaration", "CollectionListeners", "LoadedCollection"]


@dataclass(frozen=True, slots=True)
class CollectionDeclaration:
    """What a node declares of a collection.

    `keys` are the fields that identify a thing, each `field` or `field:kind`. `alpha` weighs BM25 against the cosine
    here, 0 to 1, unless a request sets it for all. `replica` names the group of collections, on other nodes, with the
    same documents. `reading` maps records to documents.
    """

    keys: Sequence[str] = ()
    alpha: float | None = None
    replica: str | None = None
    reading: Reading = USUAL

    def check(self) -> None:
        """Raise `InvalidInput` for a malformed key or weight."""
        declared_keys(self.keys)
        check_alpha(self.alpha)


@dataclass(frozen=True, slots=True)
class CollectionListeners:
    """Functions that a collection calls on the event loop: `on_change` after each commit that changed something,
    `on_failure` when the table could not be written.
    """

    on_change: Callable[[CollectionInfo], None] | None = None
    on_failure: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class LoadedCollection:
    """A collection's open table, its index, and the statistics of the documents in it."""

    table: Table
    index: Index
    counted: Difference
