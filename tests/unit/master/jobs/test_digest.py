"""What a job or a transaction asks for is the same, whether a default was given or left out."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetfold_master.jobs.job_model import digest_of
from fleetfold_master.transactions.transaction_view import digest_of as digest_of_transaction
from fleetfold_shared.messages import RetryPolicy, Run, Transact, decode

RUNS = [
    (b'{"id":"a","action":"x"}', b'{"id":"a","action":"x","timeout_s":60.0,"pause_s":0.0,"nodes":[],"limit":null}'),
    (b'{"id":"a","action":"x","timeout_s":60}', b'{"action":"x","id":"a","confirmed":true,"wait_ms":500}'),
    (
        b'{"id":"a","action":"x","retry":{"attempts":3}}',
        b'{"id":"a","action":"x","retry":{"attempts":3,"backoff_s":1.0,"jitter":0.5}}',
    ),
]


@pytest.mark.parametrize(("one", "other"), RUNS)
def test_a_default_that_was_given_makes_no_other_job(one: bytes, other: bytes) -> None:
    assert digest_of(decode(one, Run), "ann") == digest_of(decode(other, Run), "ann")


def test_what_is_no_default_makes_another() -> None:
    run = Run(id="a", action="x", retry=RetryPolicy(attempts=3))
    others = [
        replace(run, timeout_s=61.0),
        replace(run, pause_s=0.1),
        replace(run, retry=RetryPolicy(attempts=4)),
        replace(run, retry=None),
    ]
    assert len({digest_of(each, "ann") for each in (run, *others)}) == len(others) + 1
    assert digest_of(run, "ann") != digest_of(run, "bob")


def test_steps_are_looked_into_as_well() -> None:
    one = b'{"id":"t","steps":[{"name":"s","node":"n","action":"x"}]}'
    other = b'{"id":"t","steps":[{"name":"s","node":"n","action":"x","timeout_s":30.0}]}'
    third = b'{"id":"t","steps":[{"name":"s","node":"n","action":"x","stage":1}]}'
    digests = [digest_of_transaction(decode(each, Transact), "ann") for each in (one, other, third)]
    assert digests[0] == digests[1] != digests[2]
