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
from support.served_api import ServedApi, open_served_api


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with open_served_api(tmp_path) as served:
        served.people["ann"] = Principal("ann", "operator")
        served.people["bob"] = Principal("bob", "operator", Scopes(nodes=["shop-*"], actions=["refund"]))
        yield served


def put(name: str, node: str, action: str = "refund", *, dry_run: bool = False) -> DefinitionPut:
    steps = [StepSpec(name="pay", node=node, action=action)]
    return DefinitionPut(definition=Definition(name=name, steps=steps), dry_run=dry_run)


async def test_a_narrowed_caller_sees_and_changes_what_is_wholly_in_its_scope(served: ServedApi) -> None:
    for name, node in (("at_the_shop", "shop-1"), ("at_the_blog", "blog")):
        await served.ask("ann", "definitions.put", put(name, node))
    listed = await served.ask("bob", "definitions.list", DefinitionList())
    assert [one.name for one in listed.definitions] == ["at_the_shop"]
    for verb, ask in (
        ("definitions.get", DefinitionGet(name="at_the_blog")),
        ("definitions.remove", DefinitionRemove(name="at_the_blog")),
        ("definitions.put", put("at_the_blog", "shop-1")),
        ("definitions.put", put("another", "blog")),
        ("definitions.put", put("another", "shop-1", "cancel_order")),
    ):
        with pytest.raises(Forbidden):
            await served.ask("bob", verb, ask)
    assert (await served.ask("bob", "definitions.put", put("another", "shop-1"))).version == 1


async def test_what_is_kept_and_removed_is_in_the_audit_log_and_what_is_checked_is_not(served: ServedApi) -> None:
    await served.ask("ann", "definitions.put", put("pay", "blog", dry_run=True))
    assert served.log.entries == []
    await served.ask("ann", "definitions.put", put("pay", "blog"))
    await served.ask("ann", "definitions.remove", DefinitionRemove(name="pay"))
    assert [(entry.what, entry.node, entry.target) for entry in served.log.written] == [
        ("definitions.put", "blog", "pay@1"), ("definitions.remove", "", "pay"),
    ]  # fmt: skip
