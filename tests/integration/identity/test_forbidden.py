"""A leaked child credential opens that child's own doors only: the server itself refuses the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from nats.errors import AuthorizationError
from nats.errors import Error as NatsError

from fleetfold_broker.bus import Bus
from fleetfold_shared.messages import Command, encode
from support.broker import jetstream, listen
from support.inprocess import Fleet, running_fleet
from support.intruder import Intruder, credentials
from support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAY = {
    "another's heartbeat": "fleet.hb.blog",
    "another's result": "fleet.res.blog",
    "another's progress": "fleet.prog.blog",
    "another's event": "fleet.evt.blog.order.placed",
    "another's gather answer": "fleet.gather.01x.blog",
    "a command to another": "fleet.cmd.blog",
    "a command to itself": "fleet.cmd.shop",
    "a delivery to another": "fleet.deliver.blog",
    "a delivery to itself": "fleet.deliver.shop",
    "a call to another": "fleet.call.blog.search",
    "a broadcast question": "fleet.ask.search",
    "that another's result is stored": "fleet.confirm.blog",
    "what another is told": "fleet.notify.blog.order.done",
    "an admin's request": "fleet.api.cli.nodes.remove",
    "another child's request": "fleet.api.blog.nodes.join",
    "a master's request": "fleet.api.master.nodes.remove",
    "another's refresh": "fleet.join.blog.refresh",
    "an enrolment of its own": "fleet.join.shop.enrol",
    "a join request": "fleet.join.shop.request",
    "an answer to another": "_INBOX.blog.01x.1",
    "an answer to a master, in another's stead": "_INBOX.master.01x.1",
    "a question to all services": "$SRV.PING",
    "JetStream: info": "$JS.API.INFO",
    "JetStream: make a stream": "$JS.API.STREAM.CREATE.MINE",
    "JetStream: change a stream": "$JS.API.STREAM.UPDATE.FLEET_CMD",
    "JetStream: purge the commands": "$JS.API.STREAM.PURGE.FLEET_CMD",
    "JetStream: delete the results": "$JS.API.STREAM.DELETE.FLEET_RES",
    "JetStream: read a stored command": "$JS.API.STREAM.MSG.GET.FLEET_CMD",
    "JetStream: read it directly": "$JS.API.DIRECT.GET.FLEET_CMD",
    "JetStream: make a consumer": "$JS.API.CONSUMER.CREATE.FLEET_CMD.mine",
    "JetStream: delete another's consumer": "$JS.API.CONSUMER.DELETE.FLEET_CMD.blog",
    "JetStream: reset another's consumer": "$JS.API.CONSUMER.RESET.FLEET_CMD.blog",
    "JetStream: pause its own consumer": "$JS.API.CONSUMER.PAUSE.FLEET_CMD.shop",
    "JetStream: give up another's command": "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.FLEET_CMD.blog",
    "JetStream: ack another's command": "$JS.ACK.FLEET_CMD.blog.1.1.1.1795247740699760169.0",
    "JetStream: ack the masters' results": "$JS.ACK.FLEET_RES.masters.1.1.1.1795247740699760169.0",
    "the system: who is connected": "$SYS.REQ.SERVER.PING.CONNZ",
    "the system: a kick": "$SYS.REQ.SERVER.PING.KICK",
    "an auth request of its own making": "$SYS.REQ.USER.AUTH",
}
HEAR = {
    "everything": (">", ""),
    "the whole fleet": ("fleet.>", ""),
    "another's deliveries": ("fleet.deliver.blog", ""),
    "another's deliveries, in its group": ("fleet.deliver.blog", "blog"),
    "its own deliveries, without its group": ("fleet.deliver.shop", ""),
    "another's calls": ("fleet.call.blog.>", "blog"),
    "commands": ("fleet.cmd.*", ""),
    "another's inbox": ("_INBOX.blog.>", ""),
    "all inboxes": ("_INBOX.>", ""),
    "the master's inbox": ("_INBOX.master.>", ""),
    "heartbeats": ("fleet.hb.*", ""),
    "results": ("fleet.res.*", ""),
    "progress": ("fleet.prog.*", ""),
    "events": ("fleet.evt.>", ""),
    "gather answers": ("fleet.gather.>", ""),
    "requests, to serve them in a master's stead": ("fleet.api.>", "masters"),
    "joins, to serve them in a master's stead": ("fleet.join.>", "masters"),
    "broadcasts in another's group": ("fleet.ask.>", "blog"),
    "broadcasts without its group": ("fleet.ask.>", ""),
    "questions to all services": ("$SRV.>", ""),
    "what another has stored": ("fleet.confirm.blog", ""),
    "what another is told": ("fleet.notify.blog.>", ""),
    "the masters' alerts": ("fleet.notify.master.>", ""),
    "the system": ("$SYS.>", ""),
    "auth requests": ("$SYS.REQ.USER.AUTH", "masters"),
    "JetStream": ("$JS.>", ""),
    "advisories": ("$JS.EVENT.>", ""),
}
REPLIES = (
    "fleet.cmd.blog", "fleet.res.blog", "fleet.hb.blog", "fleet.api.cli.nodes.list", "$JS.API.STREAM.DELETE.FLEET_EVT",
    "$JS.API.CONSUMER.DELETE.FLEET_CMD.blog", "$JS.API.CONSUMER.MSG.NEXT.FLEET_RES.masters",
)  # fmt: skip


HEARTBEAT = b'"description"'
"""What the other's own heartbeats have, which go on meanwhile, and no answer of the server's."""
OWN_ACK = "$JS.ACK.FLEET_CMD.shop.1.1.1.1795247740699760169.0"
MUST_SAY = (
    "fleet.hb.shop", "fleet.gather.01x.shop", "fleet.res.shop", "fleet.prog.shop", "fleet.evt.shop.order.placed",
    "fleet.join.shop.refresh", "fleet.api.shop.nodes.join", "fleet.api.shop.access.whoami",
)  # fmt: skip
MUST_HEAR = {
    "fleet.ask.>": "shop", "fleet.call.shop.>": "shop", "fleet.deliver.shop": "shop", "_INBOX.shop.>": "",
    "fleet.confirm.shop": "",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """A fleet of `shop`, whose credentials are in the wrong hands, and `blog`."""
    async with running_fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        await fleet.start_child("shop")
        await fleet.start_child("blog", {"posts": lambda: [{"id": "1", "title": "a tent", "content": "a tent"}]})
        yield fleet


@pytest_asyncio.fixture(loop_scope="module")
async def shop(two: Fleet) -> AsyncIterator[Intruder]:
    token = credentials(two.place / "shop")["access"]
    async with await Intruder.connect(two.broker.url, "shop", token) as intruder:
        yield intruder


@pytest.mark.parametrize("subject", SAY.values(), ids=SAY.keys())
async def test_the_server_refuses_to_let_it_say(shop: Intruder, subject: str) -> None:
    refused = await shop.say(subject, reply="_INBOX.shop.mine")
    assert len(refused) == 1
    assert "permissions violation for publish" in refused[0].lower()
    assert subject.lower() in refused[0].lower()


@pytest.mark.parametrize(("subject", "queue"), HEAR.values(), ids=HEAR.keys())
async def test_the_server_refuses_to_let_it_hear(shop: Intruder, subject: str, queue: str) -> None:
    refused = await shop.hear(subject, queue)
    assert len(refused) == 1
    assert "permissions violation for subscription" in refused[0].lower()
    assert subject.lower() in refused[0].lower()


async def test_a_trace_cannot_be_aimed_at_another(shop: Intruder) -> None:
    refused = await shop.say("fleet.hb.shop", Nats_Trace_Dest="fleet.deliver.blog")
    assert refused == ['nats: permissions violation for publish to "fleet.deliver.blog"']


@pytest.mark.parametrize("name", ["blog", "master", "cli"])
async def test_its_token_does_not_let_it_in_under_another_name(two: Fleet, name: str) -> None:
    token = credentials(two.place / "shop")["access"]
    with pytest.raises((NatsError, AuthorizationError), match="Authorization"):
        await Intruder.connect(two.broker.url, name, token)


async def test_a_key_pair_of_its_own_does_not_make_it_a_master(two: Fleet) -> None:
    import nkeys

    seed = nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER).decode()
    with pytest.raises((NatsError, AuthorizationError), match="Authorization"):
        await Intruder.connect(two.broker.url, "master", "", nkeys_seed_str=seed)


@pytest.mark.parametrize("reply", REPLIES)
async def test_no_reply_subject_makes_the_broker_do_or_say_something_for_it(
    two: Fleet, shop: Intruder, reply: str
) -> None:
    """JetStream answers an ack wherever it is told to; the answer does not leave the children's account."""
    async with two.masters_bus() as master:
        heard = await listen(master, ">")
        assert await shop.hear("fleet.deliver.shop", "shop") == []
        if "shop" in two.children:
            await two.stop_child("shop")
        await master.connection.publish("fleet.cmd.shop", encode(Command(id="a", attempt=1, action="x")))
        await eventually(lambda: bool(shop.heard))
        delivery = shop.heard[-1]
        heard.clear()
        await shop.say(delivery.reply, b"+ACK", reply=reply)
        await shop.say(delivery.reply, b"+NXT", reply=reply)
        await shop.say("fleet.res.shop", b"{}", reply=reply)
        await shop.say("fleet.evt.shop.a", b"{}", reply=reply)
        await master.connection.barrier()
        aimed = [message for message in heard if message.subject == reply and HEARTBEAT not in message.data]
        assert aimed == []
        assert await _streams(master) == {"FLEET_CMD", "FLEET_RES", "FLEET_EVT", "FLEET_DEAD"}
        assert (await jetstream(master, "CONSUMER.NAMES.FLEET_CMD"))["consumers"] == ["blog", "shop"]


