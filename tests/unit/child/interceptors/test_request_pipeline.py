"""The pipeline of requests to a node: what each of its steps keeps from those after it."""

from __future__ import annotations

import pytest

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.message_seals import MasterSeals
from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.rpc.pipeline import MESSAGE, Call, compose
from fleetfold_broker.subjects import Subjects
from fleetfold_child.interceptors import request_interceptors
from fleetfold_shared.errors import Forbidden, InvalidInput
from fleetfold_shared.messages import CancelRequest, Message, NodeRemoved, encode

MASTER = MasterSeals(BrokerKeys.generate().issuer)
SUBJECT = "fleet.call.shop.cancel"
CANCEL = encode(CancelRequest(ids=["a"], by="ann"))


class _Node:
    """A node that is asked. `asked` are the messages that its handler got, `keys_asked` how often it wanted keys."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.keys_asked = 0
        self._seals = SealCheck(Subjects(), self._ask_for_keys)
        self._seals.trust(MASTER.keys("shop"))

    async def _ask_for_keys(self) -> None:
        self.keys_asked += 1

    async def _handle(self, call: Call) -> Message:
        self.asked.append(call.get(MESSAGE))
        return NodeRemoved(node="shop")

    async def ask(self, body: bytes, *, sealed: bool = True) -> Message | None:
        headers = MASTER.sealed("shop", SUBJECT, body, {}) if sealed else {}
        handle = compose(request_interceptors(self._seals), self._handle)
        return await handle(Call(verb="cancel", subject=SUBJECT, body=body, headers=headers))


@pytest.fixture
def node() -> _Node:
    return _Node()


async def test_a_handler_gets_the_message_that_its_verb_takes(node: _Node) -> None:
    assert await node.ask(CANCEL) == NodeRemoved(node="shop")
    assert node.asked == [CancelRequest(ids=["a"], by="ann")]


@pytest.mark.parametrize("body", [CANCEL, b"{broken"])
async def test_what_no_master_has_sealed_is_refused_before_it_is_decoded(node: _Node, body: bytes) -> None:
    with pytest.raises(Forbidden):
        await node.ask(body, sealed=False)
    assert not node.asked


async def test_what_its_verb_does_not_take_is_refused_before_the_handler(node: _Node) -> None:
    with pytest.raises(InvalidInput) as refused:
        await node.ask(b'{"ids":7,"by":"ann"}')
    assert (refused.value.field, node.asked) == ("ids", [])


async def test_what_has_no_body_is_dropped_before_its_seal_is_missed(node: _Node) -> None:
    assert await node.ask(b"", sealed=False) is None
    assert (node.asked, node.keys_asked) == ([], 0)
