"""The pipeline: interceptors in one order around a handler, each of which may answer, refuse or see the error."""

from __future__ import annotations

import pytest

from fleetfold_broker.rpc.pipeline import Call, CallKey, Handler, compose
from fleetfold_shared.errors import FleetfoldError, Forbidden, NotFound
from fleetfold_shared.messages import Message, NodeRemoved

SHOP = NodeRemoved(node="shop")
ROLE = CallKey[str]("role")


class _Noting:
    """An interceptor that notes when it is entered and how it is left."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self._name, self._seen = name, seen

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        self._seen.append(f"{self._name} in")
        try:
            return await proceed(call)
        except FleetfoldError as error:
            self._seen.append(f"{self._name} {error.code}")
            raise
        finally:
            self._seen.append(f"{self._name} out")


async def _shop(call: Call) -> Message:
    return SHOP


async def test_a_call_passes_interceptors_from_the_first_to_the_handler_and_back() -> None:
    seen: list[str] = []
    handle = compose([_Noting("a", seen), _Noting("b", seen), _Noting("c", seen)], _shop)
    assert await handle(Call(verb="nodes.get")) is SHOP
    assert seen == ["a in", "b in", "c in", "c out", "b out", "a out"]


async def test_an_interceptor_that_answers_itself_keeps_the_call_from_all_after_it() -> None:
    seen: list[str] = []

    async def answer(call: Call, proceed: Handler) -> Message:
        return NodeRemoved(node="answered")

    handle = compose([_Noting("a", seen), answer, _Noting("b", seen)], _shop)
    assert await handle(Call(verb="nodes.get")) == NodeRemoved(node="answered")
    assert seen == ["a in", "a out"]


@pytest.mark.parametrize("where", ["interceptor", "handler"])
async def test_an_error_passes_outward_through_every_interceptor_as_it_is(where: str) -> None:
    seen, error = list[str](), NotFound("node: there is no 'shop'", field="node")

    async def refuse(call: Call, proceed: Handler | None = None) -> Message | None:
        raise error

    inner = [_Noting("b", seen), refuse] if where == "interceptor" else [_Noting("b", seen)]
    with pytest.raises(NotFound) as raised:
        await compose([_Noting("a", seen), *inner], refuse)(Call(verb="nodes.get"))
    assert raised.value is error
    assert seen == ["a in", "b in", "b not_found", "b out", "a not_found", "a out"]


async def test_an_interceptor_may_turn_an_error_into_another() -> None:
    async def tell_less(call: Call, proceed: Handler) -> Message | None:
        try:
            return await proceed(call)
        except NotFound:
            raise Forbidden("not for you") from None

    async def missing(call: Call) -> Message:
        raise NotFound("no such node")

    with pytest.raises(Forbidden, match="not for you"):
        await compose([tell_less], missing)(Call(verb="nodes.get"))


async def test_a_handler_without_interceptors_is_itself() -> None:
    assert compose([], _shop) is _shop


async def test_what_an_interceptor_finds_is_there_for_those_after_it() -> None:
    async def find(call: Call, proceed: Handler) -> Message | None:
        call.put(ROLE, "operator")
        return await proceed(call)

    async def tell(call: Call) -> Message:
        assert ROLE in call
        return NodeRemoved(node=call.get(ROLE))

    assert await compose([find], tell)(Call(verb="nodes.get")) == NodeRemoved(node="operator")


async def test_what_no_interceptor_has_found_is_missed_by_its_name() -> None:
    call = Call(verb="nodes.get")
    assert ROLE not in call
    with pytest.raises(LookupError, match=r"nodes\.get: nothing has recorded 'role'; list the interceptor"):
        call.get(ROLE)


async def test_what_is_found_about_one_call_is_not_on_the_next() -> None:
    first, second = Call(verb="nodes.get"), Call(verb="nodes.get")
    first.put(ROLE, "operator")
    first.reply_headers["Retry-After"] = "1"
    assert ROLE not in second
    assert second.reply_headers == {}
