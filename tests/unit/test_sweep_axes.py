"""Values and axes of a sweep, as they are written on the command line and in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.engine.errors import UsageError
from weft.engine.sweeping.axes import Columns, grid_axis, zipped_axis
from weft.engine.sweeping.rows import csv_axis, jsonl_axis
from weft.engine.sweeping.values import read_values

COLUMNS = Columns({"switch": ("A.end", "B.start")}, lambda text: text == "a, b.x")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0..3", ["0", "1", "2", "3"]),
        ("3..0", ["3", "2", "1", "0"]),
        ("0..1..0.25", ["0", "0.25", "0.5", "0.75", "1"]),
        ("0..0.3..0.1", ["0", "0.1", "0.2", "0.3"]),
        ("1..2..0.4", ["1", "1.4", "1.8"]),
        ("-1..1", ["-1", "0", "1"]),
        ("5", ["5"]),
        ("euler, heun", ["euler", "heun"]),
        ("0..2,7", ["0", "1", "2", "7"]),
        ('"a cat, asleep",a dog', ["a cat, asleep", "a dog"]),
        ('"0..2"', ["0..2"]),
        ('"say ""hi"""', ['say "hi"']),
        ('a 5" disk', ['a 5" disk']),
        ("a,,b", ["a", "", "b"]),
        ("", [""]),
        ("a...b", ["a...b"]),
    ],
)
def test_values(text: str, values: list[str]) -> None:
    assert [given.text for given in read_values(text)] == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0..9..0", "steps of 0 never lead from 0 to 9"),
        ("0..9..-1", "steps of -1 never lead from 0 to 9"),
        ("0..1000000000", "at most 100,000"),
        ('"a cat, a dog', "a quote is not closed"),
        ("@nowhere.txt", "cannot read nowhere.txt"),
    ],
)
def test_values_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_values(text)


def test_a_file_has_one_value_a_line(sandbox: Path) -> None:
    (sandbox / "prompts.txt").write_text("\ufeffa cat, asleep\r\n\r\n0..3\r\n")
    found = read_values("@prompts.txt,last")
    assert found == [("a cat, asleep", "prompts.txt:1"), ("0..3", "prompts.txt:3"), ("last", "")]


def test_a_column_stands_for_one_input_or_for_several() -> None:
    assert grid_axis("A.end,B.start=0..2", COLUMNS).columns == {"A.end,B.start": ("A.end", "B.start")}
    assert grid_axis("switch=0..2", COLUMNS).columns == {"switch": ("A.end", "B.start")}
    assert grid_axis("a, b.x=1", COLUMNS).columns == {"a, b.x": ("a, b.x",)}
    axis = grid_axis("switch=0..2", COLUMNS)
    assert axis.changes(axis.points[2]) == {"A.end": "2", "B.start": "2"}


def test_zipped_columns_vary_together() -> None:
    axis = zipped_axis(["A.x=1..3", "B.y=a,b,c"], COLUMNS)
    assert [axis.changes(point) for point in axis.points] == [
        {"A.x": "1", "B.y": "a"},
        {"A.x": "2", "B.y": "b"},
        {"A.x": "3", "B.y": "c"},
    ]
    assert [point.label for point in axis.points] == ["1, a", "2, b", "3, c"]
    with pytest.raises(UsageError, match="equal length: A.x has 3, B.y has 2"):
        zipped_axis(["A.x=1..3", "B.y=a,b"], COLUMNS)


@pytest.mark.parametrize("text", ["A.x", "=1"])
def test_what_is_no_axis(text: str) -> None:
    with pytest.raises(UsageError, match="is no axis"):
        grid_axis(text, COLUMNS)


def test_a_value_stands_once_on_an_axis() -> None:
    with pytest.raises(UsageError, match="has the value '2' twice"):
        grid_axis("A.x=1..3,2", COLUMNS)


def test_rows_of_csv(sandbox: Path) -> None:
    (sandbox / "rows.csv").write_bytes(
        b'\xef\xbb\xbffilename,A.x,switch\r\none,"a, ""b""\nc",3\r\n\r\n,,\r\ntwo,,4\r\nthree,d,\r\n'
    )
    axis = csv_axis(Path("rows.csv"), COLUMNS)
    assert [(point.filename, dict(point.values), point.place) for point in axis.points] == [
        ("one", {"A.x": 'a, "b"\nc', "switch": "3"}, "rows.csv:2"),
        ("two", {"switch": "4"}, "rows.csv:6"),
        ("three", {"A.x": "d"}, "rows.csv:7"),
    ]
    assert axis.columns == {"A.x": ("A.x",), "switch": ("A.end", "B.start")}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_of_csv(sandbox: Path, separator: str) -> None:
    (sandbox / "rows.csv").write_text(f"A.x{separator}B.y\n1,5{separator}2\n")
    (point,) = csv_axis(Path("rows.csv"), COLUMNS).points
    assert point.values == {"A.x": "1,5", "B.y": "2"}


def test_rows_of_jsonl(sandbox: Path) -> None:
    (sandbox / "rows.jsonl").write_text('{"A.x": 1.5, "filename": "one"}\n\n{"A.x": null, "B.y": true}\n')
    axis = jsonl_axis(Path("rows.jsonl"), COLUMNS)
    assert [(point.filename, dict(point.values), point.place) for point in axis.points] == [
        ("one", {"A.x": 1.5}, "rows.jsonl:1"),
        ("", {"B.y": True}, "rows.jsonl:3"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", "A.x,B.y\n1\n", r"r\.csv:2: expected 2 cells, got 1"),
        ("r.csv", "A.x,B.y\n1,2\n1,2,3\n", r"r\.csv:3: expected 2 cells, got 3"),
        ("r.csv", "A.x,A.x\n1,2\n", r"r\.csv:1: the column 'A\.x' stands there twice"),
        ("r.csv", "A.x,,B.y\n1,2,3\n", r"r\.csv:1: column 2 has no name"),
        ("r.csv", 'A.x\n1\n"2\n', r"r\.csv:3: unexpected end of data"),
        ("r.csv", "A.x\n", r"r\.csv has no rows"),
        ("r.csv", "filename,A.x\na,1\na,2\n", r"r\.csv:3: filename 'a' stands in r\.csv:2, too"),
        ("r.csv", b"A.x\n\xff\n", r"r\.csv is no text in UTF-8"),
        ("r.jsonl", '{"A.x": 1}\n{"A.x": \n', r"r\.jsonl:2: no JSON"),
        ("r.jsonl", "[1]\n", r"r\.jsonl:1: expected an object, got a list"),
        ("r.jsonl", '{"A.x": {}}\n', r"r\.jsonl:1: A\.x: expected a value, got an object"),
        ("r.jsonl", '{"filename": 3}\n', r"r\.jsonl:1: filename: expected a text, got a number"),
    ],
)
def test_rows_that_are_bad_are_told_with_their_line(
    sandbox: Path, name: str, content: str | bytes, message: str
) -> None:
    file = Path(name)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=message):
        (csv_axis if name.endswith("csv") else jsonl_axis)(file, COLUMNS)


@pytest.mark.parametrize("text", ["prompt", "prompt=", "=A.x", "filename=A.x"])
def test_columns_that_are_named_badly(text: str) -> None:
    with pytest.raises(UsageError):
        Columns.read([text], COLUMNS.is_input)
