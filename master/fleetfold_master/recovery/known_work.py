"""Known work: what the database says of commands that a node has. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from fleetfold_master.jobs.task import parse_command_id
from fleetfold_master.recovery.restoration_rows import Fact
from fleetfold_master.transactions.model import Address, Step, Tx, parse_id
from fleetfold_master.transactions.recalled import knows_command
from fleetfold_shared.messages import RecalledCommand

__all__ = ["KnownWork", "Transactions"]

Transactions = Mapping[str, tuple[Tx, Sequence[Step]]]
"""Transactions with their steps, by id."""


class KnownWork(NamedTuple):
    """The jobs and transactions of a node's commands, as far as the database has them."""

    jobs: Collection[str]
    transactions: Transactions

    def knows(self, command: RecalledCommand) -> bool:
        """Whether the database knows that the command was sent. One of no job and no transaction is nobody's."""
        if (task := parse_command_id(command.id)) is not None:
            return task[0] in self.jobs
        if (address := parse_id(command.id)) is None:
            return True
        loaded = self.transactions.get(address.tx)
        return loaded is not None and knows_command(*loaded, command.id)

    def lacks(self, node: str, command: RecalledCommand) -> Fact | None:
        """What the command tells that the database lacks, if anything."""
        if (task := parse_command_id(command.id)) is not None:
            return None if task[0] in self.jobs else Fact(node, task[0], command, _unknown("job", task[0]))
        if (address := parse_id(command.id)) is None:
            return None
        if (loaded := self.transactions.get(address.tx)) is None:
            return Fact(node, address.tx, command, _unknown("transaction", address.tx))
        tx, steps = loaded
        if not tx.ended:
            return Fact(node, tx.id, command)
        return Fact(node, tx.id, command, why) if (why := _contradiction(tx, steps, address, command)) else None


def _unknown(kind: str, key: str) -> str:
    return f"the database has no {kind} {key}: send it again under this id, and what has run is not run again"


def _contradiction(tx: Tx, steps: Sequence[Step], address: Address, command: RecalledCommand) -> str:
    """Why a transaction that has ended in the database cannot be right, if so."""
    pivots = {step.name for step in steps if step.pivot}
    if tx.state == "committed" and not address.forward and address.step not in pivots:
        return f"transaction {tx.id} is committed, and this step of it was undone: look at its effects"
    if not knows_command(tx, steps, command.id):
        return f"transaction {tx.id} is {tx.state}, and has not sent this: look at its effects"
    return ""
