"""NATS's own JWTs: what a server has signed is read, what it has not is refused, what we sign is as NATS has it."""

from __future__ import annotations

import base64
import os
import time
from typing import Any

import msgspec
import nkeys
import pytest
from nacl.signing import VerifyKey

from fleetfold_broker.identity.master_nkeys import BrokerKeys
from fleetfold_broker.identity.user_jwt import AuthRequest, Issuer, read_request

USER = "UDB3OEDI2NVB5XKXHCQYN6AXH5NUP5RBKCY3TTNJYS6VZOUTHTBQI2JN"


class _Server:
    """Asks as a nats-server does."""

    def __init__(self) -> None:
        self.pair = nkeys.from_seed(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_SERVER))
        self.id: str = self.pair.public_key.decode()

    def claims(self) -> dict[str, Any]:
        return {
            "iss": self.id,
            "aud": "nats-authorization-request",
            "sub": "whoever",
            "nats": {
                "server_id": {"id": self.id, "name": "fleetfold-1"},
                "user_nkey": USER,
                "client_info": {"host": "10.0.0.7", "id": 7, "name": "ignored"},
                "connect_opts": {"name": "shop", "auth_token": "ffj_token", "protocol": 1},
                "type": "authorization_request",
                "version": 2,
            },
        }

    def signed(self, claims: dict[str, Any], header: dict[str, str] | None = None) -> bytes:
        head = _part({"typ": "JWT", "alg": "ed25519-nkey", **(header or {})})
        text = head + b"." + _part(claims)
        return text + b"." + _base64(self.pair.sign(text))


@pytest.fixture
def server() -> _Server:
    return _Server()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _part(value: dict[str, Any]) -> bytes:
    return _base64(msgspec.json.encode(value))


def _read(token: str | bytes, public: str) -> dict[str, Any]:
    """The claims of a token of ours, whose signature is checked without what is under test."""
    head, body, signature = (token if isinstance(token, bytes) else token.encode()).split(b".")
    raw = base64.urlsafe_b64decode(signature + b"==")
    VerifyKey(base64.b32decode(public + "=" * (-len(public) % 8))[1:33]).verify(head + b"." + body, raw)
    assert msgspec.json.decode(base64.urlsafe_b64decode(head + b"==")) == {"typ": "JWT", "alg": "ed25519-nkey"}
    claims: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(body + b"=="))
    return claims


def test_what_the_server_asks_is_read(server: _Server) -> None:
    request = read_request(server.signed(server.claims()))
    shown = request.presented
    assert (request.user_nkey, request.server) == (USER, server.id)
    assert (shown.name, shown.token, shown.host, shown.server, shown.client) == (
        "shop", "ffj_token", "10.0.0.7", server.id, 7,
    )  # fmt: skip


def test_who_shows_nothing_is_read_as_that(server: _Server) -> None:
    claims = server.claims()
    claims["nats"]["connect_opts"] = {"protocol": 1}
    shown = read_request(server.signed(claims)).presented
    assert (shown.name, shown.token) == ("", "")


def test_a_request_signed_by_another_is_refused(server: _Server) -> None:
    claims = server.claims()
    forged = _Server().signed(claims)
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(forged)


def test_one_that_names_another_server_than_its_signer_is_refused(server: _Server) -> None:
    claims = server.claims()
    claims["nats"]["server_id"]["id"] = _Server().id
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(server.signed(claims))
    with pytest.raises(ValueError, match="not from the server it names"):
        read_request(server.signed({**server.claims(), "iss": _Server().id}))


