"""Whatever holds a workflow is read, by its content."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from weft.engine.errors import UnreadableWorkflow
from weft.engine.formats import sources
from weft.engine.formats.conversion import to_prompt
from weft.engine.formats.sources import load
from weft.engine.formats.workflow import Workflow
from weft.engine.schema.registry import Registry
from weft.engine.workflow.prompt import MAX_BYTES, Prompt, read_json

NODE = {"class_type": "X", "inputs": {"a": ["2", 0], "b": 5}, "_meta": {"title": "T"}}
UI = {"version": 0.4, "nodes": [], "links": []}


def refused(document: Any, **options: Any) -> str:
    with pytest.raises(UnreadableWorkflow) as caught:
        load(document, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def picture(**texts: Any) -> bytes:
    info = PngInfo()
    for name, value in texts.items():
        info.add_text(name, json.dumps(value))
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[1, 2]", "cannot read '[1, 2]'"),
        ("", "cannot read ''"),
        ("no/such/file.json", "cannot read 'no/such/file.json': No such file or directory"),
        ("nul\0byte", "cannot read"),
        ("x" * 5000, "File name too long"),
        ('{"1": ', "the text is no JSON: Expecting value at line 1, column 7"),
        ('{"1": {}} trailing', "Extra data at line 1, column 11"),
        ('{"1": {"class_type": "X"}, "1": {"class_type": "Y"}}', "the key '1' stands twice in one object"),
        ('{"1": {"class_type": "X", "inputs": {"a": 1, "a": 2}}}', "the key 'a' stands twice in one object"),
        ('{"1": ' + "9" * 5000 + "}", "no JSON that can be read"),
        ('{"1": ' + "[" * 100_000, "the text is nested too deeply"),
        ('{"a":' * 100_000, "the text is nested too deeply"),
        ('{"1": ' + "[" * 100_000 + "]" * 100_000 + "}", "the text is nested too deeply"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused(document: Any, message: str) -> None:
    assert message in refused(document)


def test_load_takes_whatever_holds_a_prompt(tmp_path: Path) -> None:
    text = json.dumps({"1": NODE})
    file = tmp_path / "w.json"
    file.write_text(text)
    bom = tmp_path / "bom.json"
    bom.write_bytes(b"\xef\xbb\xbf" + text.encode())
    parsed = Prompt.parse({"1": NODE})
    assert load(parsed) is parsed
    for given_ in ({"1": NODE}, text, "  \n" + text, "\ufeff" + text, file, str(file), bom):
        assert load(given_).nodes == parsed.nodes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "is no text: truncated data at byte 2"),
        (b"{\xff}", "is no text: invalid start byte at byte 1"),
        (b"", "is no JSON: Expecting value at line 1, column 1"),
        (b"not json", "is no JSON"),
        (b"[1]", "expected a JSON object of nodes, got a list"),
        (b'"text"', "expected a JSON object of nodes, got text"),
        (b"null", "expected a JSON object of nodes, got null"),
        (b"true", "expected a JSON object of nodes, got a boolean"),
        (b"{}", "the workflow holds no nodes"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
    ],
)
def test_a_file_is_named_in_its_error(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "w.json"
    file.write_bytes(content)
    said = refused(file)
    assert said.count(str(file)) == 1
    assert message in said


def test_a_folder_is_no_workflow(tmp_path: Path) -> None:
    assert "Is a directory" in refused(tmp_path)


def test_size_is_limited(tmp_path: Path) -> None:
    file = tmp_path / "huge.json"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    assert "is larger than 67,108,864 bytes" in refused(file)
    with pytest.raises(UnreadableWorkflow, match="is larger than"):
        read_json(" " * (MAX_BYTES + 1), "it")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file here")
def test_an_endless_file_is_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 1000)
    assert "is larger than 1,000 bytes" in refused("/dev/zero")


def test_a_pipe_is_read(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        stream.write(json.dumps({"1": NODE}))
    assert list(load(f"/dev/fd/{reader}").nodes) == ["1"]
    os.close(reader)


def test_a_workflow_of_the_editor() -> None:
    assert isinstance(load(UI), Workflow)
    assert isinstance(load(json.dumps(UI)), Workflow)


def test_of_a_picture_the_prompt_counts_unless_asked(tmp_path: Path) -> None:
    file = tmp_path / "picture.anything"
    file.write_bytes(picture(prompt={"1": NODE}, workflow=UI))
    prompt = load(file)
    assert isinstance(prompt, Prompt)
    assert list(prompt.nodes) == ["1"]
    assert prompt.extra_pnginfo == {"workflow": UI}
    workflow = load(file, ui=True)
    assert isinstance(workflow, Workflow)
    assert workflow.dump() == UI


def test_a_picture_with_one_of_them(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture(workflow=UI))
    assert isinstance(load(file), Workflow)
    file.write_bytes(picture(prompt={"1": NODE}))
    assert isinstance(load(file), Prompt)
    assert "holds a prompt and no workflow of the editor" in refused(file, ui=True)


def test_a_posted_prompt_may_hold_the_workflow() -> None:
    posted = {"prompt": {"1": NODE}, "extra_data": {"extra_pnginfo": {"workflow": UI}}}
    assert isinstance(load(posted), Prompt)
    assert isinstance(load(posted, ui=True), Workflow)
    assert "no workflow of the editor" in refused({"1": NODE}, ui=True)


@pytest.mark.parametrize("content", [json.dumps({"1": NODE}).encode(), picture(prompt={"1": NODE})])
def test_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    found = load("-")
    assert isinstance(found, Prompt)
    assert list(found.nodes) == ["1"]


def test_standard_input_is_named_in_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"hello")))
    assert refused("-").startswith("standard input is no JSON")


@pytest.mark.parametrize("ui", [False, True], ids=["prompt", "workflow"])
def test_a_picture_cut_off_behind_its_workflow_is_read_with_a_note(tmp_path: Path, ui: bool) -> None:
    """As half a download is: the texts stand before the pixels. The note stays with the prompt through --set."""
    whole = picture(prompt={"1": NODE}, workflow=UI)
    assert load_bytes(tmp_path, whole, ui).notes == ()
    loaded = load_bytes(tmp_path, whole[: whole.index(b"IDAT") + 8], ui)
    prompt = to_prompt(loaded, Registry()) if isinstance(loaded, Workflow) else loaded.with_values({("1", "b"): 6})
    for notes in (loaded.notes, prompt.notes):
        (note,) = notes
        assert note.code == "damaged_file"
        assert "cut.png is a damaged PNG, of which the workflow was read: chunk 'IDAT'" in str(note)


def load_bytes(folder: Path, content: bytes, ui: bool) -> Any:
    (folder / "cut.png").write_bytes(content)
    return load(folder / "cut.png", ui=ui)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_that_shells_write(encoding: str, tmp_path: Path) -> None:
    """Windows PowerShell writes `weft convert a.json > b.json` as UTF-16."""
    for document in ({"1": {**NODE, "_meta": {"title": "Ä"}}}, UI):
        (tmp_path / "w.json").write_bytes(json.dumps(document, ensure_ascii=False).encode(encoding))
        loaded = load(tmp_path / "w.json")
        assert isinstance(loaded, Workflow) if document is UI else loaded.nodes["1"].title == "Ä"


@pytest.mark.parametrize("prompt", ['{"1": ', "{}", '{"1": 5}', '{"1": {"inputs": {}}}'], ids=str)
@pytest.mark.parametrize("ui", [False, True], ids=["prompt", "workflow"])
def test_a_broken_prompt_leaves_the_workflow(prompt: str, ui: bool, tmp_path: Path) -> None:
    loaded = load_bytes(tmp_path, texts(prompt=prompt, workflow=json.dumps(UI)), ui)
    assert isinstance(loaded, Workflow)
    said = [str(note) for note in loaded.notes]
    if not ui or prompt == '{"1": ':
        assert len(said) == 1
        assert "the prompt in" in said[0]
        assert "the editor's workflow is taken instead" in said[0]


def test_a_broken_workflow_leaves_the_prompt(tmp_path: Path) -> None:
    content = texts(prompt=json.dumps({"1": NODE}), workflow='{"nodes": [')
    loaded = load_bytes(tmp_path, content, ui=False)
    assert list(loaded.nodes) == ["1"]
    (note,) = loaded.notes
    assert "the workflow in" in str(note)
    assert "the prompt, which is what ran, is taken" in str(note)
    said = refused(tmp_path / "cut.png", ui=True)
    assert "is no JSON" in said
    assert "leave --ui away" in said


def test_two_broken_halves_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(texts(prompt="{", workflow="{"))
    assert "the prompt in" in refused(tmp_path / "cut.png")


def texts(**values: str) -> bytes:
    info = PngInfo()
    for name, value in values.items():
        info.add_text(name, value)
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def test_a_wrapped_workflow_of_the_editor() -> None:
    for document in ({"workflow": UI}, {"input": {"workflow": UI}}, {"workflow": json.dumps(UI)}):
        assert isinstance(load(document), Workflow)
    both = {"workflow": UI, "output": {"1": NODE}}
    assert list(load(both).nodes) == ["1"]
    assert load(both).extra_pnginfo == {"workflow": UI}
    assert isinstance(load(both, ui=True), Workflow)
