"""The pipeline before every verb: the whole table of roles, the limits, and what the audit log gets to know."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from fleetfold_broker.rpc.headers import LIMIT, REMAINING, RETRY_AFTER
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import answer
from fleetfold_broker.rpc.trace_context import TraceContext
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api import ApiServer, Binding, api_interceptors
from fleetfold_shared import verbs
from fleetfold_shared.errors import Conflict, Forbidden, InvalidInput, NotFound, RateLimited, Unavailable
from fleetfold_shared.log_fields import add_served_fields
from fleetfold_shared.messages import (
    AccessStatsRequest,
    AnswerQuestion,
    CommandsConfirm,
    DeadLetterDrop,
    DeadLetterGet,
    DeadLetterRetry,
    Definition,
    DefinitionGet,
    DefinitionPut,
    DefinitionRemove,
    Identity,
    Job,
    JobCancel,
    JobEndsRequest,
    JobFollow,
    JobGet,
    JobState,
    JobWait,
    Join,
    Judgement,
    KeyCreate,
    KeyRevoke,
    KeyRotate,
    Message,
    NodeApprove,
    NodeAuditRequest,
    NodeDescription,
    NodeGet,
    NodeInvite,
    NodeList,
    NodePing,
    NodeReconcile,
    NodeRemove,
    NodeRevoke,
    NodeUpdate,
    QualityClick,
    QualityForget,
    QualityJudge,
    Role,
    Run,
    ScheduleFire,
    ScheduleGet,
    SchedulePause,
    SchedulePut,
    ScheduleRemove,
    ScheduleResume,
    ScheduleSpec,
    Scopes,
    Search,
    SigningRotate,
    StepSpec,
    Submit,
    Transact,
    TransactionCancel,
    TransactionFollow,
    TransactionGet,
    TransactionResolve,
    TransactionRetry,
    TransactionSkip,
    TransactionWait,
    WhoAmI,
)
from fleetfold_shared.verbs import ROLES, VERBS, Verb, reach
from support.served_api import ServedApi, at_the_owner, open_served_api

STEP = StepSpec(name="pay", node="blog", action="refund")
NIGHTLY = ScheduleSpec(name="nightly", cron="0 3 * * *", run={"action": "refund", "nodes": ["blog"]})
ASKS: dict[str, Message] = {
    verb.name: verb.takes()
    for verb in VERBS.values()
    if not any(field.required for field in msgspec.structs.fields(verb.takes))
} | {
    "nodes.get": NodeGet(node="blog"),
    "nodes.update": NodeUpdate(node="blog", title="The blog"),
    "nodes.remove": NodeRemove(node="blog"),
    "nodes.audit": NodeAuditRequest(node="blog"),
    "nodes.join": Join(description=NodeDescription(incarnation="i2", version="1.0")),
    "commands.confirm": CommandsConfirm(ids=["j.j1.blog"]),
    "nodes.reconcile": NodeReconcile(node="blog"),
    "nodes.invite": NodeInvite(node="crm"),
    "nodes.approve": NodeApprove(node="crm"),
    "nodes.revoke": NodeRevoke(node="blog"),
    "search.query": Search(query="chair"),
    "quality.judge": QualityJudge(judgements=[Judgement("chair", "blog", "posts", "p1", 3)]),
    "quality.click": QualityClick(query="chair", node="blog", collection="posts", id="p1", rank=1),
    "quality.forget": QualityForget(query="chair"),
    "ask.question": AnswerQuestion(question="which chair?"),
    "actions.run": Run(id="j9", action="refund", nodes=["blog"]),
    "actions.submit": Submit(runs=[Run(id="j9", action="refund", nodes=["blog"])]),
    "jobs.get": JobGet(id="j1"),
    "jobs.wait": JobWait(id="j1"),
    "jobs.ended": JobEndsRequest(ids=["j1"], wait_ms=0),
    "jobs.follow": JobFollow(id="j1"),
    "jobs.cancel": JobCancel(id="j1"),
    "transactions.run": Transact(id="t9", steps=[STEP]),
    "transactions.get": TransactionGet(id="t1"),
    "transactions.wait": TransactionWait(id="t1"),
    "transactions.follow": TransactionFollow(id="t1"),
    "transactions.cancel": TransactionCancel(id="t1"),
    "transactions.retry": TransactionRetry(id="t1"),
    "transactions.skip": TransactionSkip(id="t1", step="a", why="by hand"),
    "transactions.resolve": TransactionResolve(id="t1", state="committed", why="by hand"),
    "schedules.put": SchedulePut(spec=NIGHTLY),
    "schedules.get": ScheduleGet(name="nightly"),
    "schedules.remove": ScheduleRemove(name="nightly"),
    "schedules.pause": SchedulePause(name="nightly"),
    "schedules.resume": ScheduleResume(name="nightly"),
    "schedules.fire": ScheduleFire(name="nightly", id="f1"),
    "dead_letters.get": DeadLetterGet(id="l1"),
    "dead_letters.retry": DeadLetterRetry(id="l1"),
    "dead_letters.drop": DeadLetterDrop(id="l1"),
    "definitions.put": DefinitionPut(definition=Definition(name="pay", steps=[STEP])),
    "definitions.get": DefinitionGet(name="pay"),
    "definitions.remove": DefinitionRemove(name="pay"),
    "keys.create": KeyCreate(name="bot"),
    "keys.rotate": KeyRotate(key="bot"),
    "keys.revoke": KeyRevoke(key="bot"),
}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with open_served_api(tmp_path, {"child": 60, "reader": 2}) as served:
        served.people.update({role: Principal(role, role) for role in ROLES})
        yield served


class Calls(list[str]):
    """Handlers in the place of the verbs' own, which write down who has reached them."""

    def put_before(self, served: ServedApi, error: BaseException | None = None) -> None:
        async def reached(_ask: Any, who: Principal, _say: Any = None) -> Message:
            self.append(who.name)
            if error is not None:
                raise error
            return NodeList()

        def instead(binding: Binding[Any, Any]) -> Binding[Any, Any]:
            touches = binding.touches if error else None
            return Binding(binding.verb, reached, touches)

        served.bindings = {name: instead(binding) for name, binding in served.bindings.items()}


