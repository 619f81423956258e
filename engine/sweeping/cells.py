"""The cells of a sweep: each point of each axis with each point of the others, as a prompt that can be run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.session import Session
from weft.engine.sweeping.axes import FILENAME, Point, SweepAxis
from weft.engine.sweeping.names import prefixes
from weft.engine.sweeping.values import MOST
from weft.engine.workflow.overrides import inputs_named
from weft.engine.workflow.prompt import Prompt

_LONGEST = 100


@dataclass(frozen=True)
class SweepCell:
    """One run of a sweep.

    `number` counts from 1 in the order in which cells were asked for; `at` is the place on each axis, `points` are
    those places. `parameters` are the values by column, as the inputs take them; `prompt` is what runs, `bare` the same
    with the files called as the workflow calls them.
    """

    number: int
    at: tuple[int, ...]
    points: tuple[Point, ...]
    parameters: Mapping[str, Any]
    prompt: Prompt
    bare: Prompt

    @property
    def place(self) -> str:
        """Where it was given, if in a file: `rows.csv:3`."""
        return ", ".join(point.place for point in self.points if point.place)

    @property
    def filename(self) -> str:
        """The prefix that its row gives."""
        return str(self.parameters.get(FILENAME, ""))

    @property
    def said(self) -> str:
        """Its values in a line: `steps=8, cfg=2.5`."""
        text = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."

    @property
    def where(self) -> str:
        """What a message calls it: `cell 3 (rows.csv:3)`, `cell 4 (5.seed=7)`."""
        return f"cell {self.number} ({self.place or self.said})"


def make_cells(session: Session, base: Prompt, axes: Sequence[SweepAxis]) -> Iterator[SweepCell]:
    """The cells of a prompt, the last axis varying fastest.

    Raises UsageError for an input that is not there, or a value that it does not take; both with where it was given.
    """
    count = prod(len(axis.points) for axis in axes)
    if count > MOST:
        raise UsageError(f"this sweep has {count:,} cells, at most {MOST:,} are taken")
    inputs = _inputs(session, base, axes)
    taken = {key for keys in inputs.values() for key in keys}
    for number, numbered in enumerate(product(*(enumerate(axis.points) for axis in axes)), 1):
        points = tuple(point for _, point in numbered)
        changes: dict[str, Any] = {}
        for axis, point in zip(axes, points, strict=True):
            changes |= axis.changes(point)
        with _placed(points):
            bare = session.with_overrides(base, changes)
        values = {column: value for point in points for column, value in point.values.items()}
        parameters = {column: _as_taken(bare, inputs[column][0], value) for column, value in values.items()}
        filename = next((point.filename for point in points if point.filename), "")
        if filename:
            parameters = {FILENAME: filename, **parameters}
        prompt = bare.with_values(prefixes(bare, session.registry, number, axes, points, taken))
        yield SweepCell(number, tuple(at for at, _ in numbered), points, parameters, prompt, bare)


class _placed:
    """A UsageError inside the block says where in a file the points were given."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._place = ", ".join(point.place for point in points if point.place)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UsageError) and self._place:
            raise UsageError(f"{self._place}: {error.message}", hint=error.hint) from error


def _inputs(session: Session, base: Prompt, axes: Sequence[SweepAxis]) -> dict[str, list[tuple[str, str]]]:
    """The inputs of each column. Raises UsageError where two columns set the same one."""
    found: dict[str, list[tuple[str, str]]] = {}
    setters: dict[tuple[str, str], str] = {}
    for axis in axes:
        for column, references in axis.columns.items():
            with _placed([next(point for point in axis.points if column in point.values)]):
                named = [key for each in references for key in inputs_named(base, each, session.registry)]
                for key in named:
                    if key in setters:
                        raise UsageError(f"{key[0]}.{key[1]} is set by two columns: {setters[key]!r} and {column!r}")
                    setters[key] = column
            found[column] = named
    return found


def _as_taken(prompt: Prompt, key: tuple[str, str], value: Any) -> Any:
    node_id, name = key
    found = prompt.nodes[node_id].inputs.get(name, value)
    return found if isinstance(found, str | int | float | bool) else value
