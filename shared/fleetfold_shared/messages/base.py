"""What every message is: a frozen Struct as JSON, versioned, tolerant of fields it does not know.

A field that holds its default is left out of the bytes; an absent `v` means 1. A newer minor version may add
fields; a message of a newer major version is refused with an error that says so.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from fleetfold_shared.decode_errors import refusal
from fleetfold_shared.errors import InvalidInput

__all__ = ["PROTOCOL", "Message", "decode", "encode"]

PROTOCOL = 1

T = TypeVar("T", bound="Message")


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all that travels."""

    v: int = PROTOCOL


_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """The message's bytes: UTF-8 JSON, fields in the order they are declared."""
    return _encoder.encode(message)


@cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(data: bytes, kind: type[T]) -> T:
    """Read `data` as a `kind`; `InvalidInput` names the field that is missing, of the wrong type or out of bounds."""
    try:
        message: T = _decoder(kind).decode(data)
    except msgspec.ValidationError as error:
        raise refusal(error, "") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{kind.__name__}: not usable JSON: {error}") from None
    if message.v > PROTOCOL:
        raise InvalidInput(f"v: this side speaks protocol {PROTOCOL}, the message is {message.v}; upgrade", field="v")
    return message
