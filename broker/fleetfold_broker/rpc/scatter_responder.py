"""Scatter-gather responder on a node: receives broadcasts and calls, and replies on the asker's gather subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.rpc.headers import CORRELATION, GATHER
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_shared.messages import Message

__all__ = ["serve_node"]

Verb = Callable[[Call], Awaitable[Message]]
Told = Callable[[Call], Awaitable[None]]
"""Handles a message without a reply."""


async def serve_node(
    service: RequestServer, bus: Bus, node: str, verbs: Mapping[str, Verb], alone: Mapping[str, Verb] | None = None,
    told: Mapping[str, Told] | None = None, seals: SealCheck | None = None,
) -> None:  # fmt: skip
    """Serve each verb on `ask.<verb>` and `call.<node>.<verb>`, those of `alone` on the latter only.

    Replies go to `gather.<asker>.<node>`, which the broker lets this node alone publish, never to a reply subject; a
    request without an asker is handled and not answered. A reply after the deadline is not sent. The verbs of `told`,
    on `call.<node>.<verb>`, are never answered.

    `seals` refuses what no master has sealed; the asker receives the error.

    The queue group is the node's own name, so that its two connections during a renewal share the work.
    """

    def gatherer(call: Call) -> tuple[str, dict[str, str]]:
        asker = call.headers.get(GATHER)
        to = "" if asker is None else bus.subjects.gather(asker, node)
        return to, {CORRELATION: call.headers.get(CORRELATION, "")}

    for verb, handler in {**verbs, **(alone or {})}.items():
        asked = _answering(handler, seals)
        await service.serve(verb, bus.subjects.call(node, verb), asked, queue=node, whereto=gatherer)
        if verb in verbs:
            await service.serve(
                verb, bus.subjects.ask(verb), asked, queue=node, endpoint=f"ask-{verb}", whereto=gatherer
            )
    for verb, handle in (told or {}).items():
        await service.serve(
            verb, bus.subjects.call(node, verb), _without_reply(handle, seals), queue=node, whereto=_no_reply
        )


def _answering(handler: Verb, seals: SealCheck | None) -> Handler:
    async def serve(call: Call) -> Message | None:
        if not call.body:
            return None  # a reply of the broker, directed here by a third party: every message of ours has a body
        if seals is not None:
            await seals.check(call.subject, call.body, call.headers)
        answer = await handler(call)
        left_s = call.remaining_s()
        return answer if left_s is None or left_s > 0 else None  # the asker no longer waits

    return serve


def _without_reply(handle: Told, seals: SealCheck | None) -> Handler:
    async def serve(call: Call) -> None:
        if seals is not None:
            await seals.check(call.subject, call.body, call.headers)
        await handle(call)

    return serve


def _no_reply(_call: Call) -> tuple[str, dict[str, str]]:
    return "", {}
