"""`weft.sweep`: the command's work from Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.engine import events

SAVED: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
}


def test_a_sweep_gives_the_record_of_each_cell(sandbox: Path) -> None:
    given: list[events.Event] = []
    axes: dict[str, Any] = {"grid": {"1.width,1.height": [8, 16]}, "rows": [{"1.color": 5, "filename": "five"}]}
    records = list(weft.sweep(SAVED, output="out", observers=[given.append], **axes))
    assert [(record.parameters, record.files) for record in records] == [
        ({"filename": "five", "1.color": 5, "1.width,1.height": 8}, ("five_width-8_00001_.png",)),
        ({"filename": "five", "1.color": 5, "1.width,1.height": 16}, ("five_width-16_00001_.png",)),
    ]
    assert sum(isinstance(event, events.CellFinished) for event in given) == 2
    assert {"index.jsonl", "sheet.png", "index.html"} <= {file.name for file in (sandbox / "out").iterdir()}
    assert list(weft.sweep(SAVED, output="out", **axes)) == records, "nothing is run again"


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "a sweep needs an axis"),
        ({"grid": {"1.width": "8"}}, "expected a list of values"),
        ({"zipped": {"1.width": [8, 16], "1.height": [8]}}, "1.width has 2, 1.height has 1"),
        ({"grid": {"1.width": []}}, "has no values"),
        ({"rows": [{"1.widht": 8}]}, "row 1: node 1 (EmptyImage) has no input 'widht'"),
        ({"rows": "rows.txt"}, "expected a .csv or .jsonl file"),
    ],
)
def test_sweeps_that_make_no_sense(sandbox: Path, axes: dict[str, Any], message: str) -> None:
    with pytest.raises(weft.WeftError, match=re.escape(message)):
        list(weft.sweep(SAVED, output="out", **axes))
