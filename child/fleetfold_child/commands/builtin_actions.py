"""Built-in actions of every node with collections: `index`, `delete`, `update` and `sync`.

All are idempotent: run twice with the same parameters, they leave the collection the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from fleetfold_child.commands.actions import Action, action
from fleetfold_child.commands.context import Context
from fleetfold_shared.errors import InvalidInput

__all__ = ["Sync", "builtin_actions", "no_source"]


class Sync(Protocol):
    """Makes a collection equal to its source, by the collection's name; returns a report."""

    def __call__(self, name: str, *, strict: bool, force: bool) -> Awaitable[object]: ...


LONG_S = 3600.0


class Indexed(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many documents were taken, and how many of them were new or different.

    `left_out` could not be taken, `repeated` replaced an earlier one of the same id, `without_text` are found by
    filters alone; `notes` says which. These are absent where there is nothing to say.
    """

    taken: int
    changed: int
    left_out: int = 0
    repeated: int = 0
    without_text: int = 0
    notes: list[str] = []


class Removed(msgspec.Struct, frozen=True):
    """How many of the documents were there."""

    removed: int


class Updated(msgspec.Struct, frozen=True):
    """The document that was changed."""

    id: str


@action(timeout=LONG_S)
async def index(ctx: Context, collection: str, documents: list[dict[str, Any]], strict: bool = False) -> Indexed:
    """Add documents to a collection, or replace those of the same id. With `strict` all of them, or none."""
    report: Any = await ctx.collection(collection).index(documents, leave_out=not strict)
    return Indexed(report.taken, report.changed, report.left_out, report.repeated, report.without_text, report.notes)


@action(timeout=LONG_S)
async def delete(ctx: Context, collection: str, ids: list[str]) -> Removed:
    """Remove documents from a collection by their ids."""
    return Removed(await ctx.collection(collection).delete(ids))


@action
async def update(ctx: Context, collection: str, id: str, fields: dict[str, Any]) -> Updated:
    """Change some fields of one document."""
    await ctx.collection(collection).update(id, fields)
    return Updated(id)


def builtin_actions(sync_collection: Sync, sourced: Callable[[], Sequence[str]]) -> list[Action[Any, Any]]:
    """Return the four built-in actions; `sync_collection` syncs one collection, `sourced` lists those that have a
    source.
    """

    @action(timeout=LONG_S)
    async def sync(ctx: Context, collection: str | None = None, strict: bool = False, force: bool = False) -> Any:
        """Make a collection, or without its name all of them, equal to the source: add, change and remove.

        With `strict` a bad record refuses the whole source. With `force` documents that have not changed are written
        again too. The report of one collection; of all of them, their reports by name.
        """
        if collection is not None:
            ctx.collection(collection)
            return await sync_collection(collection, strict=strict, force=force)
        if not (names := sourced()):
            raise InvalidInput("collection: none here has a source to sync with; declare one", field="collection")
        return {name: await sync_collection(name, strict=strict, force=force) for name in names}

    return [index, delete, update, sync]


def no_source(collection: str) -> InvalidInput:
    """Return the error for a collection that was declared without a source."""
    return InvalidInput(f"collection: {collection!r} has no source to sync with; declare one", field="collection")
