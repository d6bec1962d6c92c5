"""Access tokens: JSON Web Tokens (RFC 7519) with an identity and its capabilities, valid for an hour.

PyJWT makes and checks the signature, HS256 only. The claims are checked here, against the clock that is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jwt
import msgspec

from fleetfold_master.access.login_refusal import Reason, Refusal
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_shared.clock import Clock
from fleetfold_shared.ids import Slug, new_id
from fleetfold_shared.messages import Capability, Role

__all__ = ["ALGORITHM", "ISSUER", "AccessTokens", "Claims"]

ALGORITHM = "HS256"
ISSUER = "fleetfold"
MOST_BYTES = 4096
LEEWAY_S = 5.0
"""Tolerated clock difference of two masters in seconds: a token of one is not from the future to the other."""

_signer = jwt.PyJWS(algorithms=[ALGORITHM])


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of a token. Times are Unix seconds; `sid` is its session, with which it ends."""

    iss: str
    sub: Slug
    aud: str
    jti: str
    iat: float
    exp: float
    nbf: float | None = None
    node: Slug
    role: Role
    capabilities: frozenset[Capability]
    kid: str
    sid: str


class AccessTokens:
    """Issues and verifies the access tokens of one fleet, which is named by its prefix."""

    def __init__(self, keys: SigningKeys, clock: Clock, fleet: str, lifetime_s: int) -> None:
        self._keys, self._clock = keys, clock
        self._audience = f"{ISSUER}:{fleet}"
        self.lifetime_s = lifetime_s

    def issue(self, name: str, role: Role, capabilities: Iterable[Capability], session: str) -> tuple[str, float]:
        """Issue a token for `name`. Returns it and its validity in seconds."""
        kid, secret = self._keys.current()
        now = self._clock.wall()
        claims = Claims(
            iss=ISSUER, sub=name, aud=self._audience, jti=new_id(), iat=now, exp=now + self.lifetime_s,
            node=name, role=role, capabilities=frozenset(capabilities), kid=kid, sid=session,
        )  # fmt: skip
        text = _signer.encode(msgspec.json.encode(claims), secret, ALGORITHM, headers={"kid": kid})
        return text, float(self.lifetime_s)

    def verify(self, text: str) -> Claims:
        """Verify a token and return its claims. Raises `Refusal` with the reason.

        Its session may have ended all the same: that is for `Sessions` to check.
        """
        kid = _header(text)
        secret = self._keys.find(kid)
        if secret is None:
            raise Refusal("unknown_key", "the token is signed with a key that is not known, or not any more")
        claims = _claims(_payload(text, secret))
        if claims.kid != kid or claims.node != claims.sub:
            raise Refusal("malformed", "the token contradicts itself", claims.sub)
        self._check(claims)
        return claims

    def _check(self, claims: Claims) -> None:
        now = self._clock.wall()
        starts_at = max(claims.iat, claims.nbf or claims.iat) - LEEWAY_S
        wrong: tuple[tuple[bool, Reason, str], ...] = (
            (claims.iss != ISSUER, "wrong_issuer", "the token is from another issuer"),
            (claims.aud != self._audience, "wrong_audience", "the token is for another fleet"),
            (now < starts_at, "not_yet_valid", "the token is from the future; compare the clocks"),
            (now >= claims.exp, "expired", "the token has expired"),
        )
        for is_so, reason, detail in wrong:
            if is_so:
                raise Refusal(reason, detail, claims.sub)


def _header(text: str) -> str:
    """The key's id, from a header that is not verified yet."""
    if not text.isascii() or len(text) > MOST_BYTES:
        raise Refusal("malformed", "this is no token")
    try:
        header: dict[str, Any] = _signer.get_unverified_header(text)
    except jwt.PyJWTError:
        raise Refusal("malformed", "this is no token, or only a part of one") from None
    if header.get("alg") != ALGORITHM:
        raise Refusal("wrong_algorithm", f"a token is signed with {ALGORITHM} and nothing else")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise Refusal("unknown_key", "the token does not name its key")
    return kid


def _payload(text: str, secret: bytes) -> bytes:
    try:
        payload: bytes = _signer.decode(text, secret, [ALGORITHM])
    except jwt.InvalidSignatureError:
        raise Refusal("forged", "the signature does not fit") from None
    except jwt.PyJWTError:
        raise Refusal("malformed", "this is no token, or only a part of one") from None
    return payload


def _claims(payload: bytes) -> Claims:
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refusal("malformed", "the token lacks a claim, or has one of the wrong type") from None


_decoder = msgspec.json.Decoder(Claims)
