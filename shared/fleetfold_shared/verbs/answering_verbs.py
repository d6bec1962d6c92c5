"""The verb of question answering."""

from __future__ import annotations

from fleetfold_shared.messages import Answered, AnswerQuestion, AskPart
from fleetfold_shared.verbs.verb import READERS, Verb, allow

__all__ = ["QUESTION"]

QUESTION = Verb(
    "ask.question", AnswerQuestion, Answered, "Have a question answered from the documents.",
    roles=allow(READERS), scope="named", audit="buffered", streams=AskPart, safe=True, idempotent=True,
)  # fmt: skip
