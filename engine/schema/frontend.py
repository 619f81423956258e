"""What a node library does in the browser, as far as saved workflows show it: the `Frontend` of a pack.

Data and pure functions alone: the scripts of the browser are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from typing import Any, Protocol

from weft.engine.schema.node import InputSpec

EDITORS_OWN = frozenset(
    {
        "audioUI", "choose file to upload", "control_after_generate", "control_before_generate",
        "speak_and_recognation", "upload", "video-preview",
    }
)  # fmt: skip
"""What the editor adds to the inputs that a class declares: its buttons, players, previews and control words."""


class NodeKind(Enum):
    """What becomes of a node: only NODE and UNKNOWN are ever in a prompt."""

    NODE = auto()
    UNKNOWN = auto()
    INSTANCE = auto()
    """Of a subgraph: replaced by its contents."""
    NOTE = auto()
    """Words, frames, switches of modes: it vanishes, and passes nothing on."""
    REROUTE = auto()
    """It stands for what its input is linked to."""
    PRIMITIVE = auto()
    """Its value is written into the widgets that it is linked to."""
    SETTER = auto()
    """It gives what it is linked to the name in its first widget, and passes it on, too."""
    GETTER = auto()
    """It stands for what the setter with the name in its first widget is linked to."""
    BROADCAST = auto()
    """What is linked to it is linked to every free input that fits."""


@dataclass(frozen=True)
class Virtual:
    """A class of the browser's.

    `patterns` are those that names of inputs must match to get what it broadcasts, for each of its own inputs;
    `priority` decides between two that could. `on_servers` says that servers have a class of the name, which counts
    where it is known.
    """

    kind: NodeKind
    patterns: tuple[str, ...] = ()
    priority: int = 0
    on_servers: bool = False


class WidgetEntry(Protocol):
    """An entry of a node's `widgets_values`, and the input that it belongs to."""

    @property
    def spec(self) -> InputSpec:
        """The input."""


Layout = Sequence[WidgetEntry]
Migration = Callable[[Layout, list[Any]], Any]
"""The saved `widgets_values` in today's layout; a dict where only some values can be placed."""


Makes = Callable[[Sequence[tuple[str, Any]]], Mapping[str, Any]]
"""Of saved `widgets_values`, names (empty in a list) and values: those whose widgets the browser made, by input."""


@dataclass(frozen=True)
class Handling:
    """What the browser does to nodes of a class, and what their saves need, beside what the schema says.

    `migrations` are applied one after the other to what was saved. `drawn_seed` is the seed that stands for one to be
    drawn when the workflow is queued. `outputs_by_name`: its outputs moved between versions, so a link of its goes by
    the output's name, not by its number. `too_old` says who saved a node in which a widget holds what cannot be its
    own; without it, that is not looked at. `fills_in`: tokens such as `%date%` in its file names are replaced.
    `keeps_more`: its save also has widgets that are the browser's alone. `makes` is for nodes to which the browser adds
    widgets that the class does not declare: what was saved, by the names under which it is sent.
    """

    migrations: tuple[Migration, ...] = ()
    drawn_seed: int | None = None
    outputs_by_name: bool = False
    too_old: str = ""
    fills_in: bool = False
    keeps_more: bool = False
    makes: Makes | None = None


@dataclass(frozen=True)
class Frontend:
    """Classes that exist in the browser only, those that it renames when it loads a workflow, and how others are
    handled: each by class_type."""

    virtual: Mapping[str, Virtual] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, Handling] = field(default_factory=dict)

    @classmethod
    def of(cls, several: Iterable[Frontend]) -> Frontend:
        """Several as one; what the first says of a class counts."""
        found = list(several)[::-1]
        return cls(
            virtual=dict(chain.from_iterable(each.virtual.items() for each in found)),
            renamed=dict(chain.from_iterable(each.renamed.items() for each in found)),
            classes=dict(chain.from_iterable(each.classes.items() for each in found)),
        )
