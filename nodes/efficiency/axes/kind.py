"""What a kind of axis is: one record says all that the plot, its cells, its labels and its input nodes ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from weft.nodes.efficiency.sampling import Sampling
from weft.nodes.efficiency.values import ControlNetStack, Dependencies, LoraStack

REGULAR, ADVANCED, SDXL = "KSampler (Efficient)", "KSampler Adv. (Efficient)", "KSampler SDXL (Eff.)"
SAMPLERS = (REGULAR, ADVANCED, SDXL)

Stale = Literal["model", "vae", "clip skip", "prompts", "refiner model", "refiner clip skip", "refiner prompts"]
"""What of a cell is to be loaded or encoded anew."""

Files = Callable[[str], Sequence[str]]
"""The names of the files of a kind: `checkpoints`, `loras`, `vae`."""


@dataclass
class Cell:
    """The settings of one cell while its axes are applied; `stale` names what must be made anew."""

    sampling: Sampling
    given: Dependencies | None
    loras: LoraStack = ()
    control_nets: ControlNetStack = ()
    changed: dict[str, Any] = field(default_factory=dict)
    checkpoint: tuple[Any, Any, Any] = (None, None, None)
    refiner: tuple[Any, Any, Any] = (None, None, None)
    vae_name: str | None = None
    positive: str = ""
    negative: str = ""
    ascore: tuple[float, float] = (0.0, 0.0)
    refine_at: float | None = None
    stale: set[Stale] = field(default_factory=set)


@dataclass(frozen=True)
class Grammar:
    """How the entries of a Manual XY Entry become values; `parse` raises ValueError for what makes no sense.

    `folder` is that of the files that the entries name, if they do. Blanks count where files are named, and where
    `blanks` says so.
    """

    parse: Callable[[Sequence[str], Files], Sequence[Any]]
    folder: str = ""
    blanks: bool = False


@dataclass(frozen=True)
class Share:
    """A part of one thing (`of`) that the axis decides, where the other axis decides another part of it.

    `merged` makes a value of the X axis and one of this kind on the Y axis one value, which the X axis applies.
    `halved` is what is wrong with such an axis beside any other; empty where it may stand alone.
    """

    of: str
    merged: Callable[[Any, Any], Any]
    halved: str = ""


@dataclass(frozen=True)
class AxisKind:
    """A kind of axis. What its values are, `values.XY` says.

    Attributes:
        name: `Steps`, `CFG Scale`: what `XY.kind` and Manual XY Entry call it.
        label: What stands beside a row or column, of a value and the sampler's seed.
        apply: What a value changes in a cell.
        stale: What of a cell is then made anew; an axis that makes anything anew needs the loader's DEPENDENCIES.
        cost: What another value costs: the axis that costs more varies slower, and is applied first. 0 loads nothing.
        samplers: The classes that have a use for it.
        grammar: How it is written by hand, if it can be.
        decides: What another kind may not decide beside it.
        share: What it decides a part of, if it does.
        both: Whether X and Y may both be of it.
        joined: The values of two such axes, one behind the other.
        beside: What is left of a value where the other axis is of the kind that is named.
    """

    name: str
    label: Callable[[Any, int], str]
    apply: Callable[[Cell, Any], None]
    stale: frozenset[Stale] = frozenset()
    cost: int = 0
    samplers: tuple[str, ...] = SAMPLERS
    grammar: Grammar | None = None
    decides: frozenset[str] = frozenset()
    share: Share | None = None
    both: bool = False
    joined: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]] = lambda first, second: (*first, *second)
    beside: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def change(self, cell: Cell, value: Any) -> None:
        """Apply a value of the axis to a cell, and note what must be made anew."""
        self.apply(cell, value)
        cell.stale |= self.stale


def sets(name: str) -> Callable[[Cell, Any], None]:
    """For `apply`: the value is the cell's setting of that name (`sampling.Sampling`)."""

    def apply(cell: Cell, value: Any) -> None:
        cell.changed[name] = value

    return apply


def titled(title: str) -> Callable[[Any, int], str]:
    """For `label`: the title and the value."""
    return lambda value, seed: f"{title}: {number(value)}"


def number(value: Any) -> str:
    """A value for a label; numbers with 4 decimals at most."""
    return f"{round(value, 4)}" if isinstance(value, float) else f"{value}"


def stem(name: Any) -> str:
    """The name of a file for a label: without folders and suffix."""
    return PurePosixPath(str(name).replace("\\", "/")).stem
