"""The shard response: a node's report, and its answer if it is valid."""

from __future__ import annotations

from collections.abc import Collection

from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_master.search.paging import is_behind
from fleetfold_master.search.scatter.response_check import BAD_ANSWER, check_answer
from fleetfold_shared.errors import DeadlineExceeded, InvalidInput, Unavailable
from fleetfold_shared.messages import NodeReport, NodeStatus, SearchAnswer, SearchAsk, decode

__all__ = ["Came", "read"]

FAILED: dict[str, NodeStatus] = {Unavailable.code: "unreachable", DeadlineExceeded.code: "timeout"}
"""The status for each error code; any other is an `error`."""

MOST_ERROR_CHARS = 500
"""Limit in characters for an error text of a node."""

Came = tuple[NodeReport, SearchAnswer | None]


def read(node: str, came: ScatterReply | None, ask: SearchAsk, declared: Collection[str]) -> Came:
    """The report of `node` and its answer, decoded from what `came` before the deadline.

    There is no answer if it does not fit the request or the collections that the node has `declared`, or has hits
    before the cursor's position.
    """
    if came is None:
        return silent(node)
    ms = round(came.ms, 3)
    if came.error is not None:
        code = came.error.code
        return NodeReport(node, FAILED.get(code, "error"), ms=ms, error=_cut(came.error.message), code=code), None
    try:
        answer = decode(came.data, SearchAnswer)
        check_answer(answer, ask, declared)
    except InvalidInput as error:
        why = f"its answer cannot be used: {error.message}"
        return NodeReport(node, "error", ms=ms, error=_cut(why), code=BAD_ANSWER), None
    if ask.after is not None and not all(is_behind(ask.after, node, one) for one in answer.hits):
        why = "it does not know cursors and began anew; upgrade it"
        return NodeReport(node, "error", ms=ms, error=why, code=BAD_ANSWER), None
    if answer.status == "error":
        status = FAILED.get(answer.code or "", "error")
        return NodeReport(node, status, ms=ms, error=_cut(answer.error), code=_cut(answer.code)), answer
    return NodeReport(node, answer.status, len(answer.hits), ms, _cut(answer.error), exact=answer.exact), answer


def silent(node: str) -> Came:
    """The report of a node that did not answer in time."""
    return NodeReport(node, "timeout", error="no answer before the deadline"), None


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MOST_ERROR_CHARS else f"{text[:MOST_ERROR_CHARS]} …"
