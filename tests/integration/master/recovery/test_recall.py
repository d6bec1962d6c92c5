"""What a master believes of the marks that a node returns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.message_seals import MasterSeals, is_marked
from fleetfold_master.cluster.membership import Membership
from fleetfold_master.recovery import Recall
from fleetfold_master.recovery import restoration_rows as rows
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.messages import LedgerMark, LedgerRequest, LedgerVerdicts, MasterMark, RecalledCommand

MINE = MasterMark("me", 1)
SEALS = MasterSeals(BrokerKeys.generate().issuer)


class Node:
    """A node that says what it is told to say."""

    def __init__(self, store: Store) -> None:
        self.marks: list[MasterMark] = []
        self.commands: list[RecalledCommand] = []
        self.recall = Recall(store, self._ask, partial(is_marked, SEALS))

    async def _ask(self, _node: str, ask: LedgerRequest) -> LedgerVerdicts:
        commands = self.commands if ask.since else []
        return LedgerVerdicts(mark=LedgerMark("g", 1), kept_s=1.0, marks=self.marks, commands=commands)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/master.db")
    yield opened
    await opened.close()


@pytest.fixture
def node(store: Store) -> Node:
    return Node(store)


async def test_a_loss_that_a_node_makes_up_is_not_believed(node: Node) -> None:
    node.marks = [MasterMark("m9", 7), SEALS.mark("blog", MasterMark("m8", 7))]
    assert (await node.recall.of("shop", MINE, old=False)).lost == ""
    node.marks = [SEALS.mark("shop", MasterMark("m9", 7))]
    assert "heard the master m9" in (await node.recall.of("shop", MINE, old=False)).lost


async def test_a_master_that_is_at_work_is_no_sign_of_an_old_copy(store: Store, node: Node) -> None:
    membership = Membership(store, ManualClock(), "seat")
    await membership.join()
    for _ in range(3):
        await membership.beat()
    node.marks = [SEALS.mark("shop", membership.mark)]
    told = await node.recall.of("shop", MINE, old=False)
    assert (membership.mark.height, told.lost) == (3, "")


async def test_a_mark_of_a_command_is_good_for_this_command_only(store: Store, node: Node) -> None:
    membership = Membership(store, ManualClock(), "seat")
    await membership.join()
    mark = SEALS.mark("shop", replace(membership.mark, command="j.j1.shop"))
    node.marks = [mark]
    node.commands = [RecalledCommand(id="j.j2.shop", action="do", mark=replace(mark, command="j.j2.shop"))]
    assert (await node.recall.of("shop", MINE, old=False)).lost == ""
    node.commands = [RecalledCommand(id="j.j1.shop", action="do", mark=mark)]
    assert "has the command j.j1.shop" in (await node.recall.of("shop", MINE, old=False)).lost


async def test_what_a_node_was_asked_for_is_no_sign_again(store: Store, node: Node) -> None:
    node.marks = [SEALS.mark("shop", MasterMark("m9", 7))]
    told = await node.recall.of("shop", MINE, old=True)
    await rows.store_asked(store, "shop", told.marks, told.facts, told.younger)
    assert (await node.recall.of("shop", MINE, old=False)).lost == ""
    node.marks = [SEALS.mark("blog", MasterMark("m9", 7))]
    assert "heard the master m9" in (await node.recall.of("blog", MINE, old=False)).lost
