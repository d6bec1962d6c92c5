"""The rooms that serve verbs of their own, beside the API's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from fleetfold_master.answering import Answering
from fleetfold_master.api.access_verbs import AccessVerbs
from fleetfold_master.api.cache_verbs import CacheVerbs
from fleetfold_master.api.evaluation_verbs import EvaluationVerbs
from fleetfold_master.api.guard import Verb
from fleetfold_master.api.transaction_verbs import TransactionVerbs

__all__ = ["VerbGroups"]


class VerbGroup(Protocol):
    """Verbs of one area."""

    def verbs(self) -> dict[str, Verb[Any]]: ...


@dataclass(frozen=True, slots=True)
class VerbGroups:
    """Each serves the verbs of its area; nobody needs the `others` for more than that."""

    access: AccessVerbs
    transactions: TransactionVerbs
    cache: CacheVerbs
    quality: EvaluationVerbs
    answering: Answering
    others: tuple[VerbGroup, ...] = ()

    def verbs(self) -> dict[str, Verb[Any]]:
        """All of theirs, by name."""
        rooms: tuple[VerbGroup, ...] = (self.transactions, self.access, self.cache, self.quality, *self.others)
        return {name: verb for room in rooms for name, verb in room.verbs().items()}
