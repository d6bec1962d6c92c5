"""The commands about identities against a made-up fleet: what they ask for, and where a secret comes out."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
import pytest

from fleetfold_cli.command_context import Terminal
from fleetfold_cli.parsing.common_options import OutputOptions
from fleetfold_shared.errors import Forbidden, RateLimited, Unauthenticated
from fleetfold_shared.messages import (
    AccessStats,
    AuditEntry,
    Identity,
    KeyCreated,
    KeyInfo,
    KeyRevoked,
    NodeAuditEntry,
    NodeInvited,
    NodeRevoked,
    RetiringKey,
    Scopes,
    SigningRotated,
)
from support.commandline import FakeFleet, run_command

INVITED = NodeInvited(node="shop", token="ffj_shop.secret", expires_at=100.0, uses=1)
INFO = KeyInfo(id="01k9", name="ann", role="reader", scopes=Scopes(nodes=["shop"]), created_at=1.0, created_by="cli")
CREATED = KeyCreated(key="ffk_ann.secret", info=INFO)
ENTRY = AuditEntry(
    seq=7, at=100.0, who="cli", what="nodes.invite", outcome="refused", node="shop", reason="live", source="10.0.0.9"
)


def test_an_invitation_is_the_token_alone() -> None:
    fleet = FakeFleet(answer=INVITED)
    result = run_command("nodes", "invite", "shop", fleet=fleet)
    assert (result.code, result.out, result.err) == (0, "ffj_shop.secret\n", "")
    whole = ("search", "actions", "events", "api")
    assert fleet.asked == [("invite", {"name": "shop", "expires_s": 3600.0, "uses": 1, "only": whole})]


def test_a_person_is_told_what_to_do_with_a_secret_beside_it() -> None:
    class Screen(StringIO):
        def isatty(self) -> bool:
            return True

    out, err = StringIO(), Screen()
    Terminal(out, err, StringIO()).secret(OutputOptions(), INVITED, INVITED.token, "next: keep it")
    assert (out.getvalue(), err.getvalue()) == ("ffj_shop.secret\n", "next: keep it\n")


def test_an_invitation_is_narrowed_as_the_options_say() -> None:
    fleet = FakeFleet(answer=INVITED)
    words = ["--expires", "15m", "--uses", "3", "--only", "search, actions"]
    assert run_command("nodes", "invite", "shop", *words, "--json", fleet=fleet).json["token"] == "ffj_shop.secret"
    asked = {"name": "shop", "expires_s": 900.0, "uses": 3, "only": ("search", "actions")}
    assert fleet.asked == [("invite", asked)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nodes", "invite", "shop", "--expires", "soon"], "expires: 'soon' is no duration"),
        (["nodes", "invite", "shop", "--only", "serch"], "only: 'serch' is none of search, actions, events, api"),
        (["keys", "create", "ann", "--role", "king"], "--role"),
        (["keys", "create", "ann", "--role", "child"], "--role"),
        (["keys", "create", "ann", "--expires", "1"], "expires: '1' is no duration"),
        (["audit", "--follow", "--summary"], "exclude each other"),
        (["audit", "--since", "yesterday"], "since: 'yesterday' is no duration"),
    ],
)
def test_what_is_wrong_is_named_before_anybody_is_asked(words: list[str], said: str) -> None:
    fleet = FakeFleet()
    result = run_command(*words, fleet=fleet)
    assert (result.code, fleet.asked) == (2, [])
    assert said in result.err


def test_approving_and_revoking_a_node() -> None:
    fleet = FakeFleet(answer=NodeRevoked(node="shop", connections=1))
    assert run_command("nodes", "approve", "shop", "--fingerprint", "ab12", fleet=fleet).out == "shop is approved\n"
    assert run_command("nodes", "revoke", "shop", fleet=fleet).out == "shop is revoked; 1 connection dropped\n"
    assert run_command("nodes", "revoke", "shop", "--json", fleet=fleet).json == {"node": "shop", "connections": 1}
    assert fleet.asked[0] == ("approve", {"name": "shop", "fingerprint": "ab12"})


def test_a_new_key_is_shown_alone_and_with_all_it_was_asked_for() -> None:
    fleet = FakeFleet(answer=CREATED)
    words = ["--role", "publisher", "--nodes", "shop,blog-*", "--actions", "sync", "--expires", "30d"]
    assert run_command("keys", "create", "ann", *words, fleet=fleet).out == "ffk_ann.secret\n"
    scopes = Scopes(nodes=["shop", "blog-*"], actions=["sync"])
    asked = {"name": "ann", "role": "publisher", "scopes": scopes, "expires_s": 30 * 86_400.0}
    assert fleet.asked == [("create_key", asked)]


def test_keys_are_listed_with_their_scopes_and_without_their_secrets() -> None:
    shown = run_command("keys", "list", fleet=FakeFleet(answer=[INFO])).out
    assert "01k9   ann    reader   nodes shop" in shown
    assert run_command("keys", "list", "--json", fleet=FakeFleet(answer=[INFO])).json["keys"][0]["id"] == "01k9"
    assert "fleetfold keys create" in run_command("keys", "list", fleet=FakeFleet(answer=[])).out


def test_rotating_without_a_name_is_the_signing_key() -> None:
    fleet = FakeFleet(answer=SigningRotated(kid="k2", retiring=[RetiringKey("k1", 100.0)]))
    shown = run_command("keys", "rotate", "--overlap", "2h", fleet=fleet).out
    assert "signed with k2" in shown
    assert "k1 is accepted until 1970-01-0" in shown
    fleet.answer = CREATED
    assert run_command("keys", "rotate", "ann", fleet=fleet).out == "ffk_ann.secret\n"
    rotated = ("rotate_key", {"key": "ann", "overlap_s": 0.0})
    assert fleet.asked == [("rotate_signing", {"overlap_s": 7200.0}), rotated]


def test_revoking_a_key_says_which_and_whom_it_cut_off() -> None:
    fleet = FakeFleet(answer=KeyRevoked(ids=["01k9", "02k9"], connections=2))
    assert run_command("keys", "revoke", "ann", fleet=fleet).out == "01k9, 02k9 revoked; 2 connections dropped\n"


def test_whoami() -> None:
    fleet = FakeFleet(answer=Identity(name="ann", role="reader", scopes=Scopes(nodes=["shop"])))
    assert run_command("whoami", fleet=fleet).out.split() == [
        "name",
        "ann",
        "role",
        "reader",
        "scopes",
        "nodes",
        "shop",
    ]
    assert run_command("whoami", "--json", fleet=fleet).json["role"] == "reader"


def test_the_audit_log_is_asked_for_what_the_options_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 10_000.0)
    fleet = FakeFleet(answer=[ENTRY])
    words = ["--node", "shop", "--who", "cli", "--what", "nodes.invite", "--outcome", "refused", "--since", "1h"]
    result = run_command("audit", *words, "--limit", "3", fleet=fleet)
    asked = {"node": "shop", "who": "cli", "what": "nodes.invite", "outcome": "refused", "since": 6400.0, "limit": 3}
    assert fleet.asked == [("audit", asked)]
    assert "nodes.invite   shop" in result.out
    assert "refused      -   live   10.0.0.9" in result.out


def test_a_node_s_own_audit_is_asked_for_through_the_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 10_000.0)
    done = NodeAuditEntry(
        command="j.1.shop", action="ship", at=1.0, caller="ann", role="operator", outcome="ok", ms=4.5
    )
    running = NodeAuditEntry(command="t.2.a.c", action="unship", at=2.0, caller="ann", compensates="t.2.a.f")
    fleet = FakeFleet(answer=[done, running])
    shown = run_command("node-audit", "shop", "--since", "1h", "--limit", "3", fleet=fleet)
    assert fleet.asked == [("node_audit", {"name": "shop", "since": 6400.0, "limit": 3})]
    assert "ann   operator   ship" in shown.out
    assert "unship (compensates t.2.a.f)" in shown.out
    assert "running" in shown.out
    said = run_command("node-audit", "shop", "--json", fleet=FakeFleet(answer=[done]))
    assert said.json["entries"][0]["caller"] == "ann"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "node: name a node, or its data folder with --data: one of these"),
        (["shop", "--data", "."], "node: name a node, or its data folder with --data: one of these"),
        (["--data", "nowhere"], "is not there; name the data folder of a node, which holds node.db"),
        (["shop", "--since", "yesterday"], "since: 'yesterday' is no duration"),
    ],
)
def test_node_audit_reads_one_place(words: list[str], why: str) -> None:
    refused = run_command("node-audit", *words)
    assert refused.code != 0
    assert why in refused.err


def test_a_folder_without_a_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_text("no database" * 1000)
    refused = run_command("node-audit", "--data", str(tmp_path))
    assert "node.db cannot be read as a node's ledger: file is not a database" in refused.err


def test_the_audit_log_is_followed_line_by_line() -> None:
    fleet = FakeFleet(answer=[ENTRY, ENTRY])
    lines = run_command("audit", "--follow", "--json", fleet=fleet).out.splitlines()
    assert [msgspec.json.decode(line)["seq"] for line in lines] == [7, 7]
    shown = run_command("audit", "--follow", fleet=fleet).out
    assert "  cli  nodes.invite shop  refused: live  from 10.0.0.9\n" in shown


def test_an_audit_entry_cannot_steer_the_terminal() -> None:
    nasty = msgspec.structs.replace(ENTRY, who="\x1b[31mroot\n", reason="a\nb")
    (line,) = run_command("audit", "--follow", fleet=FakeFleet(answer=[nasty])).out.splitlines()
    assert "\x1b" not in line


def test_the_audits_summary_is_figures() -> None:
    stats = AccessStats(admitted=5, refused={"expired": 2, "forged": 1}, forbidden=4, limited=3)
    shown = run_command("audit", "--summary", fleet=FakeFleet(answer=stats)).out
    assert "connections refused    3" in shown
    assert "expired=2, forged=1" in shown


@pytest.mark.parametrize(
    "error", [Unauthenticated("who are you"), Forbidden("not you"), RateLimited("too often", retry_after_s=1.5)]
)
def test_being_refused_is_exit_code_one_and_one_line(error: Unauthenticated) -> None:
    result = run_command("nodes", "list", "--json", fleet=FakeFleet(error=error))
    assert (result.code, result.err) == (1, f"fleetfold: {error.message}\n")
    assert result.json["error"]["code"] == error.code
    assert result.json["error"].get("retry_after_s") == getattr(error, "retry_after_s", None)


def test_every_command_passes_on_its_key_file_and_its_ca(tmp_path: Path) -> None:
    fleet = FakeFleet(answer=[])
    run_command("keys", "list", "--key-file", str(tmp_path / "key"), "--ca", str(tmp_path / "ca.pem"), fleet=fleet)
    assert fleet.shown == (tmp_path / "key", tmp_path / "ca.pem")


def test_the_brokers_part_is_public_keys_alone(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    result = run_command("keys", "broker", "--keys", str(keys), "--prefix", "test")
    assert result.code == 0
    assert "auth_callout" in result.out
    assert "test.api." in result.out
    seeds = msgspec.json.decode((keys / "broker.json").read_bytes()).values()
    assert not any(seed in result.out for seed in seeds)
    file = tmp_path / "identity.conf"
    run_command("keys", "broker", "--keys", str(keys), "--prefix", "test", "--output", str(file))
    assert file.read_text().split() == result.out.split()
