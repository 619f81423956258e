"""What a prompt from the network may name: no path out of the folders, and any text that is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from weft.engine.folders import Folders
from weft.engine.serving.paths import leads_out

from .talk import Client, Running, graph, image


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("models", "input", "output", "temp"):
        (tmp_path / name).mkdir()
    (tmp_path / "input" / "in.png").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"")
    (tmp_path / "input" / "link").symlink_to(tmp_path / "secret")
    places = {name: tmp_path / name for name in ("input", "output", "temp")}
    return Folders(models=(tmp_path / "models",), **places, warn=lambda _: None)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "~/x", "~root/x", "../x", "a/../../x", "..\\x", "C:\\x", "C:x", "\\\\host\\share\\x", "//host/x",
        " /etc/passwd", '"/etc/passwd"', "file:///etc/passwd", "a\0b", "/nowhere/at/all", "~", "..",
    ],
)  # fmt: skip
def test_an_input_that_is_a_path_takes_names_below_a_folder(folders: Folders, name: str) -> None:
    assert leads_out(name, folders, is_path=True)


@pytest.mark.parametrize("name", ["", "a", "a/b", "a/../b", "a..b", "%date:yyyy%/x", "https://host/a/../b.png", "."])
def test_and_no_others_are_refused(folders: Folders, name: str) -> None:
    assert not leads_out(name, folders, is_path=True)


@pytest.mark.parametrize(
    "text",
    [
        "/", "~", "a photo and/or a film", "/imagine a cat", "~100 birds", "../ and so on ...", "..", "1/2", "//", "",
        "/r/photography style", "a\n/etc/passwd", "x" * 10_000, "/" + "x" * 4000, "</s>", "~~", "and so on ..",
    ],
)  # fmt: skip
def test_a_text_is_no_path(folders: Folders, text: str) -> None:
    assert not leads_out(text, folders)


def test_a_text_that_leads_out_to_what_is_there_is_a_path(folders: Folders, tmp_path: Path) -> None:
    inside = [folders.input / "in.png", folders.output / "new.png", folders.models[0]]
    assert [leads_out(str(each), folders) for each in inside] == ["", "", ""]
    outside = [tmp_path / "secret", tmp_path / "new", folders.input / "link", folders.input / ".." / "secret"]
    assert [bool(leads_out(str(each), folders)) for each in outside] == [True] * 4
    assert leads_out(os.path.relpath(tmp_path / "secret", Path.cwd()), folders) or Path.cwd() == tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "/etc/none-such",
        "/etc/a b/none",
        "//etc/none",
        "/x/../etc/none",
        "~/none such",
        "~nobody-such/x",
        "../none/such",
    ],
)
def test_whether_an_outside_path_is_there_is_not_told(folders: Folders, text: str) -> None:
    assert leads_out(text, folders) == "lies outside of the folders"


@pytest.mark.parametrize("name", ["../a\nb", "../" + "./" * 3000 + "x", "https:/../../x", "data:/../../../x"])
def test_no_form_of_a_path_hides_where_it_leads(folders: Folders, name: str) -> None:
    assert leads_out(name, folders, is_path=True)


def errors(answer: Any, node: str) -> dict[str, Any]:
    assert answer.status == 400, answer
    [found] = answer.json["node_errors"][node]["errors"]
    return dict(found)


def test_a_prompt_that_leads_out_is_refused_and_its_node_named(alone: Client, one: Running) -> None:
    save = {"images": "@i"}
    prompt = graph(i=image(), s=("SaveImage", {**save, "filename_prefix": "/tmp/mine"}), p=("PreviewImage", save))
    answer = alone.post(prompt)
    assert answer.status == 200
    [error] = answer.json["node_errors"]["s"]["errors"]
    assert (error["type"], error["extra_info"]["input_name"]) == ("custom_validation_failed", "filename_prefix")
    assert answer.json["node_errors"]["s"]["dependent_outputs"] == ["s"]
    alone.frames(answer.json["prompt_id"])
    del prompt["p"]
    found = errors(alone.post(prompt), "s")
    assert found["details"] == "filename_prefix - '/tmp/mine' is no name below a folder"
    secret = one.folder / "secret.txt"
    secret.write_text("secret")
    assert errors(alone.post(graph(says=("TestSays", {"text": str(secret)}))), "says")["details"].startswith("text - ")
    assert alone.post(graph(says=("TestSays", {"text": "/ and ~ and ../.."}))).status == 200
    load = errors(alone.post(graph(i=("LoadImage", {"image": str(secret)}), s=("PreviewImage", {"images": "@i"}))), "i")
    assert "image" in load["details"]
