"""The states of the universe that `support.universe` explores, as values."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_master.transactions import Step, Tx
from fleetfold_shared.messages import Command, CommandResult

__all__ = ["Budget", "Effect", "Known", "Master", "State", "Told"]

T = TypeVar("T")


class Budget(NamedTuple):
    """How often each mishap may happen on one way."""

    losses: int = 0
    duplicates: int = 0
    master_deaths: int = 0
    node_deaths: int = 0
    failures: int = 0
    timeouts: int = 0
    no_results: int = 0

    def less(self, what: str) -> Budget | None:
        """One fewer of `what`; None when none is left."""
        left: int = getattr(self, what)
        return self._replace(**{what: left - 1}) if left else None


class Effect(NamedTuple):
    """How often a step took effect, and how often that was undone."""

    done: int = 0
    undone: int = 0


class Known(Generic[T]):
    """A value that compares and hashes by what it is on the wire: Structs that hold dicts do not hash."""

    __slots__ = ("_key", "value")
    _all: ClassVar[dict[bytes, Known[Any]]] = {}

    def __init__(self, key: bytes, value: T) -> None:
        self._key, self.value = key, value

    @classmethod
    def of(cls, value: T) -> Known[T]:
        """The one that stands for all equal ones."""
        key = type(value).__name__.encode() + msgspec.msgpack.encode(value)
        return cls._all.setdefault(key, cls(key, value))


class Told(msgspec.Struct, frozen=True):
    """An answer on its way."""

    node: str
    result: CommandResult


class Master(msgspec.Struct, frozen=True):
    """What is committed of the transaction."""

    tx: Tx
    steps: tuple[Step, ...]


class State(NamedTuple):
    """All there is: the master's rows, what is on its way, the nodes' rows and what they have done."""

    master: Known[Master]
    commands: frozenset[Known[Command]]
    results: frozenset[Known[Told]]
    rows: frozenset[LedgerRow]
    effects: tuple[Effect, ...]
    budget: Budget
    down: bool = False
    wrong: str = ""
    noted: frozenset[str] = frozenset()

    @property
    def tx(self) -> Tx:
        return self.master.value.tx

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.master.value.steps
