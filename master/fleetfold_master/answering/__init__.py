"""Question answering (RAG): answers in words from the fleet's documents, with their sources."""

from __future__ import annotations

from fleetfold_master.answering.answering import Answering
from fleetfold_master.answering.language_model import Model

__all__ = ["Answering", "Model"]
