"""The rooms that serve verbs of their own, beside the API's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleetfold_master.asking import Answering
from fleetfold_master.service.access_api import AccessApi
from fleetfold_master.service.cache_api import CacheApi
from fleetfold_master.service.definition_api import DefinitionApi
from fleetfold_master.service.guard import Verb
from fleetfold_master.service.quality_api import QualityApi
from fleetfold_master.service.transaction_api import TransactionApi

__all__ = ["Rooms"]


@dataclass(frozen=True, slots=True)
class Rooms:
    """Each serves the verbs of its area."""

    access: AccessApi
    transactions: TransactionApi
    cache: CacheApi
    quality: QualityApi
    answering: Answering
    definitions: DefinitionApi

    def verbs(self) -> dict[str, Verb[Any]]:
        """All of theirs, by name."""
        return {
            **self.transactions.verbs(), **self.access.verbs(), **self.cache.verbs(), **self.quality.verbs(),
            **self.definitions.verbs(),
        }  # fmt: skip
