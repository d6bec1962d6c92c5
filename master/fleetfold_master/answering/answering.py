"""Question answering: search, extract passages, generate the answer, and check its citations.

The generator, a model or a node, may fail: then the best sentences of the documents are the answer, with the
reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.answering.answer_run import NOT_KNOWN, AnswerSession
from fleetfold_master.answering.citations import Citations
from fleetfold_master.answering.extractive import extract
from fleetfold_master.answering.generators import Gather, Generator, ModelGenerator, NodeGenerator
from fleetfold_master.answering.language_model import Model, ModelError
from fleetfold_master.answering.passages import ExtractedPassage, read_passages
from fleetfold_master.answering.sentences import QuestionTerms
from fleetfold_master.nodes import Registry
from fleetfold_master.search import TermStatistics
from fleetfold_shared.config import AnsweringConfig
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Answered, AnswerQuestion, Hit, Search, Searched
from fleetfold_shared.text.analysis import query_terms
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER, load_embedder
from fleetfold_shared.text.scoring import weigh

__all__ = ["Answering"]

LEAST_OF_BEST = 0.4
"""A document that scores less than this share of the best one is not read."""
SEARCH_MS = 2000
MOST_BUDGET = 8000
"""The most tokens a caller may request, unless the settings allow more."""
NO_MODEL = "none"

Find = Callable[[Search], Awaitable[Searched]]
"""Searches in the caller's scope."""


class Answering:
    """Answers questions. `model` is None if no endpoint is configured."""

    def __init__(
        self,
        config: AnsweringConfig,
        registry: Registry,
        statistics: TermStatistics,
        gather: Gather,
        model: Model | None = None,
    ) -> None:
        self._config, self._registry, self._statistics = config, registry, statistics
        self._gather, self._model = gather, model

    async def answer(self, ask: AnswerQuestion, find: Find, say: Say) -> Answered:
        """Answer a question; words go to `say` as they come. Raises `InvalidInput` and `NotFound`."""
        session = AnswerSession(ask, say)
        writer, budget = self._checked(ask)
        searched = await find(_search(ask))
        session.partial = searched.partial
        hits = self._worth_reading(searched.hits)
        if not hits:
            return await session.end_with("none", NOT_KNOWN)
        idfs = self._idfs(ask, searched)
        session.readings = await asyncio.to_thread(_read, hits, ask.question, idfs, budget)
        if writer is None:
            return await _extracted(session)
        session.credit = writer.credit
        return await _written(session, writer)

    def _checked(self, ask: AnswerQuestion) -> tuple[Generator | None, int]:
        """The generator and the token budget. Raises `InvalidInput`, naming the field."""
        if not ask.question.strip():
            raise InvalidInput("question: it is empty; ask something", field="question")
        budget = ask.budget or self._config.budget_tokens
        most = max(MOST_BUDGET, self._config.budget_tokens)
        if budget > most:
            raise InvalidInput(f"budget: {budget} is over {most}, the most that may be read here", field="budget")
        return self._writer(ask), budget

    def _writer(self, ask: AnswerQuestion) -> Generator | None:
        """The node that is named, or the only one asked if it answers questions itself; else the model, if there is
        one."""
        if ask.by is not None:
            return self._node_writer(ask, ask.by)
        alone = _alone(ask)
        if alone is not None and ask.model is None and self._answers(alone):
            return self._node_writer(ask, alone)
        return None if ask.model == NO_MODEL else self._model_writer(ask.model)

    def _node_writer(self, ask: AnswerQuestion, name: str) -> Generator:
        if ask.model is not None:
            raise InvalidInput("by: a node that answers has no choice of models; leave out by, or model", field="by")
        if not self._answers(name):
            raise InvalidInput(f"by: {name!r} does not answer questions itself; leave it out", field="by")
        return NodeGenerator(name, self._gather, self._config.timeout_s)

    def _model_writer(self, name: str | None) -> Generator | None:
        if self._model is not None:
            return ModelGenerator(self._model, self._model.named(name))
        if name is not None:
            raise InvalidInput("model: no model is set up here; leave it out, or say none", field="model")
        return None

    def _answers(self, name: str) -> bool:
        node = self._registry.find(name)
        return node is not None and node.description.answers

    def _worth_reading(self, hits: Sequence[Hit]) -> list[Hit]:
        """Hits that score close to the best one; empty if that one is below the threshold."""
        best = hits[0].score if hits else 0.0
        if best < self._config.floor:
            return []
        return [hit for hit in hits if hit.score >= LEAST_OF_BEST * best]

    def _idfs(self, ask: AnswerQuestion, searched: Searched) -> Mapping[str, float]:
        """The idf of each of the question's terms among the documents searched."""
        found = [self._registry.find(report.node) for report in searched.nodes]
        keys = [
            (node.name, collection.name) for node in found if node for collection in node.description.collections
            if not ask.collections or collection.name in ask.collections
        ]  # fmt: skip
        weights = weigh(query_terms(ask.question), self._statistics.merged(keys))
        return {term.term: term.qtf * term.idf for term in weights.terms}


async def _written(session: AnswerSession, writer: Generator) -> Answered:
    """The checked answer of the generator; if it fails, the best sentences."""
    citations = Citations(len(session.readings))
    begin_waiting()
    try:
        async with aclosing(writer.words(session)) as words:
            async for some in words:
                await session.pass_on(citations.pass_on(some))
    except ModelError as error:
        return await _extracted(session, str(error))
    await session.pass_on(citations.end())
    if citations.unknown:
        return await session.end_with("none", NOT_KNOWN)
    if not citations.text:
        return await _extracted(session, "it was answered with no words")
    return session.end("generated", citations.text, citations.cited, invalid=citations.invalid)


async def _extracted(session: AnswerSession, reason: str | None = None) -> Answered:
    text, cited = extract(session.readings)
    return await session.end_with("extractive", text, cited, reason)


def _search(ask: AnswerQuestion) -> Search:
    return Search(
        query=ask.question, limit=ask.limit, nodes=ask.nodes, among=ask.among, collections=ask.collections,
        dedup="exact", timeout_ms=max(1, min(SEARCH_MS, ask.timeout_ms // 2)),
    )  # fmt: skip


def _alone(ask: AnswerQuestion) -> str | None:
    """The only node asked; None if there are several."""
    names = list(dict.fromkeys(ask.nodes)) if isinstance(ask.nodes, list) else []
    return names[0] if len(names) == 1 else None


def _read(hits: Sequence[Hit], question: str, idfs: Mapping[str, float], budget: int) -> list[ExtractedPassage]:
    """Called in a thread, because extracting passages takes milliseconds."""
    return read_passages(hits, QuestionTerms(question, idfs, load_embedder(DEFAULT_EMBEDDER)), budget)
