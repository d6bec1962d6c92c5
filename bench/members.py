"""An identity for a benchmark: enrolled as a node is, with its credentials in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from fleetfold_broker.subjects import Subjects
from fleetfold_child.door import BusDoor
from fleetfold_child.membership import Membership
from fleetfold_child.passport import Passport

__all__ = ["enrolled"]


async def enrolled(name: str, url: str, data: Path, token: str) -> Membership:
    """A new member, by a join token; its folder is below `data`."""
    membership = Membership(name, Passport.open(data / name, name), BusDoor(url, name, Subjects()))
    await membership.enrol(token)
    return membership
