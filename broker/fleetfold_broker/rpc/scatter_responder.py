"""Scatter-gather responder on a node: receives broadcasts and calls, and replies on the requester's gather subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc.headers import CORRELATION, GATHER, INCARNATION
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.subjects import inbox
from fleetfold_shared.verbs.node_requests import SUPERSEDED, NodeVerb

__all__ = ["serve_node", "superseded_subject"]


async def serve_node(
    service: RequestServer, bus: Bus, node: str, handlers: Mapping[NodeVerb[Any, Any], Handler], incarnation: str = ""
) -> None:
    """Serve each verb on `call.<node>.<verb>`, and a broadcast on `ask.<verb>` too.

    Replies go to `gather.<requester>.<node>`, which the broker lets this node alone publish, never to a reply subject;
    a request without a requester is handled and not answered, and a notification never is. The interceptors of
    `service` include `skip_empty` and `drop_late_reply`, without which a node answers what nobody asked or awaits.

    The queue group is the node's own name, so that its two connections during a renewal share the work. A process that
    was replaced is in it too, beside its successor: replies carry the `incarnation`, and what tells a process that it
    was replaced comes by the node's inbox as well, which all of its processes hear.
    """

    carried = {INCARNATION: incarnation} if incarnation else {}

    def gatherer(call: Call) -> tuple[str, dict[str, str]]:
        requester = call.headers.get(GATHER)
        to = "" if requester is None else bus.subjects.gather(requester, node)
        return to, {CORRELATION: call.headers.get(CORRELATION, ""), **carried}

    for verb, handler in handlers.items():
        name, reply_to = verb.name, _nowhere if verb.gives is type(None) else gatherer
        receive = await service.serve(name, bus.subjects.call(node, name), handler, queue=node, reply_to=reply_to)
        if verb is SUPERSEDED:
            await bus.connection.subscribe(superseded_subject(node), receive)
        if verb.broadcast:
            await service.serve(
                name, bus.subjects.ask(name), handler, queue=node, endpoint=f"ask-{name}", reply_to=reply_to
            )


def superseded_subject(node: str) -> str:
    """Subject of `superseded` that every process of the node hears."""
    return f"{inbox(node)}.{SUPERSEDED.name}"


def _nowhere(_call: Call) -> tuple[str, dict[str, str]]:
    return "", {}
