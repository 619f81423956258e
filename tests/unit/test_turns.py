"""Runs that take turns: one goes on at a time, those that meet are answered together, and all end, come what may."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

import weft
from weft.engine.cancel import CancelToken
from weft.engine.context import RunContext
from weft.engine.errors import DefinitionError, Interrupted, NodeError, UsageError, WeftError
from weft.engine.running.turns import Turns
from weft.engine.schema.authoring import node
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.packs import Pack, Packs
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int, Socket

Number = Annotated[int, Int()]
Value = Annotated[Any, Socket("VALUE")]


class World:
    """What the nodes of a test did: who was called with what, and which requests met."""

    def __init__(self) -> None:
        self.called: Counter[tuple[str, int]] = Counter()
        self.met: list[list[int]] = []
        self.meet: Any = None
        self.inside = 0

    def answer(self, requests: Sequence[int]) -> list[int | None]:
        """The square of each request; of one alone nothing, and of those from 100 on an error."""
        self.met.append(list(requests))
        if max(requests) >= 100:
            raise ValueError("too large")
        return [None] if len(requests) == 1 else [request * request for request in requests]

    def square(self, number: int) -> int:
        assert self.inside == 1
        self.inside -= 1
        found = self.meet(self.answer, number)
        self.inside += 1
        assert self.inside == 1
        return number * number if found is None else found


@pytest.fixture
def world() -> Iterator[World]:
    yield World()
    assert not [thread for thread in threading.enumerate() if thread.daemon], "a run is left behind"


def registry(world: World) -> Registry:
    def called(name: str, number: int) -> None:
        world.called[name, number] += 1
        world.inside += 1
        assert world.inside == 1

    @node(category="test")
    def Squares(*, number: Number, times: Number = 1, a: Value = 0, context: RunContext) -> Value:
        """Meets the others so many times."""
        called("Squares", number)
        try:
            for step in range(times):
                found = world.square(number)
                context.progress(step + 1, times)
            return found + a
        finally:
            world.inside -= 1

    @node(category="test")
    def Plain(*, number: Number, a: Value = 0) -> Value:
        called("Plain", number)
        world.inside -= 1
        return number

    @node(category="test")
    def Fails(*, number: Number) -> Value:
        called("Fails", number)
        try:
            world.square(number)
            raise ValueError(f"no {number}")
        finally:
            world.inside -= 1

    @node(category="test")
    def Stops(*, number: Number, context: RunContext) -> Value:
        called("Stops", number)
        world.inside -= 1
        context.cancel("enough")
        return number

    @node(category="test")
    def Grows(*, number: Number, graph: GraphBuilder) -> Value:
        called("Grows", number)
        world.inside -= 1
        return graph.result(graph.add("Squares", number=7, a=graph.add("Plain", number=number)[0])[0])

    @node(category="test")
    async def Waits(*, number: Number) -> Value:
        world.called["Waits", number] += 1
        await asyncio.sleep(0)
        return number

    @node(category="test")
    def Elsewhere(*, number: Number) -> Value:
        """Meets in a thread of its own, which has no turn."""
        found: list[int | None] = []
        thread = threading.Thread(target=lambda: found.append(world.meet(world.answer, number)))
        thread.start()
        thread.join()
        assert found == [None]
        return number

    @contextmanager
    def joined() -> Iterator[None]:
        yield

    def gatherer(meet: Any) -> Any:
        world.meet = meet
        return SimpleNamespace(joined=joined)

    packs = Packs((Pack(gatherer=gatherer, name="test"),))
    return Registry(packs=packs).add([Squares, Plain, Fails, Stops, Grows, Waits, Elsewhere])


def step(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


class Cells:
    """Prompts run together; node "x" of each is what is asked for."""

    def __init__(self, world: World, batch: int = 4, **options: Any) -> None:
        self.session = weft.Session(registry=registry(world), cache=weft.MemoryCache(), batch=batch, **options)
        self.token = CancelToken()
        """Of those that run now."""

    def job(self, prompt: dict[str, Any]) -> Any:
        session = self.session
        try:
            return session.execute(session.plan(session.read(prompt), ["x"]), cancel=self.token)["x"][0]
        except NodeError as error:
            return error.message

    def __call__(self, *prompts: dict[str, Any]) -> list[Any]:
        self.token = CancelToken()
        return list(self.session.together((partial(self.job, prompt) for prompt in prompts), self.token))


def test_those_who_meet_are_answered_together(world: World) -> None:
    found = Cells(world)(*({"x": step("Squares", number=n, times=2)} for n in range(1, 5)))
    assert found == [1, 4, 9, 16]
    assert world.met == [[1, 2, 3, 4]] * 2


def test_as_many_as_asked_for_are_under_way(world: World) -> None:
    """One that ends makes room for the next one at once."""
    found = Cells(world, batch=2)(*({"x": step("Squares", number=n, times=n)} for n in range(1, 5)))
    assert sorted(found) == [1, 4, 9, 16]
    assert world.met == [[1, 2], [2, 3], [3, 4], [3, 4], [4], [4]]


def test_one_at_a_time_is_the_session_as_ever(world: World) -> None:
    cells = Cells(world, batch=1)
    world.meet = lambda answer, request: None
    threads: list[threading.Thread] = []
    jobs = (lambda: threads.append(threading.current_thread()) for _ in range(3))
    assert list(cells.session.together(jobs)) == [None] * 3
    assert threads == [threading.main_thread()] * 3
    assert cells({"x": step("Squares", number=3)}) == [9]


def test_what_two_need_is_computed_once(world: World) -> None:
    """Whether it meets the others or not, and inside of an expansion."""
    shared = {"p": step("Plain", number=5), "s": step("Squares", number=6, a=["p", 0])}
    prompts = [{**shared, "x": step("Squares", number=n, a=["s", 0])} for n in range(1, 4)]
    assert Cells(world)(*prompts) == [42, 45, 50]
    assert Cells(world)(*({"x": step("Grows", number=n)} for n in (8, 9, 8))) == [57, 58, 57]
    assert world.called.pop(("Grows", 8)) == 2, "which is no end of it: what is inside is"
    assert world.called.pop(("Squares", 7)) == 2, "of two different numbers"
    assert set(world.called.values()) == {1}


def test_who_waits_for_one_that_fails_tries_for_itself(world: World) -> None:
    prompts = [{"f": step("Fails", number=5), "x": step("Squares", number=n, a=["f", 0])} for n in range(2)]
    fine = {"x": step("Squares", number=3, times=3)}
    assert Cells(world)(*prompts, fine) == ["ValueError: no 5", "ValueError: no 5", 9]
    assert world.called["Fails", 5] == 2


def test_an_answer_that_fails_leaves_each_to_itself(world: World) -> None:
    assert Cells(world)(*({"x": step("Squares", number=n)} for n in (1, 100))) == [1, 10_000]
    assert world.met == [[1, 100]]


def test_coroutines_and_threads_of_nodes_are_in_nobody_s_way(world: World) -> None:
    prompts = [{"w": step("Waits", number=1), "x": step("Squares", number=n, a=["w", 0])} for n in (2, 3)]
    assert Cells(world)(*prompts, {"x": step("Elsewhere", number=4)}) == [4, 5, 10]
    assert world.met == [[2, 3]]
    assert world.called["Waits", 1] == 1


def test_a_run_that_is_cancelled_stops_all(world: World) -> None:
    cells = Cells(world)
    with pytest.raises(Interrupted, match="enough"):
        cells(*({"x": step("Squares", number=n, times=1000)} for n in range(3)), {"x": step("Stops", number=4)})
    assert len(world.met) < 3


class Odd(Exception):
    pass


def test_what_a_job_raises_is_raised_when_the_others_have_ended(world: World) -> None:
    def fail() -> None:
        raise Odd

    cells, found = Cells(world), []
    fine = partial(cells.job, {"x": step("Squares", number=2, times=2)})
    with pytest.raises(Odd):
        for one in cells.session.together([fine, fail, fine, fail, fine], cells.token):
            found.append(one)
    assert found == [4]
    assert cells.token.reason is None


def test_what_the_jobs_come_from_may_fail(world: World) -> None:
    cells = Cells(world)

    def jobs() -> Iterator[Callable[[], Any]]:
        yield partial(cells.job, {"x": step("Squares", number=2)})
        raise Odd

    with pytest.raises(Odd):
        list(cells.session.together(jobs(), cells.token))


@pytest.mark.parametrize("error", [KeyboardInterrupt, None])
def test_who_asked_for_them_may_stop_in_the_middle(world: World, error: type[BaseException] | None) -> None:
    """By an exception or by asking for no more: the others end, and what is in the cache stays."""
    cells = Cells(world)
    prompts = [{"x": step("Plain", number=1)}, {"x": step("Squares", number=2, times=10**9)}]
    asked = cells.session.together([partial(cells.job, prompt) for prompt in prompts], cells.token)
    assert next(asked) == 1
    if error is None:
        asked.close()
    else:
        with pytest.raises(error):
            asked.throw(error())
    assert cells.token.reason
    assert cells({"x": step("Plain", number=1)}) == [1]
    assert world.called["Plain", 1] == 1


def test_an_interrupt_while_the_others_have_the_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Cells(world)
    turns: list[Turns] = []
    wait = threading.Event.wait

    def interrupted(event: threading.Event, timeout: float | None = None) -> bool:
        if event is turns[0]._callers and world.met:
            monkeypatch.setattr(threading.Event, "wait", wait)
            raise KeyboardInterrupt
        return wait(event, 0.001)

    make = Turns.__init__

    def noted(self: Turns, *given: Any) -> None:
        turns.append(self)
        make(self, *given)

    monkeypatch.setattr(Turns, "__init__", noted)
    monkeypatch.setattr(threading.Event, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cells(*({"x": step("Squares", number=n, times=10**9)} for n in (2, 3)))


def test_where_there_are_no_more_threads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    start, left = threading.Thread.start, [1, 1]

    def limited(thread: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    found: list[Any] = []
    cells = Cells(world)
    prompts = ({"x": step("Squares", number=n, times=2)} for n in range(2, 6))
    with pytest.raises(RuntimeError, match="new thread"):
        for one in cells.session.together([partial(cells.job, prompt) for prompt in prompts], cells.token):
            found.append(one)
    assert found == [4, 9]


def test_jobs_see_the_context_of_who_asked(world: World) -> None:
    told: ContextVar[str] = ContextVar("told")
    told.set("before")
    turns = Turns(2, CancelToken(), Packs())

    def change() -> str:
        found = told.get()
        told.set("by a job")
        return found

    assert list(turns.run([change, change, change])) == ["before"] * 3
    assert told.get() == "before"


def test_a_gatherer_that_fails_is_named() -> None:
    with pytest.raises(DefinitionError, match="node pack 'p': its gatherer: 'nowhere:x': ModuleNotFoundError"):
        Turns(2, CancelToken(), Packs((Pack(gatherer="nowhere:x", name="p"),)))


@pytest.mark.parametrize("batch", [0, -1, 2.0, True, "4"])
def test_a_batch_is_a_number(batch: Any) -> None:
    with pytest.raises(UsageError, match="batch: expected a whole number from 1 on, got"):
        weft.Session(batch=batch)


def test_results_of_a_batch_have_a_namespace_of_their_own(world: World) -> None:
    one, two, four = (Cells(world, batch=batch).session for batch in (1, 2, 4))
    assert one.namespace(one.settings) != two.namespace(two.settings) == four.namespace(four.settings)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_they_do_all_end_and_one_goes_on_at_a_time(seed: int) -> None:
    """Jobs that meet, hold keys, wait for them and fail at random."""
    draw = random.Random(seed)
    width = draw.randint(2, 5)
    turns = Turns(width, CancelToken(), Packs())
    inside: list[int] = []
    held: set[bytes] = set()

    def alone(act: Callable[[], Any]) -> Any:
        inside.pop()
        assert not inside
        found = act()
        assert not inside
        inside.append(1)
        return found

    def job(number: int, plan: list[tuple[str, int]]) -> int:
        assert not inside
        inside.append(1)
        mine: set[bytes] = set()

        def look() -> int | None:
            assert not keys & held
            return draw.choice([number, None])

        try:
            for what, k in plan:
                if what == "meet":
                    assert alone(lambda: turns.meet(answer, number)) in (number, None)
                elif what == "keys":
                    held.difference_update(mine)
                    mine.clear()
                    turns.release()
                    keys = {bytes([k]), bytes([draw.randrange(3)])}
                    if alone(partial(turns.awaited, sorted(keys), look)) is None:
                        mine |= keys
                        held.update(keys)
                elif what == "fail":
                    raise Odd
            return number
        finally:
            held.difference_update(mine)
            inside.clear()

    def answer(requests: Sequence[int]) -> list[int | None]:
        assert len(requests) <= width
        if draw.random() < 0.1:
            raise ValueError
        return [request if draw.random() < 0.9 else None for request in requests]

    choices = ["meet", "meet", "keys", "go", *(["fail"] if seed % 4 == 0 else [])]
    plans = [[(draw.choice(choices), draw.randrange(3)) for _ in range(draw.randrange(8))] for _ in range(12)]
    found: list[int] = []
    try:
        for one in turns.run(partial(job, number, plan) for number, plan in enumerate(plans)):
            assert not inside
            found.append(one)
    except Odd:
        assert any("fail" in dict(plan) for plan in plans)
    else:
        assert sorted(found) == list(range(12))


def test_who_waits_for_another_makes_room_for_a_third(world: World) -> None:
    """Else those who share a node would keep all others from meeting its maker; but a crowd is a crowd."""
    shared = {"s": step("Squares", number=6, times=3)}
    prompts = [{**shared, "x": step("Plain", number=n, a=["s", 0])} for n in range(9)]
    other = {"x": step("Squares", number=7, times=3)}
    assert Cells(world, batch=2)(*prompts[:6], other)[-1] == 5
    assert world.met == [[6, 7]] * 3
    world.met.clear()
    assert len(Cells(world, batch=2)(*prompts, other)) == 10
    assert world.met == [[6]] * 3 + [[7]] * 3, "more than four times as many are not begun"


def test_runs_that_would_wait_for_each_other_are_an_error() -> None:
    """No run does so; a job that breaks the rule does not hang the caller."""
    turns = Turns(2, CancelToken(), Packs())

    def job(mine: bytes, other: bytes) -> None:
        turns.awaited([mine], lambda: None)
        turns.meet(lambda requests: [None] * len(requests), 0)
        turns.awaited([other], lambda: None)

    with pytest.raises(WeftError, match="wait for each other"):
        list(turns.run([partial(job, b"a", b"b"), partial(job, b"b", b"a")]))
