"""Signatures that any library of Standard Webhooks accepts, with a secret that is made once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fleetfold_master.webhooks.webhook_signing import FILE, WebhookSecret
from fleetfold_shared.errors import InvalidInput

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_it_signs_as_the_specification_has_it(tmp_path: Path) -> None:
    """The example of the specification's own libraries."""
    secret = WebhookSecret.load(tmp_path, {"FLEETFOLD_WEBHOOK_SECRET": SECRET})
    assert secret.text == SECRET
    assert secret.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    made = WebhookSecret.load(tmp_path / "keys", {})
    file = tmp_path / "keys" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert WebhookSecret.load(tmp_path / "keys", {}).text == made.text == file.read_text().strip()
    assert made.text not in repr(made)


@pytest.mark.parametrize("text", ["", "whsec_short", "whsec_not base64 at all, but long enough to be one"])
def test_what_is_no_secret_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InvalidInput, match="no secret for webhooks") as refused:
        WebhookSecret.load(tmp_path, {})
    assert not text or text not in refused.value.message
