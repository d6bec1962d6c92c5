"""Seals: the proof in a message's header that a master has sent it, whoever else may reach the node's subjects.

The broker lets nobody but masters say anything to a node. A seal is the second wall behind that: a node refuses a
command, a call or a broadcast without one.

- A command or a call has an HMAC-SHA-256 under a key that the masters share with that node alone. A stolen credential
  of one node seals nothing for another.
- A broadcast has an ed25519 signature: every node can check it, and none can make it.

Both cover the subject and the headers that say where the answer goes. The keys are derived from the masters' own key at
the broker: all masters of a fleet have the same, also after a restart or a rotation of the keys that sign access
tokens. So a seal is good for as long as a command may wait in the stream. A node is told its keys when it takes its
place in the fleet; the ledger, and not the seal, is what refuses a command that comes twice.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Protocol

import nkeys
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from fleetfold_broker.rpc.headers import CORRELATION, DEADLINE, GATHER, SEAL
from fleetfold_shared.messages import SealKeys

__all__ = ["UNSEALED", "Headers", "MasterSeals", "Seals", "is_sealed", "is_sealed_for_all"]

MAC_BYTES = 16
Headers = Mapping[str, str]


class Seals(Protocol):
    """Seals what a master says to nodes."""

    def keys(self, node: str) -> SealKeys | None:
        """What the node checks seals with."""

    def sealed(self, node: str, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        """The headers of a message to one node, with its seal."""

    def sealed_for_all(self, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        """The headers of a broadcast, with its seal."""


class MasterSeals:
    """The seals of a fleet with identities. `seed` is the masters' issuer key, an nkey."""

    def __init__(self, seed: str) -> None:
        self._root = _derived(nkeys.decode_seed(seed.encode())[1], "fleetfold seals")
        self._signing = SigningKey(_derived(self._root, "broadcast"))
        self._own: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return "MasterSeals(…)"

    def keys(self, node: str) -> SealKeys:
        return SealKeys(own=self._key(node), broadcast=bytes(self._signing.verify_key))

    def sealed(self, node: str, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        return {**headers, SEAL: _mac(self._key(node), _covered(subject, data, headers))}

    def sealed_for_all(self, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        signature = self._signing.sign(_covered(subject, data, headers)).signature
        return {**headers, SEAL: base64.urlsafe_b64encode(signature).decode()}

    def _key(self, node: str) -> bytes:
        key = self._own.get(node)
        if key is None:
            key = self._own[node] = _derived(self._root, f"node {node}")
        return key


class _Unsealed:
    """A fleet without identities: whoever reaches its broker may say everything, and nothing is proved."""

    def keys(self, node: str) -> None:
        del node

    def sealed(self, node: str, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        del node, subject, data
        return dict(headers)

    def sealed_for_all(self, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        del subject, data
        return dict(headers)


UNSEALED: Seals = _Unsealed()


def is_sealed(keys: SealKeys, subject: str, data: bytes, headers: Headers) -> bool:
    """Whether a master has sent this to the node of these keys."""
    shown, expected = headers.get(SEAL, ""), _mac(keys.own, _covered(subject, data, headers))
    return shown.isascii() and hmac.compare_digest(shown, expected)


def is_sealed_for_all(keys: SealKeys, subject: str, data: bytes, headers: Headers) -> bool:
    """Whether a master has broadcast this."""
    try:
        signature = base64.urlsafe_b64decode(headers.get(SEAL, ""))
        VerifyKey(keys.broadcast).verify(_covered(subject, data, headers), signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def _covered(subject: str, data: bytes, headers: Headers) -> bytes:
    """What a seal is over. No header and no subject has a newline, so it can be read in one way only."""
    get = headers.get
    return (
        f"{subject}\n{get(GATHER, '')}\n{get(CORRELATION, '')}\n{get(DEADLINE, '')}\n".encode(errors="replace") + data
    )


def _mac(key: bytes, covered: bytes) -> str:
    return hmac.digest(key, covered, "sha256")[:MAC_BYTES].hex()


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, purpose.encode(), "sha256")
