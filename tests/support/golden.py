"""One instance of every message, each optional field set to something other than its default."""

from __future__ import annotations

import msgspec

from fleetfold_shared import messages as m
from fleetfold_shared.errors import ErrorBody

__all__ = ["SAMPLES", "kinds"]


def kinds() -> list[type[msgspec.Struct]]:
    """Every struct of the messages' contents page, but for their common base."""
    named = (getattr(m, name) for name in m.__all__)
    return [
        kind for kind in named if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not m.Message
    ]


_collection = m.CollectionInfo(
    name="products",
    documents=1200,
    epoch=7,
    updated_at=1_700_000_000.25,
    keys=["gtin"],
    alpha=0.5,
    replica="products",
    left_out=2,
    damaged="its table is damaged",
    repeated=1,
    without_text=3,
    note="products.csv:7: price: expected a number, got 'x'",
)
_retry = m.RetryPolicy(attempts=5, backoff_s=0.5, backoff_max_s=30.0, jitter=0.25, on=["timeout", "ConnectionError"])
_progress = m.Progress(done=3, total=10, note="page 3", at=1_700_000_001.0, attempt=2)
_action = m.ActionInfo(
    name="cancel_order",
    schema={"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    kind="transactional",
    timeout_s=12.5,
    summary="Cancel an order.",
    destructive=True,
    slots=2,
    retry=_retry,
    heartbeat_s=15.0,
    result={"type": "object", "properties": {"cancelled": {"type": "boolean"}}},
)
_description = m.NodeDescription(
    incarnation="01hzy",
    version="1.2.3",
    type="shop",
    labels={"region": "eu"},
    weight=2.5,
    concurrency=4,
    analyzer="snowball-en-1",
    embedder="wordllama-256",
    collections=[_collection],
    actions=[_action],
    answers=True,
    withheld={"actions": 3},
    disk="low: 1.0 GiB of 100.0 GiB free",
)
_seal = m.SealKeys(own=b"o" * 32, broadcast=b"b" * 32)
_endpoint = m.EndpointCounters(name="ping", requests=7, errors=2, nanoseconds=125_000, last_error="damaged")
_problem = m.Problem(part="index", reason="collection products: its table cannot be read")
_mark = m.LedgerMark("g1", 240)
_master_mark = m.MasterMark("01hzymaster", 42, "tx-1.crm", "00" * 16, 1_700_000_000_000)
_recalled = m.RecalledCommand(
    id="tx-1.crm", action="open_ticket", mark=_master_mark, outcome="ok", epoch=3, compensates="tx-1.shop"
)
_held_transaction = m.HeldTransaction(id="tx-1", nodes=["crm"])
_lost_work = m.LostWork(node="shop", id="j.j1.shop", action="reindex", outcome="ok", work="j1", reason="send it again")
_denied = m.DeniedCommand(
    id="j.job-1.shop", action="reindex", outcome="ok", work="job job-1", state="ok", look=True, remedy="send it again"
)
_record = m.NodeRecord(
    name="shop",
    state="active",
    healthy=True,
    description=_description,
    registered_at=1_700_000_000.0,
    last_seen_at=1_700_000_005.5,
    response_ms=3.25,
    in_flight=2,
    title="The shop",
    fingerprint="0123456789abcdef",
    reason="set by ann",
    since=1_700_000_002.5,
    presence="up",
    failing=["index"],
    ledger=_mark,
    clock_off_s=-90.5,
    heartbeat_s=2.5,
    granted=["search", "events"],
    label_sources={"region": "operator"},
)
_judgement = m.Judgement(query="red chair", node="shop", collection="products", id="p1", grade=3)
_figures = m.QualityMetrics(
    node="shop", collection="products", queries=3, judgements=9, ndcg=0.75, recall=0.5, clicks=4, click_rr=0.625,
    searches=200, zero_rate=0.035,
)  # fmt: skip
_worst = m.QueryQuality(query="red chair", ndcg=0.25, recall=0.5)
_scopes = m.Scopes(nodes=["shop", "eu-*"], actions=["cancel_order"], collections=["products"])
_key = m.KeyInfo(
    id="01hzyapikey00", name="till", role="operator", scopes=_scopes, created_at=1_700_000_000.0, created_by="cli",
    expires_at=1_700_086_400.0, last_used_at=1_700_000_005.5, revoked_at=1_700_000_009.0,
)  # fmt: skip
_tokens = m.Tokens(
    node="shop", role="child", capabilities=["search", "actions"], access="eyJ.eyJ.abc", refresh="ffr_shop.01.abc",
    access_expires_s=3600.0, refresh_expires_s=2_592_000.0,
)  # fmt: skip
_audited = m.AuditEntry(
    seq=12, at=1_700_000_000.25, who="till", what="nodes.remove", outcome="refused", role="operator", node="shop",
    target="01hzy", reason="forbidden", source="10.0.0.7", ms=4.5,
)  # fmt: skip
_forward = m.ForwardOutcome(action="order", kind="once", outcome="ok", result={"order_id": 7})
_caller = m.Caller(name="till", role="operator")
_node_audited = m.NodeAuditEntry(
    command="tx-1.crm", action="open_ticket", at=1_700_000_000.25, caller="till", role="operator", outcome="ok",
    ended_at=1_700_000_000.5, ms=4.5, starts=1, compensates="tx-1.shop", cancelled_by="ann",
)  # fmt: skip
_filter = m.Filter(
    field="price",
    op="in",
    value=[1, 2.5, "x", None, True],
    all=[m.Filter(field="a", value=1)],
    any=[m.Filter(field="b", op="exists", value=True)],
    none=[m.Filter(field="c", op="contains", value="ü")],
)
_highlight = m.Highlight(snippet="A chair.", at=7, spans=[m.Span("snippet", 2, 7)])
_share = m.TermShare(term="chair", qtf=1, tf=2, idf=2.5, bm25=1.5, share=0.75)
_explained = m.Explained(
    alpha=0.7, bm25=2.0, divisor=2.0, cosine=0.5, length=42, avgdl=42.5, terms=[_share], others=3, others_bm25=0.5
)  # fmt: skip
_searched = m.CollectionExplained(
    collection="products", documents=1200, scored=100, exact=False, epoch=7, master_epoch=6
)  # fmt: skip
_node_explained = m.NodeExplained(
    reason="asked: it has products", inside_ms=1.5, way_ms=2.0, documents=1200, scored=100, exact=False, current=False,
    collections=[_searched],
)  # fmt: skip
_parts = m.Parts(bm25=1.25, cosine=0.5)
_discovered = m.DiscoveredNode("shop", "unregistered", 1.5)
_master = m.MasterInfo(
    id="01hzymaster", seat="01hzyseat", instance_id="01hzyseat", host="db1", pid=4711, started_at=1_700_000_000.0,
    state="silent", silent_s=1.5, jobs=7, transactions=3,
    disk="low: 1.0 GiB of 100.0 GiB free", broker="ok", broker_since=1_700_000_001.0, database="ok",
    restored="shop: it has heard another master", restored_since=1_700_000_002.0,
)  # fmt: skip
_marks = m.Fingerprints(digest=b"0123456789abcdef", keys=["sku:sku:p1"], traits={"colour": "red"}, vector=b"\x00<")
_source = m.Source(node="blog", collection="posts", id="p2", score=0.5)
_document = m.ScoredDocument(
    collection="products", id="p1", score=0.875, parts=_parts, title="Chair", content="A chair.",
    metadata={"price": 10}, highlight=_highlight, explain=_explained, marks=_marks, sort=(10, "Fjell", True, None),
    cut=["content"],
)  # fmt: skip
_hit = m.Hit(
    node="shop",
    collection="products",
    id="p1",
    score=0.875,
    parts={"bm25": 1.25, "cosine": 0.5},
    title="Chair",
    content="A chair.",
    metadata={"price": 10},
    highlight=_highlight,
    explain=_explained,
    also=[_source],
    also_left_out=1,
    cut=["content", "metadata.notes"],
)
_report = m.NodeReport(
    node="shop",
    status="partial",
    count=1,
    ms=3.5,
    error="too slow",
    explain=_node_explained,
    exact=False,
    expected=0.5,
    reason="likely",
    replica="blog",
    rescored=True,
    code="deadline_exceeded",
)
_note = m.FieldNote(code="no_such_field", field="prize", text="sort: no document has the field 'prize'")
_cited = m.CitedSource(
    n=1, node="shop", collection="pages", id="p1", title="Returns", score=0.875, passage="Within 30 days.", cited=True
)
_passage = m.Passage(
    n=1, node="shop", collection="pages", id="p1", title="Returns", text="Within 30 days.", score=0.875
)
_place = m.Place(score=0.875, node="shop", collection="products", id="p1")
_sort = m.Sort(field="price", order="desc")
_counts = m.FacetCounts(field="brand", values=[m.ValueCount("Fjell", 3), m.ValueCount(True, 1)], missing=2, cut=True)
_facet = m.Facet(field="brand", values=[m.FacetValue("Fjell", 3)], missing=2, distinct=7, approximate=True)
_rollback = m.Rollback(action="cancel_order", params={"order_id": "{{order_id}}"})
_step = m.StepSpec(
    name="crm",
    node="crm",
    action="open_ticket",
    params={"order": "{{steps.shop.order_id}}"},
    rollback=_rollback,
    depends_on=["shop"],
    when=_filter,
    retriable=True,
    stage=2,
    timeout_s=5.0,
    retries=3,
    pivot=True,
)
_step_view = m.StepView(
    name="crm",
    node="crm",
    action="open_ticket",
    stage=2,
    state="failed",
    attempts=2,
    result={"id": 1},
    error="no such order",
    would_run=True,
)
_entry = m.TimelineEntry(at=1_700_000_001.0, what="step.failed", step="crm", why="no such order")
_job_node = m.JobNode(
    node="shop",
    outcome="failed",
    result={"n": 1},
    error="no such order",
    ms=4.5,
    progress=_progress,
    began=True,
    would_run=True,
)
_job = m.Job(
    id="job-1",
    action="reindex",
    params={"full": True},
    state="partly",
    nodes=[_job_node],
    caller="cli",
    created_at=1_700_000_000.0,
    ended_at=1_700_000_002.0,
    cancelled_by="till",
    note="cancelled by till",
)
_transaction = m.TransactionView(
    id="tx-1",
    name="order",
    state="rolled_back",
    steps=[_step_view],
    timeline=[_entry],
    caller="cli",
    created_at=1_700_000_000.0,
    ended_at=1_700_000_003.0,
    error="crm: no such order",
    definition="order@2",
)
_schedule = m.ScheduleSpec(
    name="nightly", cron="30 3 * * *", every_s=600, jitter_s=30.0, timezone="Europe/Berlin",
    run={"action": "reindex", "nodes": ["shop"]}, transact={"steps": []}, misfire="all", overlap="queue",
    not_before=1_700_000_000.0, not_after=1_800_000_000.0, keep=10, paused=True,
)  # fmt: skip
_firing = m.Firing(
    id="s-nightly-1-1700000000", planned_at=1_700_000_000.0, state="done", decided_at=1_700_000_000.5, outcome="ok",
    why="61 s late", by="till",
)  # fmt: skip
_schedule_view = m.ScheduleView(
    spec=_schedule, version=2, caller="till", state="waiting", created_at=1_690_000_000.0,
    changed_at=1_695_000_000.0, next_at=1_700_086_400.0, last=_firing, firings=[_firing],
)  # fmt: skip
_dead_letter = m.DeadLetter(
    id="0123456789abcdef", reason="poison", command="j.job-1.shop", node="shop", at=1_700_000_000.0, action="reindex",
    params={"full": True}, whole=False, error="the node died 5 times", job="job-1", tx="tx-1", step="crm",
    caller="till", history=[m.DeadLetterEvent(1_700_000_000.0, "sent", "3 times since")],
    retried_as="l-0123456789abcdef", retried_at=1_700_000_001.0, retried_by="till",
)  # fmt: skip
_definition = m.Definition(
    name="order", steps=[_step], inputs={"sku": "str", "quantity": {"type": "integer", "default": 1}},
    about="Order one.", within_s=60.0,
)  # fmt: skip
_defined = m.DefinitionInfo(
    name="order", version=2, about="Order one.", inputs=["sku"], nodes=["shop"], steps=1, created_at=1_700_000_000.0,
    created_by="cli",
)  # fmt: skip

SAMPLES: dict[type[msgspec.Struct], msgspec.Struct] = {
    type(sample): sample
    for sample in (
        _collection, _action, _description, _record, _filter, _parts, _marks, _source, _document, _hit, _report,
        _rollback, _step, _step_view, _entry, _job_node, _job, _transaction,
        _highlight, _highlight.spans[0], _share, _explained, _searched, _node_explained,
        _sort, _counts, _facet, _note, m.FacetValue("Fjell", 3), m.ValueCount(0.5, 1),
        m.Command(
            id="tx-1.crm", attempt=2, action="open_ticket", params={"order": "o1"}, epoch=3, compensates="tx-1.shop",
            timeout_s=5.0, start_within_s=30.0,
            heartbeat_s=15.0, overall_s=60.0, retry=_retry, caller=_caller, forward=_forward,
            mark=_master_mark,
        ),
        _forward,
        _node_audited,
        m.NodeAudited(node="shop", entries=[_node_audited]),
        m.NodeAuditRequest(node="shop", since=1_700_000_000.25, limit=10),
        _caller,
        m.CommandResults(
            results=[
                m.CommandResult(id="tx-1.crm", attempt=2, epoch=3, outcome="ok", result={"id": 1}, starts=1, ms=4.5),
                m.CommandResult(id="tx-1.shop", attempt=1, epoch=3, outcome="failed", error="no such order", starts=1),
            ],
            ledger=_mark,
        ),
        m.CommandResult(
            id="tx-1.crm", attempt=2, epoch=3, outcome="failed", result={"id": 1}, error="no such order", starts=2,
            ms=4.5, tombstone=True, incarnation="01hzy", epochs={"products": 7}, code="poison", noted=True,
        ),
        m.Run(
            id="job-1", action="reindex", params={"full": True}, nodes=["shop"], all=True, sequential=True,
            timeout_s=5.0, wait_ms=100, where="role=shop", any=True, limit="10%", seed=7, batch="2", pause_s=1.5,
            max_failures="1", dry_run=True, confirmed=True, start_within_s=30.0, heartbeat_s=15.0, overall_s=60.0,
            retry=_retry, callback=m.Callback(type="job.done", url="https://example.org/hook"),
        ),
        _retry, _progress, m.Callback(type="job.done", url="https://example.org/hook"),
        m.ProgressReport(incarnation="01k9zq3x8w6v5t4s2r1p0n9m8j", id="j.job-1.shop", progress=_progress),
        m.CancelRequest(ids=["j.job-1.shop"], by="till"),
        m.Cancelled(verdicts={"j.job-1.shop": "never"}),
        _denied,
        m.LedgerRequest(
            ids=["j.job-1.shop"], since=[m.MasterMark("01hzymaster", 41)], after="j.job-0.shop", mark=_master_mark
        ),
        m.LedgerVerdicts(
            mark=_mark, retention_s=86_400.0, outcomes={"j.job-1.shop": "ok"}, marks=[_master_mark],
            commands=[_recalled], more=True,
        ),
        _master_mark,
        _recalled,
        m.NodeReconcile(node="shop", accept=True),
        m.NodeReconciled(
            node="shop", reason="ledger: it is older", known=_mark, reported=m.LedgerMark("g1", 120), compared=2,
            denied=[_denied],
            accepted=True,
        ),
        m.CommandsConfirm(ids=["j.job-1.shop", "t.t1.pay.f"]),
        m.CommandsConfirmed(settled=["j.job-1.shop"], unknown=["t.t1.pay.f"]),
        m.Submit(runs=[m.Run(id="job-1", action="reindex", nodes=["shop"])]),
        m.RunAccepted(id="job-1", state="running", nodes=2, error=ErrorBody("not_found", "node: no", "node")),
        m.Submitted(runs=[m.RunAccepted(id="job-1", state="running", nodes=2)]),
        m.JobEndsRequest(ids=["job-1"], wait_ms=100),
        m.JobEnd("job-1", "partly", [_job_node], "stopped after 2 of 3 failed"),
        m.JobEnds(ended=[m.JobEnd("job-1", "ok", [])], unknown=["job-2"]),
        m.JobCancel(id="job-1"),
        m.JobFollow(id="job-1", wait_ms=100),
        m.JobGet(id="job-1"),
        m.JobWait(id="job-1", wait_ms=100),
        m.JobList(limit=5, state="failed", action="restock", caller="ann", since=1_700_000_000.0),
        m.JobListed(jobs=[_job]),
        m.Heartbeat(
            seq=9, description=_description, in_flight=2, leaving=True, problems=[_problem], heartbeat_s=2.5,
            state="maintenance", at=1_700_000_003.5, ledger=_mark, ledger_accepted=False,
        ),
        m.Join(description=_description, ledger=_mark, new=True),
        m.Joined(
            node="shop", state="incompatible", heartbeat_s=5.0, reason="upgrade the node", seal=_seal,
            ledger_accepted=False, mark=_master_mark,
        ),
        m.Standing(
            heartbeat_s=2.5, state="maintenance", reason="set by ann", ledger_accepted=False, mark=_master_mark
        ),
        _mark,
        _problem,
        _seal,
        _endpoint,
        m.ServiceCounters(
            incarnation="01hzy", version="1.2.3", started="2026-01-02T03:04:05Z", endpoints=[_endpoint]
        ),
        m.Superseded(incarnation="01hzz"),
        m.Pong(incarnation="01hzy", in_flight=2, epochs={"products": 7}),
        m.NodeList(all=True, where="role=shop"),
        m.NodeListed(nodes=[_record]),
        m.NodeGet(node="shop"),
        m.NodeUpdate(
            node="shop", state="maintenance", title="The shop", labels={"region": "eu"}, weight=2.5, unlabel=["zone"],
            labels_from_node=True,
        ),
        m.NodeRemove(node="shop"),
        m.NodeRemoved(node="shop"),
        m.NodePing(nodes=["shop"], timeout_ms=250),
        m.NodePinged(ms={"shop": 1.5, "blog": None}),
        m.NodeDiscover(timeout_ms=250),
        m.NodesDiscovered(nodes=[_discovered]),
        _discovered,
        m.NodeStatsRequest(),
        m.NodeStats(
            total=2, healthy=1, by_state={"active": 2}, by_type={"shop": 1, "blog": 1}, documents=1200,
            mean_response_ms=3.25,
        ),
        m.Search(
            query="red chair", limit=5, threshold=0.25, nodes=["shop"], collections=["products"], filter=_filter,
            timeout_ms=250, highlight=True, explain=True, cursor="1lw", dedup="near", facets=["brand"], sort=[_sort],
            among=["shop"], context=["a chair"], partial="fail", max_parallel=4, alpha=0.5, cache="off",
        ),
        m.SearchRequest(
            request="r1", terms=[m.Term("chair", 1, 2.5)], avgdl=42.5, divisor=2.5, k=5, deadline_ms=250,
            analyzer="snowball-en-1", embedder="wordllama-256", alpha=0.5, vector=b"\x00\x00\x80?", threshold=0.25,
            filter=_filter, collections=["products"], highlight=True, explain=True, after=_place, dedup="near",
            facets=["brand"], sort=[_sort], same_alpha=True, query="red chair",
        ),
        m.Term("chair", 1, 2.5),
        _place,
        m.SearchAnswer(
            status="error", hits=[_document], ms=1.5, error="the index is closed", exact=False, explain=[_searched],
            more=True, facets=[_counts], left_out=["reviews"], code="deadline_exceeded",
            kinds={"price": ["number", "text"]},
        ),
        m.Searched(
            query="red chair", hits=[_hit], nodes=[_report], total=1, took_ms=4.5, partial=True, cursor="1lw",
            changed=True, facets=[_facet], coverage=0.5, cached=True,
            age_s=12.5, notes=[_note],
        ),
        m.AnswerQuestion(
            question="how do I return a tent?", nodes=["shop"], among=["shop"], collections=["products"], limit=3,
            budget=500, model="none", by="shop", timeout_ms=5000,
        ),
        m.AnswerPart(text="Within", again=True, reason="the model's endpoint failed (500)"),
        m.Answered(
            question="how do I return a tent?", text="Within 30 days [1].", kind="generated", sources=[_cited],
            model="qwen3:8b", by="shop", reason="too slow", uncited=True, invalid_citations=1, context_tokens=40,
            partial=True, took_ms=4.5,
        ),
        _cited,
        _passage,
        m.NodeQuestion(question="how do I return a tent?", passages=[_passage]),
        m.NodeAnswer(text="Within 30 days [1]."),
        m.StatisticsRequest(collection="products", incarnation="01hzy", since=3, offset=100),
        m.StatisticsChunk(
            incarnation="01hzy", epoch=7, documents=1200, length=51000, full=True, terms=b"x\x9c", next_offset=200,
            centroids=b"\x00<", sizes=[3], analyzer="snowball-en-1", embedder="wordllama-256",
        ),
        _judgement, _figures, _worst,
        m.QualityJudge(judgements=[_judgement]),
        m.QualityJudged(judgements=3, queries=1),
        m.HoldsRequest(collection="products", ids=["p1"]),
        m.Held(ids=["p1"]),
        m.QualityClick(query="red chair", node="shop", collection="products", id="p1", rank=2),
        m.QualityClicked(at=1_700_000_000.0),
        m.QualityForget(query="red chair"),
        m.QualityForgotten(judgements=3, clicks=1),
        m.QualityReportRequest(nodes=["shop"], collections=["products"], limit=50, days=7, timeout_ms=5000),
        m.QualityReport(
            fleet=_figures, nodes=[_figures], collections=[_figures], worst=[_worst], judged=5, measured=3,
            incomplete=1, since=1_700_000_000.0, took_ms=25.5,
        ),
        m.Transact(
            id="tx-1", steps=[_step], name="order", wait_ms=100, timeout_s=60.0, dry_run=True, definition="order@2",
            inputs={"sku": "a"}, callback=m.Callback(type="order.done"),
        ),
        m.TransactionFollow(id="tx-1", after=3, wait_ms=100),
        m.TransactionNews(entries=[_entry], seq=4, state="running"),
        m.TransactionCancel(id="tx-1", why="wrong order"),
        m.TransactionRetry(id="tx-1", step="crm", why="the disk has room again"),
        _definition,
        m.DefinitionPut(definition=_definition, dry_run=True),
        m.DefinitionStored(name="order", version=2, fresh=True, warnings=["steps.crm.node: there is no node 'crm'"]),
        m.DefinitionGet(name="order", version=2),
        m.DefinitionRecord(
            definition=_definition, version=2, schema={"type": "object"}, created_at=1_700_000_000.0,
            created_by="cli", removed_at=1_700_000_009.0,
        ),
        _defined,
        m.DefinitionList(limit=5),
        m.DefinitionListed(definitions=[_defined]),
        m.DefinitionRemove(name="order"),
        m.DefinitionRemoved(name="order", versions=2),
        m.TransactionSkip(id="tx-1", step="crm", why="by hand"),
        m.TransactionResolve(id="tx-1", state="committed", why="by hand"),
        m.TransactionGet(id="tx-1"),
        m.TransactionWait(id="tx-1", wait_ms=100),
        m.TransactionList(limit=5, state="parked"),
        m.TransactionListed(transactions=[_transaction]),
        _scopes, _key, _tokens, _audited,
        m.Enrol(token="ffj_shop.01.abc", claim="c1"),
        m.Refresh(token="ffr_shop.01.abc", attempt="a1"),
        m.JoinRequest(claim="c1", description=_description),
        m.JoinRequestReply(fingerprint="0123456789abcdef", retry_after_s=5.0, tokens=_tokens),
        m.NodeInvite(node="shop", expires_s=600.0, uses=3, capabilities=("search",)),
        m.NodeInvited(node="shop", token="ffj_shop.01.abc", expires_at=1_700_000_600.0, uses=3),
        m.NodeApprove(node="shop", fingerprint="0123456789abcdef"),
        m.NodeRevoke(node="shop"),
        m.NodeRevoked(node="shop", connections=2),
        m.KeyCreate(name="till", role="operator", scopes=_scopes, expires_s=86_400.0),
        m.KeyCreated(key="ffk_till.01.abc", info=_key),
        m.KeyList(revoked=True),
        m.KeyListed(keys=[_key]),
        m.KeyRotate(key="till", overlap_s=60.0),
        m.KeyRevoke(key="till"),
        m.KeyRevoked(ids=["01hzyapikey00"], connections=1),
        m.SigningRotate(overlap_s=60.0),
        m.SigningRotated(kid="01hzykid", retiring=[m.RetiringKey("01hzxkid", 1_700_003_600.0)]),
        m.RetiringKey("01hzxkid", 1_700_003_600.0),
        m.WhoAmI(),
        m.Identity(name="till", role="operator", scopes=_scopes),
        m.AccessStatsRequest(),
        m.AccessStats(admitted=9, refused={"expired": 2}, forbidden=1, limited=3),
        m.AuditList(
            node="shop", who="till", what="nodes.remove", outcome="refused", since=1_700_000_000.0, after=11, limit=5,
            wait_ms=100,
        ),
        m.AuditListed(entries=[_audited]),
        m.CacheStatsRequest(),
        m.CacheStats(
            since=1_700_000_000.0, hits=9, shared=1, misses=10, hit_rate=0.5, saved_ms=4.5, entries=8, bytes=8000,
            memory_entries=7, memory_bytes=9000, kept_s=900.0,
        ),
        m.CachePopularRequest(limit=5),
        m.CachePopular(queries=[m.PopularQuery("red chair", 3, 1_700_000_000.25)]),
        m.PopularQuery("red chair", 3, 1_700_000_000.25),
        m.CacheWarm(limit=5),
        m.CacheWarmed(asked=5, kept=4),
        _schedule, _firing, _schedule_view,
        m.SchedulePut(spec=_schedule, unchecked=True),
        m.ScheduleGet(name="nightly", firings=5),
        m.ScheduleList(limit=5, after="hourly"),
        m.ScheduleListed(schedules=[_schedule_view]),
        m.ScheduleRemove(name="nightly"),
        m.ScheduleRemoved(name="nightly"),
        m.SchedulePause(name="nightly"),
        m.ScheduleResume(name="nightly"),
        m.ScheduleFire(name="nightly", id="f1"),
        _dead_letter, _dead_letter.history[0],
        m.DeadLetterList(
            node="shop", reason="poison", action="reindex", job="job-1", tx="tx-1", since=1_700_000_000.0, retried=True,
            limit=5, before=(1_700_000_001.0, "0123456789abcdef"),
        ),
        m.DeadLetterListed(dead_letters=[_dead_letter], total=7),
        m.DeadLetterGet(id="0123456789abcdef"),
        m.DeadLetterRetry(id="0123456789abcdef"),
        m.DeadLetterRetried(id="0123456789abcdef", job="l-0123456789abcdef"),
        m.DeadLetterDrop(id="0123456789abcdef"),
        m.DeadLetterDropped(id="0123456789abcdef"),
        _master,
        m.Locate(request="_INBOX.till.01k9zq3x8w6v5t4s2r1p0n9m8j.17"),
        m.Located(master="01k9zq3x8w6v5t4s2r1p0n9m8j", holds=True),
        m.MasterList(),
        m.MasterListed(masters=[_master]),
        m.MastersReconcile(accept=True),
        m.MastersReconciled(
            reason="shop: it has heard another master", since=1_700_000_002.0, asked={"shop": 3}, unanswered=["crm"],
            held=[_held_transaction], lost=[_lost_work], more=1, parked=["tx-2"],
        ),
        _held_transaction,
        _lost_work,
        m.CacheClear(),
        m.CacheCleared(entries=8),
        m.Alert(
            kind="transaction.parked", id="tx-1", name="order", caller="cli", at=1_700_000_000.0,
            why="the node is gone", to_do="fleetfold tx show tx-1",
        ),
        m.WebhookBody(type="job.ended", timestamp="2023-11-14T22:13:20Z", data={"id": "job-1"}),
    )
}  # fmt: skip
