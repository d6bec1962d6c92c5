"""The verb of question answering."""

from __future__ import annotations

from fleetfold_shared.messages import Answered, AnswerPart, AnswerQuestion
from fleetfold_shared.verbs.verb import READERS, Verb, allow

__all__ = ["QUESTION"]

QUESTION = Verb(
    "ask.question", AnswerQuestion, Answered, "Have a question answered from the documents.",
    roles=allow(READERS), scope="named", audit="buffered", streams=AnswerPart, safe=True, idempotent=True,
)  # fmt: skip
