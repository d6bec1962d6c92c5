"""Groups of verbs: one handler object per area, beside those of the API server."""

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
    """The verbs of one area."""

    def verbs(self) -> dict[str, Verb[Any]]: ...


@dataclass(frozen=True, slots=True)
class VerbGroups:
    """The groups that the API server uses by name, and the `others`, of which it needs only their handlers."""

    access: AccessVerbs
    transactions: TransactionVerbs
    cache: CacheVerbs
    quality: EvaluationVerbs
    answering: Answering
    others: tuple[VerbGroup, ...] = ()

    def verbs(self) -> dict[str, Verb[Any]]:
        """All handlers, by verb."""
        groups: tuple[VerbGroup, ...] = (self.transactions, self.access, self.cache, self.quality, *self.others)
        return {name: verb for group in groups for name, verb in group.verbs().items()}
