"""Which ledger of a node is accepted."""

from __future__ import annotations

import pytest

from fleetfold_master.nodes.known_ledgers import KnownLedgers, refusal
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.messages import LedgerMark, NodeDescription

KNOWN = LedgerMark("a", 240)
WAY_OUT = "; put the newest copy back, or settle it with `fleetfold nodes reconcile shop --accept`"


@pytest.mark.parametrize(
    ("known", "told", "why"),
    [
        (None, LedgerMark("a", 0), ""),
        (KNOWN, None, ""),
        (LedgerMark("a", 0), LedgerMark("b", 0), ""),
        (KNOWN, LedgerMark("a", 240), ""),
        (KNOWN, LedgerMark("a", 300), ""),
        (KNOWN, LedgerMark("a", 239), f"ledger: it is older (height 239, known 240){WAY_OUT}"),
        (
            KNOWN,
            LedgerMark("b", 500),
            f"ledger: it is another one than before (it was lost; height 500, known 240){WAY_OUT}",
        ),
    ],
)
def test_an_older_or_another_ledger_is_refused(known: LedgerMark | None, told: LedgerMark | None, why: str) -> None:
    assert refusal("shop", known, told) == why


def node(height: int) -> StoredNode:
    described = NodeDescription(incarnation="i1", version="1.0")
    return StoredNode(
        name="shop", state="active", description=described, registered_at=0.0, ledger_generation="a",
        ledger_height=height,
    )  # fmt: skip


def test_what_is_known_rises_with_the_ledger_and_never_falls() -> None:
    ledgers = KnownLedgers()
    ledgers.tell("shop", "i1", LedgerMark("a", 7))
    higher, why = ledgers.judge(node(5))
    assert (higher.ledger, why) == (LedgerMark("a", 7), "")
    ledgers.tell("shop", "i2", LedgerMark("a", 6))
    same, why = ledgers.judge(higher)
    assert (same.ledger, "it is older" in why) == (LedgerMark("a", 7), True)


def test_a_heartbeat_that_was_overtaken_tells_nothing() -> None:
    ledgers = KnownLedgers()
    ledgers.tell("shop", "i1", LedgerMark("a", 7), 4)
    ledgers.tell("shop", "i1", LedgerMark("a", 5), 3)
    assert ledgers.reported("shop") == LedgerMark("a", 7)
    ledgers.tell("shop", "i2", LedgerMark("a", 5), 1)
    assert ledgers.reported("shop") == LedgerMark("a", 5)


def test_a_heartbeat_that_a_result_has_overtaken_makes_no_ledger_old() -> None:
    ledgers = KnownLedgers()
    ledgers.tell("shop", "i1", LedgerMark("g", 1))
    ledgers.tell_height("shop", "i1", LedgerMark("g", 5))
    ledgers.tell("shop", "i1", LedgerMark("g", 3), 2)
    assert ledgers.reported("shop") == LedgerMark("g", 5)
    ledgers.tell("shop", "i2", LedgerMark("g", 3))
    assert ledgers.reported("shop") == LedgerMark("g", 3)


def test_what_another_master_has_heard_of_the_same_process_makes_no_ledger_old() -> None:
    frozen, other = KnownLedgers(), KnownLedgers()
    frozen.tell("shop", "i2", LedgerMark("a", 7), 1)
    other.tell("shop", "i2", LedgerMark("a", 9), 2)
    written, _ = other.judge(node(5))
    assert frozen.judge(written) == (written, "")
    frozen.tell("shop", "i3", LedgerMark("a", 7))
    assert "it is older" in frozen.judge(written)[1]
