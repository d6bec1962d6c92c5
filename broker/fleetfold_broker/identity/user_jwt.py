"""NATS JWTs of the auth callout: read the server's authorization request, sign the response.

The format is that of ADR-26 and of github.com/nats-io/jwt v2. The algorithm `ed25519-nkey` is EdDSA under another name,
registered here with PyJWT.
"""

from __future__ import annotations

import base64
import time
from typing import Any

import jwt
import msgspec
import nkeys
from jwt.algorithms import Algorithm
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from fleetfold_broker.identity.grants import LoginData
from fleetfold_shared.ids import new_id

__all__ = ["AuthRequest", "Issuer", "read_request"]

ALGORITHM = "ed25519-nkey"
AUDIENCE = "nats-authorization-request"


class _Ed25519Nkey(Algorithm):
    """Signs with an nkey pair, verifies with an ed25519 public key."""

    def prepare_key(self, key: Any) -> Any:
        return key

    def sign(self, msg: bytes, key: nkeys.KeyPair) -> bytes:
        return bytes(key.sign(msg))

    def verify(self, msg: bytes, key: VerifyKey, sig: bytes) -> bool:
        try:
            key.verify(msg, sig)
        except (CryptoError, ValueError):
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> Any:
        raise NotImplementedError

    @staticmethod
    def from_jwk(jwk: Any) -> Any:
        raise NotImplementedError


_jws = jwt.PyJWS(algorithms=[])
_jws.register_algorithm(ALGORITHM, _Ed25519Nkey())


class AuthRequest(msgspec.Struct, frozen=True):
    """An authorization request of a server: the login data, the key of the connection, and the server to answer."""

    presented: LoginData
    user_nkey: str
    server: str


class _ServerId(msgspec.Struct):
    id: str


class _ClientInfo(msgspec.Struct):
    host: str = ""
    id: int = 0


class _ConnectOpts(msgspec.Struct):
    name: str = ""
    auth_token: str = ""


class _AuthRequestClaims(msgspec.Struct):
    server_id: _ServerId
    user_nkey: str
    client_info: _ClientInfo
    connect_opts: _ConnectOpts


class _Claims(msgspec.Struct):
    iss: str
    aud: str
    nats: _AuthRequestClaims


_claims_decoder = msgspec.json.Decoder(_Claims)


class Issuer:
    """Signer of user JWTs and authorization responses. `seed` is the issuer's nkey."""

    def __init__(self, seed: str) -> None:
        self._pair = nkeys.from_seed(seed.encode())
        self.public: str = self._pair.public_key.decode()

    def user(self, nkey: str, name: str, account: str, permissions: dict[str, Any], expires_at: float | None) -> str:
        """Return a user JWT for the connection's key `nkey`: `name` in `account`, valid until `expires_at` (Unix
        seconds).
        """
        limits = {"subs": -1, "data": -1, "payload": -1}
        user = {**permissions, **limits, **_kind("user")}
        claims: dict[str, Any] = {"sub": nkey, "aud": account, "name": name, "nats": user}
        if expires_at is not None:
            claims["exp"] = int(expires_at)
        return self._sign(claims)

    def response(self, request: AuthRequest, *, user: str = "", error: str = "") -> bytes:
        """Return the signed response to `request`: a user JWT, or an error text, which the server logs and sends to no
        client.
        """
        content = {"jwt": user} if user else {"error": error or "refused"}
        answer = {**content, **_kind("authorization_response")}
        return self._sign({"sub": request.user_nkey, "aud": request.server, "nats": answer}).encode()

    def _sign(self, claims: dict[str, Any]) -> str:
        full = {**claims, "iss": self.public, "iat": int(time.time()), "jti": new_id()}
        return _jws.encode(msgspec.json.encode(full), self._pair, algorithm=ALGORITHM, headers={"typ": "JWT"})


def read_request(data: bytes) -> AuthRequest:
    """Decode and verify an authorization request. Raises `ValueError` unless the server it names has signed it."""
    try:
        claims = _claims_decoder.decode(_payload(data))
        server = claims.nats.server_id.id
        _jws.decode(data, _verify_key(server), algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError) as error:
        raise ValueError(f"no authorization request: {type(error).__name__}") from None
    if claims.iss != server or claims.aud != AUDIENCE:
        raise ValueError("not from the server it names")
    return _request(claims.nats)


def _payload(data: bytes) -> bytes:
    payload: bytes = _jws.decode_complete(data, options={"verify_signature": False})["payload"]
    return payload


def _verify_key(public: str) -> Any:
    """Return the ed25519 key of a public nkey: base 32 of one byte of kind, 32 of key, two of checksum."""
    raw = base64.b32decode(public + "=" * (-len(public) % 8))
    if raw[:1] != bytes([nkeys.PREFIX_BYTE_SERVER]):
        raise ValueError("not the key of a server")
    return VerifyKey(raw[1:33])


def _request(asked: _AuthRequestClaims) -> AuthRequest:
    shown, client, server = asked.connect_opts, asked.client_info, asked.server_id.id
    presented = LoginData(name=shown.name, token=shown.auth_token, host=client.host, server=server, client=client.id)
    return AuthRequest(presented, asked.user_nkey, server)


def _kind(kind: str) -> dict[str, Any]:
    return {"type": kind, "version": 2}
