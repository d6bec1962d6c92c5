"""API keys: shown once, one role and one set of scopes for a name, and of no use after their end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleetfold_master.access.login_refusal import Refusal
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound
from fleetfold_shared.messages import KeyCreated, KeyRotate, Scopes
from support.access import Doors, open_doors, unknown


async def _who(doors: Doors, key: str) -> str:
    """The name a key belongs to, or why it does not."""
    try:
        return (await doors.keys.authenticate(Credential.parse(key))).name
    except Refusal as refusal:
        return refusal.reason


async def test_a_key_says_who_and_what_one_is(doors: Doors) -> None:
    made = await doors.key("ci", role="publisher", scopes=Scopes(nodes=["shop-*"]))
    info = await doors.keys.authenticate(Credential.parse(made.key))
    assert (info.name, info.role, info.scopes) == ("ci", "publisher", Scopes(nodes=["shop-*"]))
    assert doors.keys.find("ci") == made.info
    assert Credential.parse(made.key).secret not in repr(await doors.keys.list())


async def test_one_with_another_secret_name_or_id_is_unknown(doors: Doors) -> None:
    key = Credential.parse((await doors.key()).key)
    for shown in (
        Credential("key", "ci", key.id, "A" * 43), Credential("key", "ops", key.id, key.secret),
        Credential.parse(unknown("key", "ci")),
    ):  # fmt: skip
        assert await _who(doors, shown.text) == "unknown"


async def test_an_unknown_id_is_compared_as_a_known_one_is(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    monkeypatch.setattr("fleetfold_master.access.api_keys.same", lambda *pair: bool(compared.append(pair)))
    for key in ((await doors.key()).key, unknown("key", "ci")):
        assert await _who(doors, key) == "unknown"
    assert [len(digest) for pair in compared for digest in pair] == [64] * 4
    (shown, stored), (unknown_shown, stand_in) = compared
    assert shown == stored
    assert unknown_shown != stand_in


async def test_a_name_has_one_role_and_one_set_of_scopes(doors: Doors) -> None:
    await doors.key("ci", role="reader", scopes=Scopes(nodes=["a", "b"]))
    await doors.key("ci", role="reader", scopes=Scopes(nodes=["b", "a"]))
    for other in ({"role": "admin"}, {"scopes": Scopes()}):
        with pytest.raises(Conflict, match=r"name: the keys of 'ci'"):
            await doors.key("ci", **{"role": "reader", "scopes": Scopes(nodes=["a", "b"]), **other})
    await doors.keys.revoke("ci")
    assert (await doors.key("ci", role="admin")).info.role == "admin"


async def test_of_two_roles_that_race_for_a_name_one_wins(doors: Doors) -> None:
    made = await asyncio.gather(*(doors.key("ci", role=role) for role in ("admin", "reader")), return_exceptions=True)
    assert sorted(type(each).__name__ for each in made) == ["Conflict", "KeyCreated"]


async def test_two_masters_on_one_store_never_give_a_name_two_roles(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as one, open_doors(tmp_path) as other:
        for i in range(10):
            made = [one.key(f"ci-{i}", role="admin"), other.key(f"ci-{i}", role="reader")]
            outcomes = await asyncio.gather(*made, return_exceptions=True)
            assert {type(each) for each in outcomes} <= {KeyCreated, Conflict}
        names = [info.name for info in await one.keys.list()]
        assert len(names) == len(set(names))


async def test_a_nodes_name_is_no_keys_name(doors: Doors) -> None:
    await doors.request_to_join("shop")
    await doors.join_requests.approve("shop")
    with pytest.raises(Conflict, match=r"name: 'shop' is a node"):
        await doors.key("shop")
    with pytest.raises(InvalidInput, match=r"name: 'master'"):
        await doors.key("master")


async def test_a_rotated_key_works_until_the_overlap_is_over(doors: Doors) -> None:
    old = await doors.key("ci", role="operator", expires_s=1000)
    doors.clock.advance(400)
    new = await doors.keys.rotate(KeyRotate(key="ci", overlap_s=60), "ops")
    assert (new.info.name, new.info.role, new.info.expires_at) == ("ci", "operator", doors.clock.wall() + 1000)
    assert [await _who(doors, each.key) for each in (old, new)] == ["ci", "ci"]
    doors.clock.advance(60)
    assert [await _who(doors, each.key) for each in (old, new)] == ["expired", "ci"]
    with pytest.raises(NotFound):
        await doors.keys.rotate(KeyRotate(key=old.info.id), "ops")


async def test_without_overlap_the_old_key_ends_at_once(doors: Doors) -> None:
    old = await doors.key()
    new = await doors.keys.rotate(KeyRotate(key=old.info.id), "ops")
    assert [await _who(doors, each.key) for each in (old, new)] == ["expired", "ci"]
    assert [info.id for info in await doors.keys.list()] == [new.info.id]


async def test_a_name_with_several_keys_is_rotated_by_id_only(doors: Doors) -> None:
    first, second = await doors.key(), await doors.key()
    with pytest.raises(InvalidInput, match=rf"key: .*{first.info.id}, {second.info.id}"):
        await doors.keys.rotate(KeyRotate(key="ci"), "ops")


async def test_revoked_by_id_or_by_name_it_is_over(doors: Doors) -> None:
    made: list[KeyCreated] = [await doors.key() for _ in range(3)]
    assert [info.id for info in await doors.keys.revoke(made[1].info.id)] == [made[1].info.id]
    assert [await _who(doors, each.key) for each in made] == ["ci", "revoked", "ci"]
    assert doors.keys.find("ci") is not None
    assert [info.id for info in await doors.keys.revoke("ci")] == [made[0].info.id, made[2].info.id]
    assert doors.keys.find("ci") is None
    assert await doors.keys.list() == []
    assert len(await doors.keys.list(revoked=True)) == 3


async def test_an_error_never_repeats_the_key(doors: Doors) -> None:
    key = (await doors.key()).key
    with pytest.raises(NotFound) as caught:
        await doors.keys.revoke(key)
    assert Credential.parse(key).secret not in str(caught.value)


async def test_an_outlived_key_is_refused(doors: Doors) -> None:
    key = (await doors.key("ci", expires_s=60)).key
    doors.clock.advance(60)
    assert await _who(doors, key) == "expired"
    assert doors.keys.find("ci") is None


async def test_its_last_use_is_written_once_a_minute(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await doors.key()).key
    began = doors.clock.wall()
    seen: list[float | None] = []
    for _ in range(5):
        await _who(doors, key)
        await doors.keys.save()
        seen.append((await doors.keys.list())[0].last_used_at)
        doors.clock.advance(20)
    assert seen == [began] * 3 + [began + 60] * 2
    await doors.keys.save()  # the use that is not written yet is not forgotten


async def test_keys_survive_the_masters_death(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as before:
        key = (await before.key("ci", role="admin")).key
    async with open_doors(tmp_path) as after:
        assert await _who(after, key) == "ci"
        found = after.keys.find("ci")
        assert found is not None
        assert found.role == "admin"


async def test_the_local_key_is_made_once_and_again_when_it_is_no_longer_good(doors: Doors) -> None:
    key = await doors.keys.ensure("cli", "admin", None)
    assert await doors.keys.ensure("cli", "admin", key) == key
    await doors.keys.revoke("cli")
    again = await doors.keys.ensure("cli", "admin", key)
    assert again != key
    assert await _who(doors, again) == "cli"
    for useless in ("nonsense", unknown("key", "cli"), (await doors.key("ci", role="admin")).key):
        assert await doors.keys.ensure("cli", "admin", useless) not in {useless, again}
