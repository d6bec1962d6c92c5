"""Message seals: a header that proves that a master sent the message, whoever else can publish on the node's subjects.

A command or a call has an HMAC-SHA-256 under a key that the masters share with that node alone; a broadcast has an
ed25519 signature. Both cover the subject, the body and the headers of the reply. The keys are derived from the masters'
own key at the broker, so they are the same on all masters and after a restart. A node receives its keys when it
registers, but not that of the masters' marks, which it only keeps and returns. Reasons: docs/decisions/0008.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Protocol

import nkeys
from msgspec.structs import replace
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from fleetfold_broker.rpc.headers import CORRELATION, DEADLINE, GATHER, SEAL
from fleetfold_shared.messages import MasterMark, SealKeys

__all__ = ["UNSEALED", "Headers", "MasterSeals", "Seals", "is_marked", "is_sealed", "is_sealed_for_all"]

MAC_BYTES = 16
Headers = Mapping[str, str]


class Seals(Protocol):
    """Signer of the messages that a master sends to nodes."""

    def keys(self, node: str) -> SealKeys | None:
        """Return the keys with which the node verifies seals; `None` without identities."""

    def sealed(self, node: str, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        """Return `headers` with a seal for a message to one node."""

    def sealed_for_all(self, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        """Return `headers` with a seal for a broadcast."""

    def mark(self, node: str, mark: MasterMark) -> MasterMark:
        """Return the mark with the seal that is for this node."""


class MasterSeals:
    """Signer of a fleet with identities. `seed` is the masters' issuer key, an nkey."""

    def __init__(self, seed: str) -> None:
        self._root = _derived(nkeys.decode_seed(seed.encode())[1], "fleetfold seals")
        self._signing = SigningKey(_derived(self._root, "broadcast"))
        self._marks = _derived(self._root, "marks")
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

    def mark(self, node: str, mark: MasterMark) -> MasterMark:
        covered = f"{node}\n{mark.master}\n{mark.height}\n{mark.restoration}\n{mark.command}"
        return replace(mark, seal=_mac(self._marks, covered.encode(errors="replace")))

    def _key(self, node: str) -> bytes:
        key = self._own.get(node)
        if key is None:
            key = self._own[node] = _derived(self._root, f"node {node}")
        return key


class _Unsealed:
    """Signer of a fleet without identities: any client of the broker may publish anything, and nothing is proved."""

    def keys(self, node: str) -> None:
        del node

    def sealed(self, node: str, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        del node, subject, data
        return dict(headers)

    def sealed_for_all(self, subject: str, data: bytes, headers: Headers) -> dict[str, str]:
        del subject, data
        return dict(headers)

    def mark(self, node: str, mark: MasterMark) -> MasterMark:
        del node
        return mark


UNSEALED: Seals = _Unsealed()


def is_sealed(keys: SealKeys, subject: str, data: bytes, headers: Headers) -> bool:
    """Verify the seal of a message to the node that has these keys."""
    presented, expected = headers.get(SEAL, ""), _mac(keys.own, _covered(subject, data, headers))
    return presented.isascii() and hmac.compare_digest(presented, expected)


def is_marked(seals: Seals, node: str, mark: MasterMark) -> bool:
    """Verify the seal of a mark that this node returns. Without identities every mark is taken."""
    return hmac.compare_digest(seals.mark(node, mark).seal.encode(), mark.seal.encode(errors="replace"))


def is_sealed_for_all(keys: SealKeys, subject: str, data: bytes, headers: Headers) -> bool:
    """Verify the seal of a broadcast."""
    try:
        signature = base64.urlsafe_b64decode(headers.get(SEAL, ""))
        VerifyKey(keys.broadcast).verify(_covered(subject, data, headers), signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def _covered(subject: str, data: bytes, headers: Headers) -> bytes:
    """Return the bytes that a seal covers. Headers and subjects contain no newline, so the encoding is unambiguous."""
    get = headers.get
    return (
        f"{subject}\n{get(GATHER, '')}\n{get(CORRELATION, '')}\n{get(DEADLINE, '')}\n".encode(errors="replace") + data
    )


def _mac(key: bytes, covered: bytes) -> str:
    return hmac.digest(key, covered, "sha256")[:MAC_BYTES].hex()


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, purpose.encode(), "sha256")