async def test_the_verbs_that_are_served_are_those_of_the_table(served: ServedApi) -> None:
    subjects: list[str] = []

    async def serve(_name: str, subject: str, _handler: object, *, queue: str, caller: Any, places: object) -> None:
        assert (queue, caller("fleet.api.ann.nodes.list")) == ("masters", "ann")
        assert (places is not None) == subject.endswith(".nodes.join")
        subjects.append(subject)

    await served.api.start(SimpleNamespace(serve=serve))  # type: ignore[arg-type]
    assert sorted(subjects) == sorted(f"fleet.api.*.{verb}" for verb in VERBS)
    assert ASKS.keys() == VERBS.keys()


@pytest.mark.parametrize("role", ROLES)
async def test_the_table_is_kept(served: ServedApi, role: Role) -> None:
    calls = Calls()
    calls.put_before(served)
    for verb, ask in ASKS.items():
        served.clock.advance(60.0)
        calls.clear()
        served.log.entries.clear()
        if reach(role, verb):
            await served.ask(role, verb, ask)
            assert (verb, calls, served.log.entries) == (verb, [role], [])
        else:
            with pytest.raises(Forbidden, match=verb):
                await served.ask(role, verb, ask)
            assert (verb, calls) == (verb, [])
            assert [(entry.who, entry.what, entry.outcome) for entry in served.log.entries] == [(role, verb, "refused")]


async def test_somebody_unknown_may_nothing(served: ServedApi) -> None:
    for number, (verb, ask) in enumerate(ASKS.items(), start=1):
        with pytest.raises(Forbidden, match="no identity"):
            await served.ask("stranger", verb, ask)
        assert served.denied.forbidden == number


async def test_every_verb_answers_an_admin_or_a_child(served: ServedApi) -> None:
    """None of them stumbles over the caller it is given; those that find nothing say so."""
    served.people["blog"] = Principal("blog", "child")
    for verb in sorted(ASKS, key=lambda verb: verb == "nodes.remove"):
        try:
            await served.ask("admin" if reach("admin", verb) else "blog", verb, ASKS[verb])
        except (NotFound, KeyError):
            areas = ("transactions.", "jobs.", "dead_letters.", "schedules.", "definitions.")
            assert verb == "nodes.approve" or verb.startswith(areas)


