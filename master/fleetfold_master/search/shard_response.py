"""The shard response: what one search knows of one node, wherever the answer came from and whenever it came."""

from __future__ import annotations

from typing import NamedTuple

from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Unavailable
from fleetfold_shared.messages import NodeReport, NodeStatus, SearchAnswer

__all__ = ["BAD_ANSWER", "ShardResponse", "ShardResponses"]

BAD_ANSWER = "bad_answer"
"""The error code of a report on a node whose answer does not fit the request."""

FAILED: dict[str, NodeStatus] = {Unavailable.code: "unreachable", DeadlineExceeded.code: "timeout"}
"""The status for each error code; any other is an `error`."""

MOST_ERROR_CHARS = 500
"""Limit in characters for an error text of a node."""


class ShardResponse(NamedTuple):
    """The report on a node, and its answer if it sent one that fits the request."""

    report: NodeReport
    answer: SearchAnswer | None = None

    @classmethod
    def of(cls, node: str, answer: SearchAnswer, ms: float) -> ShardResponse:
        """The response with an answer that has been checked; it may be the node's own error."""
        if answer.status == "error":
            status = FAILED.get(answer.code or "", "error")
            return cls(NodeReport(node, status, ms=ms, error=_cut(answer.error), code=_cut(answer.code)), answer)
        count = len(answer.hits)
        return cls(NodeReport(node, answer.status, count, ms, _cut(answer.error), exact=answer.exact), answer)

    @classmethod
    def failed(cls, node: str, error: FleetfoldError, ms: float) -> ShardResponse:
        """The response of a node that could not be asked, or refused the request."""
        status = FAILED.get(error.code, "error")
        return cls(NodeReport(node, status, ms=ms, error=_cut(error.message), code=error.code))

    @classmethod
    def invalid(cls, node: str, why: str, ms: float) -> ShardResponse:
        """The response of a node whose answer does not fit the request; nothing of it is used."""
        return cls(NodeReport(node, "error", ms=ms, error=_cut(why), code=BAD_ANSWER))

    @classmethod
    def silent(cls, node: str, why: str = "no answer before the deadline") -> ShardResponse:
        """The response of a node that did not answer in time."""
        return cls(NodeReport(node, "timeout", error=why))

    @classmethod
    def not_asked(cls, node: str, why: str) -> ShardResponse:
        """The response of a node that was left out, or not waited for, because its breaker is open."""
        return cls(NodeReport(node, "open", error=why))

    @property
    def is_whole(self) -> bool:
        """Whether the node has searched all that it was asked for."""
        return self.answer is not None and self.report.status == "ok"


ShardResponses = dict[str, ShardResponse]
"""Shard responses by node."""


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MOST_ERROR_CHARS else f"{text[:MOST_ERROR_CHARS]} …"