async def test_what_is_aimed_at_another_child_is_empty_and_changes_nothing(two: Fleet, shop: Intruder) -> None:
    """All that can get through is an empty message of the server's, which nodes do not take for anything."""
    blog = two.children["blog"]._node
    assert blog is not None
    for reply in ("fleet.deliver.blog", "fleet.call.blog.superseded", "fleet.call.blog.join-again", "fleet.ask.search"):
        await shop.say(OWN_ACK, b"+ACK", reply=reply)
    assert not blog.stopped.is_set()
    assert (await two.client.search("tent", nodes=["blog"])).hits[0].id == "1"


async def test_the_master_answers_to_its_own_inbox_only(two: Fleet, shop: Intruder) -> None:
    async with two.masters_bus() as master:
        heard = await listen(master, "_INBOX.blog.>")
        assert await shop.say("fleet.api.shop.access.whoami", b"{}", reply="_INBOX.blog.stolen") == []
        assert await shop.say("fleet.join.shop.refresh", b"{}", reply="_INBOX.blog.stolen") == []
        await shop.hear("_INBOX.shop.>")
        await shop.say("fleet.api.shop.access.whoami", b"{}", reply="_INBOX.shop.mine")
        await eventually(lambda: any(message.subject == "_INBOX.shop.mine" for message in shop.heard))
        assert heard == []


