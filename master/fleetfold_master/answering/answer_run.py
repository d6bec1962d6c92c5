"""The answer session: one question in progress, its passages, the words said so far, and the final answer."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.answering.passages import ExtractedPassage, tokens_of
from fleetfold_shared.messages import Answered, AnswerKind, AnswerPart, AnswerQuestion, CitedSource, Passage

__all__ = ["NOT_KNOWN", "AnswerSession", "UsedGenerator"]

NOT_KNOWN = "The fleet does not know: no document says enough about this."


@dataclass(frozen=True, slots=True)
class UsedGenerator:
    """The generator that was given the passages: a model or a node; empty without either."""

    model: str | None = None
    by: str | None = None


@dataclass(slots=True)
class AnswerSession:
    """One question, received at `started`."""

    ask: AnswerQuestion
    say: Say
    started: float = field(default_factory=time.perf_counter)
    readings: list[ExtractedPassage] = field(default_factory=list)
    partial: bool = False
    credit: UsedGenerator = field(default_factory=UsedGenerator)
    spoken: bool = False

    @property
    def passages(self) -> list[Passage]:
        """The passages."""
        return [reading.passage for reading in self.readings]

    def left_s(self) -> float:
        """Seconds left of the caller's time limit; at least a millisecond."""
        return max(0.001, self.ask.timeout_ms / 1000 - (time.perf_counter() - self.started))

    async def pass_on(self, words: str) -> None:
        """Stream words of the answer."""
        if words:
            self.spoken = True
            await self.say(AnswerPart(text=words))

    async def end_with(
        self, kind: AnswerKind, text: str, cited: Collection[int] = (), reason: str | None = None
    ) -> Answered:
        """Replace what was streamed by `text`, and end the session."""
        await self.say(AnswerPart(text=text, again=self.spoken, reason=reason))
        return self.end(kind, text, cited, reason=reason)

    def end(
        self, kind: AnswerKind, text: str, cited: Collection[int], *, invalid: int = 0, reason: str | None = None
    ) -> Answered:
        """End with what was streamed; the sources are the passages."""
        return Answered(
            question=self.ask.question, text=text, kind=kind, sources=[_source(one, cited) for one in self.passages],
            model=self.credit.model, by=self.credit.by, reason=reason, uncited=kind == "generated" and not cited,
            invalid_citations=invalid, context_tokens=tokens_of(self.passages), partial=self.partial,
            took_ms=round((time.perf_counter() - self.started) * 1000, 3),
        )  # fmt: skip


def _source(one: Passage, cited: Collection[int]) -> CitedSource:
    return CitedSource(one.n, one.node, one.collection, one.id, one.title, one.score, one.text, one.n in cited)
