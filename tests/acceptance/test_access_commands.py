"""Identities as people meet them: not at all on one machine, by a token or a key from another, and in no log."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support.fleet import Fleet, Said, fleetfold, running_fleet, write_jsonl

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """A broker, a master and the child `shop`, all with the log of a defect hunt."""
    place = tmp_path_factory.mktemp("fleet")
    async with running_fleet(place) as fleet:
        os.environ["FLEETFOLD_LOG_LEVEL"] = "debug"
        try:
            await fleet.start_core()
            source = write_jsonl(place / "shop.jsonl", [{"id": "1", "text": "a tent for a gale"}])
            await fleet.start_child("shop", "--collection", f"things={source}")
            yield fleet
        finally:
            del os.environ["FLEETFOLD_LOG_LEVEL"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of another machine: nothing of the fleet is there."""
    return {**os.environ, "FLEETFOLD_STATE": str(tmp_path / "elsewhere")}


def keep(path: Path, secret: str) -> str:
    path.touch(mode=0o600)
    path.write_text(secret)
    return str(path)


def line(said: Said, code: int) -> str:
    """The one line of a refusal, behind what a daemon may have logged."""
    assert said.code == code, said
    assert "Traceback" not in said.err
    return said.err.splitlines()[-1]


async def test_on_the_fleets_own_machine_nobody_notices_any_of_it(fleet: Fleet) -> None:
    assert (await fleetfold("whoami", "--json")).json["role"] == "admin"
    assert (await fleetfold("search", "tent", "--json")).json["total"] == 1
    for secret in ("keys/broker.json", "keys/signing.json", "keys/cli.json", "children/shop/credentials.json"):
        assert (fleet.place / secret).stat().st_mode & 0o777 == 0o600, secret
    assert (fleet.place / "keys").stat().st_mode & 0o777 == 0o700
    sound = await fleetfold("config", "check")
    assert (sound.code, sound.out) == (0, "nothing weak found\n")


async def test_a_stranger_is_told_what_to_bring(fleet: Fleet, elsewhere: dict[str, str]) -> None:
    said = line(await fleetfold("nodes", "list", "--url", fleet.url, env=elsewhere), 1)
    assert "--key-file" in said
    assert "FLEETFOLD_API_KEY_FILE" in said
    said = line(await fleetfold("child", "--name", "far", "--url", fleet.url, env=elsewhere), 1)
    assert "fleetfold nodes invite far" in said


