"""How much of a GPU's memory a run will take: what a node library says of a plan, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from weft.engine.links import Link
from weft.engine.settings import Settings


class GivenSlot(Protocol):
    """A slot of a node, as much as is asked of it."""

    @property
    def io_type(self) -> Any:
        """Its socket type, whose text names it."""


class NodeClassSeen(Protocol):
    """A node class, as much as is asked of it."""

    @property
    def outputs(self) -> Sequence[GivenSlot]:
        """Its slots."""


class PlannedNode(Protocol):
    """A node of a plan, as much as is asked of it; a Known is one."""

    @property
    def schema(self) -> NodeClassSeen:
        """Its class."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Constants and Links."""

    @property
    def takes(self) -> Sequence[Link]:
        """The links by which it takes a value."""

    @property
    def files(self) -> Mapping[str, FileSeen]:
        """The files that it names, by FOLDER/NAME."""


class FileSeen(Protocol):
    """A file that a node names."""

    @property
    def path(self) -> Path:
        """Where it is."""


class PlannedStep(Protocol):
    """A step of a plan, as much as is asked of it."""

    @property
    def node_id(self) -> str:
        """Of its node."""

    @property
    def title(self) -> str:
        """Of its node."""

    @property
    def runs(self) -> bool:
        """Whether the node is called."""


class PlannedRun(Protocol):
    """A plan, as much as is asked of it."""

    @property
    def steps(self) -> Sequence[PlannedStep]:
        """In the order in which they run."""

    @property
    def nodes(self) -> Mapping[str, PlannedNode]:
        """By id."""


class ModelHere(NamedTuple):
    """A model on the device: `here` of its `size` bytes, fewer where it is there in parts."""

    name: str
    size: int
    here: int


class StepMemory(NamedTuple):
    """What is on the device while a node computes, and what the computing takes beside; `problem`: why it cannot."""

    node_id: str
    title: str
    residents: tuple[ModelHere, ...]
    working: int
    problem: str = ""

    @property
    def peak(self) -> int:
        """Bytes that are taken at most."""
        return self.working + sum(each.here for each in self.residents)


class MemoryAccount(NamedTuple):
    """The steps of a plan that compute with models, in their order.

    budget: what may be taken; None for no bound, when nothing leaves. whole: the least budget in which every model is
    there as a whole when it computes; least: in which each computes, if in parts. Both with what a run leaves free.
    notes: what is not known. of: whose memory it is.
    """

    steps: tuple[StepMemory, ...]
    budget: int | None
    whole: int
    least: int
    notes: tuple[str, ...] = ()
    of: str = "GPU"

    @property
    def peak(self) -> int:
        """Bytes that are taken at most."""
        return max((step.peak for step in self.steps), default=0)

    def to_json(self) -> dict[str, Any]:
        """The account as plain JSON data."""
        steps = [
            {
                "node_id": step.node_id,
                "title": step.title,
                "resident": [each._asdict() for each in step.residents],
                "working": step.working,
                "peak": step.peak,
                **({"problem": step.problem} if step.problem else {}),
            }
            for step in self.steps
        ]
        sizes = {"of": self.of, "budget": self.budget, "peak": self.peak, "whole": self.whole, "least": self.least}
        return {**sizes, "steps": steps, "notes": list(self.notes)}


Reckon = Callable[[PlannedRun, Settings], MemoryAccount]
"""What a pack says of a plan, under `Pack.memory`. Without anything heavy: no torch."""
