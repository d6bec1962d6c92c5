"""Client calls about definitions: stored transactions, run by name."""

from __future__ import annotations

from fleetfold.caller import Caller
from fleetfold.transaction_builder import Transaction
from fleetfold_shared.messages import (
    Definition,
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

__all__ = ["DefinitionCalls"]


class DefinitionCalls(Caller):
    """Definitions."""

    async def put_definition(self, definition: Definition | Transaction, *, dry_run: bool = False) -> DefinitionStored:
        """Keep it; other content than that of its newest version is a new version. With `dry_run` it is only checked.

        `warnings` say what the fleet would refuse as it is now. `InvalidInput` for what can never run.
        """
        given = definition.definition() if isinstance(definition, Transaction) else definition
        return await self._ask("definitions.put", DefinitionPut(definition=given, dry_run=dry_run), DefinitionStored)

    async def definition(self, name: str, version: int | None = None) -> DefinitionRecord:
        """One version of a definition, or its newest."""
        return await self._ask("definitions.get", DefinitionGet(name=name, version=version), DefinitionRecord)

    async def definitions(self) -> list[DefinitionInfo]:
        """The newest version of each definition, by name."""
        return (await self._ask("definitions.list", DefinitionList(), DefinitionListed)).definitions

    async def remove_definition(self, name: str) -> int:
        """Take all its versions away; how many there were. Transactions that run go on."""
        return (await self._ask("definitions.remove", DefinitionRemove(name=name), DefinitionRemoved)).versions
