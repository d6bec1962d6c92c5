"""Secrets sealed by a passphrase."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fleetfold.backup.secret_encryption import find_passphrase, seal, unseal
from fleetfold_shared.errors import InvalidInput

SECRETS = {"keys/broker.json": b"\x00\xffseed", "tls/ca.key": b"-----BEGIN"}


def test_only_the_passphrase_opens_what_it_sealed() -> None:
    sealed = seal(SECRETS, "correct horse battery")
    assert unseal(sealed, "correct horse battery") == SECRETS
    with pytest.raises(InvalidInput, match="passphrase"):
        unseal(sealed, "incorrect horse battery")
    assert b"seed" not in sealed


def test_the_same_secrets_are_sealed_differently_each_time() -> None:
    assert seal(SECRETS, "correct horse battery") != seal(SECRETS, "correct horse battery")


@pytest.mark.parametrize("name", ["salt", "nonce", "n", "content"])
def test_a_change_of_any_part_is_noticed(name: str) -> None:
    sealed = msgspec.json.decode(seal(SECRETS, "correct horse battery"))
    holder = sealed if name == "content" else sealed["header"]
    holder[name] = 2**15 if name == "n" else holder[name][::-1]
    with pytest.raises(InvalidInput, match="passphrase"):
        unseal(msgspec.json.encode(sealed), "correct horse battery")


def test_a_file_that_asks_for_all_memory_is_refused() -> None:
    sealed = msgspec.json.decode(seal(SECRETS, "correct horse battery"))
    sealed["header"]["n"] = 2**30
    with pytest.raises(InvalidInput):
        unseal(msgspec.json.encode(sealed), "correct horse battery")


def test_the_passphrase_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("from the file, long\n")
    env = {"FLEETFOLD_BACKUP_PASSPHRASE": "from the variable"}
    assert find_passphrase(tmp_path / "pass", env) == "from the file, long"
    assert find_passphrase(None, env) == "from the variable"
    assert find_passphrase(None, {"FLEETFOLD_BACKUP_PASSPHRASE_FILE": str(tmp_path / "pass")}) == "from the file, long"
    assert find_passphrase(None, {}) is None


def test_a_short_passphrase_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidInput, match="fewer than 12") as refused:
        find_passphrase(None, {"FLEETFOLD_BACKUP_PASSPHRASE": "hunter2"})
    assert "hunter2" not in refused.value.message
