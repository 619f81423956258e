from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.engine.cancel import CancelToken
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted
from weft.engine.events import Event, NodeWarning, Preview, Progress

Make = Callable[..., RunContext]


def test_a_node_s_view_shares_all_but_its_id_and_files(make_context: Make) -> None:
    run = make_context(prompt=lambda: {"1": {}}, extra_pnginfo=lambda: {"w": 1})
    one, two = run.for_node("1"), run.for_node("2")
    one.wrote(Path("a"))
    one.warn("hm")
    assert (run.node_id, one.node_id, two.node_id) == ("", "1", "2")
    assert (run.files, one.files, two.files) == ([], [Path("a")], [])
    assert run.warnings == two.warnings == [("1", "hm")]
    assert two.prompt is run.prompt
    assert (two.folders, two.settings, two.extra_pnginfo) == (run.folders, run.settings, run.extra_pnginfo)


def test_the_run_knows_what_every_node_wrote(make_context: Make) -> None:
    run = make_context()
    run.for_node("2").wrote(Path("b"))
    run.for_node("1").wrote(Path("a"))
    run.for_node("3").wrote(Path("b"))
    assert list(run.written) == [Path("b"), Path("a")]


def test_what_an_observer_raises_is_raised_again_wherever_a_node_looks(make_context: Make) -> None:
    seen: list[str] = []

    def broken(event: Event) -> None:
        seen.append("broken")
        raise ZeroDivisionError("mine")

    run = make_context(observers=[lambda event: seen.append("first"), broken, lambda event: seen.append("last")])
    view = run.for_node("1")
    with pytest.raises(ZeroDivisionError) as caught:
        view.progress(1, 2)
    assert seen == ["first", "broken", "last"]
    (note,) = caught.value.__notes__
    assert "an observer of the run" in note
    assert "broken, when it was told of Progress" in note
    for call in (run.checkpoint, view.checkpoint, view.surface, lambda: view.progress(2, 2)):
        with pytest.raises(ZeroDivisionError) as again:
            call()
        assert again.value is caught.value
    run.warn("the others still hear what comes")
    assert seen == ["first", "broken", "last", "first", "last"]


def test_an_observer_s_error_does_not_go_through_what_a_node_says(make_context: Make) -> None:
    def broken(event: Event) -> None:
        raise ZeroDivisionError("mine")

    run = make_context(observers=[broken])
    run.for_node("1").warn("hm")
    with pytest.raises(ZeroDivisionError, match="mine"):
        run.checkpoint()


def test_an_observer_stops_a_run_by_its_token_at_the_step_it_was_told_of(make_context: Make) -> None:
    token = CancelToken()
    run = make_context(observers=[lambda event: token.cancel("enough")], token=token)
    run.warn("hm")
    with pytest.raises(Interrupted, match="enough"):
        run.for_node("1").progress(1, 2)


def test_cancelling_reaches_every_view(make_context: Make) -> None:
    run = make_context()
    view = run.for_node("1")
    view.checkpoint()
    run.for_node("2").cancel("enough")
    run.cancel("late")
    for call in (run.checkpoint, view.checkpoint, lambda: view.progress(1, 2)):
        with pytest.raises(Interrupted, match="enough"):
            call()


def test_events_go_to_every_observer_in_order(make_context: Make) -> None:
    seen: list[tuple[str, Event]] = []
    view = make_context(observers=[lambda event: seen.append(("a", event)), lambda event: seen.append(("b", event))])
    node = view.for_node("5")
    node.progress(1, 4)
    node.progress(2, 4, "picture")
    node.warn("hm")
    expected: list[Event] = [Progress("5", 1, 4), Preview("5", "picture"), Progress("5", 2, 4), NodeWarning("5", "hm")]
    assert seen == [(name, event) for event in expected for name in "ab"]


def test_no_event_of_progress_after_cancelling(make_context: Make) -> None:
    seen: list[Event] = []
    context = make_context(observers=[seen.append])
    context.cancel()
    with pytest.raises(Interrupted):
        context.progress(1, 2)
    assert seen == []


def test_what_nodes_of_a_run_share_is_made_once(make_context: Make) -> None:
    run = make_context()
    made: list[Any] = []

    def make() -> list[Any]:
        made.append(1)
        return made

    assert run.for_node("1").shared("pool", make) is run.for_node("2").shared("pool", make)
    assert made == [1]
    assert run.shared("other", dict) == {}
    assert make_context().shared("pool", dict) == {}


def test_defaults(make_context: Make) -> None:
    assert (make_context().prompt, make_context().extra_pnginfo) == ({}, {})
