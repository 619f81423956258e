"""engine/frames.py: which nodes stand in which group."""

from __future__ import annotations

from typing import Any

import pytest

from weft.engine.formats.frames import Frame, frames_of
from weft.engine.workflow.prompt import Prompt


def group(title: str, *bounding: float, **look: Any) -> dict[str, Any]:
    return {"title": title, "bounding": list(bounding), **look}


def node(node_id: int | str, x: float, y: float) -> dict[str, Any]:
    return {"id": node_id, "pos": [x, y], "size": [100, 60]}


def frames(nodes: list[dict[str, Any]], groups: Any, **meta: Any) -> list[Frame]:
    """The frames of a prompt with these nodes; `meta` is `_meta` of node 1."""
    prompt = {str(entry["id"]): {"class_type": "A"} for entry in nodes} | {"1": {"class_type": "A", "_meta": meta}}
    saved = {"nodes": nodes, "groups": groups}
    return frames_of(Prompt.parse({"prompt": prompt, "extra_data": {"extra_pnginfo": {"workflow": saved}}}))


def shape(found: list[Frame]) -> dict[str, Any]:
    return {frame.look["title"]: (sorted(frame.nodes), shape(frame.frames)) for frame in found}


def test_a_node_belongs_to_the_innermost_frame_around_its_middle() -> None:
    groups = [group("inner", 0, 0, 150, 150), group("outer", -10, -10, 400, 400), group("beside", 300, 0, 400, 100)]
    found = frames([node(1, 10, 10), node(2, 140, 10), node(3, 320, 0), node(4, 900, 0)], groups)
    assert shape(found) == {"outer": (["2"], {"inner": (["1"], {})}), "beside": (["3"], {})}


def test_what_came_out_of_a_subgraph_stands_where_its_instance_stood() -> None:
    prompt = {"7:1:3": {"class_type": "A"}}
    saved = {"nodes": [node(7, 10, 10)], "groups": [group("G", 0, 0, 200, 200)]}
    posted = {"prompt": prompt, "extra_data": {"extra_pnginfo": {"workflow": saved}}}
    assert shape(frames_of(Prompt.parse(posted))) == {"G": (["7:1:3"], {})}


def test_the_look_is_kept_and_completed() -> None:
    (frame,) = frames([node(1, 0, 0)], [group("G", -10, -10, 200, 200, color="#A88", locked=True)])
    assert frame.look == {
        **group("G", -10, -10, 200, 200),
        "color": "#A88",
        "locked": True,
        "font_size": 24,
        "flags": {},
    }


def test_a_name_goes_before_the_place() -> None:
    found = frames([node(1, 0, 0), node(2, 0, 0)], [group("G", -10, -10, 200, 200)], group="Mine")
    assert shape(found) == {"G": (["2"], {}), "Mine": (["1"], {})}


def test_frames_without_nodes_are_gone() -> None:
    assert frames([node(1, 900, 0)], [group("G", 0, 0, 200, 200), group("H", 10, 10, 20, 20)]) == []


def test_frames_as_deep_as_one_likes_are_not_nested_deeper_than_can_be_walked() -> None:
    groups = [group(str(n), -n, -n, 500 + 2 * n, 500 + 2 * n) for n in range(1, 900)]
    depth, level = 0, frames([node(1, 0, 0)], groups)
    while level:
        depth, level = depth + 1, [inner for frame in level for inner in frame.frames]
    assert 1 < depth < 20


@pytest.mark.parametrize(
    "groups",
    [None, 7, {}, ["x"], [{}], [group("G")], [group("G", 0, 0, float("inf"), 9)], [{"bounding": [True, 0, 9, 9]}],
     [group("G", 0, 0, 10**400, 9)], [group("G", "0", 0, 9, 9)]],  # type: ignore[arg-type]  # broken on purpose
)  # fmt: skip
def test_broken_frames_are_none(groups: Any) -> None:
    assert frames([node(1, 0, 0)], groups) == []
