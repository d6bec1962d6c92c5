"""Command ids say which command of which step of which transaction they mean."""

from __future__ import annotations

import pytest

from fleetfold_master.transactions.model import Address, parse_id


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("t.x-1.crm.f", Address("x-1", "crm", forward=True, number=1)),
        ("t.x.crm.f12", Address("x", "crm", forward=True, number=12)),
        ("t.x.crm.c", Address("x", "crm", forward=False, number=1)),
        ("t.x.crm.cr3", Address("x", "crm", forward=False, number=1)),
        ("t.x.crm.c2r3", Address("x", "crm", forward=False, number=2)),
        ("t.x.crm.g", None),
        ("t.x.crm.f" + "9" * 5000, None),
        ("t.x.crm.f٣", None),
        ("t.x.crm.f.f", None),
        ("j.x.crm", None),
    ],
)
def test_ids_say_what_they_mean(text: str, address: Address | None) -> None:
    assert parse_id(text) == address
