"""`fleetfold run`: which nodes, in which order, how long; what it asks before it destroys; batches from a file."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from fleetfold.batch_submission import SubmitOutcome
from fleetfold_cli.app import main
from fleetfold_cli.command_context import Terminal
from fleetfold_shared.errors import ErrorBody, InvalidInput, Unavailable
from fleetfold_shared.messages import Callback, Job, JobNode, RetryPolicy, Run
from support.commandline import FakeFleet, Result, job, logging_as_it_was, run_command


def asked(*words: str, answer: Any = None) -> dict[str, Any]:
    fleet = FakeFleet(answer=answer or job())
    result = run_command("run", *words, fleet=fleet)
    assert result.code == 0, result
    return fleet.asked[-1][1]  # type: ignore[no-any-return]


def test_the_options_say_which_nodes() -> None:
    said = asked("--where", "role=shop", "--limit", "10%", "--seed", "7", "--yes", "wipe", "deep:=true")
    assert (said["nodes"], said["all"], said["where"], said["action"]) == ([], False, "role=shop", "wipe")
    assert (said["limit"], said["seed"], said["confirmed"], said["params"]) == ("10%", 7, True, {"deep": True})


@pytest.mark.parametrize(
    ("words", "nodes", "everywhere"),
    [
        (["--any", "sync"], [], True),
        (["--any", "sync", "x:=1"], [], True),
        (["--any", "shop,blog", "sync"], ["shop", "blog"], False),
        (["--any", "--all", "sync"], [], True),
        (["--any", "--where", "role=shop", "sync"], [], False),
    ],
)
def test_any_needs_no_target(words: list[str], nodes: list[str], everywhere: bool) -> None:
    said = asked(*words)
    assert (said["any"], said["nodes"], said["all"], said["action"]) == (True, nodes, everywhere, "sync")


@pytest.mark.parametrize("words", [["all"], ["--all"]])
def test_all_is_a_target_too(words: list[str]) -> None:
    said = asked(*words, "sync", "x:=1")
    assert (said["nodes"], said["all"], said["action"], said["params"]) == ([], True, "sync", {"x": 1})


def test_the_options_say_the_pace_and_the_times() -> None:
    said = asked(
        "--all", "--batch", "25%", "--pause", "2", "--max-failures", "0", "--dry-run", "sync", "--start-within", "30",
        "--timeout", "5", "--heartbeat", "3", "--overall", "60", "--attempts", "4", "--backoff", "0.5",
        "--callback", "job.done", answer=job("checked", outcome=None),
    )  # fmt: skip
    pace = {"sequential": False, "batch": "25%", "pause_s": 2.0, "max_failures": "0", "dry_run": True}
    times = {"timeout_s": 5.0, "start_within_s": 30.0, "heartbeat_s": 3.0, "overall_s": 60.0}
    assert pace.items() <= said.items()
    assert times.items() <= said.items()
    assert said["retry"] == RetryPolicy(attempts=4, backoff_s=0.5)
    assert said["callback"] == Callback(type="job.done")
    assert asked("--all", "sync", "--callback", "https://a.example/x")["callback"] == Callback(
        url="https://a.example/x"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--all", "sync", "--backoff", "2"], "say how many with --attempts"),
        (["--all", "sync", "--attempts", "0"], "retry: attempts"),
        (["--all", "sync", "--callback", "Job Done"], "callback: type"),
        (["--where", "role=shop", "shop", "sync"], "TARGET and --where exclude each other"),
        (["--where", "role=shop"], "ACTION is missing"),
        (["--from", "x", "shop"], "leave 'shop' out"),
        (["--from", "x", "--all"], "leave --all out"),
        (["--from", "x", "--pause", "2"], "leave --pause out"),
        (["--from", "-", "--strict"], "stdin can be read only once"),
        (["--from", "-", "--batch-id", "a.b"], "batch-id: 'a.b' will not do"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], said: str) -> None:
    result = run_command("run", *words)
    assert result.code == 2
    assert said in result.err


def test_nodes_are_listed_by_an_expression() -> None:
    fleet = FakeFleet()
    run_command("nodes", "list", "--where", "role=shop", fleet=fleet)
    assert fleet.asked == [("nodes", (False, "role=shop"))]


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


class Guarded(FakeFleet):
    """Wants a confirmation."""

    async def run(self, run: Run, *, wait: bool) -> Job:
        self.asked.append(("run", {**asdict(run), "wait": wait}))
        if run.dry_run:
            return job("checked", nodes=[JobNode(f"shop-{n}") for n in range(7)])
        if not run.confirmed:
            raise InvalidInput("confirmed: it would run on 7 nodes; `--yes`", field="confirmed")
        return job()


def at_a_terminal(fleet: FakeFleet, *words: str, types: str) -> Result:
    out, err = Tty(), Tty()
    with logging_as_it_was():
        code = main(words, Terminal(out, err, Tty(types), fleet.connect))  # type: ignore[arg-type]
    return Result(code, out.getvalue(), err.getvalue())


@pytest.mark.parametrize(("types", "code", "ran"), [("y\n", 0, 3), ("Yes\n", 0, 3), ("n\n", 1, 2), ("", 1, 2)])
def test_a_person_is_asked_before_something_destructive_runs(types: str, code: int, ran: int) -> None:
    fleet = Guarded()
    result = at_a_terminal(fleet, "run", "--all", "reserve_stock", "x:=1", types=types)
    assert (result.code, len(fleet.asked)) == (code, ran)
    assert "Run it on 7 nodes (shop-0, shop-1, shop-2, shop-3, shop-4 and 2 more)? [y/N]" in result.err
    first, checked, *again = [options for _, options in fleet.asked]
    assert checked["id"] != first["id"]
    assert [(options["id"], options["confirmed"]) for options in again] == [(first["id"], True)][: ran - 2]


@pytest.mark.parametrize("words", [["run", "--all", "wipe"], ["run", "--all", "wipe", "--json"]])
def test_a_script_is_told_of_yes(words: list[str]) -> None:
    result = run_command(*words, fleet=Guarded())
    assert result.code == 2
    assert "--yes" in result.err


class Taking(FakeFleet):
    """Ends every run that it is given: as its parameters say."""

    name = "ann"
    lost = False

    async def submit(self, runs: AsyncIterator[Run], *, window: int, wait: bool) -> AsyncGenerator[SubmitOutcome, None]:
        index = -1
        async for run in runs:
            index += 1
            self.asked.append(("submit", run))
            state = "checked" if run.dry_run else run.params.get("state", "ok")
            if state == "refused" or run.params.get("unknown"):
                error = ErrorBody("not_found", "node: there is none", "node")
                yield SubmitOutcome(index=index, id=run.id, error=error)
            else:
                outcome, why = ("ok", None) if state in {"ok", "checked"} else ("failed", "too\nfew")
                nodes = [JobNode("shop", outcome, None, why)]  # type: ignore[arg-type]
                yield SubmitOutcome(index=index, id=run.id, state=state, nodes=nodes)
            if self.lost:
                raise Unavailable("no master answers")

    def runs(self) -> list[Run]:
        return [run for _, run in self.asked]


LINES = """\
{"action": "ship", "node": "shop", "params": {"n": 1}}

