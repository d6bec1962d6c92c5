"""When the application's databases are asked, and how they are named and reached."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fleetfold_child.app_database.databases import with_secrets
from fleetfold_child.ledger.admission import Decision, Plan
from fleetfold_child.ledger.compensation import admit_compensation
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_shared.config import ChildConfig, load
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionKind, CommandResult, Outcome
from support.executors import compensation_of

ASKS = Plan(asks_application=True)


def row(
    kind: ActionKind = "transactional", outcome: Outcome | None = None, *, starts: int = 1, here: bool = False,
    tombstone: bool = False, epoch: int = 0,
) -> LedgerRow:  # fmt: skip
    answer = CommandResult(id="f", attempt=1, epoch=epoch, outcome=outcome) if outcome else None
    return LedgerRow(
        id="f", action="order", kind=kind, state="tombstone" if tombstone else "done" if outcome else "running",
        starts=starts, incarnation="me" if here else "", epoch=epoch, attempt=1, compensates=None, params="{}",
        timeout_s=None, crashes=0, lone_crashes=0, outcome=outcome, refused=0,
        answer=msgspec.json.encode(answer).decode() if answer else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "forward",
    [
        None,  # never seen, or forgotten with a lost ledger
        row(),
        row(outcome="failed"),
        row(outcome="timed_out"),
        row(outcome="unknown"),
        row("idempotent", "rejected", starts=0),
        row("idempotent", "timed_out", starts=0),
    ],
)
def test_the_application_is_asked_before_it_is_said_that_nothing_happened(forward: LedgerRow | None) -> None:
    asked = admit_compensation(compensation_of("f", "cancel"), None, forward, None, ASKS)
    told = admit_compensation(compensation_of("f", "cancel"), None, forward, None, Plan())
    assert asked.decision is Decision.ASK
    assert asked.result is None
    assert told.decision is Decision.SETTLED


@pytest.mark.parametrize(
    ("forward", "decision"),
    [
        (row(outcome="ok"), Decision.RUN),
        (row(outcome="rejected", tombstone=True), Decision.SETTLED),
        (row(here=True), Decision.WAIT),
        (row("idempotent"), Decision.RUN),
        (row("idempotent", "failed"), Decision.RUN),
        (row("once", "unknown"), Decision.RUN),
        (row(epoch=9), Decision.FENCED),
    ],
)
def test_it_is_not_asked_where_the_ledger_knows_or_somebody_else_decides(
    forward: LedgerRow, decision: Decision
) -> None:
    assert admit_compensation(compensation_of("f", "cancel"), None, forward, None, ASKS).decision is decision


def test_a_url_with_a_password_comes_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://b\n")
    env = {"FLEETFOLD_DATABASE_MY_SHOP": "postgresql://a", "FLEETFOLD_DATABASE_CRM_FILE": str(file)}
    found = with_secrets({"my-shop": "", "crm": "sqlite:///x", "blog": "sqlite:///y"}, env)
    assert found == {"my-shop": "postgresql://a", "crm": "postgresql://b", "blog": "sqlite:///y"}
    with pytest.raises(InvalidInput, match=r"databases\.shop: no URL; give one, or set \$FLEETFOLD_DATABASE_SHOP"):
        with_secrets({"shop": ""}, {})


def test_the_settings_name_databases_and_the_days_of_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(
        '[master]\ndatabase = "sqlite:///m.db"\n[[children]]\nname = "shop"\nledger_days = 7\n'
        'databases = { shop = "sqlite:///s.db", crm = "postgresql://h/n", far = "sqlite:////var/far.db", blog = "" }\n'
    )
    config = load(path, {})
    assert config.master.database == f"sqlite:///{tmp_path}/m.db"
    [shop] = config.children
    assert shop == ChildConfig(
        name="shop",
        ledger_days=7,
        databases={
            "shop": f"sqlite:///{tmp_path}/s.db", "crm": "postgresql://h/n", "far": "sqlite:////var/far.db", "blog": "",
        },
    )  # fmt: skip
    assert load(path, {"FLEETFOLD_MASTER_DATABASE": "postgresql://h/m"}).master.database == "postgresql://h/m"
    path.write_text('[[children]]\nname = "shop"\nledger_days = 0.1\n')
    with pytest.raises(InvalidInput, match="ledger_days"):
        load(path, {})