async def test_a_role_is_refused_before_the_body_is_read(served: ServedApi) -> None:
    with pytest.raises(Forbidden):
        await served.send(served.request("reader", "nodes.remove", b"not json"))
    with pytest.raises(InvalidInput):
        await served.send(served.request("operator", "nodes.remove", b"not json"))


async def test_over_the_limit_nothing_is_read_and_nobody_reached(served: ServedApi) -> None:
    calls = Calls()
    calls.put_before(served)
    for _ in range(2):
        await served.ask("reader", "nodes.list", NodeList())
    with pytest.raises(RateLimited) as refused:
        await served.send(served.request("reader", "nodes.list", b"not json"))
    assert calls == ["reader", "reader"]
    assert refused.value.retry_after_s == pytest.approx(30.0)
    served.clock.advance(30.0)
    await served.ask("reader", "nodes.list", NodeList())


async def test_what_a_role_may_not_do_counts_against_its_limit_too(served: ServedApi) -> None:
    for _ in range(2):
        with pytest.raises(Forbidden):
            await served.ask("reader", "nodes.remove", NodeRemove(node="blog"))
    with pytest.raises(RateLimited):
        await served.ask("reader", "nodes.list", NodeList())


async def test_every_answer_to_a_limited_caller_says_how_much_is_left(served: ServedApi) -> None:
    seen = []
    for verb, data in (("nodes.list", b"{}"), ("nodes.get", b"{"), ("nodes.list", b"{}")):
        request = served.request("reader", verb, data)
        headers, _, error = await answer(served.api.handle, request)
        seen.append([headers[LIMIT], headers[REMAINING], headers.get(RETRY_AFTER), error is None])
    assert seen == [["2", "1", None, True], ["2", "0", None, False], ["2", "0", "30.000", False]]


async def test_an_answer_to_a_caller_without_a_limit_has_no_such_headers(served: ServedApi) -> None:
    request = served.request("operator", "nodes.list", b"{}")
    headers, _, _ = await answer(served.api.handle, request)
    assert headers == {}


CHANGES = {
    "nodes.update": ("blog", ""),
    "nodes.remove": ("blog", ""),
    "nodes.invite": ("crm", ""),
    "actions.run": ("blog", "refund j9"),
    "transactions.run": ("blog", "t9"),
    "nodes.revoke": ("blog", ""),
}


@pytest.mark.parametrize("verb", CHANGES)
async def test_a_change_is_in_the_audit_log(served: ServedApi, verb: str) -> None:
    await served.ask("operator", verb, ASKS[verb])
    (entry,) = served.log.entries
    assert (entry.who, entry.role, entry.what) == ("operator", "operator", verb)
    assert (entry.outcome, entry.ms) == ("ok", 0.0)
    assert (entry.node, entry.target) == CHANGES[verb]
    assert entry.source == "host-of-operator"


async def test_what_is_done_to_credentials_is_in_the_log_before_it_is_answered(served: ServedApi) -> None:
    key = await served.ask("admin", "keys.create", KeyCreate(name="bot"))
    rotated = await served.ask("admin", "keys.rotate", KeyRotate(key="bot"))
    await served.ask("admin", "keys.revoke", KeyRevoke(key=rotated.info.id))
    signed = await served.ask("admin", "keys.sign", SigningRotate())
    assert [(entry.what, entry.target) for entry in served.log.written] == [
        ("keys.create", f"bot {key.info.id}"),
        ("keys.rotate", f"bot {rotated.info.id}"),
        ("keys.revoke", f"{rotated.info.id} {rotated.info.id}"),
        ("keys.sign", signed.kid),
    ]


async def test_reading_leaves_no_trace(served: ServedApi) -> None:
    for verb in ("nodes.list", "nodes.get", "jobs.list", "keys.list", "access.stats", "access.whoami"):
        await served.ask("admin", verb, ASKS[verb])
    assert served.log.entries == []


async def test_searches_and_pings_are_told_without_what_was_asked_for(served: ServedApi) -> None:
    await served.ask("reader", "search.query", Search(query="secret", nodes=["blog"], collections=["posts"]))
    await served.ask("reader", "nodes.ping", NodePing(nodes=["shop-1"]))
    await served.ask("operator", "nodes.audit", NodeAuditRequest(node="blog"))
    assert [(entry.who, entry.what, entry.outcome, entry.node, entry.target) for entry in served.log.entries] == [
        ("reader", "search.query", "ok", "blog", "posts 0 hits"),
        ("reader", "nodes.ping", "ok", "shop-1", "0 of 1 answered"),
        ("operator", "nodes.audit", "ok", "blog", ""),
    ]
    assert served.log.written == []


