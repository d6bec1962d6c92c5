"""A node for the demo's actions: a real database file, collections that are dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fleetfold_child.commands.actions import Action
from fleetfold_child.commands.context import Context
from fleetfold_child.ledger.file_identity import NodeFile
from fleetfold_child.ledger.node_database import NodeDatabase, Transaction, open_writer
from fleetfold_shared.errors import NotFound

__all__ = ["DemoNode", "DictDocuments"]


class DictDocuments:
    """A collection without search."""

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self.by_id = {record["id"]: dict(record) for record in records}

    async def index(self, records: Iterable[Mapping[str, Any]]) -> None:
        self.by_id.update({record["id"]: dict(record) for record in records})

    async def update(self, document_id: str, fields: Mapping[str, Any], /) -> None:
        (await self.get(document_id)).update(fields)

    async def delete(self, ids: Iterable[str]) -> int:
        return sum(self.by_id.pop(one, None) is not None for one in ids)

    async def get(self, document_id: str, /) -> dict[str, Any]:
        if document_id not in self.by_id:
            raise NotFound(document_id)
        return self.by_id[document_id]


class DemoNode:
    """Runs actions as the executor does: parameters decoded, a transaction committed unless the action raises."""

    def __init__(self, directory: Path, **collections: DictDocuments) -> None:
        self.collections = collections
        self._writer = open_writer(NodeFile(directory / "node.db"))
        self.db = NodeDatabase(self._writer)

    async def run(self, action: Action[Any, Any], key: str = "k1", **params: Any) -> Any:
        typed = action.parameters.decode(params)
        if action.info.kind != "transactional":
            return await action.run(self._context(key, db=self.db), typed)
        async with Transaction(self._writer) as tx:
            result = await action.run(self._context(key, tx=tx), typed)
            await tx.commit(lambda connection: None)
        return result

    async def close(self) -> None:
        await self._writer.close()

    def _context(self, key: str, **databases: Any) -> Context:
        return Context(node="demo", command_id=key, collections=self.collections, **databases)
