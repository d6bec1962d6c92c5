"""The node's check of seals: refuses what no master has sealed, and learns new keys when the fleet's are replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.identity import BrokerKeys, seal_check
from fleetfold_broker.identity.message_seals import MasterSeals
from fleetfold_broker.identity.seal_check import NOT_SEALED, SealCheck
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import Forbidden, Unavailable

OLD, NEW = (MasterSeals(BrokerKeys.generate().issuer) for _ in range(2))
CALL, BODY = "fleet.call.shop.cancel", b"{}"


class Node:
    """A node's check. `asked` counts how often it has asked for keys; it is told those of `master`, if any answers."""

    def __init__(self, master: MasterSeals | None) -> None:
        self.master, self.asked = master, 0
        self.end_minute: Callable[[], object] = lambda: None
        self.check = SealCheck(Subjects(), self._ask, self._later)

    def _later(self, _seconds: float, end: Callable[..., object], *args: object) -> None:
        self.end_minute = partial(end, *args)

    async def _ask(self) -> None:
        self.asked += 1
        if self.master is None:
            raise Unavailable("no master answers")
        self.check.trust(self.master.keys("shop"))

    async def takes(self, master: MasterSeals | None, subject: str = CALL) -> bool:
        """Whether it takes what `master` has sealed, or nobody."""
        broadcast = subject.startswith("fleet.ask.")
        headers = None
        if master is not None:
            sealed = master.sealed_for_all(subject, BODY, {}) if broadcast else None
            headers = sealed or master.sealed("shop", subject, BODY, {})
        try:
            await self.check.check(subject, BODY, headers)
        except Forbidden as error:
            return NOT_SEALED not in error.message
        return True


@pytest.fixture
def node() -> Node:
    node = Node(None)
    node.check.trust(OLD.keys("shop"))
    return node


@pytest.mark.parametrize("subject", [CALL, "fleet.ask.search", "fleet.cmd.shop"])
async def test_only_what_a_master_of_this_fleet_has_sealed_is_taken(node: Node, subject: str) -> None:
    assert await node.takes(OLD, subject)
    assert not await node.takes(NEW, subject)
    assert not await node.takes(None, subject)


async def test_a_nodes_own_key_makes_no_broadcast(node: Node) -> None:
    with pytest.raises(Forbidden):
        await node.check.check("fleet.ask.search", BODY, OLD.sealed("shop", "fleet.ask.search", BODY, {}))


async def test_when_the_keys_are_replaced_it_learns_the_new_ones(node: Node) -> None:
    node.master = NEW
    assert await asyncio.gather(*(node.takes(NEW) for _ in range(20))) == [True] * 20
    assert node.asked == 1
    assert not await node.takes(OLD)


async def test_forgeries_do_not_make_it_ask_all_the_time(node: Node) -> None:
    node.master = OLD
    assert await asyncio.gather(*(node.takes(None) for _ in range(50))) == [False] * 50
    assert node.asked == 1
    assert await node.takes(OLD)


async def test_it_asks_again_after_a_while(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal_check, "ASKED_EVERY_S", 0.0)
    assert not await node.takes(NEW)
    node.master = NEW
    assert await node.takes(NEW)


async def test_what_is_refused_is_one_line_a_minute_and_the_number_of_the_rest(node: Node) -> None:
    with capture_logs() as lines:
        for _ in range(21):
            await node.takes(None)
        node.end_minute()
    assert [(line["event"], line["subject"], line.get("more")) for line in lines] == [
        ("seal.refused", CALL, None), ("seal.refused", CALL, 20),
    ]  # fmt: skip


async def test_as_an_interceptor_it_passes_on_what_is_sealed_and_nothing_else(node: Node) -> None:
    passed: list[str] = []

    async def note(call: Call) -> None:
        passed.append(call.verb)

    sealed = OLD.sealed("shop", CALL, BODY, {})
    await node.check(Call(verb="sealed", subject=CALL, body=BODY, headers=sealed), note)
    with pytest.raises(Forbidden, match=NOT_SEALED):
        await node.check(Call(verb="forged", subject=CALL, body=BODY), note)
    assert passed == ["sealed"]


async def test_where_masters_seal_nothing_everything_is_taken() -> None:
    node = Node(None)
    node.check.trust(None)
    assert await node.takes(None)
    assert node.asked == 0


async def test_a_master_of_an_older_release_does_not_open_it_again(node: Node) -> None:
    node.check.trust(None)
    assert not await node.takes(None)
