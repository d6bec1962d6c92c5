"""Generators of answers: the configured model, or a node that answers questions itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_master.answering.answer_run import AnswerSession, UsedGenerator
from fleetfold_master.answering.language_model import Model, ModelError
from fleetfold_master.answering.prompt import messages
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import NodeAnswer, NodeQuestion, decode, encode

__all__ = ["Gather", "Generator", "ModelGenerator", "NodeGenerator"]

MOST_CHARS = 100_000
"""Limit of a node's answer."""

Gather = Callable[[str, Collection[str], bytes, float], Awaitable[dict[str, ScatterReply]]]
"""Requests answers of nodes: verb, nodes, request, and time limit in seconds."""


class Generator(Protocol):
    """Generates answers."""

    @property
    def credit(self) -> UsedGenerator:
        """The name of the model or node."""

    def words(self, session: AnswerSession) -> AsyncGenerator[str, None]:
        """The answer as it comes. Raises `ModelError` if there is none, or no more of it."""


@dataclass(frozen=True, slots=True)
class ModelGenerator:
    """A model of the configured endpoint."""

    model: Model
    name: str

    @property
    def credit(self) -> UsedGenerator:
        """The model."""
        return UsedGenerator(model=self.name)

    def words(self, session: AnswerSession) -> AsyncGenerator[str, None]:
        """The model's words as they come."""
        return self.model.words(self.name, messages(session.ask.question, session.passages), session.left_s())


@dataclass(frozen=True, slots=True)
class NodeGenerator:
    """A node that answers questions. It gets only the passages of the nodes that were asked."""

    node: str
    gather: Gather
    timeout_s: float

    @property
    def credit(self) -> UsedGenerator:
        """The node."""
        return UsedGenerator(by=self.node)

    async def words(self, session: AnswerSession) -> AsyncGenerator[str, None]:
        """The node's answer, all at once."""
        question = encode(NodeQuestion(question=session.ask.question, passages=session.passages))
        timeout_s = min(session.left_s(), self.timeout_s)
        came = (await self.gather("rag", [self.node], question, timeout_s)).get(self.node)
        if came is None:
            raise ModelError(f"{self.node} did not answer within {timeout_s:.3g} s")
        if came.error is not None:
            raise ModelError(f"{self.node} did not answer: {' '.join(came.error.message.split())}")
        try:
            yield decode(came.data, NodeAnswer).text[:MOST_CHARS]
        except InvalidInput:
            raise ModelError(f"{self.node} answers what cannot be read") from None
