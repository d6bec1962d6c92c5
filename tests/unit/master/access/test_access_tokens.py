"""Access tokens: every way of being wrong is refused, for its own reason, and nothing else ever escapes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from fleetfold_master.access.access_tokens import AccessTokens
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_shared.clock import ManualClock

GONE = object()


class Office:
    """A fleet's tokens, and a forger who knows what he should not."""

    def __init__(self, place: Path) -> None:
        self.clock = ManualClock()
        self.keys = SigningKeys.load(place, {}, self.clock)
        self.tokens = AccessTokens(self.keys, self.clock, "fleet", 3600)
        self.good = self.tokens.issue("shop", "child", ["search", "events"], "s1")[0]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of the good token, with these changes; `GONE` takes one away."""
        claims = {**json.loads(unbase64(self.good.split(".")[1])), **changes}
        return {name: value for name, value in claims.items() if value is not GONE}

    def signed(self, claims: Any, **header: Any) -> str:
        """Signed with the fleet's own key, whatever it says."""
        kid, secret = self.keys.current()
        header = {"alg": "HS256", "typ": "JWT", "kid": kid, **header}
        return handmade({name: value for name, value in header.items() if value is not GONE}, claims, secret)

    def reason(self, text: str) -> str:
        with pytest.raises(Refusal) as refused:
            self.tokens.verify(text)
        return refused.value.reason


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """One whose clock nobody turns."""
    return Office(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def handmade(header: Any, claims: Any, secret: bytes, algorithm: str = "sha256") -> str:
    """A token without any library's scruples."""
    text = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(claims).encode())}"
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), algorithm))}"


def test_a_token_says_who_it_is_for_and_what_was_granted(office: Office) -> None:
    claims = office.tokens.verify(office.good)
    assert (claims.iss, claims.sub, claims.aud, claims.node) == ("fleetfold", "shop", "fleetfold:fleet", "shop")
    assert (claims.role, claims.capabilities, claims.sid) == ("child", {"search", "events"}, "s1")
    assert (claims.iat, claims.exp) == (office.clock.wall(), office.clock.wall() + 3600)
    assert claims.kid == office.keys.current()[0]


def test_every_token_has_an_id_of_its_own(office: Office) -> None:
    texts = [office.tokens.issue("shop", "child", [], "s1")[0] for _ in range(20)]
    assert len({office.tokens.verify(text).jti for text in texts}) == 20


def test_a_token_is_good_until_its_last_moment_and_no_longer(office: Office) -> None:
    assert office.tokens.issue("shop", "child", [], "s1")[1] == 3600
    office.clock.advance(3599.999)
    office.tokens.verify(office.good)
    office.clock.advance(0.001)
    assert office.reason(office.good) == "expired"


def test_a_token_of_a_master_whose_clock_is_a_little_ahead_is_good(office: Office) -> None:
    now = office.clock.wall()
    office.tokens.verify(office.signed(office.claims(iat=now + 4.9, nbf=now + 4.9)))


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_the_future_is_not_yet_valid(office: Office, claim: str) -> None:
    text = office.signed(office.claims(**{claim: office.clock.wall() + 5.1}))
    assert office.reason(text) == "not_yet_valid"


def test_a_token_of_another_fleet_is_for_another_audience(office: Office) -> None:
    elsewhere = AccessTokens(office.keys, office.clock, "staging", 3600)
    assert office.reason(elsewhere.issue("shop", "child", [], "s1")[0]) == "wrong_audience"


def test_a_token_of_another_issuer_is_refused(office: Office) -> None:
    assert office.reason(office.signed(office.claims(iss="somebody"))) == "wrong_issuer"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_flipped_bit_anywhere_is_noticed(shared: Office, part: int) -> None:
    parts = shared.good.split(".")
    data = unbase64(parts[part])
    for index in range(len(data)):
        for bit in range(8):
            flipped = data[:index] + bytes([data[index] ^ 1 << bit]) + data[index + 1 :]
            text = ".".join([*parts[:part], base64url(flipped), *parts[part + 1 :]])
            reason = shared.reason(text)
            assert part == 0 or reason == "forged"


def test_a_token_signed_with_another_key_of_the_same_name_is_forged(office: Office) -> None:
    kid = office.keys.current()[0]
    text = handmade({"alg": "HS256", "typ": "JWT", "kid": kid}, office.claims(role="master"), b"x" * 32)
    assert office.reason(text) == "forged"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, GONE, [], ["HS256"], 5])
def test_an_unsigned_token_is_refused(office: Office, algorithm: Any) -> None:
    header, claims, _ = office.signed(office.claims(), alg=algorithm).split(".")
    assert office.reason(f"{header}.{claims}.") == "wrong_algorithm"


@pytest.mark.parametrize(("algorithm", "digest"), [("HS384", "sha384"), ("HS512", "sha512")])
def test_another_hash_with_the_right_key_is_refused(office: Office, algorithm: str, digest: str) -> None:
    kid, secret = office.keys.current()
    text = handmade({"alg": algorithm, "kid": kid}, office.claims(), secret, digest)
    assert office.reason(text) == "wrong_algorithm"


def test_a_token_of_a_public_key_algorithm_is_refused(office: Office) -> None:
    kid = office.keys.current()[0]
    edwards = ed25519.Ed25519PrivateKey.generate()
    assert office.reason(jwt.encode(office.claims(), edwards, "EdDSA", {"kid": kid})) == "wrong_algorithm"
    shamir = rsa.generate_private_key(65537, 2048)
    assert office.reason(jwt.encode(office.claims(), shamir, "RS256", {"kid": kid})) == "wrong_algorithm"


