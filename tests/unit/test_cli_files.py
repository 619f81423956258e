"""`weft validate` of many files and folders: what is looked at, where findings stand, which exit code is the worst."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main

GOOD: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}
BAD = {**GOOD, "1": {"class_type": "EmptyImage", "inputs": {**GOOD["1"]["inputs"], "width": 0}}}
LACKING = {**GOOD, "1": {"class_type": "LoadImage", "inputs": {"image": "absent.png"}}}
NO_CLASS = {**GOOD, "3": {"inputs": {}}}
GRAPH = {"nodes": [{"id": "a"}], "links": []}  # of some other program
EDITOR = {"last_node_id": 1, "nodes": [{"id": 1, "type": "NoSuchNode"}], "links": [], "version": 0.4}
Weft = Callable[..., tuple[int, str, str]]


@pytest.fixture
def weft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Weft:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


def write(name: str, document: Any) -> str:
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document if isinstance(document, str) else json.dumps(document, indent=2))
    return name


def test_of_a_folder_every_workflow_is_looked_at_and_nothing_else(weft: Weft) -> None:
    for name in ("a.json", "below/deeper/b.json", ".hidden/c.json", "node_modules/d.json", "e.txt"):
        write(f"all/{name}", GOOD)
    others: list[Any] = [GRAPH, [1, 2], {"package": "x"}, "{not json", {"steps": [{"class_type": "X"}]}, ""]
    others.append({"properties": {"class_type": {"const": "X"}}})
    for number, other in enumerate(others):
        write(f"all/other{number}.json", other)
    assert weft("validate", "all") == (0, "2 workflows: 2 valid\n", "")


def test_what_is_meant_as_a_workflow_is_looked_at_even_where_it_is_broken(weft: Weft) -> None:
    write("all/a.json", json.dumps(GOOD, indent=2).replace('"images": [', '"images" ['))
    write("all/b.json", NO_CLASS)
    write("all/c.json", EDITOR)
    code, out, _ = weft("validate", "all")
    a, b, c, *_, summary = out.splitlines()
    assert a == "all/a.json:14:16: is no JSON: Expecting ':' delimiter at line 14, column 16"
    assert b.startswith("all/b.json:20:3: /3/class_type is missing: it says what the node is")
    assert c.startswith('all/c.json:4:5: node 1 "NoSuchNode": ')
    assert (code, summary) == (2, "3 workflows: 2 unreadable, 1 invalid")


@pytest.mark.parametrize("other", [GRAPH, {"package": "x"}, "{not json"])
def test_a_file_that_is_named_must_hold_a_workflow_unless_others_are_skipped(other: Any, weft: Weft) -> None:
    write("other.json", other)
    write("good.json", GOOD)
    code, out, _ = weft("validate", "good.json", "other.json")
    assert (code, out.splitlines()[-1]) == (2, "2 workflows: 1 valid, 1 unreadable")
    assert weft("validate", "good.json", "other.json", "--skip-others") == (0, "1 workflow: 1 valid\n", "")
    assert weft("validate", "other.json")[0] == 2
    assert weft("validate", "other.json", "--skip-others") == (0, "no workflows\n", "")
    assert weft("validate", "absent.json", "--skip-others")[0] == 2


@pytest.mark.parametrize(
    ("documents", "expected"),
    [([GOOD, GOOD], 0), ([GOOD, LACKING], 4), ([LACKING, BAD], 3), ([BAD, "{"], 2), ([LACKING, GOOD], 4)],
)
def test_the_exit_code_is_the_worst(documents: list[Any], expected: int, weft: Weft) -> None:
    names = [write(f"{number}.json", document) for number, document in enumerate(documents)]
    assert weft("validate", *names)[0] == expected
    document = json.loads(weft("validate", *names, "--json")[1])
    assert document["exit_code"] == expected
    assert [each["file"] for each in document["files"]] == names


def test_an_issue_says_file_line_and_column_also_of_one_file(weft: Weft) -> None:
    said = "w.json:5:7: node 1 \"EmptyImage\", input 'width': Value 0 smaller than min of 1\n"
    write("w.json", BAD)
    code, out, err = weft("validate", "w.json")
    assert (code, out, err) == (3, "", f"error: invalid workflow: 1 problem\n  {said}")
    assert weft("validate", ".")[1] == f"{said}1 workflow: 1 invalid\n"
    [issue] = json.loads(weft("validate", "w.json", "--json")[1])["issues"]
    assert (issue["pointer"], issue["line"], issue["column"]) == ("/1/inputs/width", 5, 7)
    [file] = json.loads(weft("validate", ".", "--json")[1])["files"]
    assert (file["status"], file["issues"]) == ("invalid", [issue])


def test_what_stops_nothing_is_a_warning_at_its_place(weft: Weft) -> None:
    write("w.json", {**GOOD, "comment": "a test"})
    code, out, err = weft("validate", ".")
    first = "w.json:20:3: warning: 'comment' is no node (text without class_type) and was left out"
    assert (code, out, err) == (0, f"{first}\n1 workflow: 1 valid\n", "")


def test_a_change_that_fits_one_of_the_files_only_is_that_files_error(weft: Weft) -> None:
    write("a.json", GOOD)
    write("b.json", {"7": GOOD["1"], "8": {"class_type": "PreviewImage", "inputs": {"images": ["7", 0]}}})
    code, out, _ = weft("validate", "a.json", "b.json", "--set", "7.width=16")
    assert (code, out.splitlines()[-1]) == (2, "2 workflows: 1 refused, 1 valid")


def test_standard_input_is_one_of_the_files_and_each_is_looked_at_once(
    weft: Weft, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("w.json", GOOD)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(json.dumps(BAD, indent=1).encode())))
    code, out, _ = weft("validate", "w.json", "w.json", "-")
    assert code == 3
    assert out.startswith("standard input:5:4: node 1")
    assert out.endswith("2 workflows: 1 valid, 1 invalid\n")


def test_a_folder_without_a_json_file_is_an_error(weft: Weft) -> None:
    Path("empty").mkdir()
    code, _, err = weft("validate", "empty")
    assert (code, err) == (2, "error: no .json file is in empty or below it\n")
