"""Axes of a sweep, as options and rows of files give them.

A reference is what `--set` takes, `NODE.INPUT`. A column may stand for several, which then vary together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weft.engine.errors import UsageError
from weft.engine.sweeping.values import Given, read_values

ROWS = "row"
"""The name of the axis that the rows of a file are."""

FILENAME = "filename"
"""The column of rows that says what the files of their cells are called."""

IsInput = Callable[[str], bool]
"""Whether a text names an input of the workflow."""


@dataclass(frozen=True)
class Point:
    """One place on an axis: values by column, and what it is called.

    `place` is where it was given, if in a file; `filename` the prefix that a row gives.
    """

    label: str
    values: Mapping[str, Any]
    place: str = ""
    filename: str = ""


@dataclass(frozen=True)
class SweepAxis:
    """What varies together: its points in the order in which they were asked for, its columns with their references."""

    name: str
    points: tuple[Point, ...]
    columns: Mapping[str, tuple[str, ...]]

    def changes(self, point: Point) -> dict[str, Any]:
        """The values of a point by reference."""
        return {reference: value for column, value in point.values.items() for reference in self.columns[column]}


@dataclass(frozen=True)
class Columns:
    """What columns are called: `--column prompt=6.text` calls an input `prompt`; other columns are references."""

    names: Mapping[str, tuple[str, ...]]
    is_input: IsInput

    @classmethod
    def read(cls, texts: Iterable[str], is_input: IsInput) -> Columns:
        """Of `NAME=NODE.INPUT[,NODE.INPUT...]`. Raises UsageError."""
        names: dict[str, tuple[str, ...]] = {}
        for text in texts:
            name, equals, references = (part.strip() for part in text.partition("="))
            if not equals or not name or not references:
                raise UsageError(f"{text!r} names no column", hint="NAME=NODE.INPUT, such as prompt=6.text")
            if name == FILENAME or name in names:
                raise UsageError(f"there is a column {name!r} already")
            names[name] = cls({}, is_input).references(references)
        return cls(names, is_input)

    def references(self, column: str) -> tuple[str, ...]:
        """The references that a column stands for; `A.x,B.y` are two, unless a node is called so."""
        if column in self.names:
            return self.names[column]
        parts = [part for each in column.split(",") if (part := each.strip())]
        if len(parts) < 2 or self.is_input(column):
            return (column,)
        return tuple(reference for part in parts for reference in self.references(part))


def grid_axis(text: str, columns: Columns) -> SweepAxis:
    """The axis of `--grid COLUMN=VALUES`. Raises UsageError."""
    column, values = _split(text)
    points = tuple(_point({column: value}) for value in values)
    return _checked(SweepAxis(column, points, {column: columns.references(column)}))


def axis_of(values: Mapping[str, Sequence[Any]], columns: Columns) -> SweepAxis:
    """The axis of columns that vary together, with values as they are. Raises UsageError for unequal lengths."""
    if any(isinstance(each, str) or not isinstance(each, Sequence) for each in values.values()):
        raise UsageError(f"axis {', '.join(values)!r}: expected a list of values for each column")
    _check_lengths({column: len(each) for column, each in values.items()}, "an axis")
    together = (dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True))
    points = tuple(Point(", ".join(dict.fromkeys(map(str, point.values()))), point) for point in together)
    return _checked(SweepAxis(", ".join(values), points, {column: columns.references(column) for column in values}))


def zipped_axis(texts: Sequence[str], columns: Columns) -> SweepAxis:
    """The one axis of all `--zip COLUMN=VALUES`: the first values go together, the second ones, ...

    Raises UsageError where they are not equally many.
    """
    given = [_split(text) for text in texts]
    counts = {column: len(values) for column, values in given}
    if len(counts) < len(given):
        raise UsageError("--zip: a column stands there twice")
    _check_lengths(counts, "--zip")
    together = zip(*(values for _, values in given), strict=True)
    points = tuple(_point(dict(zip(counts, values, strict=True))) for values in together)
    return _checked(SweepAxis(", ".join(counts), points, {column: columns.references(column) for column in counts}))


def _check_lengths(counts: Mapping[str, int], what: str) -> None:
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{column} has {count}" for column, count in counts.items())
        raise UsageError(f"{what} takes columns of equal length: {said}")


def _checked(axis: SweepAxis) -> SweepAxis:
    """The axis. Raises UsageError where it has no point, or one twice."""
    if not axis.points:
        raise UsageError(f"axis {axis.name!r} has no values")
    seen: set[tuple[str, ...]] = set()
    for point in axis.points:
        told = tuple(repr(value) for value in point.values.values())
        if told in seen:
            raise UsageError(f"axis {axis.name!r} has the value {point.label[:60]!r} twice")
        seen.add(told)
    return axis


def _split(text: str) -> tuple[str, list[Given]]:
    column, equals, values = text.partition("=")
    if not equals or not column.strip():
        raise UsageError(f"{text!r} is no axis", hint="NODE.INPUT=VALUES, such as 5.seed=0..9 or 5.cfg=1.5,2")
    return column.strip(), read_values(values)


def _point(given: Mapping[str, Given]) -> Point:
    values = {column: value.text for column, value in given.items()}
    place = next((value.place for value in given.values() if value.place), "")
    # What columns have in common is said once.
    return Point(", ".join(dict.fromkeys(values.values())), values, place)
