"""One question to many nodes, their answers folded into one ranking."""

from __future__ import annotations

from fleetfold_master.search.cache import Cache
from fleetfold_master.search.cache_epochs import Epochs
from fleetfold_master.search.corpora import Corpora
from fleetfold_master.search.federation import Federation
from fleetfold_master.search.own import Own, OwnCollections

__all__ = ["Cache", "Corpora", "Epochs", "Federation", "Own", "OwnCollections"]
