"""The collections of a child: declared, opened, and filled from their sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from fleetfold.collection_recovery import Opening, open_or_recover, record
from fleetfold.extras import require
from fleetfold.last_seen_collections import COLLECTIONS, CollectionLog
from fleetfold.source_filling import fill, source_state
from fleetfold.source_readings import Source, SourceLog, check_source, records
from fleetfold_child.commands.builtin_actions import no_source
from fleetfold_child.connectors.documents import USUAL
from fleetfold_child.connectors.files import check_file, check_reading
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import Conflict
from fleetfold_shared.ids import check_slug
from fleetfold_shared.messages import CollectionInfo
from fleetfold_shared.text.declared_keys import declared_keys
from fleetfold_shared.text.embedder_names import DEFAULT_EMBEDDER
from fleetfold_shared.text.scoring import check_alpha

if TYPE_CHECKING:  # LanceDB, NumPy and an embedder are behind it: a child without collections loads none of them
    from fleetfold_child.index import Collection

__all__ = ["HostedCollections"]

log = structlog.get_logger(__name__)

REASON_CHARS = 300
"""Most characters of a reason in a collection's description."""


@dataclass(frozen=True, slots=True)
class _Declared:
    source: Source | None
    keys: list[str]
    alpha: float | None
    replica: str | None
    reading: Reading


class HostedCollections:
    """Declares collections, opens them once, then fills them. `collections` are the open ones, by name.

    `lost` describes those that were lost or damaged and have no source to be filled from.
    """

    def __init__(self) -> None:
        self._declared: dict[str, _Declared] = {}
        self.collections: dict[str, Collection] = {}
        self.lost: dict[str, CollectionInfo] = {}

    def __bool__(self) -> bool:
        return bool(self._declared)

    def declare(
        self, name: str, source: Source | None, keys: Sequence[str], alpha: float | None, replica: str | None,
        reading: Reading = USUAL,
    ) -> None:  # fmt: skip
        """Declare a collection. Raises `InvalidInput` for invalid options, `Conflict` for a name declared twice."""
        declared_keys(keys)
        check_alpha(alpha)
        if replica is not None:
            check_slug(replica, "replica")
        if check_slug(name, "collection") in self._declared:
            raise Conflict(f"collection: {name!r} is declared twice", field="collection")
        check_source(source, name)
        self._declared[name] = _Declared(source, list(keys), alpha, replica, check_reading(reading, name))

    def check_files(self) -> None:
        """Raise `InvalidInput` for a source file that does not exist."""
        for declared in self._declared.values():
            if isinstance(declared.source, str | Path):
                check_file(declared.source)

    def require(self, embedder: str) -> None:
        """Raise `ModuleNotFoundError` if there are collections, but not the packages that they need."""
        if self._declared:
            require("child", besides=() if embedder == DEFAULT_EMBEDDER else ("wordllama",))

    async def open(
        self,
        data: Path,
        opened: AsyncExitStack,
        *,
        embedder: str,
        incarnation: str,
        on_change: Callable[[object], None],
        on_failure: Callable[[], None],
        new: bool = False,
    ) -> None:
        """Open all of them in `data`, for as long as `opened` is; `on_change` hears of each change, `on_failure` of
        each write that failed. One that is lost or damaged does not keep the others from being opened: see
        `collection_recovery`.

        What a search needs is imported here, and only if there is something to search.
        """
        if not self._declared:
            return
        from fleetfold_child.index import Collection, CollectionDeclaration, CollectionListeners
        from fleetfold_shared.text.embedding import load_embedder

        model = await asyncio.to_thread(load_embedder, embedder)
        seen, sources = CollectionLog(data / COLLECTIONS), SourceLog(data / "sources.json")
        for name, declared in self._declared.items():
            begin = partial(
                Collection.open, name, data,
                CollectionDeclaration(declared.keys, declared.alpha, declared.replica, declared.reading),
                embedder=model, incarnation=incarnation, listeners=CollectionListeners(on_change, on_failure),
            )  # fmt: skip
            forget = None if declared.source is None else partial(sources.forget, name)
            found = await open_or_recover(Opening(name, data, begin, forget, new), seen)
            if isinstance(found, str):
                self._leave_out(name, declared, seen, found)
            else:
                self.collections[name] = await opened.enter_async_context(found)
        opened.push_async_callback(record, self.collections, seen)

    async def fill(self, data: Path) -> None:
        """Read each source that has changed since it was last read; documents changed by actions since then stay."""
        seen = SourceLog(data / "sources.json")
        for name, declared in self._declared.items():
            if declared.source is not None:
                collection = self.collections[name]
                await fill(collection, declared.source, seen, partial(collection.index, leave_out=True))

    def _leave_out(self, name: str, declared: _Declared, seen: CollectionLog, reason: str) -> None:
        log.error("collection.lost", collection=name, reason=reason)
        known = seen.known(name)
        self.lost[name] = CollectionInfo(
            name, known.documents if known else 0, keys=declared.keys, alpha=declared.alpha, replica=declared.replica,
            damaged=reason[:REASON_CHARS],
        )  # fmt: skip

    @property
    def sourced(self) -> list[str]:
        """The names of the collections with a source."""
        return [name for name, declared in self._declared.items() if declared.source is not None]

    async def sync(self, name: str, *, strict: bool = False, force: bool = False) -> object:
        """Make a collection equal to its source; `InvalidInput` for one that has none.

        A bad record is left out, and named in the report; `strict` refuses the whole source instead. With `force` every
        document is written again.
        """
        declared = self._declared.get(name)
        if declared is None or declared.source is None:
            raise no_source(name)
        collection = self.collections[name]
        source = await records(declared.source, name)
        report = await collection.sync(source, leave_out=not strict, force=force)
        source_state(collection, report)
        return report
