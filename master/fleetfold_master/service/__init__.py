"""What the master serves on the bus."""

from __future__ import annotations

from fleetfold_master.service.access_api import AccessApi, Drop
from fleetfold_master.service.api import Api
from fleetfold_master.service.cache_api import CacheApi
from fleetfold_master.service.definition_api import DefinitionApi
from fleetfold_master.service.discovery import Discovery
from fleetfold_master.service.fleet import Fleet
from fleetfold_master.service.guard import Guard
from fleetfold_master.service.job_api import JobApi
from fleetfold_master.service.letter_api import LetterApi
from fleetfold_master.service.master_api import MasterApi
from fleetfold_master.service.progress import hear_progress
from fleetfold_master.service.quality_api import QualityApi
from fleetfold_master.service.rooms import Rooms
from fleetfold_master.service.runs_api import RunsApi
from fleetfold_master.service.schedule_api import ScheduleApi
from fleetfold_master.service.sender import BusSender
from fleetfold_master.service.starting import Starting
from fleetfold_master.service.transaction_api import TransactionApi

__all__ = [
    "AccessApi", "Api", "BusSender", "CacheApi", "DefinitionApi", "Discovery", "Drop", "Fleet", "Guard", "JobApi",
    "LetterApi", "MasterApi", "QualityApi", "Rooms", "RunsApi", "ScheduleApi", "Starting", "TransactionApi",
    "hear_progress",
]  # fmt: skip
