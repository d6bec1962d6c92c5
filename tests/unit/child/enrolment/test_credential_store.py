"""The passport: kept for its owner alone, whole, and of one node."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from fleetfold_child.enrolment.credential_store import FILE, CredentialStore
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import Tokens

TOKENS = Tokens(
    node="shop", role="child", capabilities=["search"], access="A-SECRET", refresh="R-SECRET", access_expires_s=100,
    refresh_expires_s=1000,
)  # fmt: skip


async def test_what_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    passport = CredentialStore.open(tmp_path, "shop", clock)
    assert (passport.pair, passport.remaining_s) == (None, 0)
    await passport.keep(TOKENS)
    assert passport.remaining_s == 100
    clock.advance(30)
    again = CredentialStore.open(tmp_path, "shop", clock)
    assert again.pair == passport.pair
    assert again.pair is not None
    assert (again.pair.access, again.pair.refresh, again.pair.capabilities) == ("A-SECRET", "R-SECRET", {"search"})
    assert again.remaining_s == 70
    clock.advance(80)
    assert again.remaining_s == 0


async def test_a_clock_that_was_set_back_makes_no_token_last_longer(tmp_path: Path) -> None:
    await CredentialStore.open(tmp_path, "shop", ManualClock(5_000_000)).keep(TOKENS)
    assert CredentialStore.open(tmp_path, "shop", ManualClock(1_000_000)).remaining_s == 100


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    await CredentialStore.open(tmp_path, "shop").keep(TOKENS)
    file = tmp_path / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    with capture_logs() as logs:
        assert CredentialStore.open(tmp_path, "shop").pair is not None
    assert [entry["event"] for entry in logs] == ["credentials.exposed"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b'{"node":"shop","pair":{"access":"A-SECRET"}}',
        b'{"node":"shop","petition":"?"}',
    ],
)
def test_a_damaged_one_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / FILE
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(InvalidInput, match="is damaged") as refused:
        CredentialStore.open(tmp_path, "shop")
    assert str(file) in refused.value.message
    assert "fleetfold nodes invite shop" in refused.value.message
    assert "SECRET" not in refused.value.message
    assert file.read_bytes() == content


async def test_one_of_another_node_is_refused(tmp_path: Path) -> None:
    await CredentialStore.open(tmp_path, "shop").keep(TOKENS)
    with pytest.raises(InvalidInput, match="'shop', not 'blog'"):
        CredentialStore.open(tmp_path, "blog")


async def test_it_does_not_show_its_secrets(tmp_path: Path) -> None:
    passport = CredentialStore.open(tmp_path, "shop")
    joining = await passport.join("T-SECRET")
    assert "SECRET" not in repr(joining)
    assert joining.claim not in repr(joining)
    await passport.keep(TOKENS)
    assert "SECRET" not in repr(passport.pair)


async def test_a_token_is_used_with_one_claim_and_another_token_with_another(tmp_path: Path) -> None:
    first = await CredentialStore.open(tmp_path, "shop").join("one")
    again = CredentialStore.open(tmp_path, "shop")
    assert again.joining == first
    assert await again.join("one") == first
    assert (await again.join("two")).claim != first.claim


async def test_a_join_request_is_the_same_until_it_is_approved(tmp_path: Path) -> None:
    first = await CredentialStore.open(tmp_path, "shop").join_request()
    again = CredentialStore.open(tmp_path, "shop")
    assert (await again.join_request()).text == first.text
    await again.keep(TOKENS)
    assert set(msgspec.json.decode((tmp_path / FILE).read_bytes())) == {"node", "pair"}


async def test_each_pair_has_an_attempt_of_its_own(tmp_path: Path) -> None:
    passport, seen = CredentialStore.open(tmp_path, "shop"), set()
    for _ in range(3):
        await passport.keep(TOKENS)
        seen.add(await passport.attempt())
        assert await CredentialStore.open(tmp_path, "shop").attempt() in seen
    assert len(seen) == 3


async def test_what_the_successors_are_asked_for_with_is_not_there_before_it_is_needed(tmp_path: Path) -> None:
    passport = CredentialStore.open(tmp_path, "shop")
    await passport.keep(TOKENS)
    assert b"attempt" not in (tmp_path / FILE).read_bytes()
    attempt = await passport.attempt()
    assert attempt.encode() in (tmp_path / FILE).read_bytes()


async def test_a_disk_that_takes_nothing_is_named(tmp_path: Path) -> None:
    place = tmp_path / "data"
    passport = CredentialStore.open(place, "shop")
    place.write_text("in the way")
    with pytest.raises(Unavailable, match=r"credentials\.json cannot be written"):
        await passport.join("one")
    assert passport.joining is None
