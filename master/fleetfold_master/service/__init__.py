"""What the master serves on the bus."""

from __future__ import annotations

from fleetfold_master.service.api import Api
from fleetfold_master.service.fleet import Fleet
from fleetfold_master.service.sender import BusSender

__all__ = ["Api", "BusSender", "Fleet"]