{"action": "ship", "where": "role=shop", "params": {"state": "failed"}, "timeout_s": 5}
{"action": "ship", "node": "shop"
{"action": "ship", "node": "shop", "nodes": ["blog"]}
{"action": "ship", "nod": "shop"}
{"action": "ship", "nodes": ["shop"], "params": {"state": "refused"}, "id": "mine"}"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "lines.jsonl"
    path.write_text(LINES)
    return str(path)


def test_each_line_of_a_file_is_a_run_and_is_told_by_its_number(file: str) -> None:
    fleet = Taking()
    result = run_command("run", "--from", file, "--json", "--timeout", "9", "--attempts", "2", fleet=fleet)
    told = {line["line"]: line for line in map(json.loads, result.out.splitlines())}
    assert {n: line["outcome"] for n, line in told.items()} == {
        1: "ok", 3: "failed", 4: "refused", 5: "refused", 6: "refused", 7: "refused",
    }  # fmt: skip
    assert list(told[1]) == ["line", "id", "outcome", "error", "code", "nodes"]
    assert told[3]["error"] == "shop: too few"
    assert "line 4: no JSON object" in told[4]["error"]
    assert "line 5: node" in told[5]["error"]
    assert "line 6: nod: there is no such key" in told[6]["error"]
    assert (told[7]["id"], told[7]["code"]) == ("mine", "not_found")
    assert result.code == 3
    first, second, third = fleet.runs()
    assert (first.nodes, second.where, third.id) == (["shop"], "role=shop", "mine")
    assert (first.timeout_s, second.timeout_s, first.retry) == (9.0, 5.0, RetryPolicy(attempts=2))


def test_the_same_file_has_the_same_ids_and_another_others(file: str) -> None:
    fleets = [Taking() for _ in range(4)]
    fleets[2].name = "bob"
    for fleet in fleets[:3]:
        run_command("run", "--from", file, fleet=fleet)
    Path(file).write_text(LINES + "\n")
    run_command("run", "--from", file, fleet=fleets[3])
    ids = [fleet.runs()[0].id for fleet in fleets]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert ids[0].endswith("-1")


def test_a_person_is_told_what_went_wrong_and_how_to_go_on(file: str) -> None:
    result = run_command("run", "--from", file, "--batch-id", "b7", fleet=Taking())
    assert result.out.splitlines()[0] == "line 3: failed: shop: too few"
    assert "6 of 7 lines in" in result.err
    assert "1 failed, 1 ok, 4 refused" in result.err
    assert "--batch-id b7" in result.err


def test_strictly_nothing_begins_when_one_line_is_wrong(file: str) -> None:
    fleet = Taking()
    result = run_command("run", "--from", file, "--strict", fleet=fleet)
    assert result.code == 2
    assert "nothing was begun: 3 lines are wrong" in result.err
    assert {run.dry_run for run in fleet.runs()} == {True}
    Path(file).write_text('{"action": "ship", "node": "shop"}\n{"action": "ship", "node": "shop"}\n')
    fleet = Taking()
    assert run_command("run", "--from", file, "--strict", fleet=fleet).code == 0
    assert [run.dry_run for run in fleet.runs()] == [True, True, False, False]


def test_a_dry_run_of_a_file_begins_nothing(file: str) -> None:
    fleet = Taking()
    result = run_command("run", "--from", file, "--dry-run", fleet=fleet)
    assert result.code == 3
    assert {run.dry_run for run in fleet.runs()} == {True}
    assert "3 would run" in result.err


def test_lines_from_stdin_have_the_id_that_is_given(file: str) -> None:
    fleet = Taking()
    result = run_command("run", "--from", "-", "--batch-id", "b7", "--yes", fleet=fleet, stdin=LINES)
    assert [(run.id, run.confirmed) for run in fleet.runs()] == [("b7-1", True), ("b7-3", True), ("mine", True)]
    assert result.code == 3


def test_a_batch_that_breaks_off_says_how_to_resume(file: str) -> None:
    fleet = Taking()
    fleet.lost = True
    result = run_command("run", "--from", file, "--batch-id", "b7", fleet=fleet)
    assert result.code == 1
    assert "broke off: 1 of 7 lines" in result.err
    assert "Run it again with `--batch-id b7`" in result.err


@pytest.mark.parametrize(
    ("states", "code"), [(["ok", "ok"], 0), (["ok", "partly"], 3), (["failed", "cancelled"], 1), ([], 0)]
)
def test_the_exit_code_of_a_batch(tmp_path: Path, states: list[str], code: int) -> None:
    file = tmp_path / "lines.jsonl"
    lines = [{"action": "ship", "node": "shop", "params": {"state": state}} for state in states]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert run_command("run", "--from", str(file), fleet=Taking()).code == code


def test_a_file_that_is_not_there_is_named() -> None:
    result = run_command("run", "--from", "/nowhere/lines.jsonl", fleet=Taking())
    assert (result.code, result.err) == (1, "fleetfold: /nowhere/lines.jsonl: No such file or directory\n")