async def test_the_api_is_no_admins_to_it(two: Fleet, shop: Intruder) -> None:
    await shop.hear("_INBOX.shop.>")
    for number, verb in enumerate(("nodes.remove", "actions.run", "search.query", "keys.create", "audit.list")):
        await shop.say(f"fleet.api.shop.{verb}", b'{"node":"blog"}', reply=f"_INBOX.shop.{number}")
    await eventually(lambda: len(shop.heard) == 5)
    assert all(b'"forbidden"' in message.data for message in shop.heard)
    assert {node.name for node in await two.client.nodes.list()} == {"blog", "shop"}


async def test_all_that_a_child_must_do_it_may(two: Fleet, shop: Intruder) -> None:
    for subject in (*MUST_SAY, OWN_ACK):
        assert await shop.say(subject) == [], subject
    for subject, queue in MUST_HEAR.items():
        assert await shop.hear(subject, queue) == [], subject


async def _streams(master: Bus) -> set[str]:
    return set((await jetstream(master, "STREAM.NAMES"))["streams"])


async def test_revoking_it_ends_its_connection_and_lets_it_in_no_more(two: Fleet, shop: Intruder) -> None:
    await two.client.nodes.revoke("shop")
    await eventually(lambda: shop.client.is_closed)
    with pytest.raises((NatsError, AuthorizationError), match="Authorization"):
        await Intruder.connect(two.broker.url, "shop", credentials(two.place / "shop")["access"])
