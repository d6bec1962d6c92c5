"""The pipeline of results: what is learned and when, what counts as junk, and what no engine is shown."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.rpc.pipeline import Call
from fleetfold_master.nodes.inflow import Inflow
from fleetfold_master.nodes.result_pipeline import result_pipeline
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CommandResult, CommandResults, encode
from fleetfold_shared.redaction import Redactor


class _Inflow(Inflow):
    """Notes what is counted as junk."""

    def __init__(self) -> None:
        super().__init__(LimitsConfig(), ManualClock())
        self.junked: list[tuple[str, int]] = []

    def junk(self, identity: str, size: int = 0) -> None:
        self.junked.append((identity, size))


class _Master:
    """A master that receives results. `unknown` are commands that it does not know, `broken` those it cannot commit."""

    def __init__(self, *redact: str) -> None:
        self.inflow = _Inflow()
        self.steps: list[str] = []
        self.taken: list[CommandResult] = []
        self.unknown, self.broken = set[str](), set[str]()
        self.deaf = False
        self._handle = result_pipeline(self.inflow, Redactor(redact), self._learn, self._take)

    async def receive(self, body: bytes) -> None:
        await self._handle(Call(verb="result", identity="shop", subject="fleet.res.shop", body=body))

    async def _learn(self, node: str, result: CommandResult) -> None:
        self.steps.append(f"learn {node} {result.id}")
        if self.deaf:
            raise Unavailable("the peers do not hear of it")

    async def _take(self, node: str, result: CommandResult) -> bool:
        self.steps.append(f"take {node} {result.id}")
        if result.id in self.broken:
            raise Unavailable("the database is being restarted")
        self.taken.append(result)
        return result.id not in self.unknown


def _results(*ids: str, error: str | None = None) -> bytes:
    outcome = "failed" if error else "ok"
    return encode(
        CommandResults(results=[CommandResult(id=id_, attempt=1, epoch=0, outcome=outcome, error=error) for id_ in ids])  # type: ignore[arg-type]
    )


async def test_the_epochs_of_a_result_are_learned_before_it_is_taken() -> None:
    master = _Master()
    await master.receive(_results("a", "b"))
    for id_ in ("a", "b"):
        assert master.steps.index(f"learn shop {id_}") < master.steps.index(f"take shop {id_}")


async def test_a_result_whose_epochs_could_not_be_learned_is_not_taken() -> None:
    master = _Master()
    master.deaf = True
    with pytest.raises(Unavailable):
        await master.receive(_results("a"))
    assert master.steps == ["learn shop a"]


async def test_a_result_that_cannot_be_taken_has_the_message_delivered_again_and_keeps_back_no_other() -> None:
    master = _Master()
    master.broken = {"a"}
    with pytest.raises(Unavailable):
        await master.receive(_results("a", "b"))
    assert [result.id for result in master.taken] == ["b"]


async def test_a_malformed_message_is_junk_of_its_node_and_goes_no_further() -> None:
    master = _Master()
    with capture_logs() as lines:
        await master.receive(b'{"results": 1}')
    assert (master.steps, master.inflow.junked) == ([], [("shop", 14)])
    assert [(line["event"], line["node"]) for line in lines] == [("result.malformed", "shop")]


async def test_a_result_of_no_known_command_is_junk_of_its_node() -> None:
    master = _Master()
    master.unknown = {"a"}
    with capture_logs() as lines:
        await master.receive(_results("a", "b"))
    assert master.inflow.junked == [("shop", 0)]
    assert [(line["event"], line["command"]) for line in lines] == [("result.of_nothing_known", "a")]


async def test_no_engine_is_shown_what_is_redacted() -> None:
    master = _Master(r"sk-\w+")
    await master.receive(_results("a", error="the key sk-secret is refused"))
    [result] = master.taken
    assert result.error is not None
    assert "sk-secret" not in result.error
