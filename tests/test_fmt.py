"""`weft fmt`: one text for one workflow, nothing lost, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.engine.errors import InvalidWorkflow, UnreadableWorkflow
from weft.engine.formats.canonical import formatted
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import Prompt

from .conformance.pairs import pairs, templates

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = [file for file in sorted((ROOT / "workflows").glob("*.json")) if "golden" not in file.name]
NOW = datetime(2024, 1, 2)
Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, list[str]]:
        code = main(["fmt", *arguments])
        said = capsys.readouterr()
        return code, (said.out or said.err).splitlines()

    return run


def unordered(value: Any) -> Any:
    """A document in which the order of links is no matter."""
    if isinstance(value, dict):
        found = {name: unordered(item) for name, item in value.items()}
        if isinstance(found.get("links"), list):
            found["links"] = sorted(found["links"], key=json.dumps)
        return found
    return [unordered(item) for item in value] if isinstance(value, list) else value


def meaning(document: Any, registry: Registry) -> Any:
    """The prompt of a document with the order of its nodes, or why it has none."""
    try:
        if "nodes" in document:
            prompt = to_prompt(Workflow.parse(document), registry, keep_unknown=True, now=NOW)
            return [*prompt.to_json().items()]
        return Prompt.parse(document).to_json()
    except (InvalidWorkflow, UnreadableWorkflow) as error:
        return str(error)


def check(text: str, registry: Registry) -> None:
    written = formatted(text, "x", registry)
    assert formatted(written, "x", registry) == written
    before, now = json.loads(text), json.loads(written)
    assert unordered(now) == unordered(before)
    assert meaning(now, registry) == meaning(before, registry)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name.removesuffix(".json"))
def test_a_workflow_is_what_it_was(file: Path, registry: Registry) -> None:
    check(file.read_text(), registry)


def test_hand_made_workflows_are_what_they_were(registry: Registry) -> None:
    for name, pair in pairs().items():
        if name.startswith("tricky/"):
            check(json.dumps(pair.workflow, indent=1), registry)
            for prompt in pair.prompts.values():
                check(json.dumps(prompt), registry)


@pytest.mark.slow
def test_templates_are_what_they_were(registry: Registry) -> None:
    for document in templates().values():
        check(json.dumps(document), registry)


API = """{"10": {"_meta": {"title": "ü ☃"}, "class_type": "KSampler", "inputs": {"model": ["2", 0], "cfg": 7.0,
"denoise": 1e-05, "steps": 20, "seed": 7, "extra": 3.0}}, "2": {"class_type": "Mystery", "inputs": {"b": [["x"]],
"a": 7.0, "far": 1e999, "text": "half \\ud83d"}, "pack": null}, "$schema": "weft.schema.json", "about": "nothing"}"""

WRITTEN = """{
  "$schema": "weft.schema.json",
  "2": {
    "class_type": "Mystery",
    "inputs": {
      "b": [
        ["x"]
      ],
      "a": 7.0,
      "far": 1e999,
      "text": "half \\ud83d"
    },
    "pack": null
  },
  "10": {
    "class_type": "KSampler",
    "inputs": {
      "model": ["2", 0],
      "seed": 7,
      "steps": 20,
      "cfg": 7,
      "denoise": 0.00001,
      "extra": 3.0
    },
    "_meta": {
      "title": "ü ☃"
    }
  },
  "about": "nothing"
}
"""


def test_an_export_is_written_in_one_way(registry: Registry) -> None:
    assert formatted(API, "x", registry) == WRITTEN
    assert formatted(WRITTEN, "x", registry) == WRITTEN


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("1.0", "1"), ("-0.0", "-0.0"), ("1E-6", "0.000001"), ("1e-7", "1e-7"), ("1.5e-10", "1.5e-10"),
        ("1e20", "100000000000000000000"), ("1e21", "1e+21"), ("0.30000000000000004", "0.30000000000000004"),
        ("123456789012345678901234567890", "123456789012345678901234567890"), ("2.5", "2.5"), ("1e999", "1e999"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_in_the_editor(number: str, written: str, registry: Registry) -> None:
    text = f'{{"nodes": [], "extra": {{"x": {number}}}}}'
    assert f'"x": {written}\n' in formatted(text, "x", registry)


def test_a_save_has_the_keys_of_the_editor_and_its_links_in_order(registry: Registry) -> None:
    text = """{"version": 0.4, "mine": 1, "links": [[7, 1, 0, 2, 0, "IMAGE"], [3, 1, 0, 3, 0, "IMAGE"]],
    "nodes": [{"widgets_values": [1.50], "type": "X", "mine": 2, "id": 1}], "id": "a", "$schema": "s"}"""
    found = json.loads(formatted(text, "x", registry))
    assert list(found) == ["$schema", "id", "nodes", "links", "version", "mine"]
    assert list(found["nodes"][0]) == ["id", "type", "widgets_values", "mine"]
    assert [link[0] for link in found["links"]] == [3, 7]


@pytest.mark.parametrize("second", ["[3, 1, 0, 2, 0, 1]", "[7, 2, 0, 3, 0, 1]", "[5, 2, 0]", "null"])
def test_links_whose_order_may_count_stay(second: str, registry: Registry) -> None:
    text = f'{{"nodes": [], "links": [[7, 1, 0, 2, 0, 1], {second}]}}'
    assert json.loads(formatted(text, "x", registry))["links"] == json.loads(text)["links"]


def test_what_a_prompt_is_wrapped_in_stays(registry: Registry) -> None:
    text = f'{{"client_id": "x", "prompt": {API}}}'
    found = json.loads(formatted(text, "x", registry))
    assert list(found) == ["client_id", "prompt"]
    assert list(found["prompt"]) == ["$schema", "2", "10", "about"]


def test_files_are_written_in_place(run: Run) -> None:
    Path("a.json").write_text(API)
    Path("b.json").write_text(WRITTEN)
    Path("package.json").write_text('{"name": "x"}')
    assert run("--check", ".") == (
        1,
        ["a.json: not in its canonical form", "2 workflows: 1 to be formatted, 1 as it should be"],
    )
    assert Path("a.json").read_text() == API
    code, lines = run("--diff", "a.json")
    assert code == 1
    assert lines[:2] == ["--- a.json", "+++ a.json"]
    assert Path("a.json").read_text() == API
    assert run(".") == (0, ["a.json: formatted", "2 workflows: 1 formatted, 1 as it should be"])
    assert Path("a.json").read_text() == WRITTEN
    assert run("--check", ".") == (0, ["2 workflows: 2 as it should be"])
    assert Path("package.json").read_text() == '{"name": "x"}'
    code, lines = run("--json", "--check", ".")
    assert [each["status"] for each in json.loads("\n".join(lines))["files"]] == ["unchanged", "unchanged"]


def test_another_encoding_is_written_anew(run: Run) -> None:
    Path("a.json").write_bytes(WRITTEN.encode("utf-16"))
    assert run("a.json")[0] == 0
    assert Path("a.json").read_bytes() == WRITTEN.encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hello", "is no JSON"),
        (b'{"name": "x"}', "expected a node (an object with class_type), got text"),
        (b'{"1": {"class_type": "X", "class_type": "Y"}}', "the key 'class_type' stands twice in one object"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_what_is_no_workflow_is_left_and_exit_code_2(content: bytes, told: str, run: Run) -> None:
    Path("a.json").write_bytes(content)
    code, lines = run("a.json")
    assert code == 2
    assert lines[0].startswith("a.json:")
    assert told in lines[0]
    assert Path("a.json").read_bytes() == content


def test_a_picture_is_refused(run: Run) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("prompt", API.replace("1e999", "1"))
    Image.new("RGB", (8, 8)).save("a.png", pnginfo=info)
    before = Path("a.png").read_bytes()
    code, lines = run("a.png")
    assert code == 2
    assert "is no JSON file" in lines[0]
    assert Path("a.png").read_bytes() == before
