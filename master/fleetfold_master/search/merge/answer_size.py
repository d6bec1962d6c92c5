"""The size of an answer: its hits and their other sources are truncated to one message."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from fleetfold_shared.hit_cutting import cut_title
from fleetfold_shared.hit_truncation import MAX_ANSWER_BYTES, cut_to_fit, first_that_fit
from fleetfold_shared.messages import Hit, Source

__all__ = ["MAX_SOURCES_BYTES", "first_hits", "fitting_sources"]

MAX_SOURCES_BYTES = 128 * 1024
"""Limit in bytes for the other sources of all hits together, beside the limit for the hits."""


def first_hits(hits: list[Hit]) -> list[Hit]:
    """The first hits that fit into one answer; the rest is for the next page.

    Documents stay whole, because all pages together show each of them whole. A title is cut to its hit's equal share of
    the answer, so that no node's titles make the page shorter for the others.
    """
    share = MAX_ANSWER_BYTES // max(1, len(hits))
    return first_that_fit([cut_title(hit, share) for hit in hits])


def fitting_sources(hits: list[Hit]) -> list[Hit]:
    """The hits, truncated by `cut_to_fit`, each with as many of its sources as fit, best first.

    The rest is counted in `also_left_out`. Room that one hit does not use is left to those after it.
    """
    if not any(hit.also for hit in hits):
        return cut_to_fit(hits)
    left, fitted = MAX_SOURCES_BYTES, list[Hit]()
    bare = cut_to_fit([replace(hit, also=[]) for hit in hits])
    for place, (hit, full) in enumerate(zip(bare, hits, strict=True)):
        fitting, used = _fitting(full.also, left // (len(hits) - place))
        left -= used
        fitted.append(replace(hit, also=fitting, also_left_out=len(full.also) - len(fitting)))
    return fitted


def _fitting(sources: list[Source], room: int) -> tuple[list[Source], int]:
    used = 0
    for count, one in enumerate(sources):
        size = len(msgspec.json.encode(one)) + 1
        if used + size > room:
            return sources[:count], used
        used += size
    return sources, used
