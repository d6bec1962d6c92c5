"""Seals: a master's proof, good for one message to one node, or for one broadcast to all."""

from __future__ import annotations

import pytest

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.message_seals import UNSEALED, MasterSeals, is_sealed, is_sealed_for_all
from fleetfold_broker.rpc.headers import CORRELATION, DEADLINE, GATHER, SEAL
from fleetfold_shared.messages import SealKeys

SEED = BrokerKeys.generate().issuer
MASTER = MasterSeals(SEED)
CALL, ASK, BODY = "fleet.call.shop.cancel", "fleet.ask.search", b'{"ids":["1"]}'
HEADERS = {GATHER: "01x", CORRELATION: "7", DEADLINE: "1000"}
CHANGED = [
    ("fleet.call.shop.superseded", BODY, HEADERS),
    (CALL, BODY + b" ", HEADERS),
    (CALL, BODY, {**HEADERS, GATHER: "01y"}),
    (CALL, BODY, {**HEADERS, CORRELATION: "8"}),
    (CALL, BODY, {**HEADERS, DEADLINE: "9999"}),
    (CALL, BODY, {GATHER: "01x", CORRELATION: "7\n1000"}),
]


def test_what_a_master_has_sealed_its_node_takes() -> None:
    sealed = MASTER.sealed("shop", CALL, BODY, HEADERS)
    assert {name: sealed[name] for name in HEADERS} == HEADERS
    assert is_sealed(MASTER.keys("shop"), CALL, BODY, sealed)
    assert is_sealed_for_all(MASTER.keys("shop"), ASK, BODY, MASTER.sealed_for_all(ASK, BODY, HEADERS))


@pytest.mark.parametrize(("subject", "data", "headers"), CHANGED)
def test_a_seal_is_for_one_message(subject: str, data: bytes, headers: dict[str, str]) -> None:
    one = {**headers, SEAL: MASTER.sealed("shop", CALL, BODY, HEADERS)[SEAL]}
    assert not is_sealed(MASTER.keys("shop"), subject, data, one)
    every = {**headers, SEAL: MASTER.sealed_for_all(CALL, BODY, HEADERS)[SEAL]}
    assert not is_sealed_for_all(MASTER.keys("shop"), subject, data, every)


def test_the_keys_of_one_node_seal_nothing_for_another_nor_for_all() -> None:
    stolen, other = MASTER.keys("shop"), MASTER.keys("blog")
    assert stolen.own != other.own
    forged = MASTER.sealed("shop", CALL, BODY, HEADERS)
    assert not is_sealed(other, CALL, BODY, forged)
    assert not is_sealed_for_all(other, CALL, BODY, forged)
    assert stolen.broadcast == other.broadcast


@pytest.mark.parametrize("seal", ["", "0", "é" * 32, "\udc80", "=", "A" * 86 + "==", "0" * 32])
def test_what_is_no_seal_is_refused_whatever_it_is(seal: str) -> None:
    headers = {**HEADERS, SEAL: seal}
    assert not is_sealed(MASTER.keys("shop"), CALL, BODY, headers)
    assert not is_sealed_for_all(MASTER.keys("shop"), ASK, BODY, headers)
    assert not is_sealed(MASTER.keys("shop"), CALL, BODY, {GATHER: "\udc80"})


def test_all_masters_of_a_fleet_have_the_same_keys_and_those_of_another_fleet_others() -> None:
    assert MasterSeals(SEED).keys("shop") == MASTER.keys("shop")
    other = MasterSeals(BrokerKeys.generate().issuer).keys("shop")
    assert other.own != MASTER.keys("shop").own
    assert other.broadcast != MASTER.keys("shop").broadcast


def test_a_seal_does_not_tell_the_keys() -> None:
    keys = MASTER.keys("shop")
    for shown in (repr(keys), repr(MASTER)):
        assert keys.own.hex() not in shown
        assert "b'" not in shown
    assert keys.own[:16].hex() != MASTER.sealed("shop", CALL, BODY, {})[SEAL]


def test_a_fleet_without_identities_seals_nothing() -> None:
    assert UNSEALED.keys("shop") is None
    assert UNSEALED.sealed("shop", CALL, BODY, HEADERS) == UNSEALED.sealed_for_all(ASK, BODY, HEADERS) == HEADERS


def test_the_keys_travel_as_bytes_of_their_size() -> None:
    keys = MASTER.keys("shop")
    assert isinstance(keys, SealKeys)
    assert (len(keys.own), len(keys.broadcast)) == (32, 32)
