"""The client call for answers in words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from fleetfold.caller import ANSWER_S, Caller
from fleetfold.names import Names, listed, which
from fleetfold_broker.rpc.streamed_reply import ReplyPart, in_parts
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Answered, AnswerQuestion, AskPart, WhichNodes, decode
from fleetfold_shared.values import encode_exactly

__all__ = ["AskCalls", "Asking"]

SILENCE_S = 10.0
"""Seconds of silence after which the master counts as absent; it sends a sign of life every second."""


class Asking:
    """An answer under way: iterate over its parts as they come, or await `answer()` or `text()`.

    async for part in fleet.ask("how do I return a tent?"):
        print(part.text, end="")

    When `part.again` is set, the words before it are taken back. After the last part `answered` is the whole answer.
    Leave it with `async with`, or `close()`, to end it early: then the master ends its work too.
    """

    def __init__(self, parts: AsyncGenerator[AskPart | Answered, None]) -> None:
        self._parts = parts
        self.answered: Answered | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AskPart:
        part = await anext(self._parts)
        if isinstance(part, AskPart):
            return part
        self.answered = part
        await self.close()
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """The answer is not wanted any more."""
        await self._parts.aclose()

    async def answer(self) -> Answered:
        """The whole answer, with its sources."""
        async with self:
            async for _ in self:
                pass
        if self.answered is None:
            raise Unavailable("the answer was closed before its end; ask again")
        return self.answered

    async def text(self) -> str:
        """The answer's words, which cite its sources as `[n]`."""
        return (await self.answer()).text


class AskCalls(Caller):
    """Questions."""

    def ask(
        self,
        question: str,
        *,
        nodes: Names | WhichNodes = "all",
        among: Names = (),
        collections: Names = (),
        limit: int = 6,
        budget: int | None = None,
        model: str | None = None,
        by: str | None = None,
        timeout_s: float = 60.0,
    ) -> Asking:
        """Have the question answered from the documents of the fleet, or of the `nodes` and `collections` named.

        `limit` (1-20) documents are read, as much of them as fits into `budget` tokens. The master's model writes the
        answer, or another `model` that it offers; with `model="none"`, and where there is none, it is made of the
        documents' own sentences. `by` is a node that answers questions itself; so does one that is asked alone.

        `kind` of the answer is `generated`, `extractive` or, when the fleet does not know, `none`. Nothing is sent
        before the first part, or the answer, is awaited; the errors come then.
        """
        ask = AnswerQuestion(
            question=question, nodes=which(nodes), among=listed(among, "among"),
            collections=listed(collections, "collections"), limit=limit, budget=budget, model=model, by=by,
            timeout_ms=round(timeout_s * 1000),
        )  # fmt: skip
        return Asking(self._parts(ask, timeout_s + ANSWER_S))

    async def _parts(self, ask: AnswerQuestion, timeout_s: float) -> AsyncGenerator[AskPart | Answered, None]:
        subject = self._bus.subjects.api(self._bus.caller, "ask.question")
        async with aclosing(in_parts(self._bus, subject, encode_exactly(ask), timeout_s, SILENCE_S)) as parts:
            async for part in self._told(parts):
                if part.last:
                    self._note_limit(part.headers)
                    yield decode(part.data, Answered)
                else:
                    yield decode(part.data, AskPart)

    async def _told(self, parts: AsyncGenerator[ReplyPart, None]) -> AsyncGenerator[ReplyPart, None]:
        try:
            async for part in parts:
                yield part
        except Unavailable as error:
            raise self._no_master(error) from None
