"""A child that is a program of its own: it says that it is up, logs as `fleetfold child` does, and shows no secrets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest

from fleetfold.client import Client
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_master.master import Master
from fleetfold_shared.config import AccessConfig

SECRET = "s3cr3t-of-the-customer"
PROGRAM = """
import sys
from fleetfold import Child, Context, action

class Token:
    def __init__(self, text):
        self.text = text
    def __repr__(self):
        return f"Token({self.text})"

@action
async def charge(ctx: Context, card: str) -> None:
    copied = [card]
    token = Token(card)
    raise KeyError("no such account")

Child("shop", url=sys.argv[1]).add(charge).run()
"""
CONFIGURED = "import structlog; structlog.configure(processors=[structlog.processors.KeyValueRenderer()])\n"


@pytest.fixture
async def url(
    broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """That of a fleet without identities."""
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path_factory.mktemp("state")))
    master = Master(broker.url, data=tmp_path_factory.mktemp("master"), access=AccessConfig(insecure=True))
    await master.start()
    yield broker.url
    await master.stop()


async def run(program: str, url: str) -> tuple[str, str]:
    """What the program says on stdout and stderr while its action fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    ready = await process.stdout.readline()
    async with Client.connect(url) as fleet:
        job = await fleet.run("charge", {"card": SECRET}, nodes=["shop"])
    assert job.nodes[0].error == "KeyError: 'no such account'"
    process.terminate()
    out, err = await process.communicate()
    assert process.returncode == 0
    return (ready + out).decode(), err.decode()


async def test_it_says_that_it_is_up_and_logs_as_the_command_does(url: str) -> None:
    out, err = await run(PROGRAM, url)
    assert out == f"fleetfold child shop is up: no collections; on {url}\n"
    events = [msgspec.json.decode(line)["event"] for line in err.splitlines()]
    assert events == ["node.joined", "child.up", "the action raised"]


async def test_a_traceback_in_its_log_shows_no_data(url: str) -> None:
    out, err = await run(PROGRAM, url)
    assert "KeyError: 'no such account'" in err
    assert SECRET not in out + err


async def test_a_log_that_the_program_has_set_up_stays(url: str) -> None:
    out, err = await run(CONFIGURED + PROGRAM, url)
    assert "event='child.up'" in out + err
    assert SECRET not in out + err


async def test_without_run_too_the_library_shows_no_data(url: str) -> None:
    started = PROGRAM.replace(
        'Child("shop", url=sys.argv[1]).add(charge).run()',
        "import asyncio\nasync def main():\n    child = Child('shop', url=sys.argv[1]).add(charge)\n"
        "    await child.start()\n    print('up', flush=True)\n    await child.wait()\nasyncio.run(main())",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", started, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    async with Client.connect(url) as fleet:
        await fleet.run("charge", {"card": SECRET}, nodes=["shop"])
    process.kill()
    out, err = await process.communicate()
    assert b"KeyError" in err
    assert SECRET.encode() not in out + err
