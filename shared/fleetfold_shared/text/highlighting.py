"""Highlighting: the matched terms of a document, and the best passage of its content.

A word matches when its stem is a query term: the analyzer decides, as for the score.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from fleetfold_shared.messages.explanation import Highlight, Span
from fleetfold_shared.text.analysis import located

__all__ = ["MOST_CHARS", "SNIPPET_CHARS", "highlighted", "within"]

SNIPPET_CHARS = 240
MOST_CHARS = 100_000
"""Most characters read of a content; later matches are not marked."""

_MOST_SPANS = {"title": 16, "content": 48, "snippet": 32}  # with a snippet about 4 kB of JSON at most
_WORD_CHARS = 24  # a snippet begins and ends between words, if there is such a place so near

Field = Literal["title", "content", "snippet"]


class _Match(NamedTuple):
    start: int
    end: int
    term: str


def highlighted(title: str, content: str, idfs: Mapping[str, float], *, most_chars: int = MOST_CHARS) -> Highlight:
    """Return the highlight of a document for query terms with these `idfs`; at most about 4 kB."""
    content = content[:most_chars]
    matches = _matches(content, idfs)
    start, end = _passage(content, _best(matches, idfs))
    inside = ((max(match.start, start) - start, min(match.end, end) - start) for match in matches)
    return Highlight(
        content[start:end],
        start,
        [
            *_spans("title", ((match.start, match.end) for match in _matches(title[:most_chars], idfs))),
            *_spans("content", ((match.start, match.end) for match in matches)),
            *_spans("snippet", ((first, last) for first, last in inside if first < last)),
        ],
    )


def within(highlight: Highlight, title_chars: int, content_chars: int) -> Highlight:
    """Return the highlight for texts cut to so many characters; the snippet stays whole."""
    room = {"title": title_chars, "content": content_chars, "snippet": len(highlight.snippet)}
    return msgspec.structs.replace(highlight, spans=[span for span in highlight.spans if span.end <= room[span.field]])


def _matches(text: str, idfs: Mapping[str, float]) -> list[_Match]:
    return [_Match(start, end, term) for term, start, end in located(text) if term in idfs]


def _spans(field: Field, places: Iterable[tuple[int, int]]) -> list[Span]:
    return [Span(field, start, end) for start, end in _merged(places)][: _MOST_SPANS[field]]


def _merged(places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Merge overlapping places, such as pairs of an unspaced script."""
    current: tuple[int, int] | None = None
    for start, end in places:
        if current is not None and start < current[1]:
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = start, end
    if current is not None:
        yield current


def _best(matches: Sequence[_Match], idfs: Mapping[str, float]) -> Sequence[_Match]:
    """Return the consecutive matches within `SNIPPET_CHARS` that have the largest sum of idf over different terms.

    Among equal ones those with more matches, then the first.
    """
    best, best_mass, first = (0, 0), (0.0, 0), 0
    current: dict[str, int] = {}
    for last, match in enumerate(matches):
        current[match.term] = current.get(match.term, 0) + 1
        while match.end - matches[first].start > SNIPPET_CHARS and first < last:
            _remove_one(current, matches[first].term)
            first += 1
        mass = (round(sum(idfs[term] for term in current), 9), last - first + 1)
        if mass > best_mass:
            best, best_mass = (first, last + 1), mass
    return matches[best[0] : best[1]]


def _remove_one(current: dict[str, int], term: str) -> None:
    current[term] -= 1
    if not current[term]:
        del current[term]


def _passage(content: str, matches: Sequence[_Match]) -> tuple[int, int]:
    """Return the start and end of a snippet of whole words with `matches` in its middle."""
    if len(content) <= SNIPPET_CHARS:
        return 0, len(content)
    first, last = (matches[0].start, matches[-1].end) if matches else (0, 0)
    start = max(0, first - max(0, SNIPPET_CHARS - (last - first)) // 2)
    start = min(start, len(content) - SNIPPET_CHARS)
    end = start + SNIPPET_CHARS
    return _begin(content, start, first), _end(content, end, min(last, end))


def _begin(content: str, start: int, first: int) -> int:
    if start == 0:
        return 0
    for place in range(start, min(start + _WORD_CHARS, first)):
        if content[place - 1].isspace():
            return place
    while start < first and unicodedata.combining(content[start]):  # its letter is left behind
        start += 1
    return start


def _end(content: str, end: int, last: int) -> int:
    if end >= len(content):
        return len(content)
    for place in range(end, max(end - _WORD_CHARS, last), -1):
        if content[place].isspace():
            return place
    return end
