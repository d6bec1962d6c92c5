"""The messages of a question that is to be answered in words, from what the fleet's documents say."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.search import WhichNodes

__all__ = [
    "AnswerKind",
    "AnswerQuestion",
    "Answered",
    "AskPart",
    "CitedSource",
    "NodeAnswer",
    "NodeQuestion",
    "Passage",
]

AnswerKind = Literal["generated", "extractive", "none"]


class AnswerQuestion(Message, frozen=True, kw_only=True):
    """`ask.question`: answer it from the documents of the fleet, or of these `nodes` and `collections`.

    `limit` documents are read at most, and of them what fits into `budget` tokens, of about 4 characters each; without
    a `budget` that of the settings. `model` is one that the settings name, or `none` for sentences of the documents.
    `by` is a node that answers questions itself; one that is asked alone and does so is asked to.
    """

    question: Annotated[str, Meta(max_length=2000)]
    nodes: list[str] | WhichNodes = "all"
    among: list[str] = []
    collections: list[str] = []
    limit: Annotated[int, Meta(ge=1, le=20)] = 6
    budget: Annotated[int, Meta(ge=100, le=100_000)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    by: Slug | None = None
    timeout_ms: Annotated[int, Meta(ge=100, le=600_000)] = 60_000


class AskPart(Message, frozen=True, kw_only=True):
    """Some words of the answer, in their order. With `again` all words before them are taken back, for `reason`."""

    text: str = ""
    again: bool = False
    reason: str | None = None


class Passage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a document says about the question: sentences as they stand in it, `…` where some are left out.

    `n` is the number by which an answer cites it. `score` is the document's in the search, 0 to 1.
    """

    n: int
    node: str
    collection: str
    id: str
    title: str
    text: str
    score: float


class CitedSource(msgspec.Struct, frozen=True):
    """A document that was read for an answer, which cites it as `[n]`, if `cited`. `passage` is what was read of it."""

    n: int
    node: str
    collection: str
    id: str
    title: str
    score: float
    passage: str
    cited: bool


class Answered(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The answer. `generated` by a model or by a node itself, `extractive`: sentences of the documents as they stand
    there, or `none`: the fleet does not know.

    `model` and `by` are who was given the passages, if anybody was; `reason` is why there is no generated answer, if
    one was to be had. In `text` each `[n]` stands for the source of that number; `invalid_citations` counts those that
    stood for none, and were removed. `uncited` says that a generated answer names no source at all: nothing shows that
    it comes from the documents. `context_tokens` is about how long the passages are together. `partial` when a node
    that was asked is missing.
    """

    question: str
    text: str
    kind: AnswerKind
    sources: list[CitedSource] = []
    model: str | None = None
    by: str | None = None
    reason: str | None = None
    uncited: bool = False
    invalid_citations: int = 0
    context_tokens: int = 0
    partial: bool = False
    took_ms: float = 0.0


class NodeQuestion(Message, frozen=True, kw_only=True):
    """`call.<node>.rag`: a question for the node's own answerer, with what the fleet's documents say about it."""

    question: str
    passages: list[Passage] = []


class NodeAnswer(Message, frozen=True, kw_only=True):
    """What the node says. It cites passages as `[n]`."""

    text: str
