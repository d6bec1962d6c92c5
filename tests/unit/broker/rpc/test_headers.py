"""Errors in headers, as ADR-32 has them."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_broker.rpc.headers import ERROR, ERROR_CODE, RETRY_AFTER, error_headers, error_of
from fleetfold_shared.errors import FleetfoldError, InternalError, InvalidInput, Overloaded


class _Reply(msgspec.Struct):
    data: bytes = b""
    headers: dict[str, str] | None = None
    subject: str = "_INBOX.cli.1"
    reply: str = ""


@pytest.mark.parametrize("kind", FleetfoldError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_it_was_raised(kind: type[FleetfoldError]) -> None:
    headers, body = error_headers(kind("the limit is too high; lower it", field="limit"))
    received = error_of(_Reply(body, headers))
    assert (type(received), received.message, received.field) == (kind, "the limit is too high; lower it", "limit")
    assert headers == {ERROR: "the limit is too high; lower it", ERROR_CODE: str(kind.status)}


def test_a_message_of_several_lines_makes_no_header_of_its_own() -> None:
    headers, body = error_headers(InvalidInput("first\r\nNats-Msg-Id: forged\nthird"))
    assert headers[ERROR] == "first  Nats-Msg-Id: forged third"
    assert error_of(_Reply(body, headers)).message == "first\r\nNats-Msg-Id: forged\nthird"


def test_an_error_that_passes_says_when_to_ask_again() -> None:
    headers, body = error_headers(Overloaded("full", retry_after_s=1.5))
    assert headers[RETRY_AFTER] == "1.500"
    assert error_of(_Reply(body, headers)).retry_after_s == 1.5


@pytest.mark.parametrize("body", [b"[" * 100_000, b"", b"Internal Server Error", b'{"code":1}', b"[]"])
def test_an_error_of_a_foreign_service_is_told_in_its_words(body: bytes) -> None:
    received = error_of(_Reply(body, {ERROR: "out of cheese", ERROR_CODE: "500"}))
    assert type(received) is InternalError
    assert "out of cheese" in received.message


def test_an_error_that_says_nothing_is_still_an_error() -> None:
    assert type(error_of(_Reply())) is InternalError
