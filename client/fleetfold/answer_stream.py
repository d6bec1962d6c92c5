"""A streamed answer to a question."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from fleetfold.caller import Caller
from fleetfold_shared import verbs
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Answered, AnswerPart, AnswerQuestion, decode

__all__ = ["AnswerStream", "answer_parts"]


class AnswerStream:
    """An answer that is being written: iterate over its parts as they arrive, or await `answer()` or `text()`.

    async for part in fleet.ask("how do I return a tent?"):
        print(part.text, end="")

    When `part.again` is set, the text before it is withdrawn. After the last part `answered` is the whole answer.
    Leave it with `async with`, or `close()`, to end it early: the master then stops its work too.
    """

    def __init__(self, parts: AsyncGenerator[AnswerPart | Answered, None]) -> None:
        self._parts = parts
        self.answered: Answered | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnswerPart:
        part = await anext(self._parts)
        if isinstance(part, AnswerPart):
            return part
        self.answered = part
        await self.close()
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the answer, if it has not ended."""
        await self._parts.aclose()

    async def answer(self) -> Answered:
        """Read to the end; the whole answer, with its sources."""
        async with self:
            async for _ in self:
                pass
        if self.answered is None:
            raise Unavailable("the answer was closed before its end; ask again")
        return self.answered

    async def text(self) -> str:
        """Read to the end; the answer's text, which cites its sources as `[n]`."""
        return (await self.answer()).text


async def answer_parts(
    caller: Caller, ask: AnswerQuestion, timeout_s: float
) -> AsyncGenerator[AnswerPart | Answered, None]:
    """Send a question; the parts of its answer as they arrive, last the whole answer."""
    async with aclosing(caller.stream(verbs.ask.QUESTION, ask, timeout_s)) as parts:
        async for part in parts:
            yield decode(part.data, Answered) if part.last else decode(part.data, AnswerPart)
