"""An identity for a benchmark: enrolled as a node is, with its credentials in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from fleetfold_broker.subjects import Subjects
from fleetfold_child.enrolment.credential_store import CredentialStore
from fleetfold_child.enrolment.enrolment_client import BusEnrolmentClient
from fleetfold_child.enrolment.renewal import CredentialRenewal

__all__ = ["enrolled"]


async def enrolled(name: str, url: str, data: Path, token: str) -> CredentialRenewal:
    """A new member, by a join token; its folder is below `data`."""
    membership = CredentialRenewal(
        name, CredentialStore.open(data / name, name), BusEnrolmentClient(url, name, Subjects())
    )
    await membership.enrol(token)
    return membership
