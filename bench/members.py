"""An identity for a benchmark: enrolled as a node is, with its credentials in the folder of a child."""

from __future__ import annotations

from bench.processes import Processes
from fleetfold.client import Client
from fleetfold_broker.subjects import Subjects
from fleetfold_child.door import BusDoor
from fleetfold_child.membership import Membership
from fleetfold_child.passport import Passport

__all__ = ["enrolled"]


async def enrolled(fleet: Processes, client: Client, name: str) -> Membership:
    """A new member, which has an access token and a refresh token."""
    passport = Passport.open(fleet.data / "children" / name, name)
    membership = Membership(name, passport, BusDoor(fleet.url, name, Subjects()))
    await membership.enrol((await client.invite(name)).token)
    return membership
