"""Requests of service discovery: answered to the inbox of who has surely asked, as often as it has."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc import verified_discovery
from fleetfold_broker.rpc.verified_discovery import REQUEST_INFO, VerifiedDiscovery
from support.broker import Connect, listen
from support.wait import eventually

Asked = list[tuple[str, str, str]]
ANN = ("ann", "$SRV.PING", "_INBOX.ann.1")


@pytest.fixture
async def ann(connect: Connect) -> Bus:
    return await connect("ann")


async def _listening(master: Bus, *, identified: bool = True) -> Asked:
    asked: Asked = []
    requests = VerifiedDiscovery(master, lambda *request: asked.append(request), identified=identified)
    await requests.start()
    await master.connection.barrier()
    return asked


async def _say(bus: Bus, master: Bus, *copies: str) -> None:
    """Both copies of a request as the server makes them: `vouched` for ann, or with the reply subject that is given."""
    for copy in copies:
        if copy == "vouched":
            await bus.connection.publish("fleet.srv.PING", b"", "", {REQUEST_INFO: '{"acc":"APP","user":"ann"}'})
        else:
            await bus.connection.publish("$SRV.PING", b"", copy, {REQUEST_INFO: '{"user":"ann"}'})
    await bus.connection.barrier()
    await master.connection.barrier()


@pytest.mark.parametrize("copies", [("vouched", "_INBOX.ann.1"), ("_INBOX.ann.1", "vouched")])
async def test_both_copies_make_a_request_in_either_order(ann: Bus, master: Bus, copies: tuple[str, str]) -> None:
    asked = await _listening(master)
    await _say(ann, master, *copies)
    await eventually(lambda: asked == [ANN])


async def test_what_nobody_vouches_for_is_not_answered(ann: Bus, master: Bus) -> None:
    asked = await _listening(master)
    await _say(ann, master, "_INBOX.ann.1", "_INBOX.bob.1", "", "_INBOX.ann", "fleet.cmd.shop")
    assert asked == []


async def test_one_request_releases_one_answer_and_none_to_another(ann: Bus, master: Bus) -> None:
    asked = await _listening(master)
    await _say(ann, master, "_INBOX.bob.1", "vouched", "_INBOX.ann.1", "_INBOX.ann.2")
    await eventually(lambda: asked == [ANN])


async def test_nobody_can_make_the_vouched_copys_reply_subject(ann: Bus, master: Bus) -> None:
    heard = await listen(master, "fleet.srv.>")
    await ann.connection.publish("fleet.srv.PING", b"forged", "_R_.x")
    await ann.connection.publish("fleet.srv.PING", b"honest")
    await eventually(lambda: len(heard) > 0)
    assert [message.data for message in heard] == [b"honest"]


async def test_copies_that_do_not_come_together_are_forgotten(
    ann: Bus, master: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified_discovery, "MATCH_WITHIN_S", -1.0)
    asked = await _listening(master)
    await _say(ann, master, "vouched", "_INBOX.ann.1")
    assert asked == []


async def test_a_broker_that_names_no_caller_is_told_of_once(
    ann: Bus, master: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified_discovery, "MATCH_WITHIN_S", -1.0)
    await _listening(master)
    heard = await listen(master, "$SRV.>")
    with capture_logs() as lines:
        await _say(ann, master, *("_INBOX.ann.1" for _ in range(4)))
        await eventually(lambda: len(heard) == 4 and bool(lines))
    assert [line["event"] for line in lines] == ["discovery.callers_unknown"]


@pytest.mark.parametrize("header", ["", "no JSON", "[]", '{"user":7}', "{}"])
async def test_a_copy_that_names_nobody_vouches_for_nothing(ann: Bus, master: Bus, header: str) -> None:
    asked = await _listening(master)
    await ann.connection.publish("fleet.srv.PING", b"", "", {REQUEST_INFO: header})
    await _say(ann, master, "_INBOX.ann.1")
    assert asked == []


async def test_without_identities_a_request_is_taken_at_its_word(ann: Bus, master: Bus) -> None:
    asked = await _listening(master, identified=False)
    await _say(ann, master, "_INBOX.ann.1", "fleet.cmd.shop")
    await eventually(lambda: asked == [ANN])
