"""Paging: a cursor holds where a page ended, and everything that the scores depend on.

The next page is scored with the weights of the first one, whatever the statistics are by then; so a document that
did not change has the same score on each page, and stands on exactly one of them.

A cursor is the character `1`, its version, and base64 of a MessagePack array: 200 characters for an ordinary query,
12 more for each term, and with `nodes="auto"` the names of the nodes chosen. Any master can read it. It is not
signed: what a forged one may contain is bounded, and gives odd scores to its forger only. The caller's scopes are
applied anew to each page.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Hit, Place, ScoredDocument, Search, SearchRequest, Term, encode
from fleetfold_shared.text.analysis import ANALYZER

__all__ = ["Alphas", "Pages", "Version", "is_behind"]

VERSION = "1"

MOST_NODES = 10_000

Idf = Annotated[float, Meta(ge=0, le=100)]
Version = tuple[str, str, str, int]
"""The version of a collection's statistics: node, collection, incarnation and epoch."""
Alphas = Mapping[tuple[str, str], float]
"""By node and collection, the weight of words against meaning; collections without one are absent."""


class PageCursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`idfs` are those of the query's terms, in the analyzer's order. `question` and `epochs` are digests.

    `nodes` are those that `auto` chose for the first page, `pins` the holders asked for replicated collections,
    each `node/collection`: the next page is taken from the same ones.
    """

    question: bytes
    place: Place
    idfs: list[Idf]
    avgdl: Annotated[float, Meta(ge=1e-9, le=1e9)]
    alpha: Annotated[float, Meta(ge=0, le=1)]
    epochs: bytes
    nodes: Annotated[list[Annotated[str, Meta(max_length=63)]], Meta(max_length=MOST_NODES)] | None = None
    pins: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=MOST_NODES)] = []


class Pages:
    """The pages of one query, seen from one of them."""

    def __init__(self, asked: Search, embedder: str) -> None:
        """Raises `InvalidInput` if the cursor of `asked` is invalid, or belongs to another query."""
        self._question = _question(asked, embedder)
        self._came = None if asked.cursor is None else _read(asked.cursor)
        if self._came is not None and self._came.question != self._question:
            raise _refused("it belongs to another question; change nothing with it but the limit and the timeout")

    @property
    def nodes(self) -> list[str] | None:
        """The nodes chosen for the first page, as the cursor says, to be checked; None on the first page."""
        return None if self._came is None else self._came.nodes

    def continued(self, ask: SearchRequest) -> SearchRequest:
        """`ask` for the page of the cursor, scored as the first page was; without a cursor, `ask` itself."""
        came = self._came
        if came is None:
            return ask
        if len(came.idfs) != len(ask.terms):
            raise _refused("it does not fit the query's words; ask for the first page again")
        terms = [Term(term.term, term.qtf, idf) for term, idf in zip(ask.terms, came.idfs, strict=True)]
        divisor = math.fsum(term.qtf * term.idf for term in terms)
        return replace(ask, terms=terms, avgdl=came.avgdl, divisor=divisor, alpha=came.alpha, after=came.place)

    @property
    def pins(self) -> list[str]:
        """The holders asked on the previous page, as given to `following`."""
        return [] if self._came is None else self._came.pins

    def following(
        self,
        ask: SearchRequest,
        last: Hit,
        epochs: Sequence[Version],
        alphas: Alphas,
        nodes: Sequence[str] | None = None,
        pins: Sequence[str] = (),
    ) -> str:
        """The cursor for what comes after `last`, a hit of `ask`.

        `nodes` are the chosen ones, if there was a choice; `pins` the holders asked for replicated collections.
        """
        return _written(
            PageCursor(
                self._question, Place(last.score, last.node, last.collection, last.id),
                [term.idf for term in ask.terms], ask.avgdl, ask.alpha,
                _epochs(epochs, alphas) if self._came is None else self._came.epochs,
                None if nodes is None else list(nodes), list(pins),
            )
        )  # fmt: skip

    def changed(self, epochs: Sequence[Version], alphas: Alphas) -> bool:
        """Whether the statistics, or the collections' declared weights, differ from the first page."""
        return self._came is not None and self._came.epochs != _epochs(epochs, alphas)


def is_behind(place: Place, node: str, document: ScoredDocument) -> bool:
    """Whether a node's document comes after `place` in the order of all hits."""
    here = (-document.score, node, document.collection, document.id)
    return here > (-place.score, place.node, place.collection, place.id)


def _question(asked: Search, embedder: str) -> bytes:
    """Everything that must stay the same from page to page: the query without how it is fetched."""
    same = replace(
        asked, cursor=None, limit=1, timeout_ms=1, highlight=False, explain=False,
        nodes=sorted(set(asked.nodes)) if isinstance(asked.nodes, list) else asked.nodes,
        among=sorted(set(asked.among)), collections=sorted(set(asked.collections)), cache="use", partial="allow",
        max_parallel=None,
    )  # fmt: skip
    return _digest([ANALYZER.encode(), embedder.encode(), encode(same)])


def _epochs(versions: Sequence[Version], alphas: Alphas) -> bytes:
    return _digest([msgspec.json.encode(sorted(versions)), msgspec.json.encode(sorted(alphas.items()))])


def _digest(parts: Iterable[bytes]) -> bytes:
    return blake2b(b"\0".join(parts), digest_size=12).digest()


def _written(cursor: PageCursor) -> str:
    return VERSION + base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def _read(text: str) -> PageCursor:
    if not text.startswith(VERSION):
        raise _refused("it is none that this version makes; ask for the first page again")
    try:
        body = text[len(VERSION) :]
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=PageCursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _refused("it is damaged; pass on the whole cursor of the page before") from None


def _refused(why: str) -> InvalidInput:
    return InvalidInput(f"cursor: {why}", field="cursor")
