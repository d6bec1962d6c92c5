"""Answers in words, from what the fleet's documents say, with the sources they rest on."""

from __future__ import annotations

from fleetfold_master.answering.answering import Answering
from fleetfold_master.answering.language_model import Model

__all__ = ["Answering", "Model"]
