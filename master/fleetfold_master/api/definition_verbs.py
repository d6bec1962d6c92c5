"""`definitions.<verb>`: storing, showing and deleting named transactions."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import check_steps
from fleetfold_master.api.audit_target import AuditSubject, named
from fleetfold_master.api.binding import Binding
from fleetfold_master.definitions import Definitions
from fleetfold_shared import verbs
from fleetfold_shared.errors import Forbidden, NotFound
from fleetfold_shared.messages import (
    DefinitionGet,
    DefinitionInfo,
    DefinitionList,
    DefinitionListed,
    DefinitionPut,
    DefinitionRecord,
    DefinitionRemove,
    DefinitionRemoved,
    DefinitionStored,
)

__all__ = ["DefinitionVerbs"]


class DefinitionVerbs:
    """The handlers. A caller with scopes sees and changes only definitions that are wholly in scope."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.definitions.PUT, self._put, _touches_put),
            Binding(verbs.definitions.GET, self._get),
            Binding(verbs.definitions.LIST, self._list),
            Binding(verbs.definitions.REMOVE, self._remove, _touches_removed),
        )

    async def _put(self, ask: DefinitionPut, who: Principal) -> DefinitionStored:
        check_steps(ask.definition.steps, who)
        with suppress(NotFound):  # it does not exist yet
            _check_visible(await self._definitions.get(ask.definition.name), who)
        return await self._definitions.put(ask.definition, who.name, dry_run=ask.dry_run)

    async def _get(self, ask: DefinitionGet, who: Principal) -> DefinitionRecord:
        return _check_visible(await self._definitions.get(ask.name, ask.version), who)

    async def _list(self, ask: DefinitionList, who: Principal) -> DefinitionListed:
        seen = [record for record in await self._definitions.newest() if _visible(record, who)]
        return DefinitionListed(definitions=[_info(record) for record in seen[: ask.limit]])

    async def _remove(self, ask: DefinitionRemove, who: Principal) -> DefinitionRemoved:
        _check_visible(await self._definitions.get(ask.name), who)
        return DefinitionRemoved(name=ask.name, versions=await self._definitions.remove(ask.name))


def _visible(record: DefinitionRecord, who: Principal) -> bool:
    return all(who.may_node(step.node) for step in record.definition.steps)


def _check_visible(record: DefinitionRecord, who: Principal) -> DefinitionRecord:
    if not _visible(record, who):
        raise Forbidden(f"name: {record.definition.name!r} is not for {who.name!r} to see", field="name")
    return record


def _info(record: DefinitionRecord) -> DefinitionInfo:
    definition = record.definition
    return DefinitionInfo(
        name=definition.name, version=record.version, about=definition.about, inputs=list(definition.inputs),
        nodes=sorted({step.node for step in definition.steps}), steps=len(definition.steps),
        created_at=record.created_at, created_by=record.created_by,
    )  # fmt: skip


def _touches_put(ask: DefinitionPut, stored: DefinitionStored | None) -> AuditSubject | None:
    if ask.dry_run:
        return None
    definition = ask.definition
    target = definition.name if stored is None else f"{definition.name}@{stored.version}"
    return AuditSubject(named((step.node for step in definition.steps), whole=False), target)


def _touches_removed(ask: DefinitionRemove, _removed: DefinitionRemoved | None) -> AuditSubject:
    return AuditSubject(target=ask.name[:63])