@pytest.mark.parametrize("form", [(Encoding.Raw, PublicFormat.Raw), (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)])
def test_a_public_keys_bytes_make_no_good_secret(office: Office, form: tuple[Encoding, PublicFormat]) -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(*form)
    kid = office.keys.current()[0]
    text = handmade({"alg": "HS256", "kid": kid}, office.claims(), public)
    assert office.reason(text) == "forged"


@pytest.mark.parametrize("kid", ["another", "", "../../etc/passwd", "' OR 1=1 --", GONE])
def test_a_key_that_is_not_known_is_refused(office: Office, kid: Any) -> None:
    assert office.reason(office.signed(office.claims(), kid=kid)) == "unknown_key"


@pytest.mark.parametrize("kid", [None, 5, [], {}])
def test_a_key_that_is_no_name_is_refused(office: Office, kid: Any) -> None:
    assert office.reason(office.signed(office.claims(), kid=kid)) in {"unknown_key", "malformed"}


def test_a_retired_key_is_good_during_the_overlap_and_unknown_after(office: Office) -> None:
    office.keys.rotate(60)
    office.clock.advance(59)
    office.tokens.verify(office.good)
    office.clock.advance(1)
    assert office.reason(office.good) == "unknown_key"


def test_a_token_may_not_name_one_key_and_be_signed_by_another(office: Office) -> None:
    assert office.reason(office.signed(office.claims(kid="another"))) == "malformed"


def test_a_token_may_not_speak_of_another_node_than_its_subject(office: Office) -> None:
    assert office.reason(office.signed(office.claims(node="blog"))) == "malformed"


@pytest.mark.parametrize(
    "claim", ["iss", "sub", "aud", "jti", "iat", "exp", "node", "role", "capabilities", "kid", "sid"]
)
def test_a_token_that_lacks_a_claim_is_refused(office: Office, claim: str) -> None:
    assert office.reason(office.signed(office.claims(**{claim: GONE}))) == "malformed"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", 1), ("iss", ["fleetfold"]), ("sub", None), ("sub", ""), ("sub", "a.b"), ("sub", "*"), ("sub", ">"),
        ("sub", "shop\n"), ("aud", ["fleetfold:fleet"]), ("aud", {}), ("jti", 5), ("iat", "now"), ("iat", True),
        ("exp", "9999999999"), ("exp", None), ("exp", []), ("nbf", "later"), ("role", "root"), ("role", ["admin"]),
        ("capabilities", "search"), ("capabilities", ["everything"]), ("capabilities", {"api": True}), ("sid", 7),
    ],
)  # fmt: skip
def test_a_claim_of_the_wrong_type_is_refused(office: Office, claim: str, value: Any) -> None:
    assert office.reason(office.signed(office.claims(**{claim: value}))) == "malformed"


@pytest.mark.parametrize("claims", [[], "claims", 5, None, {}])
def test_a_token_whose_claims_are_no_object_of_claims_is_refused(office: Office, claims: Any) -> None:
    assert office.reason(office.signed(claims)) == "malformed"


def test_a_token_that_never_ends_is_refused(office: Office) -> None:
    kid, secret = office.keys.current()
    header = base64url(json.dumps({"alg": "HS256", "kid": kid}).encode())
    for number in ("1e999", "Infinity", "NaN"):
        payload = json.dumps(office.claims(exp=0)).replace('"exp": 0', f'"exp": {number}')
        text = f"{header}.{base64url(payload.encode())}"
        assert office.reason(f"{text}.{base64url(hmac.digest(secret, text.encode(), 'sha256'))}") == "malformed"


def test_an_unencoded_payload_and_unknown_critical_headers_are_refused(office: Office) -> None:
    assert office.reason(office.signed(office.claims(), b64=False, crit=["b64"])) == "malformed"
    assert office.reason(office.signed(office.claims(), crit=["later"])) == "malformed"


def test_five_kilobytes_are_refused_before_anybody_reads_them(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    long = office.signed(office.claims(padding="x" * 5000))
    monkeypatch.setattr("fleetfold_master.access.access_tokens._signer", None)
    assert office.reason(long) == "malformed"


@given(st.data())
def test_a_token_cut_off_anywhere_is_refused(shared: Office, data: st.DataObject) -> None:
    length = data.draw(st.integers(min_value=0, max_value=len(shared.good) - 1))
    assert shared.reason(shared.good[:length]) in {"malformed", "forged"}
    assert shared.reason(shared.good[-length:] if length else "") in {"malformed", "wrong_algorithm", "unknown_key"}


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200).map(base64url), st.text('ey.{}[]"a=-_', max_size=80)))
@example("")
@example("..")
@example("\ud800.a.b")
@example("é.é.é")
@example(f"{base64url(b'[' * 2000)}.e30.AA")
def test_nothing_but_a_refusal_comes_of_nonsense(shared: Office, text: str) -> None:
    shared.reason(text)


@given(st.binary(max_size=120))
def test_nothing_but_a_refusal_comes_of_a_well_signed_nonsense(shared: Office, payload: bytes) -> None:
    kid, secret = shared.keys.current()
    header = base64url(json.dumps({"alg": "HS256", "kid": kid}).encode())
    text = f"{header}.{base64url(payload)}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    assert shared.reason(f"{text}.{base64url(signature)}") == "malformed"


def test_a_refusal_does_not_repeat_the_token(office: Office) -> None:
    with pytest.raises(Refusal) as refused:
        office.tokens.verify(office.good[:-4])
    assert office.good[:20] not in str(refused.value)
    assert refused.value.who == ""


def test_a_refusal_of_a_signed_token_says_whose_it_is(office: Office) -> None:
    office.clock.advance(3600)
    with pytest.raises(Refusal) as refused:
        office.tokens.verify(office.good)
    assert refused.value.who == "shop"
