"""Messages for answering questions from the fleet's documents (retrieval-augmented generation)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.search import WhichNodes

__all__ = [
    "AnswerKind",
    "AnswerPart",
    "AnswerQuestion",
    "Answered",
    "CitedSource",
    "NodeAnswer",
    "NodeQuestion",
    "Passage",
]

AnswerKind = Literal["generated", "extractive", "none"]


class AnswerQuestion(Message, frozen=True, kw_only=True):
    """`ask.question`: answer a question from the documents of the fleet, or of these `nodes` and `collections`.

    At most `limit` documents are read, and of them what fits into `budget` tokens of about 4 characters; without a
    `budget` that of the settings applies. `model` is one named in the settings, or `none` for sentences of the
    documents. `by` is a node that answers questions itself; a node that is the only one searched and can do so is used
    by default.
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


class AnswerPart(Message, frozen=True, kw_only=True):
    """A part of the answer's text, in order. With `again` all text before it is withdrawn, for `reason`."""

    text: str = ""
    again: bool = False
    reason: str | None = None


class Passage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sentences of a document about the question, word for word, with `…` where some are left out.

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
    """A document that was read for an answer; `cited` when the answer cites it as `[n]`. `passage` is the text that was
    read.
    """

    n: int
    node: str
    collection: str
    id: str
    title: str
    score: float
    passage: str
    cited: bool


class Answered(Message, frozen=True, kw_only=True, omit_defaults=False):
    """An answer: `generated` by a model or a node, `extractive` (sentences of the documents, word for word), or `none`
    (the fleet does not know).

    `model` and `by` are the model or node that received the passages, if any; `reason` explains a missing generated
    answer. In `text` each `[n]` cites the source of that number; `invalid_citations` counts those without a source,
    which were removed. `uncited`: a generated answer cites no source, so nothing shows that it comes from the
    documents. `context_tokens` is the approximate length of all passages. `partial`: a requested node is missing.
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
    """`call.<node>.rag`: a question for the node's own answerer, with passages of the fleet's documents."""

    question: str
    passages: list[Passage] = []


class NodeAnswer(Message, frozen=True, kw_only=True):
    """The node's answer. It cites passages as `[n]`."""

    text: str
