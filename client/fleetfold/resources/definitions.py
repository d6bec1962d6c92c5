"""Definitions, transactions stored by name: `fleet.definitions`."""

from __future__ import annotations

import builtins

from fleetfold.caller import Caller
from fleetfold.transaction_builder import Transaction
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    Definition,
    DefinitionGet,
    DefinitionInfo,
    DefinitionList,
    DefinitionPut,
    DefinitionRecord,
    DefinitionRemove,
    DefinitionStored,
)

__all__ = ["Definitions"]


class Definitions:
    """Transactions that are stored by name, in versions."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def put(self, definition: Definition | Transaction, *, dry_run: bool = False) -> DefinitionStored:
        """Store a definition; content that differs from its newest version is a new version. `dry_run` only checks it.

        `warnings` name what the fleet in its present state would refuse. Raises `InvalidInput` for what can never run.
        """
        given = definition.definition() if isinstance(definition, Transaction) else definition
        return await self._caller.ask(verbs.definitions.PUT, DefinitionPut(definition=given, dry_run=dry_run))

    async def get(self, name: str, version: int | None = None) -> DefinitionRecord:
        """Get one version of a definition, by default its newest. Raises `NotFound`."""
        return await self._caller.ask(verbs.definitions.GET, DefinitionGet(name=name, version=version))

    async def list(self) -> builtins.list[DefinitionInfo]:
        """List the newest version of each definition, by name."""
        return (await self._caller.ask(verbs.definitions.LIST, DefinitionList())).definitions

    async def remove(self, name: str) -> int:
        """Remove all versions of a definition. Returns their number. Running transactions continue."""
        return (await self._caller.ask(verbs.definitions.REMOVE, DefinitionRemove(name=name))).versions
