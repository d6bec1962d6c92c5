"""The rooms that serve verbs of their own, beside the API's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleetfold_master.asking import Answering
from fleetfold_master.service.access_api import AccessApi
from fleetfold_master.service.cache_api import CacheApi
from fleetfold_master.service.guard import Verb
from fleetfold_master.service.letter_api import LetterApi
from fleetfold_master.service.quality_api import QualityApi
from fleetfold_master.service.schedule_api import ScheduleApi
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
    schedules: ScheduleApi
    letters: LetterApi

    def verbs(self) -> dict[str, Verb[Any]]:
        """All of theirs, by name."""
        rooms = (self.transactions, self.access, self.cache, self.quality, self.schedules, self.letters)
        return {name: verb for room in rooms for name, verb in room.verbs().items()}
