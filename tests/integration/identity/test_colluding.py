"""Two stolen credentials of one owner open nothing that neither opens alone.

The server checks no reply subject: one may name any, and another that hears it might answer there. Every identity is
tried with every other, over every subject that it may publish.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from itertools import product
from typing import Any

import pytest
import pytest_asyncio

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.server.embedded import EmbeddedBroker
from support.broker import listen
from support.guarded import Guarded
from support.identities import IDENTITIES, TARGETS, admit, concrete, hears, may_say, says
from support.inprocess import Fleet, fleet
from support.intruder import Intruder, credentials

__all__ = ["fleet"]

FORGED = b"forged"
AIMED = ("_INBOX.victim.01x.1", "_INBOX.blog.01x.1", "fleet.hb.victim", "fleet.cmd.victim")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybody(
    nats_server: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[dict[str, Intruder], list[Any]]]:
    """A connection of each identity, which hears all that it may; and what masters hear."""
    keys = BrokerKeys.generate()
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"), identity=keys.public)
    await broker.start()
    guarded = Guarded(broker, keys)
    await guarded.callout(admit)
    masters = await listen(await guarded.master(), ">")
    async with AsyncExitStack() as open_:
        connected: dict[str, Intruder] = {}
        for name, grant in IDENTITIES.items():
            intruder = await Intruder.connect(broker.url, name, "a token", inbox=grant.inbox or name)
            connected[name] = await open_.enter_async_context(intruder)
            for subject, queue in hears(grant):
                assert await connected[name].hear(subject, queue) == []
        yield connected, masters
    await guarded.close()
    await broker.stop()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", IDENTITIES)
async def test_nobody_may_answer_where_another_has_aimed_a_request(
    everybody: tuple[dict[str, Intruder], list[Any]], name: str
) -> None:
    connected, masters = everybody
    for heard in (masters, *(each.heard for each in connected.values())):
        heard.clear()
    allowed = list[str]()
    for subject in map(concrete, says(IDENTITIES[name])):
        for target in TARGETS:
            await connected[name].client.publish(subject, b"aimed", reply=target)
        await _settled(connected[name])
        others = [other for other in IDENTITIES if other != name]
        taken = await asyncio.gather(*(_answer(connected[other], other) for other in others))
        allowed += [f"{name} on {subject}, {answer}" for each in taken for answer in each]
    assert allowed == []
    arrived = [message for each in connected.values() for message in each.heard] + masters
    assert [message.subject for message in arrived if message.data == FORGED] == []


async def _answer(answerer: Intruder, name: str) -> list[str]:
    """What `name` was let say of what it may not say by itself."""
    grant = IDENTITIES[name]
    targets = [target for target in TARGETS if not may_say(grant, target)]
    answerer.refusals.clear()
    for target in targets:
        await answerer.client.publish(target, FORGED)
    await _settled(answerer)
    refused = " ".join(answerer.refusals).lower()
    return [f"{name} on {target}" for target in targets if f'"{target.lower()}"' not in refused]


async def _settled(intruder: Intruder) -> None:
    """The server has processed what was said, and its answers are here."""
    await intruder.client.flush()
    await asyncio.sleep(0)
    await intruder.client.flush()


async def test_no_identity_can_aim_the_masters_word_at_another(fleet: Fleet) -> None:
    """Each subject that one may publish, with a body that is answered, and another's inbox for the answer."""
    async with AsyncExitStack() as open_, fleet.masters_bus() as master:
        connected = await _members(fleet, open_)
        everything = await listen(master, "_INBOX.>")
        for name, intruder in connected.items():
            for subject, target in product(map(concrete, _asked(name)), AIMED):
                if name not in target.split("."):
                    await intruder.client.publish(subject, b"{}", reply=target)
            await _settled(intruder)
            assert (await fleet.client.access.whoami()).name == "tester"  # the master has come to what was said before
        await master.connection.barrier()
        for intruder in connected.values():
            await _settled(intruder)
        aimed = [message for message in everything if message.subject.endswith(".01x.1")]
        assert [(message.subject, message.data) for message in aimed] == []
        assert [message.subject for message in connected["victim"].heard if message.subject.endswith(".01x.1")] == []


def _asked(name: str) -> Iterable[str]:
    """The patterns that it may publish, and each verb of the API that answers to an empty body."""
    verbs = ("access.whoami", "nodes.list", "nodes.join", "jobs.list", "keys.list", "nodes.stats")
    yield from (f"fleet.api.{name}.{verb}" for verb in verbs)
    grant = next((grant for grant in IDENTITIES.values() if grant.name == name), None)
    yield from () if grant is None else says(grant)


async def _members(fleet: Fleet, open_: AsyncExitStack) -> dict[str, Intruder]:
    """Real ones of each role, and two nodes whose credentials are in the wrong hands."""
    connected: dict[str, Intruder] = {}
    roles = {"victim": "admin", "ada": "admin", "olga": "operator", "rita": "reader", "paul": "publisher"}
    tokens = {name: await fleet.new_key(name, role) for name, role in roles.items()}  # type: ignore[arg-type]
    for child in ("shop", "blog"):
        await fleet.start_child(child)
        tokens[child] = credentials(fleet.place / child)["access"]
    for name, token in tokens.items():
        intruder = await Intruder.connect(fleet.broker.url, name, token)
        connected[name] = await open_.enter_async_context(intruder)
        assert await connected[name].hear(f"_INBOX.{name}.>") == []
    return connected
