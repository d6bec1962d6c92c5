"""Deduplication of hits: by content and declared keys, and by near-duplicate comparison if requested. Pure.

Hits come best first and are processed in that order, so the order of the nodes' responses does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from fleetfold_shared.messages import Fingerprints, Hit, Source

__all__ = ["Alike", "Candidate", "distinct"]

Names = tuple[str, ...]
Alike = Callable[["Candidate", "Candidate"], bool]
"""Whether two hits are nearly the same; symmetric."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A hit with its fingerprints. A node that sent none has empty ones: such a hit stays by itself."""

    hit: Hit
    marks: Fingerprints


@dataclass(slots=True, eq=False)
class _Group:
    """Hits of one thing, by their positions. `apart` holds the traits that all of them agree on, where declared."""

    members: list[int]
    apart: dict[Names, str]
    into: _Group | None = field(default=None)

    def root(self) -> _Group:
        group = self
        while group.into is not None:
            group = group.into
        return group

    def agrees(self, other: _Group) -> bool:
        fewer, more = sorted((self.apart, other.apart), key=len)
        return all(more.get(name, value) == value for name, value in fewer.items())

    def take(self, other: _Group) -> None:
        self.members.extend(other.members)
        self.apart.update(other.apart)
        other.into = self


def distinct(ranked: Sequence[Candidate], limit: int, alike: Alike | None = None) -> list[tuple[int, Hit]]:
    """The best `limit` distinct hits of `ranked` (best first), each with its position and its other sources in `also`.

    The same content or an equal declared key makes two hits one, transitively; unless they differ in a GTIN, a
    trait such as the colour, or, within one collection, in a SKU. With `alike`, a hit also joins the best hit that
    it is nearly the same as; this is not transitive.
    """
    groups = _same(ranked)
    if alike is not None:
        groups = _near(groups, ranked, limit, alike)
    return [(group.members[0], _winner(group, ranked)) for group in groups[:limit]]


def _same(ranked: Sequence[Candidate]) -> list[_Group]:
    """Group hits by equality. Groups are ordered by their best hit, and so are the hits in each."""
    by_token: dict[str | bytes, list[_Group]] = {}
    groups: list[_Group] = []
    for place, candidate in enumerate(ranked):
        group = _Group([place], _apart(candidate))
        groups.append(group)
        for token in _tokens(candidate.marks):
            by_token[token] = _joined(group.root(), by_token.get(token, ()))
    left = [group for group in groups if group.into is None]
    for group in left:
        group.members.sort()
    return left


def _joined(group: _Group, others: Iterable[_Group]) -> list[_Group]:
    """Join `group` with the others that it does not contradict. Returns all remaining groups, the best first."""
    left: list[_Group] = []
    for other in dict.fromkeys(one.root() for one in others):
        if other is group:
            continue
        if not group.agrees(other):
            left.append(other)
            continue
        better, worse = sorted((group, other), key=lambda one: one.members[0])
        better.take(worse)
        group = better
    return sorted([*left, group], key=lambda one: one.members[0])


def _near(groups: Iterable[_Group], ranked: Sequence[Candidate], limit: int, alike: Alike) -> list[_Group]:
    """Join each group to the best winner that all its hits are alike; only hits that can be shown are compared with."""
    winners: list[_Group] = []
    for group in groups:
        for winner in winners:
            best = ranked[winner.members[0]]
            if winner.agrees(group) and all(alike(best, ranked[place]) for place in group.members):
                winner.take(group)
                break
        else:
            if len(winners) < limit:
                winners.append(group)
    for winner in winners:
        winner.members.sort()
    return winners


def _tokens(marks: Fingerprints) -> list[str | bytes]:
    return [*([marks.digest] if marks.digest else []), *marks.keys]


def _apart(candidate: Candidate) -> dict[Names, str]:
    """The traits that tell different things apart. A GTIN is global, a SKU is local to its collection."""
    hit, found = candidate.hit, dict[Names, str]()
    for name, value in candidate.marks.traits.items():
        found["trait", name] = value
    for token in candidate.marks.keys:
        kind, _, rest = token.partition(":")
        name, _, value = rest.partition(":")
        if kind == "gtin":
            found[kind, name] = value
        elif kind == "sku":
            found[kind, name, hit.node, hit.collection] = value
    return found


def _winner(group: _Group, ranked: Sequence[Candidate]) -> Hit:
    best, *others = (ranked[place].hit for place in group.members)
    return replace(best, also=[Source(one.node, one.collection, one.id, one.score) for one in others])
