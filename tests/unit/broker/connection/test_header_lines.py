"""The headers of a message are read as nats-py reads them, whatever stands there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from fleetfold_broker.connection.nats_connection import NatsConnection

NAMES = st.sampled_from([b"a", b"Nats-Msg-Id", b"x y", b" n ", "ä".encode(), b"a\x0b", b"\x1c", b""])
COLONS = st.sampled_from([b":", b": ", b"", b":\t", b"::"])
LINES = st.tuples(NAMES | st.binary(max_size=12), COLONS, st.binary(max_size=12)).map(b"".join)


@given(st.lists(LINES))
def test_headers_are_read_as_nats_py_reads_them(lines: list[bytes]) -> None:
    raw = b"".join(line + b"\r\n" for line in lines)
    assert NatsConnection._parse_header_lines(raw) == Client._parse_header_lines(raw)
