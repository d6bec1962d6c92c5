"""What became of each node that was asked: its report, and its answer if it is one."""

from __future__ import annotations

from fleetfold_broker.gather import Answer
from fleetfold_master.search.paging import is_behind
from fleetfold_shared.errors import DeadlineExceeded, InvalidInput, Unavailable
from fleetfold_shared.messages import NodeReport, NodeStatus, Place, SearchAnswer, decode

__all__ = ["Came", "read"]

FAILED: dict[str, NodeStatus] = {Unavailable.code: "unreachable", DeadlineExceeded.code: "timeout"}
"""What an error means for a report; any other is an `error`."""

Came = tuple[NodeReport, SearchAnswer | None]


def read(node: str, came: Answer | None, after: Place | None) -> Came:
    """The report of `node`, of which this `came` before the deadline. With `after`, hits before it are an error."""
    if came is None:
        return NodeReport(node, "timeout", error="no answer before the deadline"), None
    ms = round(came.ms, 3)
    if came.error is not None:
        return NodeReport(node, FAILED.get(came.error.code, "error"), ms=ms, error=came.error.message), None
    try:
        answer = decode(came.data, SearchAnswer)
    except InvalidInput as error:
        return NodeReport(node, "error", ms=ms, error=f"its answer is malformed: {error.message}"), None
    if after is not None and not all(is_behind(after, node, one) for one in answer.hits):
        return NodeReport(node, "error", ms=ms, error="it does not know cursors and began anew; upgrade it"), None
    if answer.status == "error":
        return NodeReport(node, FAILED.get(answer.code or "", "error"), ms=ms, error=answer.error), answer
    return NodeReport(node, answer.status, len(answer.hits), ms, answer.error, exact=answer.exact), answer
