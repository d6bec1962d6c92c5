"""Which of the hits are the same thing: by content and by declared keys, and by likeness if asked. Pure.

Hits come best first, and everything is decided in that order, so it does not matter in which order nodes answer.
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
    """A hit with its marks, those of a node that sent none being empty: such a hit stays by itself."""

    hit: Hit
    marks: Fingerprints


@dataclass(slots=True, eq=False)
class _Group:
    """Hits that are one thing, by their places. `apart` is what all of them agree on, if they say it at all."""

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
    """The best `limit` different things of `ranked` (best first), each with its place and its other sources in `also`.

    Same content or an equal declared key makes two hits one, and so does a third that is the same as both; unless
    they differ in a GTIN, a trait such as the colour, or, within one collection, in a SKU. With `alike`, a hit also
    belongs to the best one that it is itself nearly the same as: what is like what is like it does not count.
    """
    groups = _same(ranked)
    if alike is not None:
        groups = _near(groups, ranked, limit, alike)
    return [(group.members[0], _winner(group, ranked)) for group in groups[:limit]]


def _same(ranked: Sequence[Candidate]) -> list[_Group]:
    """The hits in groups of the same thing; groups by their best hit, and so the hits in each."""
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
    """Put `group` together with those that it does not contradict; all that are left, the best first."""
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
    """Each group goes to the best winner that all of it is like; only those that can be shown are compared with."""
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
    """What differs between different things. A GTIN is one all over the world, a SKU within its collection."""
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
