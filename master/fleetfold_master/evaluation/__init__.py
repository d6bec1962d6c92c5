"""Search evaluation: judgements, clicks, counts of empty answers, and the metrics computed from them."""

from __future__ import annotations

from fleetfold_master.evaluation.evaluation import Evaluation
from fleetfold_master.evaluation.relevance_feedback import Judgements
from fleetfold_master.evaluation.search_statistics import SearchStatistics

__all__ = ["Evaluation", "Judgements", "SearchStatistics"]
