"""Opening of a collection whose table may be lost or damaged: each is recovered, or left out, for itself.

table    its source     then
-------  -------------  ---------------------------------------------------------------------------
sound    -              it is opened
damaged  a source       kept as `lance/NAME.lance.damaged-<time>`; another is filled from the source
lost     a source       another is filled from the source
either   none           not opened: the reason and the remedy are its description; with `new` it begins empty
    older    a source       as a damaged one
    older    none           not opened; with `new` it is taken as it is
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from fleetfold.last_seen_collections import CollectionLog, Seen
from fleetfold_broker.quarantine import set_aside
from fleetfold_shared.errors import FleetfoldError

if TYPE_CHECKING:  # LanceDB and NumPy are behind it
    from fleetfold_child.index import Collection

__all__ = ["Opening", "open_or_recover", "record"]

log = structlog.get_logger(__name__)

REMEDY = "restore it from a backup (`fleetfold backup restore`), or start with --new, and it begins empty"
REMEDY_OLDER = "restore a newer one (`fleetfold backup restore`), or start with --new, and it is taken as it is"
OLDER = "its table is an older one"
REFILLED = "it is filled again from its source; what actions have changed since is not in there"


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open one collection in `data`: by `begin`; `forget` makes its source be read again, if it has one."""

    name: str
    data: Path
    begin: Callable[[], Awaitable[Collection]]
    forget: Callable[[], None] | None
    new: bool = False

    @property
    def table(self) -> Path:
        """Folder of its table."""
        return self.data / "lance" / f"{self.name}.lance"


async def open_or_recover(opening: Opening, seen: CollectionLog) -> Collection | str:
    """Open a collection, or return why it cannot be, with the remedy. Raises `Unavailable` for the disk's errors."""
    reason = _lost(opening, seen)
    collection = None if reason else await _sound(opening, seen)
    if isinstance(collection, str) or collection is None:
        reason = reason or str(collection)
        if opening.forget is None and not opening.new:
            return f"{reason}; {REMEDY_OLDER if OLDER in reason else REMEDY}"
        collection = await _begin_anew(opening, reason)
    seen.remember(opening.name, Seen(collection.count, await collection.version()))
    return collection


async def record(collections: Mapping[str, Collection], seen: CollectionLog) -> None:
    """Record what open collections hold, before they are closed."""
    for name, collection in collections.items():
        try:
            seen.remember(name, Seen(collection.count, await collection.version()))
        except (OSError, FleetfoldError) as error:  # the next start finds an older record, which is true as well
            log.warning("collection.not_recorded", collection=name, reason=str(error))


def _lost(opening: Opening, seen: CollectionLog) -> str:
    known = seen.known(opening.name)
    if known is None or not known.documents or opening.table.exists():
        return ""
    return f"collection {opening.name}: its table is missing, with {known.documents:,} documents"


async def _sound(opening: Opening, seen: CollectionLog) -> Collection | str:
    """Open a table that is there; return what is wrong with it if it is damaged."""
    from fleetfold_child.index import DamagedTable

    try:
        collection = await opening.begin()
    except DamagedTable as error:
        return error.message
    known, version = seen.known(opening.name), await collection.version()
    if known is None or version >= known.version:
        return collection
    if opening.new and opening.forget is None:
        log.warning("collection.older", collection=opening.name, version=version, it_was=known.version)
        return collection
    await collection.close()
    return f"collection {opening.name}: {OLDER} (version {version}, it was {known.version})"


async def _begin_anew(opening: Opening, reason: str) -> Collection:
    if opening.forget is not None:
        opening.forget()  # first: else a death between the two would leave it empty, and its source unread
    moved_to = set_aside(opening.table)
    then = REFILLED if opening.forget is not None else "it begins empty"
    log.error(
        "collection.damaged", collection=opening.name, reason=reason, moved_to=moved_to and str(moved_to), then=then
    )
    return await opening.begin()
