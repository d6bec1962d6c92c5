"""Both ways of connecting: awaited, and as a context that closes the client at its end."""

from __future__ import annotations

import pytest

from fleetfold.client import Client
from fleetfold.connecting import Connecting
from fleetfold_shared.errors import Unavailable


class Opened:
    """Counts how often it was closed."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


class Opening:
    """Opens one after the other."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []

    async def __call__(self) -> Opened:
        self.opened.append(Opened())
        return self.opened[-1]


async def test_a_client_that_was_awaited_is_closed_by_whoever_awaited_it() -> None:
    opening = Opening()
    client = await Connecting(opening)
    assert (opening.opened, client.closed) == ([client], 0)


async def test_nothing_is_connected_before_it_is_awaited_or_entered() -> None:
    opening = Opening()
    Connecting(opening)
    assert opening.opened == []


async def test_a_client_is_closed_at_the_end_of_its_block() -> None:
    async with Connecting(Opening()) as client:
        assert client.closed == 0
    assert client.closed == 1


async def test_a_client_is_closed_after_an_error_in_its_block() -> None:
    with pytest.raises(RuntimeError, match="in the block"):
        async with Connecting(Opening()) as client:
            raise RuntimeError("in the block")
    assert client.closed == 1


async def test_a_connection_that_fails_raises_at_the_start_of_the_block() -> None:
    async def refused() -> Opened:
        raise ConnectionError("nobody there")

    with pytest.raises(ConnectionError):
        async with Connecting(refused):
            raise AssertionError("the block has run")


async def test_connecting_says_at_once_nothing_of_a_broker_that_is_not_there() -> None:
    connecting = Client.connect("nats://127.0.0.1:1")
    assert isinstance(connecting, Connecting)
    with pytest.raises(Unavailable):
        await connecting
    with pytest.raises(Unavailable):
        async with connecting:
            raise AssertionError("the block has run")
