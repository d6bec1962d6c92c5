"""Answers in words, from what the fleet's documents say, with the sources they rest on."""

from __future__ import annotations

from fleetfold_master.asking.answering import Answering
from fleetfold_master.asking.model import Model

__all__ = ["Answering", "Model"]
