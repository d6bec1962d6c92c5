"""Interceptor that decodes the results of nodes, and takes from them what no log may have."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from msgspec.structs import replace

from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.pipeline import Call, CallKey, Handler
from fleetfold_master.nodes.inflow import Inflow
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CommandResult, CommandResults, LedgerMark, Message, decode
from fleetfold_shared.redaction import Redactor

__all__ = ["RESULTS", "DecodeResults", "TellLedger", "tell_nobody"]

log = structlog.get_logger(__name__)

RESULTS: CallKey[list[CommandResult]] = CallKey("results")
"""The results of one message, their errors redacted."""


TellLedger = Callable[[str, str, LedgerMark], None]
"""Called with a node, the incarnation in its results, and the mark of the ledger that has them."""


def tell_nobody(_node: str, _incarnation: str, _mark: LedgerMark) -> None:
    """Default of `TellLedger`: do nothing."""


class DecodeResults:
    """Records the results of a message, and tells how far the node's ledger has come.

    A malformed message counts as junk of its node, and is not passed on: it would be malformed again.
    """

    def __init__(self, inflow: Inflow, redact: Redactor, tell: TellLedger) -> None:
        self._inflow, self._redact, self._tell = inflow, redact, tell
        self._quiet = LimitedLog(log)

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        try:
            message = decode(call.body, CommandResults)
        except InvalidInput as error:
            node = call.identity
            self._quiet.warning("result.malformed", node, node=node, reason=error.message)
            self._inflow.junk(node, len(call.body))
            return None
        if message.ledger is not None and message.results:
            self._tell(call.identity, message.results[0].incarnation, message.ledger)
        call.put(RESULTS, [self._redacted(result) for result in message.results])
        return await proceed(call)

    def _redacted(self, result: CommandResult) -> CommandResult:
        if not self._redact or result.error is None:
            return result
        return replace(result, error=self._redact(result.error))
