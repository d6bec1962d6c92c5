"""Interceptor that decodes the results of nodes, and takes from them what no log may have."""

from __future__ import annotations

import structlog
from msgspec.structs import replace

from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.pipeline import Call, CallKey, Handler
from fleetfold_master.nodes.inflow import Inflow
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CommandResult, CommandResults, Message, decode
from fleetfold_shared.redaction import Redactor

__all__ = ["RESULTS", "DecodeResults"]

log = structlog.get_logger(__name__)

RESULTS: CallKey[list[CommandResult]] = CallKey("results")
"""The results of one message, their errors redacted."""


class DecodeResults:
    """Records the results of a message.

    A malformed message counts as junk of its node, and is not passed on: it would be malformed again.
    """

    def __init__(self, inflow: Inflow, redact: Redactor) -> None:
        self._inflow, self._redact = inflow, redact
        self._quiet = LimitedLog(log)

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        try:
            results = decode(call.body, CommandResults).results
        except InvalidInput as error:
            node = call.identity
            self._quiet.warning("result.malformed", node, node=node, reason=error.message)
            self._inflow.junk(node, len(call.body))
            return None
        call.put(RESULTS, [self._redacted(result) for result in results])
        return await proceed(call)

    def _redacted(self, result: CommandResult) -> CommandResult:
        if not self._redact or result.error is None:
            return result
        return replace(result, error=self._redact(result.error))
