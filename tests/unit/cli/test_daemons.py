"""What the daemons make of options, file and environment."""

from __future__ import annotations

import asyncio
import os
import signal
from io import StringIO
from pathlib import Path

import pytest

from fleetfold import signal_handling
from fleetfold.signal_handling import until_signalled
from fleetfold_shared.errors import Unavailable
from support.commandline import run_command

CHILD = ["child", "--name", "shop", "--url", "nats://127.0.0.1:1"]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("FLEETFOLD_URL", raising=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["child"], "name: a child needs one"),
        (["child", "--name", "The Shop"], "name: not a usable name"),
        (["child", "--name", "shop", "--weight", "0"], "weight: expected `float` > 0"),
        (["child", "--name", "shop", "--label", "x"], "label: 'x' is no key=value"),
        (["child", "--name", "shop", "--collection", "p=a", "--collection", "p=b"], "collection: 'p' is given twice"),
        (["child", "--name", "shop", "--collection", "P=a"], "collections: not a usable name"),
        (["child", "--name", "shop", "--key", "gtin"], "key: 'gtin' is no key=value"),
        ([*CHILD, "--collection", "p=", "--key", "p=a:isbn"], "keys: 'a:isbn' is no key; write field or field:kind"),
        ([*CHILD, "--collection", "p=", "--key", "q=gtin"], "keys: shop has no collection 'q'"),
        ([*CHILD, "--collection", "p=", "--alpha", "q=0.5"], "alphas: shop has no collection 'q'"),
        ([*CHILD, "--collection", "p=", "--alpha", "p=1.5"], "alpha of p: 1.5 is outside 0-1"),
        (["child", "--name", "shop", "--alpha", "p=0.5", "--alpha", "p=0.6"], "alpha: 'p' is given twice"),
        (["child", "--name", "shop", "--alpha", "p=much"], "alpha of p: expected `float`"),
        (["child", "--name", "shop", "--replica", "p"], "replica: 'p' is no key=value"),
        (["child", "--name", "shop", "--replica", "p=a", "--replica", "p=b"], "replica: 'p' is given twice"),
        (["child", "--name", "shop", "--replica", "p=A b"], "replicas[...]: not a usable name"),
        ([*CHILD, "--collection", "p=", "--replica", "q=all"], "replicas: shop has no collection 'q'"),
        ([*CHILD, "--collection", "p=missing.jsonl"], "missing.jsonl: there is no such file"),
        ([*CHILD, "--collection", "p=", "--text", "q=a"], "text: there is no collection 'q'; there are p"),
        ([*CHILD, "--collection", "p=", "--field", "a:money"], "field: there is no 'money'; use text, number"),
        ([*CHILD, "--collection", "p=", "--separator", "ab"], "separator of p: 'ab' is none"),
        ([*CHILD, "--collection", "p=", "--encoding", "klingon"], "encoding of p: there is no 'klingon'"),
        (["child", "--name", "master", "--url", "nats://127.0.0.1:1"], "name: 'master' is the masters' own name"),
        (["master", "--url", "nats://127.0.0.1:1", "--collection", "notes"], "collections: 'notes' needs a file"),
        (["master", "--url", "nats://127.0.0.1:1", "--collection", "Notes=a"], "collections: not a usable name"),
        (["broker", "--port", "70000"], "port: expected `int` <= 65535"),
        (["up", "--config", "nowhere.toml"], "nowhere.toml: cannot be read: No such file"),
    ],
)
def test_bad_options_are_refused_by_name(words: list[str], said: str) -> None:
    result = run_command(*words)
    assert result.code == 2
    assert said in result.err


@pytest.mark.parametrize("words", [["child", "--name", "shop"], ["master"]])
def test_a_daemon_without_a_broker_says_what_to_start(words: list[str]) -> None:
    result = run_command(*words)
    assert result.code == 1
    assert "no fleet is running here: start one with `fleetfold up`" in result.err


def test_the_only_child_of_a_config_needs_no_name(tmp_path: Path) -> None:
    config = tmp_path / "fleet.toml"
    config.write_text('[[children]]\nname = "shop"\n')
    assert "no fleet is running" in run_command("child", "--config", str(config)).err
    config.write_text('[[children]]\nname = "shop"\n[[children]]\nname = "blog"\n')
    assert "a child needs one" in run_command("child", "--config", str(config)).err


def test_an_unknown_key_of_the_config_is_named(tmp_path: Path) -> None:
    config = tmp_path / "fleet.toml"
    config.write_text("[broker]\nprot = 1\n")
    result = run_command("up", "--config", str(config))
    assert (result.code, "broker.prot: there is no such key" in result.err) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
async def test_a_signal_ends_what_is_inside_and_lets_it_clean_up(number: signal.Signals) -> None:
    signal.signal(number, signal.default_int_handler)  # whatever runs the tests may have it ignored, as `nohup` does
    cleaned = False
    with until_signalled() as told:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up may await
            cleaned = True
    assert cleaned
    assert told.exit_code == (130 if number == signal.SIGINT else 0)


async def test_a_second_signal_ends_the_process_unless_it_is_a_copy_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, left = 100.0, list[int]()
    monkeypatch.setattr(signal_handling, "monotonic", lambda: now)
    monkeypatch.setattr(signal_handling, "leave", lambda number, _: left.append(number))
    with until_signalled():
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            assert left == []
            now += 1.0
            os.kill(os.getpid(), signal.SIGTERM)
            assert left == [signal.SIGTERM]


async def test_what_a_signal_cuts_short_may_fail_in_another_way() -> None:
    with until_signalled() as told:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Unavailable("the broker ended before it was up") from None
    assert told.exit_code == 0


async def test_an_error_without_a_signal_goes_on() -> None:
    with pytest.raises(Unavailable), until_signalled():
        raise Unavailable("no broker")


async def test_an_ignored_hangup_stays_ignored() -> None:
    """As `nohup` has it: the process outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with until_signalled() as told:
            os.kill(os.getpid(), signal.SIGHUP)
            asyncio.get_running_loop().call_later(0, os.kill, os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told.number == signal.SIGTERM


async def test_a_cancellation_that_is_no_signal_goes_on() -> None:
    async def serve() -> None:
        with until_signalled():
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_daemon_is_ready_in_one_line_that_is_out_at_once() -> None:
    from fleetfold_cli.command_context import Terminal
    from fleetfold_cli.parsing.common_options import OutputOptions

    class Flushed(StringIO):
        seen = ""

        def flush(self) -> None:
            self.seen = self.getvalue()

    out = Flushed()
    terminal = Terminal(out, StringIO(), StringIO())
    terminal.ready(OutputOptions(), {"ready": "broker"}, "it is up")
    assert out.seen == "it is up\n"
    terminal.ready(OutputOptions(json=True), {"ready": "broker"}, "it is up")
    assert out.seen == 'it is up\n{"ready":"broker"}\n'


def test_a_join_token_is_given_once_and_its_file_is_named(tmp_path: Path) -> None:
    words = ["child", "--name", "shop", "--url", "nats://127.0.0.1:1"]
    both = run_command(*words, "--join", "x", "--join-file", str(tmp_path / "token"))
    assert (both.code, "exclude each other" in both.err) == (2, True)
    missing = run_command(*words, "--join-file", str(tmp_path / "token"))
    assert missing.code == 2
    assert f"{tmp_path / 'token'} cannot be read: No such file" in missing.err
