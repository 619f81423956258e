"""A drawing of a workflow as data: boxes, links, groups, and what they say.

Places and lengths are in the editor's units, y grows downwards; a node's box begins with its title. Texts are whole:
how much of one is shown is decided where it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple


class Form(StrEnum):
    """What a node looks like: a box; words on paper; a dot on a link; only its title; the edge of a subgraph."""

    BOX = "box"
    NOTE = "note"
    REROUTE = "reroute"
    COLLAPSED = "collapsed"
    PANEL = "panel"


class DrawnSlot(NamedTuple):
    """An input or output. Of an input that is a widget, `is_widget` says so: its dot stands beside the widget."""

    name: str
    io_type: str
    label: str = ""
    is_widget: bool = False

    @property
    def shown(self) -> str:
        """What stands beside its dot."""
        return self.label or self.name


class DrawnWidget(NamedTuple):
    """A value of a node. One that is `linked` has no say; one with `lines` takes as many as there is room for."""

    name: str
    value: str
    label: str = ""
    linked: bool = False
    lines: bool = False

    @property
    def shown(self) -> str:
        """What it is called."""
        return self.label or self.name


class DrawnPicture(NamedTuple):
    """A picture inside a node: its size in pixels, and its file's content with its media type."""

    width: int
    height: int
    content: bytes
    media_type: str = "image/webp"


class Area(NamedTuple):
    """An upright rectangle: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends at the right."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return self.y + self.height

    def joined(self, other: Area) -> Area:
        """The smallest one that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Area(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def meets(self, other: Area) -> bool:
        """Whether they have more than an edge in common."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def holds(self, x: float, y: float) -> bool:
        """Whether a point is inside."""
        return self.x <= x <= self.right and self.y <= y <= self.bottom


NOWHERE = Area(0, 0, 0, 0)
"""Of what has no place yet."""


@dataclass(frozen=True)
class DrawnNode:
    """A node. `ids` are those that it has in prompts, the first its own in the drawing: one in a subgraph has several.

    `mode` is `muted`, `bypassed` or empty; `color` and `paper` are the title's and the body's own colours, if it has
    any; `inset` is the number of the drawing of what is inside, from 1 on, and 0 where there is none. A class that is
    not `known` here is drawn by what was saved of it.
    """

    ids: tuple[str, ...]
    title: str
    class_type: str
    area: Area = NOWHERE
    inputs: tuple[DrawnSlot, ...] = ()
    outputs: tuple[DrawnSlot, ...] = ()
    widgets: tuple[DrawnWidget, ...] = ()
    form: Form = Form.BOX
    mode: str = ""
    color: str = ""
    paper: str = ""
    known: bool = True
    inset: int = 0
    pictures: tuple[DrawnPicture, ...] = ()

    @property
    def id(self) -> str:
        """What it is called in the drawing."""
        return self.ids[0]


class DrawnLink(NamedTuple):
    """A link between slots, by node ids and places; `through` are points that it passes. `implicit`: not drawn by hand.

    `laid`: a layout says where it goes, and the points are no reroutes.
    """

    source: str
    output: int
    target: str
    input: int
    io_type: str
    through: tuple[tuple[float, float], ...] = ()
    implicit: bool = False
    laid: bool = False

    @property
    def id(self) -> str:
        """What it is called in the drawing: one for each pair of slots."""
        return f"{self.source}.{self.output}>{self.target}.{self.input}"


class DrawnGroup(NamedTuple):
    """A frame with a title."""

    title: str
    area: Area
    color: str = ""
    font_size: float = 24


@dataclass(frozen=True)
class Scene:
    """A drawing. `nodes` are by id; `insets` are what is inside of subgraphs, each with a title, numbered from 1 on."""

    nodes: Mapping[str, DrawnNode]
    links: tuple[DrawnLink, ...] = ()
    groups: tuple[DrawnGroup, ...] = ()
    title: str = ""
    insets: tuple[Scene, ...] = ()

    def all_nodes(self) -> Iterator[DrawnNode]:
        """Those of the insets too."""
        for scene in (self, *self.insets):
            yield from scene.nodes.values()

    def all_links(self) -> Iterator[DrawnLink]:
        """Those of the insets too."""
        for scene in (self, *self.insets):
            yield from scene.links

    def with_nodes(self, nodes: Mapping[str, DrawnNode]) -> Scene:
        """The same with other nodes of these ids."""
        return replace(self, nodes={name: nodes.get(name, node) for name, node in self.nodes.items()})


PicturesById = Mapping[str, tuple[DrawnPicture, ...]]
"""Pictures that nodes show, by an id that a node has in prompts."""
