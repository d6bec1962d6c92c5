"""Whether two rankings of the same documents are the same, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

__all__ = ["TIE", "Difference", "compare"]

TIE = 1e-6
"""Scores that differ by less are a tie: whose document stands first is then a matter of rounding."""

Ranked = Sequence[tuple[tuple[str, str], float]]


class Difference(msgspec.Struct, frozen=True):
    """The first place at which two rankings part. `tie` when none of the places that differ is more than a tie."""

    place: int
    ours: str
    theirs: str
    tie: bool
    reason: str


def compare(ours: Ranked, theirs: Ranked) -> Difference | None:
    """`None` when both name the same documents in the same order."""
    places = [place for place, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a[0] != b[0]]
    if not places and len(ours) == len(theirs):
        return None
    place = places[0] if places else min(len(ours), len(theirs))
    gaps = [abs(ours[each][1] - theirs[each][1]) for each in places]
    tie = len(ours) == len(theirs) and max(gaps) < TIE
    return Difference(place + 1, _named(ours, place), _named(theirs, place), tie, _reason(ours, theirs, gaps, tie=tie))


def _reason(ours: Ranked, theirs: Ranked, gaps: Sequence[float], *, tie: bool) -> str:
    if len(ours) != len(theirs):
        return f"{len(ours)} hits against {len(theirs)}"
    if tie:
        return f"a tie: the scores at the places that differ are {max(gaps):.1e} apart at most"
    known = {key for key, _ in theirs}
    missing = [key for key, _ in ours if key not in known]
    return f"{len(missing)} other documents" if missing else f"another order; scores up to {max(gaps):.1e} apart"


def _named(ranked: Ranked, place: int) -> str:
    if place >= len(ranked):
        return "-"
    (collection, identity), score = ranked[place]
    return f"{collection}/{identity} {score:.7f}"
