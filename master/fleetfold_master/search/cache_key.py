"""What an answer depends on, as one key: equal keys, equal answers.

Why a kept answer is never stale. An action's result carries the epochs that the node's collections had after it, and
the master takes them in before anybody is told that the action has ended. The key has the newest epochs the master
knows, so a search that begins later has a key with that epoch or a later one. An answer is kept under the key that held
when its nodes were about to be asked: what the master knew then they had reached before, so each of them answered from
documents at least as new as the key says. It may have been from newer ones, of which the master had not heard yet; that
is an answer from the future of its key, and when the news comes the key is another. Incarnations are never used twice,
and what an earlier process of the node had acknowledged is on its disk. So it needs no epochs in the answers, and it
does not matter how long they took.
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
_encoder = msgspec.json.Encoder()  # of whole numbers MessagePack has 64 bits only


def same_question(search: Search) -> Search:
    """The question without what changes no complete answer: the time, how the nodes are asked, the order of names."""
    return replace(
        search, timeout_ms=1, max_parallel=None, partial="allow", cache="use",
        nodes=sorted(set(search.nodes)) if isinstance(search.nodes, list) else search.nodes,
        among=sorted(set(search.among)), collections=sorted(set(search.collections)),
    )  # fmt: skip


def question_key(search: Search, asked: Search) -> str:
    """Of the question alone, as narrowed and as put: the latter stands in the cursor."""
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
    """Of the question, of what is known of the `nodes` it concerns, and of the statistics' `versions` that weigh it.

    `None` while a node that would be asked has not said how new its collections are.
    """
    parts: list[Any] = [__version__, ANALYZER, embedder, question_key(search, asked), sorted(versions)]
    if any(node.stopped_at is not None for node in nodes):
        parts.append(search.partial == "allow")  # else a stopped node is missing from the answer
    for node in nodes:
        told = epochs.of(node.name)
        up = node.name in healthy
        if up and (told is None or told[0] != node.description.incarnation):
            return None
        parts.append((node.name, node.state, up, node.stopped_at is not None, *_of_collections(search, node, told)))
    return _digest(parts)


def _of_collections(search: Search, node: StoredNode, told: tuple[str, Any] | None) -> tuple[Any, ...]:
    """What the node's collections that are searched say of themselves."""
    incarnation, epochs = told or ("", {})
    described = node.description
    wanted = [
        (one.name, one.keys, one.alpha, one.replica, epochs.get(one.name))
        for one in described.collections
        if not search.collections or one.name in search.collections
    ]
    return incarnation, described.analyzer, described.embedder, wanted


def _digest(parts: Sequence[Any]) -> str:
    return blake2b(_encoder.encode(parts), digest_size=DIGEST_BYTES).hexdigest()