@pytest.mark.parametrize(
    ("state", "outcome"), [("ok", "ok"), ("failed", "failed"), ("partly", "failed"), ("running", "accepted")]
)
async def test_a_run_is_told_by_its_state(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch, state: JobState, outcome: str
) -> None:
    start = served.jobs.start

    async def started(run: Run, targets: list[str], caller: str, role: str = "") -> Job:
        return msgspec.structs.replace(await start(run, targets, caller, role), state=state)

    monkeypatch.setattr(served.jobs, "start", started)
    await served.ask("publisher", "actions.run", Run(id="j1", action="refund", nodes=["blog"]))
    (entry,) = served.log.entries
    assert (entry.outcome, entry.reason) == (outcome, state if outcome == "failed" else "")


async def test_a_run_is_told_once_with_all_its_nodes(served: ServedApi) -> None:
    await served.ask("publisher", "actions.run", Run(id="j1", action="refund", all=True))
    (entry,) = served.log.entries
    assert entry.node == "blog,shop-1,shop-2"


async def test_a_failure_is_told_by_its_code_and_never_by_what_was_sent(served: ServedApi) -> None:
    Calls().put_before(served, Unavailable("the store does not answer to «secret»"))
    with pytest.raises(Unavailable):
        await served.ask("operator", "nodes.remove", NodeRemove(node="blog"))
    (entry,) = served.log.entries
    assert (entry.outcome, entry.reason, entry.node) == ("failed", "unavailable", "blog")


