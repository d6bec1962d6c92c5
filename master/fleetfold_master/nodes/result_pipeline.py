"""Pipeline of the nodes' results, from their delivery to the engine that owns the command: one list, read from the top.

Before it, the broker has verified who sent the message, as the node's name is in its subject; after it, the message is
acked. A message whose pipeline raises is delivered again, with all of its results.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from msgspec.structs import replace

from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.interceptors import bind_log_context
from fleetfold_broker.rpc.pipeline import Call, CallKey, Handler, compose
from fleetfold_master.nodes.inflow import Inflow
from fleetfold_master.nodes.result_decoding import RESULTS, DecodeResults, TellLedger, tell_nobody
from fleetfold_shared.concurrency import settle_all
from fleetfold_shared.messages import CommandResult, Message
from fleetfold_shared.redaction import Redactor

__all__ = ["Learn", "TakeResult", "result_pipeline"]

log = structlog.get_logger(__name__)

Learn = Callable[[str, CommandResult], Awaitable[None]]
"""Records what a node's result reports about the node: the epochs of its collections."""
TakeResult = Callable[[str, CommandResult], Awaitable[bool]]
"""Commits a node's result at the engine that owns its command; returns False when nothing here knows the command."""

OnUnknown = Callable[[str], None]
"""Called with a node whose result belongs to nothing: the database may be an old copy."""

RESULT: CallKey[CommandResult] = CallKey("result")
"""One result of the message."""


def result_pipeline(
    inflow: Inflow,
    redact: Redactor,
    learn: Learn,
    take: TakeResult,
    on_unknown: OnUnknown = lambda _node: None,
    tell_ledger: TellLedger = tell_nobody,
) -> Handler:
    """Return the pipeline.

    Epochs are learned by an explicit step, before the engines: whoever is told of a command's end must not get an
    answer of the search cache that is older than the command's changes.
    """
    interceptors = (
        bind_log_context,
        DecodeResults(inflow, redact, tell_ledger),
        each_result,
        LearnEpochs(learn),
    )
    return compose(interceptors, RouteResult(take, inflow, on_unknown))


async def each_result(call: Call, proceed: Handler) -> Message | None:
    """Pass the message's results on concurrently, as calls of their own. Raises the first error when all have ended."""
    await settle_all(
        proceed(replace(call, found={**call.found, RESULT: result})) for result in call.get(RESULTS)
    )  # fmt: skip
    return None


class LearnEpochs:
    """Interceptor that learns a result's epochs before it is passed on."""

    def __init__(self, learn: Learn) -> None:
        self._learn = learn

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        await self._learn(call.identity, call.get(RESULT))
        return await proceed(call)


class RouteResult:
    """Handler of one result: hands it to the engine that owns its command; one of no command counts as junk."""

    def __init__(self, take: TakeResult, inflow: Inflow, on_unknown: OnUnknown) -> None:
        self._take, self._inflow, self._on_unknown = take, inflow, on_unknown
        self._quiet = LimitedLog(log)

    async def __call__(self, call: Call) -> None:
        node, result = call.identity, call.get(RESULT)
        if not await self._take(node, result):
            self._quiet.warning("result.of_nothing_known", node, node=node, command=result.id)
            self._inflow.junk(node)
            self._on_unknown(node)
