"""The cache key: a digest of everything that an answer depends on, so that equal keys mean equal answers.

Why a cached answer is never stale. An action's result carries the epochs that the node's collections had after it,
and the master records them before anybody is told that the action has ended. The key contains the newest epochs
that the master knows, so a search that begins later has a key with that epoch or a later one. An answer is cached
under the key that was valid when its nodes were about to be asked. The nodes had reached those epochs before, so
each of them answered from documents at least as new as the key says. They may have been newer, of an epoch that the
master had not heard of yet; then the answer is ahead of its key, and once the news arrives the key is another.
Incarnations are never reused, and what an earlier process of the node had acknowledged is on its disk. So the
answers need not contain epochs, and it does not matter how long they took.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.collection_versions import CollectionVersions
from fleetfold_master.search.paging import Version
from fleetfold_shared import __version__
from fleetfold_shared.messages import Search
from fleetfold_shared.text.analysis import ANALYZER

__all__ = ["answer_key", "question_key", "same_question"]

DIGEST_BYTES = 16
_encoder = msgspec.json.Encoder()  # MessagePack has 64-bit integers only


def same_question(search: Search) -> Search:
    """The query without what does not change a complete answer: time limit, options of asking, order of names."""
    return replace(
        search, timeout_ms=1, max_parallel=None, partial="allow", cache="use",
        nodes=sorted(set(search.nodes)) if isinstance(search.nodes, list) else search.nodes,
        among=sorted(set(search.among)), collections=sorted(set(search.collections)),
    )  # fmt: skip


def question_key(search: Search, asked: Search) -> str:
    """The key of the query alone, as narrowed and as requested: the latter is part of the cursor."""
    return _digest([same_question(search), same_question(asked)])


def answer_key(
    search: Search,
    asked: Search,
    nodes: Sequence[StoredNode],
    healthy: Collection[str],
    epochs: CollectionVersions,
    versions: Sequence[Version],
    embedder: str,
) -> str | None:
    """The key of the query, the state of the `nodes` it concerns, and the `versions` of the statistics that weigh it.

    None while a node that would be asked has not reported the epochs of its collections.
    """
    parts: list[Any] = [__version__, ANALYZER, embedder, question_key(search, asked), sorted(versions)]
    if any(node.stopped_at is not None for node in nodes):
        parts.append(search.partial == "allow")  # else a stopped node is missing from the answer
    for node in nodes:
        reported = epochs.of(node.name)
        up = node.name in healthy
        if up and (reported is None or reported[0] != node.description.incarnation):
            return None
        parts.append((node.name, node.state, up, node.stopped_at is not None, *_of_collections(search, node, reported)))
    return _digest(parts)


def _of_collections(search: Search, node: StoredNode, reported: tuple[str, Any] | None) -> tuple[Any, ...]:
    """What the node reports of its collections that are searched."""
    incarnation, epochs = reported or ("", {})
    described = node.description
    wanted = [
        (one.name, one.keys, one.alpha, one.replica, epochs.get(one.name))
        for one in described.collections
        if not search.collections or one.name in search.collections
    ]
    return incarnation, described.analyzer, described.embedder, wanted


def _digest(parts: Sequence[Any]) -> str:
    return blake2b(_encoder.encode(parts), digest_size=DIGEST_BYTES).hexdigest()