async def test_a_defect_is_told_too_for_it_may_have_had_an_effect(served: ServedApi) -> None:
    Calls().put_before(served, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await served.ask("operator", "nodes.remove", NodeRemove(node="blog"))
    assert [(entry.outcome, entry.reason) for entry in served.log.entries] == [("failed", "ZeroDivisionError")]


async def test_a_callers_own_mistakes_do_not_fill_the_log(served: ServedApi) -> None:
    with pytest.raises(NotFound):
        await served.ask("operator", "nodes.remove", NodeRemove(node="nowhere"))
    with pytest.raises(InvalidInput):
        await served.ask("operator", "actions.run", Run(id="j1", action="refund"))
    assert served.log.entries == []


async def test_a_key_given_for_its_id_is_not_in_the_log(served: ServedApi) -> None:
    key = await served.ask("admin", "keys.create", KeyCreate(name="bot"))
    Calls().put_before(served, Conflict("no"))
    for verb, ask in (("keys.revoke", KeyRevoke(key=key.key)), ("keys.rotate", KeyRotate(key=key.key))):
        with pytest.raises(Conflict):
            await served.ask("admin", verb, ask)
    assert [entry.target for entry in served.log.entries[1:]] == ["…", "…"]


async def test_a_flood_over_the_limit_is_one_entry_and_a_number(served: ServedApi) -> None:
    for _ in range(2):
        await served.ask("reader", "nodes.list", NodeList())
    for _ in range(50):
        with pytest.raises(RateLimited):
            await served.ask("reader", "nodes.list", NodeList())
    assert [(entry.what, entry.outcome) for entry in served.log.entries] == [("nodes.list", "refused")]
    served.denied.settle()
    assert len(served.log.entries) == 1
    served.clock.advance(60.0)
    served.denied.settle()
    assert [entry.reason for entry in served.log.entries[1:]] == ["49 more over the limit within a minute"]
    assert served.denied.limited == 50


async def test_a_flood_of_forbidden_things_is_ten_entries_and_a_number(served: ServedApi) -> None:
    for _ in range(25):
        with pytest.raises(Forbidden):
            await served.ask("publisher", "nodes.remove", NodeRemove(node="blog"))
    assert len(served.log.entries) == 10
    served.clock.advance(60.0)
    with pytest.raises(Forbidden):
        await served.ask("publisher", "nodes.remove", NodeRemove(node="blog"))
    assert [entry.reason for entry in served.log.entries[10:11]] == ["15 more forbidden within a minute"]
    assert len(served.log.entries) == 12
    assert served.denied.forbidden == 26


async def test_what_is_outside_a_scope_is_counted_and_told_with_its_node(served: ServedApi) -> None:
    served.people["ann"] = Principal("ann", "operator", Scopes(nodes=["shop-*"]))
    with pytest.raises(Forbidden):
        await served.ask("ann", "nodes.remove", NodeRemove(node="blog"))
    (entry,) = served.log.entries
    assert (entry.outcome, entry.node) == ("refused", "blog")
    assert served.denied.forbidden == 1


async def test_the_refusals_are_in_the_figures(served: ServedApi) -> None:
    with pytest.raises(Forbidden):
        await served.ask("reader", "nodes.remove", NodeRemove(node="blog"))
    served.rooms.authenticator.admitted = 3
    served.rooms.authenticator.refused["expired"] = 2
    stats = await served.ask("operator", "access.stats", AccessStatsRequest())
    assert (stats.admitted, stats.refused, stats.forbidden, stats.limited) == (3, {"expired": 2}, 1, 0)


async def test_a_new_concern_is_one_interceptor_and_one_entry_of_the_list(served: ServedApi) -> None:
    seen: list[tuple[str, str, str]] = []

    async def observe(call: Call, proceed: Handler) -> Message | None:
        try:
            reply = await proceed(call)
        except Forbidden:
            seen.append((call.verb, call.identity, "denied"))
            raise
        seen.append((call.verb, call.identity, type(reply).__name__))
        return reply

    listed = api_interceptors(served.policy, served.bindings, at_the_owner)
    api = ApiServer(Subjects(), served.bindings, [observe, *listed])
    await api.handle(served.request("operator", "nodes.list", b"{}"))
    with pytest.raises(Forbidden):
        await api.handle(served.request("reader", "keys.list", b"{}"))
    assert seen == [("nodes.list", "operator", "NodeListed"), ("keys.list", "reader", "denied")]


async def test_the_interceptors_stand_in_the_declared_order(served: ServedApi) -> None:
    listed = api_interceptors(served.policy, served.bindings, at_the_owner)
    assert [getattr(one, "__name__", type(one).__name__) for one in listed] == [
        "bind_log_context", "Denials", "Authenticate", "RateLimit", "Authorise", "DecodeBody",
        "FitDeadline", "Audit", "at_the_owner",
    ]  # fmt: skip


@pytest.mark.parametrize("verb", [verb for verb in VERBS.values() if verb.scope == "fleet"], ids=lambda verb: verb.name)
async def test_what_concerns_the_whole_fleet_is_not_for_callers_with_scopes(
    served: ServedApi, verb: Verb[Any, Any]
) -> None:
    served.people["ann"] = Principal("ann", "admin", Scopes(nodes=["shop-*"]))
    with pytest.raises(Forbidden, match="it concerns the whole fleet"):
        await served.ask("ann", verb.name, ASKS[verb.name])
    assert served.denied.forbidden == 1


async def test_only_what_concerns_the_whole_fleet_needs_a_caller_without_scopes(served: ServedApi) -> None:
    served.people["ann"] = Principal("ann", "admin", Scopes(actions=["*"], collections=["*"]))
    served.people["blog"] = Principal("blog", "child")
    for verb in sorted(VERBS.values(), key=lambda verb: verb.name == "nodes.remove"):
        if verb.scope in {"none", "named"}:
            with contextlib.suppress(NotFound, KeyError):
                await served.ask("ann" if reach("admin", verb.name) else "blog", verb.name, ASKS[verb.name])
    assert served.denied.forbidden == 0


async def test_a_log_line_of_a_handler_names_the_call(served: ServedApi) -> None:
    fields: list[dict[str, Any]] = []

    async def whoami(_ask: WhoAmI, _who: Principal) -> Identity:
        fields.append(dict(add_served_fields(None, "info", {})))
        return Identity(name="ann", role="admin", scopes=Scopes())

    served.bindings = {**served.bindings, "access.whoami": Binding(verbs.access.WHOAMI, whoami)}
    call = served.request("admin", "access.whoami", b"{}")
    await served.send(msgspec.structs.replace(call, trace=TraceContext("a" * 32, "b" * 16)))
    assert fields == [
        {"verb": "access.whoami", "caller": "admin", "trace_id": "a" * 32, "span_id": "b" * 16},
    ]
