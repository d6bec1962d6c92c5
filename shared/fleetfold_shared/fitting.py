"""Hits that fit into a message: long contents are shortened, never a hit left out."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from fleetfold_shared.highlighting import within
from fleetfold_shared.messages.search import Hit, ScoredDocument

__all__ = ["MAX_ANSWER_BYTES", "fitting", "fitting_whole"]

MAX_ANSWER_BYTES = 768 * 1024
"""What the hits of one answer may take; the broker's limit is 1 MB. Long contents are shortened to fit in."""

_SHORTENED = " …"
_LEAST_BYTES = 1024  # of a hit's share, for its content

H = TypeVar("H", Hit, ScoredDocument)


def fitting(hits: list[H]) -> list[H]:
    """The hits, in at most `MAX_ANSWER_BYTES`: contents are cut first, then metadata left out, never a hit.

    What is highlighted in a content that is cut goes with it; a hit without room for more has nothing explained either.
    """
    sizes = [len(msgspec.json.encode(one)) for one in hits]
    if sum(sizes) <= MAX_ANSWER_BYTES:
        return hits
    share = MAX_ANSWER_BYTES // len(hits)
    return [one if size <= share else _cut(one, share) for one, size in zip(hits, sizes, strict=True)]


def fitting_whole(hits: list[H], least: int) -> list[H]:
    """The first of the hits, as many as fit with their contents whole; at least so many, which `fitting` may cut."""
    room = MAX_ANSWER_BYTES
    for place, one in enumerate(hits):
        room -= len(msgspec.json.encode(one))
        if room < 0:
            return fitting(hits[: max(place, least)])
    return hits


def _cut(one: H, share: int) -> H:
    bare = msgspec.structs.replace(one, content="")
    if len(msgspec.json.encode(bare)) > share // 2:
        bare = msgspec.structs.replace(bare, title=one.title[:200], metadata={})
    if len(msgspec.json.encode(bare)) > share - _LEAST_BYTES:
        bare = msgspec.structs.replace(bare, highlight=None, explain=None)
    room = max(0, share - len(msgspec.json.encode(bare)) - len(_SHORTENED) - 16)
    # JSON takes up to 6 bytes for a character
    content = one.content[:room] if len(msgspec.json.encode(one.content[:room])) <= room else one.content[: room // 6]
    kept = content + _SHORTENED if len(content) < len(one.content) else content
    highlight = within(bare.highlight, len(bare.title), len(content)) if bare.highlight else None
    return msgspec.structs.replace(bare, content=kept, highlight=highlight)
