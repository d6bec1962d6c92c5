"""Reading of shard responses: from the reply to a request, or from collections in this process, and always checked."""

from __future__ import annotations

from collections.abc import Collection

from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_master.search.paging import is_behind
from fleetfold_master.search.scatter.response_check import check_answer
from fleetfold_master.search.shard_response import ShardResponse
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import SearchAnswer, SearchRequest, decode

__all__ = ["checked_response", "read_reply"]


def read_reply(node: str, reply: ScatterReply, ask: SearchRequest, declared: Collection[str]) -> ShardResponse:
    """The response of `node`, decoded from its reply to `ask`. `declared` are the node's collections."""
    if reply.error is not None:
        return ShardResponse.failed(node, reply.error, round(reply.ms, 3))
    try:
        answer = decode(reply.data, SearchAnswer)
    except InvalidInput as error:
        return _unusable(node, error, reply.ms)
    return checked_response(node, answer, reply.ms, ask, declared)


def checked_response(
    node: str, answer: SearchAnswer, ms: float, ask: SearchRequest, declared: Collection[str]
) -> ShardResponse:
    """The response with `answer`, if it fits the request and has no hits before the cursor's position."""
    try:
        check_answer(answer, ask, declared)
    except InvalidInput as error:
        return _unusable(node, error, ms)
    if ask.after is not None and not all(is_behind(ask.after, node, one) for one in answer.hits):
        return ShardResponse.invalid(node, "it does not know cursors and began anew; upgrade it", round(ms, 3))
    return ShardResponse.of(node, answer, round(ms, 3))


def _unusable(node: str, error: InvalidInput, ms: float) -> ShardResponse:
    return ShardResponse.invalid(node, f"its answer cannot be used: {error.message}", round(ms, 3))
