"""Several masters on one database: membership, ownership of work, and the messages between masters."""

from __future__ import annotations

from fleetfold_master.cluster.collection_epoch_sharing import EpochSharing
from fleetfold_master.cluster.dependency_health import Surroundings
from fleetfold_master.cluster.invalidation import RELOAD_S, SHARED_CHANGES, CacheInvalidation
from fleetfold_master.cluster.member_list import MemberList
from fleetfold_master.cluster.membership import Membership
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.cluster.takeover import Takeover
from fleetfold_master.cluster.wiring import ClusterPeers, CutOff, shared_caches

__all__ = [
    "RELOAD_S",
    "SHARED_CHANGES",
    "CacheInvalidation",
    "ClusterPeers",
    "CutOff",
    "EpochSharing",
    "MemberList",
    "Membership",
    "Peers",
    "Surroundings",
    "Takeover",
    "shared_caches",
]  # fmt: skip
