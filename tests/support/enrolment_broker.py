"""A real broker with identity, and a master that does nothing but let one node in, by the rules of a `Registrar`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity import BrokerKeys, Grant, LoginData
from fleetfold_broker.identity.callout import Callout, LoginRefused
from fleetfold_broker.identity.grants import narrow_inbox, unsalted
from fleetfold_broker.identity.user_jwt import Issuer
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_broker.subjects import Subjects
from fleetfold_child.enrolment.credential_store import CredentialStore
from fleetfold_child.enrolment.enrolment_client import ANSWER_S, BusEnrolmentClient
from fleetfold_child.enrolment.renewal import CredentialRenewal
from fleetfold_shared.messages import (
    Enrol,
    Join,
    Joined,
    JoinRequest,
    JoinRequestReply,
    Message,
    Refresh,
    Tokens,
    decode,
)
from support.looptime import advance_loop
from support.registrar import Registrar

__all__ = ["EnrolmentBroker", "enrolment_broker"]

ASKED: dict[str, tuple[type[Message], type[Message]]] = {
    "enrol": (Enrol, Tokens),
    "refresh": (Refresh, Tokens),
    "request": (JoinRequest, JoinRequestReply),
}


class EnrolmentBroker:
    """`lost` answers are not given though what they say has happened; `admitted` and `refused` count connections.

    `joined` are the descriptions of those who took their place.
    """

    def __init__(self, broker: EmbeddedBroker, place: Path, registrar: Registrar, fleet: Bus) -> None:
        self.broker, self.place, self.registrar, self.fleet = broker, place, registrar, fleet
        self.lost = 0
        self.admitted: list[str] = []
        self.refused = 0
        self.joined: list[Join] = []
        self._issued: dict[str, float] = {}

    def membership(self) -> CredentialRenewal:
        """The node's, as after a start of its process."""
        name = self.registrar.node
        door = BusEnrolmentClient(self.broker.url, name, Subjects())
        return CredentialRenewal(name, CredentialStore.open(self.place / name, name), door)

    async def connect(self, membership: CredentialRenewal) -> Bus:
        """Over a connection that asks again soon: one that comes before the gate is manned would wait for long."""
        options = ConnectionOptions(
            url=self.broker.url, caller=self.registrar.node, credential=membership, answer_s=1.0
        )
        return await Bus.open(options)

    async def admit(self, presented: LoginData) -> Grant:
        """Whoever shows what the registrar has given, for as long as it lasts."""
        registrar, token = self.registrar, unsalted(presented.token)
        ends_at = self._issued.get(token, 0.0)
        if token == registrar.access and time.time() < ends_at and not registrar.revoked:
            self.admitted.append("full")
            return Grant(
                name=registrar.node, role="child", capabilities=frozenset(registrar.capabilities), expires_at=ends_at
            )
        for grade, known in (("enrol", registrar.invitation), ("refresh", registrar.refresh)):
            if token == known or (grade == "refresh" and token == registrar.spent[0]):
                self.admitted.append(grade)
                inbox = narrow_inbox(registrar.node, presented.token)
                return Grant(name=registrar.node, role="child", grade=grade, inbox=inbox)  # type: ignore[arg-type]
        self.refused += 1
        raise LoginRefused("not known here")

    async def answer(self, call: Call) -> Message | None:
        asked, kind = ASKED[call.subject.rpartition(".")[2]]
        answer: Message = await self.registrar.ask(call.subject.rpartition(".")[2], decode(call.body, asked), kind)
        if isinstance(answer, Tokens):
            self._issued[answer.access] = time.time() + answer.access_expires_s
        if self.lost:
            self.lost -= 1
            advance_loop(ANSWER_S)  # it is not waited for any more
            return None
        return answer

    async def take_in(self, call: Call) -> Joined:
        self.joined.append(decode(call.body, Join))
        return Joined(node=call.identity, state="active", heartbeat_s=1.0)


@asynccontextmanager
async def enrolment_broker(place: Path, lifetime_s: float) -> AsyncIterator[EnrolmentBroker]:
    """One for the node `shop`, whose access tokens last `lifetime_s`."""
    keys = BrokerKeys.generate()
    broker = EmbeddedBroker(place / "broker", identity=keys.public)
    await broker.start()
    url, subjects = broker.url, Subjects()
    async with (
        await Bus.open(ConnectionOptions(url=url, caller="master", seed=keys.auth)) as auth,
        await Bus.open(ConnectionOptions(url=url, caller="master", seed=keys.fleet)) as fleet,
    ):
        house = EnrolmentBroker(broker, place, Registrar("shop", lifetime_s=lifetime_s), fleet)
        callout = Callout(auth, Issuer(keys.issuer), subjects, house.admit)
        await callout.start()
        service = RequestServer(fleet, "enrolment_broker", version="1.0.0")

        def caller(subject: str) -> str:
            return subjects.token(subject, 1)

        for name, subject, handler in (
            ("join", subjects.join(), house.answer),
            ("nodes-join", subjects.api(verb="nodes.join"), house.take_in),
        ):
            await service.serve(name, subject, handler, queue="masters", caller=caller)
        await fleet.connection.barrier()
        yield house
        await service.stop(0)
        await callout.stop()
    await broker.stop()
