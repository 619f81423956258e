"""Rows of a CSV or JSONL file as an axis: its columns are inputs, and `filename`.

An empty cell leaves its input as it is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from weft.engine.documents import kind_of, read_text
from weft.engine.errors import UsageError
from weft.engine.sweeping.axes import FILENAME, ROWS, Columns, Point, SweepAxis
from weft.engine.sweeping.values import MAX_FILE, MOST

_SEPARATORS = ",;\t"
_MOST_SHOWN = 3


def csv_axis(file: Path, columns: Columns) -> SweepAxis:
    """The axis of a CSV file, whose first line names the columns.

    The separator is the comma, else the semicolon or the tab of that line. Raises UsageError with file and line.
    """
    return _axis(file, _csv_rows(file), columns)


def jsonl_axis(file: Path, columns: Columns) -> SweepAxis:
    """The axis of a file with one JSON object a line, which has a value for each column that it is about.

    Raises UsageError with file and line.
    """
    return _axis(file, _json_rows(file), columns)


def rows_axis(rows: Iterable[Mapping[str, Any]], columns: Columns) -> SweepAxis:
    """The axis of rows that are there already: values by column; None leaves its input as it is. Raises UsageError."""
    told = ((f"row {number}", _said(f"row {number}", row)) for number, row in enumerate(rows, 1))
    return _axis("rows", told, columns)


def _axis(file: Path | str, rows: Iterator[tuple[str, Mapping[str, Any]]], columns: Columns) -> SweepAxis:
    points: list[Point] = []
    names: dict[str, str] = {}
    for place, row in rows:
        filename = row.get(FILENAME, "")
        if not isinstance(filename, str):
            raise UsageError(f"{place}: {FILENAME}: expected a text, got {kind_of(filename)}")
        if filename and filename in names:
            raise UsageError(f"{place}: {FILENAME} {filename!r} stands in {names[filename]}, too")
        names[filename] = place
        values = {column: value for column, value in row.items() if column != FILENAME}
        label = filename or ", ".join(f"{value}" for value in list(values.values())[:_MOST_SHOWN])
        points.append(Point(label or str(len(points) + 1), values, place, filename))
        if len(points) > MOST:
            raise UsageError(f"{file} has more than {MOST:,} rows")
    if not points:
        raise UsageError(f"{file} has no rows")
    used = dict.fromkeys(column for point in points for column in point.values)
    return SweepAxis(ROWS, tuple(points), {column: columns.references(column) for column in used})


def _csv_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = read_text(file, MAX_FILE)
    head = text.partition("\n")[0]
    separator = next((each for each in _SEPARATORS if each in head), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    while True:
        place = f"{file}:{reader.line_num + 1}"
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise UsageError(f"{place}: {error}") from error
        if fields is None:
            return
        if not any(field.strip() for field in fields):
            continue
        if header is None:
            header = [field.strip() for field in fields]
            _check_header(place, header)
            continue
        if len(fields) != len(header):
            hint = "a text with the separator in it stands in double quotes"
            raise UsageError(f"{place}: expected {len(header)} cells, got {len(fields)}", hint=hint)
        yield place, {column: field for column, field in zip(header, fields, strict=True) if field.strip()}


def _check_header(place: str, header: list[str]) -> None:
    if not all(header):
        raise UsageError(f"{place}: column {header.index('') + 1} has no name", hint="the first line names the columns")
    double = next((name for name in header if header.count(name) > 1), None)
    if double is not None:
        raise UsageError(f"{place}: the column {double!r} stands there twice")


def _json_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # Not splitlines: a text in JSON may have other line ends in it.
    for number, line in enumerate(read_text(file, MAX_FILE).split("\n"), 1):
        place = f"{file}:{number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{place}: no JSON: {error}") from error
        yield place, _said(place, row)


def _said(place: str, row: Any) -> dict[str, Any]:
    """The values of a row that has one for each column that it is about."""
    if not isinstance(row, Mapping):
        raise UsageError(f"{place}: expected an object, got {kind_of(row)}")
    bad = next((name for name, value in row.items() if isinstance(value, Mapping)), None)
    if bad is not None:
        raise UsageError(f"{place}: {bad}: expected a value, got an object")
    return {name: value for name, value in row.items() if value is not None}