async def test_an_invited_node_joins_once_and_needs_no_token_again(
    fleet: Fleet, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    invited = await fleetfold("nodes", "invite", "far", "--expires", "10m")
    assert (invited.code, invited.err, invited.out.count("\n")) == (0, "", 1)
    words = ["child", "--name", "far", "--url", fleet.url, "--join-file", keep(tmp_path / "token", invited.out)]
    await fleet.start("far", *words, env=elsewhere)
    assert (await fleetfold("nodes", "ping", "far")).code == 0
    await fleet.stop("far")
    other = {**elsewhere, "FLEETFOLD_STATE": str(tmp_path / "other")}
    assert line(await fleetfold(*words, env=other), 1).startswith("fleetfold: ")
    await fleet.start("far", *words[:-2], env=elsewhere)
    assert (await fleetfold("nodes", "ping", "far")).code == 0
    await fleet.stop("far")


async def test_a_revoked_node_is_gone_and_is_told_how_to_come_back(
    fleet: Fleet, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    token = (await fleetfold("nodes", "invite", "gone")).out
    words = ["child", "--name", "gone", "--url", fleet.url]
    await fleet.start("gone", *words, "--join-file", keep(tmp_path / "token", token), env=elsewhere)
    revoked = await fleetfold("nodes", "revoke", "gone", "--json")
    assert (revoked.code, revoked.json) == (0, {"node": "gone", "connections": 1})
    assert (await fleetfold("nodes", "ping", "gone")).code == 1
    await fleet.stop("gone")


async def test_a_key_opens_what_its_role_and_scopes_say_until_it_is_revoked(
    fleet: Fleet, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    created = await fleetfold("keys", "create", "ann", "--role", "reader", "--nodes", "shop", "--expires", "1h")
    assert (created.code, created.err) == (0, "")
    with_key = ["--url", fleet.url, "--key-file", keep(tmp_path / "key", created.out)]
    me = (await fleetfold("whoami", *with_key, "--json", env=elsewhere)).json
    assert (me["name"], me["role"], me["scopes"]["nodes"]) == ("ann", "reader", ["shop"])
    assert (await fleetfold("search", "tent", *with_key, "--json", env=elsewhere)).json["total"] == 1
    refused = await fleetfold("nodes", "remove", "shop", *with_key, "--json", env=elsewhere)
    assert line(refused, 1).startswith("fleetfold: ")
    assert refused.json["error"]["code"] == "forbidden"
    listed = {key["name"]: key for key in (await fleetfold("keys", "list", "--json")).json["keys"]}
    assert (await fleetfold("keys", "revoke", listed["ann"]["id"])).code == 0
    assert "does not take the API key of ann" in line(await fleetfold("whoami", *with_key, env=elsewhere), 1)


async def test_the_audit_log_is_read_filtered_and_followed(fleet: Fleet) -> None:
    await fleetfold("nodes", "invite", "audited")
    found = (await fleetfold("audit", "--node", "audited", "--since", "1h", "--json")).json["entries"]
    assert [(entry["who"], entry["what"], entry["outcome"]) for entry in found] == [("cli", "nodes.invite", "ok")]
    assert (await fleetfold("audit", "--node", "nobody", "--json")).json == {"entries": []}
    assert (await fleetfold("audit", "--summary", "--json")).json["admitted"] > 0
    following = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fleetfold", "audit", "--follow", "--json", "--node", "followed",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await fleetfold("nodes", "invite", "followed")
        assert following.stdout is not None
        async with asyncio.timeout(20):
            entry = msgspec.json.decode(await following.stdout.readline())
        assert (entry["node"], entry["what"]) == ("followed", "nodes.invite")
    finally:
        following.kill()
        await following.communicate()


async def test_the_signing_key_is_rotated_and_nobody_is_cut_off(fleet: Fleet) -> None:
    rotated = (await fleetfold("keys", "rotate", "--json")).json
    assert rotated["kid"] not in {key["kid"] for key in rotated["retiring"]}
    assert (await fleetfold("nodes", "ping", "shop")).code == 0
    await fleet.kill("shop")
    await fleet.restart("shop")
    assert (await fleetfold("nodes", "ping", "shop")).code == 0


async def test_an_insecure_fleet_says_so_and_asks_nobody(
    nats_server: str, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    async with running_fleet(tmp_path) as fleet:
        await fleet.start("up", "up", "--port", "0", "--insecure")
        assert fleet.ready("up")["insecure"] is True
        assert "INSECURE" in (tmp_path / "up.log").read_text()
        url = fleet.ready("up")["url"]
        await fleet.start("far", "child", "--name", "far", "--url", url, env=elsewhere)
        assert (await fleetfold("nodes", "list", "--url", url, env=elsewhere)).code == 0
        checked = await fleetfold("config", "check", "--json")
        assert (checked.code, checked.json["findings"][0]["severity"]) == (1, "weak")


async def test_a_fleet_that_speaks_tls_is_found_on_its_machine_and_needs_its_ca_elsewhere(
    nats_server: str, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    async with running_fleet(tmp_path) as fleet:
        await fleet.start("up", "up", "--port", "0", "--tls")
        await fleet.start_child("shop")
        assert (await fleetfold("nodes", "ping", "shop")).code == 0
        url = fleet.ready("up")["url"]
        key = msgspec.json.decode((tmp_path / "keys" / "cli.json").read_bytes())["key"]
        words = ["whoami", "--url", url, "--key-file", keep(tmp_path / "key", key)]
        assert "--ca" in line(await fleetfold(*words, env=elsewhere), 1)
        ca = str(tmp_path / "tls" / "ca.pem")
        assert (await fleetfold(*words, "--ca", ca, env=elsewhere)).code == 0


async def test_no_secret_is_printed_or_logged_but_where_it_is_the_answer(fleet: Fleet, tmp_path: Path) -> None:
    answers = [
        (await fleetfold("nodes", "invite", "quiet", "--json")).json["token"],
        (await fleetfold("keys", "create", "quiet-key", "--json")).json["key"],
        (await fleetfold("keys", "rotate", "quiet-key", "--json")).json["key"],
    ]
    key_file = keep(tmp_path / "key", answers[-1])
    commands = [
        ["whoami"], ["nodes", "list", "--removed"], ["nodes", "show", "shop"], ["keys", "list", "--revoked"],
        ["audit", "--limit", "1000"], ["audit", "--summary"], ["config", "check"], ["keys", "broker"],
        ["whoami", "--key-file", key_file], ["nodes", "revoke", "quiet", "--key-file", key_file],
        ["keys", "revoke", "quiet-key"], ["whoami", "--key-file", key_file],
        ["child", "--name", "loud", "--join", answers[0]], ["nodes", "list", "--key-file", str(tmp_path / "none")],
    ]  # fmt: skip
    said = [text for words in commands for how in ([], ["--json"]) for text in await both(*words, *how)]
    said += [file.read_text(errors="replace") for file in fleet.place.rglob("*.log")]
    said += [msgspec.json.encode(fleet.ready(name)).decode() for name in ("broker", "master", "shop")]
    held = [*secrets_in(fleet.place / "keys"), *secrets_in(fleet.place / "children"), *answers]
    assert len(held) > 10
    assert any('"event": "node.enrolled"' in text for text in said)
    leaked = {secret[:8] for secret in held for text in said if secret.rpartition(".")[2] in text}
    assert leaked == set()


async def both(*words: str) -> tuple[str, str]:
    """What a command prints, without the table it is asked for."""
    said = await fleetfold(*words)
    return said.out, said.err


def secrets_in(folder: Path) -> Iterator[str]:
    """Every text of the JSON files there that is long enough to be a secret."""
    for file in folder.rglob("*.json"):
        if file.name != "sources.json":
            yield from long_texts(msgspec.json.decode(file.read_bytes()))


def long_texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from long_texts(inner)
    elif isinstance(value, str) and len(value) > 40:
        yield value
