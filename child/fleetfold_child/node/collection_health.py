"""Health of a node's collections: which of them cannot be searched, and why. Each costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from msgspec.structs import replace

from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.messages import CollectionInfo

if TYPE_CHECKING:  # NumPy is behind it
    from fleetfold_child.index import Collection

__all__ = ["CollectionHealth", "LostCollection"]

log = structlog.get_logger(__name__)

REASON_CHARS = 300


class CollectionHealth:
    """The open `collections`, and those that were `lost` before the start. `on_change` is called when others fail."""

    def __init__(
        self, collections: Mapping[str, Collection], lost: Mapping[str, CollectionInfo], on_change: Callable[[], None]
    ) -> None:
        self._collections, self._lost, self._on_change = collections, lost, on_change
        self._failing: dict[str, str] = {}

    @property
    def failing(self) -> dict[str, str]:
        """Collections that cannot be searched, and why."""
        return {**{name: info.damaged for name, info in self._lost.items()}, **self._failing}

    def infos(self) -> list[CollectionInfo]:
        """Return the descriptions of all collections."""
        found = {name: collection.info() for name, collection in self._collections.items()}
        failing = {name: replace(found[name], damaged=reason) for name, reason in self._failing.items()}
        return list({**found, **failing, **self._lost}.values())

    async def check(self, thorough: bool) -> None:
        """Check every collection. Raises `Unavailable` if not one of them can be searched: then the node cannot be."""
        found = {name: await _reason(collection, thorough) for name, collection in self._collections.items()}
        failing = {name: reason for name, reason in found.items() if reason}
        if len(failing) == len(self._collections) and (reasons := [*failing.values(), *self._reasons_lost()]):
            self._take({})
            raise Unavailable(reasons[0])
        self._take(failing)

    async def verify(self) -> list[str]:
        """Read all documents of all collections; return the names of those that are damaged."""
        return [name for name, collection in self._collections.items() if not await _is_sound(name, collection)]

    def _reasons_lost(self) -> list[str]:
        return [info.damaged for info in self._lost.values()]

    def _take(self, failing: dict[str, str]) -> None:
        if failing == self._failing:
            return
        for name, reason in failing.items():
            if name not in self._failing:
                log.error("collection.fails", collection=name, reason=reason)
        for name in self._failing.keys() - failing.keys():
            log.info("collection.works_again", collection=name)
        self._failing = failing
        self._on_change()


class LostCollection:
    """Stands for a lost collection in actions: whatever they ask of it raises `Unavailable` with the reason."""

    def __init__(self, info: CollectionInfo) -> None:
        self._reason = info.damaged

    def __getattr__(self, name: str) -> Any:
        raise Unavailable(self._reason, field="collection")


async def _reason(collection: Collection, thorough: bool) -> str:
    """Return why a collection cannot be read; empty when it can."""
    try:
        await collection.check(thorough)
    except FleetfoldError as error:
        return error.message[:REASON_CHARS]
    return ""


async def _is_sound(name: str, collection: Collection) -> bool:
    try:
        await collection.verify()
    except FleetfoldError as error:
        log.error("collection.damaged", collection=name, reason=error.message)  # noqa: TRY400  # one line
        return False
    return True
