"""The groups of a prompt's nodes: the frames of the workflow that it came from, and texts at `_meta.group`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from weft.engine.formats.layout import Group
from weft.engine.workflow.prompt import Prompt

_MAX_FRAMES = 1000
_MAX_DEPTH = 8
_LOOK: Mapping[str, Any] = {"color": "#3f789e", "font_size": 24, "flags": {}}


class _Rectangle(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    def holds(self, other: _Rectangle) -> bool:
        right, bottom = other.x + other.width <= self.x + self.width, other.y + other.height <= self.y + self.height
        return self.x <= other.x and self.y <= other.y and right and bottom

    @property
    def centre(self) -> _Rectangle:
        return _Rectangle(self.x + self.width / 2, self.y + self.height / 2, 0, 0)

    @property
    def area(self) -> float:
        return self.width * self.height


@dataclass(eq=False)
class Frame:
    """One group: what the document says of it, its nodes, and the frames inside it."""

    look: dict[str, Any]
    area: _Rectangle | None = None
    nodes: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    depth: int = 0

    @property
    def empty(self) -> bool:
        return not self.nodes and all(frame.empty for frame in self.frames)

    def to_group(self) -> Group:
        """The group as the layout takes it; its key is the frame itself."""
        return Group(self, tuple(self.nodes), tuple(frame.to_group() for frame in self.frames if not frame.empty))

    def all(self) -> Iterator[Frame]:
        """The frame, then what is inside it, without those that are empty."""
        if not self.empty:
            yield self
            for frame in self.frames:
                yield from frame.all()


def frames_of(prompt: Prompt) -> list[Frame]:
    """The outermost frames that hold nodes of the prompt.

    A node belongs to the innermost frame that held its middle in the saved workflow, as in the editor; one that came
    out of a subgraph, to the frame of the subgraph's own node. A text at `_meta.group` goes before.
    """
    named: dict[str, Frame] = {}
    saved, places = _saved(prompt)
    for node_id, node in prompt.nodes.items():
        title = node.meta.get("group")
        place = places.get(node_id) or places.get(node_id.partition(":")[0])
        if isinstance(title, str) and title:
            named.setdefault(title, Frame({"title": title, **_LOOK})).nodes.append(node_id)
        elif place is not None:
            inner = next((frame for frame in saved if frame.area is not None and frame.area.holds(place.centre)), None)
            if inner is not None:
                inner.nodes.append(node_id)
    roots = [frame for frame in saved if frame.depth == 0]
    return [frame for frame in [*roots, *named.values()] if not frame.empty]


def _saved(prompt: Prompt) -> tuple[list[Frame], dict[str, _Rectangle]]:
    """The frames of the saved workflow, smallest first, each inside its smallest holder; and where nodes stood."""
    workflow = prompt.extra_pnginfo.get("workflow")
    if not isinstance(workflow, Mapping):
        return [], {}
    frames: list[Frame] = []
    for look in _objects(workflow.get("groups"))[:_MAX_FRAMES]:
        area = _rectangle(look.get("bounding"))
        if area is not None:
            frames.append(Frame({"title": "Group", **_LOOK, **look}, area))
    frames.sort(key=lambda frame: frame.area.area if frame.area else 0.0)
    for number in range(len(frames) - 1, -1, -1):
        frame = frames[number]
        holder = next((other for other in frames[number + 1 :] if _holds(other, frame)), None)
        if holder is not None:
            frame.depth = holder.depth + 1
            holder.frames.append(frame)
    places: dict[str, _Rectangle] = {}
    for node in _objects(workflow.get("nodes")):
        place = _rectangle([*_numbers(node.get("pos")), *_numbers(node.get("size"))])
        if place is not None:
            places[str(node.get("id"))] = place
    return frames, places


def _holds(outer: Frame, inner: Frame) -> bool:
    if outer.area is None or inner.area is None or outer.depth >= _MAX_DEPTH:
        return False
    return outer.area.holds(inner.area)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _numbers(value: Any) -> Sequence[Any]:
    """Old saves hold a pair of numbers as an object: {"0": x, "1": y}."""
    if isinstance(value, Mapping):
        return [value.get("0"), value.get("1")]
    return value[:2] if isinstance(value, list) else []


def _rectangle(value: Any) -> _Rectangle | None:
    """Where something stood, or None for what is no place: frames are ornament, and a bad one is none."""
    if not isinstance(value, list) or len(value) != 4 or not all(type(part) in (int, float) for part in value):
        return None
    try:
        parts = [float(part) for part in value]
    except OverflowError:
        return None
    return _Rectangle(*parts) if all(math.isfinite(part) for part in parts) else None
