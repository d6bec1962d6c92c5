"""The node's side of scatter-gather: hear broadcasts and calls, answer to the asker's gather subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.rpc.headers import CORRELATION, GATHER
from fleetfold_broker.rpc.request_server import Handler, Request, RequestServer
from fleetfold_shared.messages import Message

__all__ = ["serve_node"]

Verb = Callable[[Request], Awaitable[Message]]
Told = Callable[[Request], Awaitable[None]]
"""Hears something and answers nobody."""


async def serve_node(
    service: RequestServer, bus: Bus, node: str, verbs: Mapping[str, Verb], alone: Mapping[str, Verb] | None = None,
    told: Mapping[str, Told] | None = None, seals: SealCheck | None = None,
) -> None:  # fmt: skip
    """Serve each verb on `ask.<verb>` and `call.<node>.<verb>`, those of `alone` on the latter only. Answers go to
    `gather.<asker>.<node>`, which the broker lets this node alone publish, never to a reply subject; what does not say
    who gathers is heard and not answered. An answer that is too late is not sent. The verbs of `told`, heard on
    `call.<node>.<verb>`, are never answered.

    What no master has sealed is refused by `seals`; who gathers is told so.

    The queue group is the node's own name, so that its two connections during a renewal share the work.
    """

    def gatherer(request: Request) -> tuple[str, dict[str, str]]:
        asker = request.headers.get(GATHER)
        to = "" if asker is None else bus.subjects.gather(asker, node)
        return to, {CORRELATION: request.headers.get(CORRELATION, "")}

    for verb, handler in {**verbs, **(alone or {})}.items():
        asked = _of_ours(handler, seals)
        await service.serve(verb, bus.subjects.call(node, verb), asked, queue=node, whereto=gatherer)
        if verb in verbs:
            await service.serve(f"ask-{verb}", bus.subjects.ask(verb), asked, queue=node, whereto=gatherer)
    for verb, hear in (told or {}).items():
        await service.serve(verb, bus.subjects.call(node, verb), _heard(hear, seals), queue=node, whereto=_nowhere)


def _of_ours(handler: Verb, seals: SealCheck | None) -> Handler:
    async def serve(request: Request) -> Message | None:
        if not request.data:
            return None  # the broker's own word, which somebody has aimed here: every message of ours has a body
        if seals is not None:
            await seals.check(request.subject, request.data, request.headers)
        answer = await handler(request)
        left_s = request.remaining_s()
        return answer if left_s is None or left_s > 0 else None  # nobody waits for it any more

    return serve


def _heard(hear: Told, seals: SealCheck | None) -> Handler:
    async def serve(request: Request) -> None:
        if seals is not None:
            await seals.check(request.subject, request.data, request.headers)
        await hear(request)

    return serve


def _nowhere(_request: Request) -> tuple[str, dict[str, str]]:
    return "", {}
