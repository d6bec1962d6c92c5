"""Who sees and keeps which definitions, and what the audit log gets to know of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_master.access.authorizer import Principal
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import (
    Definition,
    DefinitionGet,
    DefinitionList,
    DefinitionPut,
    DefinitionRemove,
    Scopes,
    StepSpec,
)
from support.desk import Desk, open_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        desk.people["ann"] = Principal("ann", "operator")
        desk.people["bob"] = Principal("bob", "operator", Scopes(nodes=["shop-*"], actions=["refund"]))
        yield desk


def put(name: str, node: str, action: str = "refund", *, dry_run: bool = False) -> DefinitionPut:
    steps = [StepSpec(name="pay", node=node, action=action)]
    return DefinitionPut(definition=Definition(name=name, steps=steps), dry_run=dry_run)


async def test_a_narrowed_caller_sees_and_changes_what_is_wholly_in_its_scope(desk: Desk) -> None:
    for name, node in (("at_the_shop", "shop-1"), ("at_the_blog", "blog")):
        await desk.ask("ann", "definitions.put", put(name, node))
    listed = await desk.ask("bob", "definitions.list", DefinitionList())
    assert [one.name for one in listed.definitions] == ["at_the_shop"]
    for verb, ask in (
        ("definitions.get", DefinitionGet(name="at_the_blog")),
        ("definitions.remove", DefinitionRemove(name="at_the_blog")),
        ("definitions.put", put("at_the_blog", "shop-1")),
        ("definitions.put", put("another", "blog")),
        ("definitions.put", put("another", "shop-1", "cancel_order")),
    ):
        with pytest.raises(Forbidden):
            await desk.ask("bob", verb, ask)
    assert (await desk.ask("bob", "definitions.put", put("another", "shop-1"))).version == 1


async def test_what_is_kept_and_removed_is_in_the_audit_log_and_what_is_checked_is_not(desk: Desk) -> None:
    await desk.ask("ann", "definitions.put", put("pay", "blog", dry_run=True))
    assert desk.log.entries == []
    await desk.ask("ann", "definitions.put", put("pay", "blog"))
    await desk.ask("ann", "definitions.remove", DefinitionRemove(name="pay"))
    assert [(entry.what, entry.node, entry.target) for entry in desk.log.written] == [
        ("definitions.put", "blog", "pay@1"), ("definitions.remove", "", "pay"),
    ]  # fmt: skip
