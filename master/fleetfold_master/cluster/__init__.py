"""Several masters on one database: membership, ownership of work, and the messages between masters."""

from __future__ import annotations

from fleetfold_master.cluster.invalidation import RELOAD_S
from fleetfold_master.cluster.member_list import MemberList
from fleetfold_master.cluster.membership import Membership
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.cluster.surroundings import Surroundings
from fleetfold_master.cluster.wiring import ClusterPeers
from fleetfold_master.runtime.supervisor import Supervisor

__all__ = ["RELOAD_S", "ClusterPeers", "MemberList", "Membership", "Peers", "Supervisor", "Surroundings"]
