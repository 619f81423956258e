"""Folders of pictures, through the engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import weft
from weft.engine.errors import InvalidWorkflow, NodeError
from weft.engine.folders import Folders
from weft.engine.schema.authoring import read_function
from weft.nodes.core.datasets import LoadImageTextSetFromFolderNode


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """input/cats: a (4x4, red), b (8x4, green), and a folder whose picture counts twice (blue)."""
    folder = tmp_path / "input" / "cats"
    (folder / "2_blue").mkdir(parents=True)
    for name, size, colour in (
        ("a", (4, 4), "red"),
        ("b", (8, 4), (0, 255, 0)),
        ("2_blue/c", (4, 4), "blue"),
    ):
        Image.new("RGB", size, colour).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("a cat\n")
    (folder / "notes.md").write_text("none")
    return tmp_path / "input"


def run(folder: Path, class_type: str, name: str = "cats", **inputs: Any) -> Any:
    prompt = {"1": {"class_type": class_type, "inputs": {"folder": name, **inputs}}}
    return weft.run(prompt, targets=["1"], input=folder, device="cpu")["1"]


@pytest.mark.parametrize(
    ("method", "second"),
    [
        ("Stretch", [[1.0] * 4] * 4),
        ("Crop", [[1.0] * 4] * 4),
        ("Pad", [[0.0] * 4, [1.0] * 4, [1.0] * 4, [0.0] * 4]),
    ],
)
def test_pictures_of_a_folder_are_one_batch(pictures: Path, method: str, second: list[list[float]]) -> None:
    (batch,) = run(pictures, "LoadImageSetFromFolderNode", resize_method=method)
    assert tuple(batch.shape) == (4, 4, 4, 3)
    assert batch[0, 0, 0].tolist() == [1, 0, 0]
    assert batch[1, ..., 1].round().tolist() == second
    assert batch[2:, 0, 0].tolist() == [[0, 0, 1]] * 2


def test_pictures_of_several_sizes_need_a_method(pictures: Path) -> None:
    with pytest.raises(NodeError, match="a picture is 8x4, expected 4x4: choose a resize_method"):
        run(pictures, "LoadImageSetFromFolderNode")


def test_pictures_and_captions_as_lists(pictures: Path) -> None:
    images, texts = run(pictures, "LoadImageTextDataSetFromFolder")
    assert [tuple(image.shape) for image in images] == [(1, 4, 4, 3), (1, 4, 8, 3), *[(1, 4, 4, 3)] * 2]
    assert list(texts) == ["a cat", "", "", ""]


def test_captions_are_prompts_and_join_the_cache_key(pictures: Path) -> None:
    folders = Folders(models=[], input=pictures, output=pictures, temp=pictures)
    settings = SimpleNamespace(max_pixels=99_999, numbers="0.33")
    context: Any = SimpleNamespace(folders=folders, settings=settings, progress=lambda *given: None, warn=None)
    clip: Any = SimpleNamespace(encode=lambda text, warn: [[text, {}]])
    call: Any = LoadImageTextSetFromFolderNode
    batch, prompts = call(folder="cats", clip=clip, resize_method="Stretch", width=6, height=-1, context=context)
    assert tuple(batch.shape) == (4, 4, 6, 3)
    assert prompts == [["a cat", {}], ["", {}], ["", {}], ["", {}]]
    fingerprint = read_function(LoadImageTextSetFromFolderNode).options.fingerprint
    assert fingerprint is not None
    named = [part for part in fingerprint(folders, {"folder": "cats"}) if isinstance(part, str)]
    assert named == ["a.png", "b.png", "2_blue/c.png", "2_blue/c.png", "a.txt"]


def test_a_folder_that_is_not_there_is_found_before_the_run(pictures: Path) -> None:
    with pytest.raises(InvalidWorkflow, match="folder 'cast' is not there.*did you mean 'cats'"):
        run(pictures, "LoadImageSetFromFolderNode", "cast")
    for name in ("../input/cats", "/tmp", ""):
        with pytest.raises(InvalidWorkflow):
            run(pictures, "LoadImageSetFromFolderNode", name)
    (pictures / "none").mkdir()
    with pytest.raises(NodeError, match="no picture is in"):
        run(pictures, "LoadImageSetFromFolderNode", "none")


def test_folders_by_what_they_hold(pictures: Path) -> None:
    folders = Folders(models=[], input=pictures, output=pictures, temp=pictures)
    assert folders.subfolders("input") == ("cats", "cats/2_blue")
    assert folders.subfolders("input", "c.png") == ("cats/2_blue",)
    assert folders.find_subfolder("input", "cats\\2_blue", "c.png") == pictures / "cats" / "2_blue"
