"""Base of all messages: a frozen Struct as JSON, versioned, tolerant of unknown fields.

A field that has its default is left out of the bytes; an absent `v` means 1. A newer minor version may add fields; a
message of a newer major version is refused with an error that says so.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from fleetfold_shared.decode_errors import invalid_input
from fleetfold_shared.errors import InvalidInput

__all__ = ["PROTOCOL", "Message", "decode", "encode"]

PROTOCOL = 1

T = TypeVar("T", bound="Message")


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base class of messages; `v` is the protocol version."""

    v: int = PROTOCOL


_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """Encode a message as UTF-8 JSON, with fields in the order of declaration."""
    return _encoder.encode(message)


@cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(data: bytes, kind: type[T]) -> T:
    """Decode `data` as `kind`. Raises `InvalidInput` for the field that is missing, of the wrong type or out of
    bounds.
    """
    try:
        message: T = _decoder(kind).decode(data)
    except msgspec.ValidationError as error:
        raise invalid_input(error, "") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{kind.__name__}: not usable JSON: {error}") from None
    if message.v > PROTOCOL:
        raise InvalidInput(f"v: this side speaks protocol {PROTOCOL}, the message is {message.v}; upgrade", field="v")
    return message
