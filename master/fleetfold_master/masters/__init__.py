"""Several masters on one database: who is there, who drives what, and what they tell each other."""

from __future__ import annotations

from fleetfold_master.masters.lives import Lives
from fleetfold_master.masters.membership import Membership
from fleetfold_master.masters.peers import Peers
from fleetfold_master.masters.roll import Roll
from fleetfold_master.masters.sharing import RELOAD_S
from fleetfold_master.masters.together import Together

__all__ = ["RELOAD_S", "Lives", "Membership", "Peers", "Roll", "Together"]
