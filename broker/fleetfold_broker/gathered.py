"""The node's side of scatter-gather: hear broadcasts and calls, answer to the asker's gather subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fleetfold_broker.bus import Bus
from fleetfold_broker.headers import CORRELATION, GATHER
from fleetfold_broker.service import Handler, Request, Service, answer, say
from fleetfold_shared.messages import Message

__all__ = ["serve_node"]

Verb = Callable[[Request], Awaitable[Message]]


async def serve_node(service: Service, bus: Bus, node: str, verbs: dict[str, Verb]) -> None:
    """Serve each verb on `ask.<verb>` and `call.<node>.<verb>`. A question with a gather header is answered on
    `gather.<asker>.<node>`, which the broker lets this node alone publish; any other to its reply subject.

    The queue group is the node's own name, so that its two connections during a renewal share the work.
    """
    for verb, handler in verbs.items():
        answering = _answering(bus, node, handler)
        await service.serve(verb, bus.subjects.call(node, verb), answering, queue=node)
        await service.serve(f"ask-{verb}", bus.subjects.ask(verb), answering, queue=node)


def _answering(bus: Bus, node: str, handler: Verb) -> Handler:
    async def serve(request: Request) -> Message | None:
        asker = request.headers.get(GATHER)
        if asker is None:
            return await handler(request)
        headers, body, _ = await answer(handler, request)
        correlation = {CORRELATION: request.headers.get(CORRELATION, "")}
        await say(bus, bus.subjects.gather(asker, node), body or b"", {**headers, **correlation})
        return None

    return serve
