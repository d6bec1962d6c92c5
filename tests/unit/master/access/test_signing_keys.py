"""The signing keys: made once, shared by all masters of a fleet, rotated with an overlap, never told to anybody."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from fleetfold_master.access.signing_keys import FILE, VARIABLE, SigningKeys
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict, InvalidInput


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys(tmp_path: Path, clock: ManualClock) -> SigningKeys:
    return SigningKeys.load(tmp_path, {}, clock)


def ring(*keys: dict[str, object]) -> str:
    return msgspec.json.encode({"keys": keys}).decode()


def key(kid: str = "one", size: int = 32, **more: object) -> dict[str, object]:
    return {"kid": kid, "secret": b"k" * size, **more}


def test_the_first_start_makes_a_key_that_only_its_owner_may_read(keys: SigningKeys, tmp_path: Path) -> None:
    kid, secret = keys.current()
    assert len(secret) == 32
    assert keys.find(kid) == secret
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_the_next_start_finds_the_same_key(keys: SigningKeys, tmp_path: Path, clock: ManualClock) -> None:
    assert SigningKeys.load(tmp_path, {}, clock).current() == keys.current()


def test_two_fleets_have_different_keys(keys: SigningKeys, tmp_path: Path, clock: ManualClock) -> None:
    assert SigningKeys.load(tmp_path / "other", {}, clock).current() != keys.current()


def test_a_rotated_key_is_accepted_until_its_overlap_is_over(keys: SigningKeys, clock: ManualClock) -> None:
    old, secret = keys.current()
    rotated = keys.rotate(60)
    assert keys.current()[0] == rotated.kid != old
    assert [(key.kid, key.until) for key in rotated.retiring] == [(old, clock.wall() + 60)]
    clock.advance(59.9)
    assert keys.find(old) == secret
    clock.advance(0.1)
    assert keys.find(old) is None


def test_without_an_overlap_no_older_key_outlives_a_rotation(keys: SigningKeys) -> None:
    first = keys.current()[0]
    second = keys.rotate(3600).kid
    assert keys.rotate(0).retiring == []
    assert keys.find(first) is keys.find(second) is None


def test_a_longer_overlap_does_not_prolong_what_was_to_end_earlier(keys: SigningKeys, clock: ManualClock) -> None:
    first = keys.current()[0]
    keys.rotate(10)
    ends = {key.kid: key.until for key in keys.rotate(1000).retiring}
    assert ends[first] == clock.wall() + 10


def test_another_master_learns_of_a_rotation_within_a_second(
    keys: SigningKeys, tmp_path: Path, clock: ManualClock
) -> None:
    other = SigningKeys.load(tmp_path, {}, clock)
    old = keys.current()[0]
    new = keys.rotate(0).kid
    clock.advance(1.0)
    assert other.find(new) == keys.find(new)
    assert other.find(old) is None
    assert other.current()[0] == new


def test_unknown_keys_do_not_make_it_read_the_file_all_the_time(
    keys: SigningKeys, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read_bytes(path))
    for _ in range(50):
        clock.advance(1.0)
        assert keys.find("nobodys") is None
    assert reads == []


def test_a_file_that_breaks_while_it_runs_changes_nothing(
    keys: SigningKeys, tmp_path: Path, clock: ManualClock
) -> None:
    current = keys.current()
    (tmp_path / FILE).write_text("half a fi")
    clock.advance(1.0)
    assert keys.current() == current
    (tmp_path / FILE).unlink()
    clock.advance(1.0)
    assert keys.current() == current


@pytest.mark.parametrize(
    "text",
    [
        "my own notes",
        "[]",
        '{"keys": []}',
        ring(key(size=31)),
        ring(key(size=33)),
        ring(key("one"), key("two")),
        ring(key("one"), key("one", until=5.0)),
        ring(key("")),
        ring(key("one", until=5.0)),
        ring({"kid": "one"}),
        '{"keys": [{"kid": "one", "secret": "%%%"}]}',
    ],
)
def test_a_file_that_is_not_ours_is_refused_by_name_and_left_alone(
    text: str, tmp_path: Path, clock: ManualClock
) -> None:
    file = tmp_path / FILE
    file.write_text(text)
    with pytest.raises(InvalidInput, match=FILE) as refused:
        SigningKeys.load(tmp_path, {}, clock)
    assert file.read_text() == text
    assert "kkkk" not in refused.value.message
    assert "notes" not in refused.value.message


def test_a_rotation_does_not_overwrite_a_file_that_is_not_ours(keys: SigningKeys, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("my own notes")
    with pytest.raises(InvalidInput, match=FILE):
        keys.rotate(0)
    assert (tmp_path / FILE).read_text() == "my own notes"


def test_a_container_may_give_the_keys_in_its_environment(tmp_path: Path, clock: ManualClock) -> None:
    env = {VARIABLE: ring(key("new"), key("old", until=clock.wall() + 5))}
    keys = SigningKeys.load(tmp_path, env, clock)
    assert keys.current() == ("new", b"k" * 32)
    assert keys.find("old") == b"k" * 32
    assert not (tmp_path / FILE).exists()
    with pytest.raises(Conflict, match=VARIABLE):
        keys.rotate(0)


def test_a_container_may_give_the_keys_in_a_file(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "secret").write_text(ring(key("mounted")) + "\n")
    keys = SigningKeys.load(tmp_path, {f"{VARIABLE}_FILE": str(tmp_path / "secret")}, clock)
    assert keys.current()[0] == "mounted"


def test_a_wrong_variable_is_refused_by_name(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(InvalidInput, match=VARIABLE):
        SigningKeys.load(tmp_path, {VARIABLE: "secret"}, clock)


def test_no_secret_is_in_its_representation(keys: SigningKeys) -> None:
    kid, secret = keys.current()
    shown = repr(keys._ring)
    assert kid in shown
    assert repr(secret) not in shown
