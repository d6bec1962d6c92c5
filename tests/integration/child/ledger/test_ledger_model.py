"""The ledger against a tiny model: commands, duplicates, compensations and deaths in any order."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleetfold_child.commands.actions import Actions, AnyAction, action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.executor import ExecutionLimits, Executor
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import Command, CommandResult, RetryPolicy
from support.effort import effort
from support.executors import command, compensation_of

KINDS = ("transactional", "idempotent", "once")
NOTING = st.sampled_from(["noting-1", "noting_once-1"])
FORWARD = st.sampled_from([f"{kind}-1" for kind in KINDS])


class LedgerMachine(RuleBasedStateMachine):
    """Effects are counted outside of the ledger, but for transactional ones, which it commits."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.begun: list[str] = []
        self.undone: list[str] = []
        self.late: list[str] = []
        self.results: dict[str, CommandResult] = {}
        self.tombstones: set[str] = set()
        self.cancelled: set[str] = set()
        self.running: dict[str, asyncio.Task[CommandResult | None]] = {}
        self.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 20))

    def start(self) -> None:
        self.ledger: Ledger = self.run(Ledger.open(self.directory / "node.db"))
        self.run(self.ledger.database.execute("CREATE TABLE IF NOT EXISTS effect (id TEXT)"))
        self.go = asyncio.Event()
        limits = ExecutionLimits(max_lone_crashes=3)
        self.executor = Executor(Actions(self.actions()), self.ledger, node="shop", limits=limits)

    def actions(self) -> list[AnyAction]:
        go = self.go

        @action(kind="transactional")
        async def transactional(ctx: Context) -> dict[str, str]:
            await go.wait()
            await ctx.tx.execute("INSERT INTO effect VALUES (?)", (ctx.key,))
            return {"key": ctx.key}

        async def work(ctx: Context) -> dict[str, str]:
            if ctx.key in self.tombstones | self.cancelled:
                self.late.append(ctx.key)
            self.begun.append(ctx.key)
            await go.wait()
            return {"key": ctx.key}

        async def fail_first(ctx: Context) -> dict[str, str]:
            if ctx.attempt == 1:
                raise ConnectionError("away")
            return await work(ctx)

        @action
        async def cancel(ctx: Context, key: str) -> None:
            self.undone.append(key)

        async def noting(ctx: Context) -> None:
            await ctx.note(key=ctx.key)
            self.begun.append(ctx.key)
            await go.wait()
            raise ValueError("it never gets to its end")

        again = RetryPolicy(attempts=2, backoff_s=0.0)
        return [
            transactional,
            action(name="idempotent", retry=again, cancel_grace=0)(fail_first),
            action(name="once", kind="once", cancel_grace=0)(work),
            cancel,
            action(name="noting")(noting),
            action(name="noting_once", kind="once")(noting),
        ]

    def send(self, sent: Command, *, patient: bool) -> None:
        """Let it run to its end, or leave it running."""
        task = self.running.get(sent.id) or self.loop.create_task(self.executor.handle(sent))
        if patient:
            self.go.set()
            self.note(self.run(task))
            self.go.clear()
        else:
            self.running[sent.id] = task
            for _ in range(3):  # turns of the ledger, in which it comes as far as it can
                self.run(self.ledger.database.execute("SELECT 1"))
        for ended in [one for one in self.running if self.running[one].done()]:
            self.note(self.running.pop(ended).result())

    def note(self, result: CommandResult | None) -> None:
        """A finished command replays the same result, until it is undone."""
        assert result is not None
        if result.code == "compensated":
            assert result.id in self.undone
            return
        result = msgspec.structs.replace(result, attempt=1, epoch=0)
        assert self.results.setdefault(result.id, result) == result
        if result.tombstone:
            self.tombstones.add(result.id.removesuffix(".c"))

    @rule(forward=FORWARD, patient=st.booleans())
    def deliver(self, forward: str, patient: bool) -> None:
        self.send(command(forward, forward.partition("-")[0]), patient=patient)

    @rule(forward=FORWARD, patient=st.booleans())
    def compensate(self, forward: str, patient: bool) -> None:
        self.send(compensation_of(forward, "cancel", key="{{key}}"), patient=patient)

    @rule(forward=FORWARD)
    def stop(self, forward: str) -> None:
        """From here on it is not begun any more, whatever happens."""
        said = self.run(self.executor.cancel([forward], "ann"))
        assert set(said.verdicts) == {forward}
        if forward not in self.results:
            self.cancelled.add(forward)
        for result in said.results:
            self.note(result)

    @rule(forward=NOTING, patient=st.booleans())
    def deliver_one_that_notes(self, forward: str, patient: bool) -> None:
        self.send(command(forward, forward.partition("-")[0]), patient=patient)

    @rule(forward=NOTING)
    def compensate_one_that_notes(self, forward: str) -> None:
        self.send(compensation_of(forward, "cancel", key="{{log.key}}"), patient=True)
        assert self.results[f"{forward}.c"].outcome in {"ok", "unknown"}
        if forward in self.begun:
            assert self.undone.count(forward) == 1

    @rule(clean=st.booleans())
    def die(self, clean: bool) -> None:
        self.run(self.interrupt())
        self.run(self.ledger.close() if clean else self.ledger._writer.close())
        self.start()

    async def interrupt(self) -> None:
        for task in self.running.values():
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)
        self.running.clear()

    @invariant()
    def promises_hold(self) -> None:
        committed = [row["id"] for row in self.run(self.ledger.database.execute("SELECT id FROM effect"))]
        assert len(committed) == len(set(committed))
        assert not self.tombstones & set(committed)
        assert not self.late
        assert all(self.begun.count(one) <= 1 for one in self.begun if one.startswith("once"))
        assert len(self.undone) == len(set(self.undone))
        for result in self.results.values():
            forward, _, undo = result.id.rpartition(".")
            if undo and result.outcome == "ok" and forward in self.results and self.results[forward].outcome == "ok":
                assert forward in self.undone
            if result.outcome != "ok":
                assert result.id not in committed
            if result.outcome == "ok" and result.id in committed:
                assert result.result == {"key": result.id}

    def teardown(self) -> None:
        self.die(clean=True)
        self.run(self.ledger.close())
        self.loop.close()
        shutil.rmtree(self.directory)


TestLedgerModel = pytest.mark.dear(LedgerMachine.TestCase)
TestLedgerModel.settings = settings(max_examples=effort(20), stateful_step_count=25)
