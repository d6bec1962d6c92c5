"""Reasons of the broker that look like damage: a full or closed disk is not."""

from __future__ import annotations

import pytest

from fleetfold_broker.jetstream.damage_errors import consumer_damage, remedy
from fleetfold_broker.server.store_quarantine import prevents_start
from fleetfold_shared.errors import Unavailable

MACHINE = ["no space left on device", "permission denied", "disk quota exceeded", "read-only file system",
           "insufficient resource limits", "too many open files"]  # fmt: skip


@pytest.mark.parametrize("reason", MACHINE)
def test_a_refusal_of_the_machine_quarantines_nothing(reason: str) -> None:
    refusal = {"err_code": 10012, "description": f"error creating store for consumer: {reason.upper()}"}
    assert (consumer_damage(refusal), remedy(refusal)) == (None, "")
    assert not prevents_start(Unavailable(f"Can't start JetStream: {reason}"))


def test_a_damaged_store_is_found() -> None:
    refusal = {"err_code": 10012, "description": "error creating store for consumer: bad header"}
    assert consumer_damage(refusal) == refusal["description"]
    assert "damaged" in remedy(refusal)
    assert prevents_start(Unavailable("Can't start JetStream: bad header"))
