"""The error tree: what is drawn is what there is, and what is sent is what arrives."""

from __future__ import annotations

import re

import msgspec
import pytest

from fleetfold_shared import errors
from fleetfold_shared.errors import ErrorBody, FleetfoldError, InternalError, NotFound, from_body

KINDS = FleetfoldError.__subclasses__()
every_error = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@every_error
def test_an_error_survives_the_wire(kind: type[FleetfoldError]) -> None:
    sent = kind("the field is wrong; mend it", field="limit")
    body = msgspec.json.decode(msgspec.json.encode(sent.body()), type=ErrorBody)
    received = from_body(body)
    assert (type(received), received.message, received.field) == (kind, sent.message, "limit")


@every_error
def test_the_drawing_names_each_error_with_its_exit_code(kind: type[FleetfoldError]) -> None:
    drawn = re.search(rf"── {kind.__name__} .* exit (\d)", errors.__doc__ or "")
    assert drawn is not None
    assert int(drawn[1]) == kind.exit_code


def test_codes_are_told_apart() -> None:
    assert len({kind.code for kind in KINDS}) == len({kind.status for kind in KINDS}) == len(KINDS)


def test_an_error_of_a_newer_peer_is_an_internal_error_with_its_words() -> None:
    received = from_body(ErrorBody("of_tomorrow", "the moon is full"))
    assert type(received) is InternalError
    assert received.message == "the moon is full"


def test_an_error_prints_as_its_message() -> None:
    assert str(NotFound("no node 'shop'; see `fleetfold nodes list`")) == "no node 'shop'; see `fleetfold nodes list`"