def test_one_signed_by_a_user_who_calls_himself_a_server_is_refused() -> None:
    """A key pair anybody may make: its public half says that it is no server's."""
    user = _Server()
    user.pair = nkeys.from_seed(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    user.id = user.pair.public_key.decode()
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(user.signed(user.claims()))


def test_one_for_another_audience_is_refused(server: _Server) -> None:
    with pytest.raises(ValueError, match="not from the server"):
        read_request(server.signed({**server.claims(), "aud": "nats-authorization-response"}))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA", "ed25519", ""])
def test_another_algorithm_is_refused(server: _Server, algorithm: str) -> None:
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(server.signed(server.claims(), {"alg": algorithm}))


def test_a_changed_body_is_refused(server: _Server) -> None:
    head, _, signature = server.signed(server.claims()).split(b".")
    claims = server.claims()
    claims["nats"]["connect_opts"]["name"] = "master"
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(head + b"." + _part(claims) + b"." + signature)


@pytest.mark.parametrize(
    "change",
    [
        {"nats": None},
        {"nats": []},
        {"nats": {}},
        {"iss": None},
        {"nats": {"server_id": None}},
        {"nats": {"server_id": {"id": 7}}, "iss": 7},
        {"nats": {"server_id": {"id": "N"}}, "iss": "N"},
        {"nats": {"server_id": {"id": "é" * 56}}, "iss": "é" * 56},
        {"nats": {"server_id": {"id": ""}}, "iss": ""},
    ],
    ids=repr,
)
def test_claims_of_another_shape_are_refused(server: _Server, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(server.signed({**server.claims(), **change}))


@pytest.mark.parametrize("nats", ["connect_opts", "client_info", "user_nkey"])
@pytest.mark.parametrize("value", [None, 7, []], ids=repr)
def test_a_signed_request_of_another_shape_is_refused_as_well(server: _Server, nats: str, value: Any) -> None:
    claims = server.claims()
    claims["nats"][nats] = value
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(server.signed(claims))


@pytest.mark.parametrize(
    "data", [b"", b".", b"..", b"a.b", b"a.b.c.d", b"\xff\xfe", b"{}", b"e30.e30.e30", b"x" * 100_000]
)
def test_what_is_no_token_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no authorization request"):
        read_request(data)


def test_a_user_is_signed_by_the_issuer_for_one_connection_and_until_its_end() -> None:
    keys = BrokerKeys.generate()
    issuer, ends_at = Issuer(keys.issuer), time.time() + 900.7
    claims = _read(issuer.user(USER, "shop", "APP", {"pub": {"allow": ["fleet.hb.shop"]}}, ends_at), keys.public.issuer)
    assert (claims["iss"], claims["sub"], claims["aud"], claims["name"]) == (keys.public.issuer, USER, "APP", "shop")
    assert claims["exp"] == int(ends_at)
    assert abs(claims["iat"] - time.time()) < 5
    assert claims["nats"]["pub"] == {"allow": ["fleet.hb.shop"]}
    assert (claims["nats"]["type"], claims["nats"]["version"]) == ("user", 2)
    assert "exp" not in _read(issuer.user(USER, "shop", "APP", {}, None), keys.public.issuer)


def test_the_answer_is_for_the_server_that_asked_and_says_yes_or_why_not(server: _Server) -> None:
    keys, request = BrokerKeys.generate(), read_request(server.signed(server.claims()))
    issuer = Issuer(keys.issuer)
    yes = _read(issuer.response(request, user="a.b.c"), keys.public.issuer)
    no = _read(issuer.response(request, error="revoked"), keys.public.issuer)
    for claims in (yes, no):
        assert (claims["aud"], claims["sub"]) == (server.id, USER)
        assert (claims["nats"]["type"], claims["nats"]["version"]) == ("authorization_response", 2)
    assert (yes["nats"]["jwt"], "error" in yes["nats"]) == ("a.b.c", False)
    assert (no["nats"]["error"], "jwt" in no["nats"]) == ("revoked", False)
    assert yes["jti"] != no["jti"]


def test_an_answer_that_says_nothing_is_a_refusal(server: _Server) -> None:
    keys = BrokerKeys.generate()
    request: AuthRequest = read_request(server.signed(server.claims()))
    assert _read(Issuer(keys.issuer).response(request), keys.public.issuer)["nats"]["error"]
