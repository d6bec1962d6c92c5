"""The store of named transactions. A stored version is immutable: other content is another version."""

from __future__ import annotations

from msgspec.structs import replace

from fleetfold_master.definitions import rows
from fleetfold_master.definitions.expansion import check_inputs, check_schema, expand, unused
from fleetfold_master.store.database import Store
from fleetfold_master.transactions.validation import Lookup, check_action, check_order, check_results
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError, InvalidInput, NotFound
from fleetfold_shared.messages import ActionInfo, Definition, DefinitionRecord, DefinitionStored, Transact

__all__ = ["Definitions"]


class Definitions:
    """Named transactions. `lookup` is the registry."""

    def __init__(self, store: Store, clock: Clock, lookup: Lookup) -> None:
        self._store, self._clock, self._lookup = store, clock, lookup

    async def put(self, definition: Definition, by: str, *, dry_run: bool = False) -> DefinitionStored:
        """Store as the next version, if it differs from the newest. Raises `InvalidInput` if it can never run."""
        warnings = self._check(definition)
        while True:
            last = await rows.newest(self._store, definition.name, removed=True)
            fresh = last is None or last["digest"] != rows.digest_of(definition)
            version = (last["version"] if last is not None else 0) + fresh
            if dry_run or await self._keep(definition, version, by, fresh=fresh):
                return DefinitionStored(name=definition.name, version=version, fresh=fresh, warnings=warnings)

    async def get(self, name: str, version: int | None = None) -> DefinitionRecord:
        """This version, even if removed, or the newest that is not removed. Raises `NotFound`."""
        found = await (rows.newest(self._store, name) if version is None else rows.one(self._store, name, version))
        if found is None:
            shown = name if version is None else f"{name}@{version}"
            raise NotFound(f"name: there is no definition {shown!r}; list them with `definitions list`", field="name")
        return rows.record(found)

    async def newest(self) -> list[DefinitionRecord]:
        """The newest version of each, by name."""
        return await rows.newest_of_all(self._store)

    async def remove(self, name: str) -> int:
        """Remove all versions. Returns their number. Raises `NotFound`."""
        await self.get(name)
        return await self._store.write(rows.remove(name, self._clock.wall()))

    async def expand(self, ask: Transact) -> Transact:
        """Expand the named transaction of `ask`: inputs filled in, and `definition` with its version.

        Raises `NotFound` for an unknown definition, `InvalidInput` for inputs that do not fit.
        """
        if ask.definition is not None:
            return await self._of_definition(ask, ask.definition)
        if not ask.steps:
            raise InvalidInput("steps: there are none; give steps, or the name of a definition", field="steps")
        if not ask.inputs:
            return ask
        for name in unused(ask.steps, ask.inputs):
            raise InvalidInput(f"inputs.{name}: no step takes it", field=f"inputs.{name}")
        return replace(ask, steps=expand(ask.steps, ask.inputs), inputs={})

    async def _of_definition(self, ask: Transact, named: str) -> Transact:
        if ask.steps:
            raise InvalidInput("definition: give steps, or the name of a definition, not both", field="definition")
        name, _, version = named.partition("@")
        record = await self.get(name, int(version) if version else None)
        if record.removed_at is not None:
            raise NotFound(f"definition: {named!r} was removed; put it again to run it", field="definition")
        definition = record.definition
        return replace(
            ask, steps=expand(definition.steps, check_inputs(definition, ask.inputs)), name=ask.name or name,
            timeout_s=definition.within_s if ask.timeout_s is None else ask.timeout_s,
            definition=f"{name}@{record.version}", inputs={},
        )  # fmt: skip

    def _check(self, definition: Definition) -> list[str]:
        """Warnings of what the present fleet would reject. Raises `InvalidInput` for what no fleet accepts."""
        check_schema(definition)
        check_order(definition.steps, definition.inputs)
        warnings, actions = [], dict[str, ActionInfo]()
        for step in definition.steps:
            try:
                actions[step.name] = check_action(step, self._lookup)
            except FleetfoldError as error:
                warnings.append(error.message)
        for step in definition.steps:
            check_results(step, actions)
        return warnings

    async def _keep(self, definition: Definition, version: int, by: str, *, fresh: bool) -> bool:
        """Insert a version. Returns False if that number has just been taken."""
        if fresh:
            return await self._store.claim(rows.claim(definition, version, by, self._clock.wall()))
        await self._store.write(rows.put_back(definition.name, version))
        return True
