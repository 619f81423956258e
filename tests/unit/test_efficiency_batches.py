"""The files of a folder as the values of an axis."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.engine.errors import MissingFile, OutsideFolder
from weft.engine.folders import Folders
from weft.nodes.efficiency.batches import batch_files, listed

ALL = -1


@pytest.fixture
def loras(folders: Folders) -> Path:
    root = folders.models[0] / "loras"
    for name in ("top.safetensors", "style/b.safetensors", "style/a.pt", "style/deep/c.ckpt", "style/notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_folder_below_the_model_folder(folders: Folders, loras: Path) -> None:
    expected = ["style/a.pt", "style/b.safetensors"]
    for path in ("style", "style/", ".\\style", str(loras / "style"), f"{loras}//style/"):
        assert batch_files(folders, "loras", path, False, "ascending", ALL) == expected
    assert batch_files(folders, "loras", "style", False, "descending", ALL) == expected[::-1]


def test_with_folders_in_it(folders: Folders, loras: Path) -> None:
    found = batch_files(folders, "loras", "style", True, "ascending", ALL)
    assert found == ["style/a.pt", "style/b.safetensors", "style/deep/c.ckpt"]


def test_the_model_folder_itself(folders: Folders, loras: Path) -> None:
    """Names are those that a loader takes: the same folder of another root has a part in them."""
    at_the_top = batch_files(folders, "loras", str(loras), False, "ascending", ALL)
    assert "top.safetensors" in at_the_top
    assert not any("/" in name for name in at_the_top)
    everything = batch_files(folders, "loras", str(loras), True, "ascending", ALL)
    assert {"style/deep/c.ckpt", "style/a.pt", "top.safetensors"} <= set(everything)


def test_at_most(folders: Folders, loras: Path) -> None:
    assert batch_files(folders, "loras", "style", True, "ascending", 2) == ["style/a.pt", "style/b.safetensors"]
    assert batch_files(folders, "loras", "style", True, "descending", 1) == ["style/deep/c.ckpt"]
    assert batch_files(folders, "loras", "style", True, "ascending", 0) == []


@pytest.mark.parametrize("path", ["../checkpoints", "style/../..", "/a/../../b"])
def test_a_path_that_goes_up_is_refused(folders: Folders, loras: Path, path: str) -> None:
    with pytest.raises(OutsideFolder, match="batch_path"):
        batch_files(folders, "loras", path, False, "ascending", ALL)


def test_a_folder_elsewhere_gives_absolute_names(folders: Folders, loras: Path, tmp_path: Path) -> None:
    """Only the files of a folder that was named are found by such names."""
    elsewhere = tmp_path / "elsewhere"
    for name in ("b.safetensors", "a.pt", "deep/c.ckpt", "notes.txt"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).touch()
    first = str(elsewhere / "a.pt")
    with pytest.raises(OutsideFolder):
        folders.find("loras", first)
    found = batch_files(folders, "loras", str(elsewhere), False, "ascending", ALL)
    assert found == [first, str(elsewhere / "b.safetensors")]
    assert folders.find("loras", first) == Path(first)
    for kind, name in (
        ("vae", first),
        ("loras", str(elsewhere / "notes.txt")),
        ("loras", str(elsewhere / "deep/c.ckpt")),
    ):
        with pytest.raises(OutsideFolder):
            folders.find(kind, name)
    assert len(batch_files(folders, "loras", f"{elsewhere}/", True, "descending", ALL)) == 3


def test_a_plan_adopts_the_files_of_an_axis_that_comes_from_the_cache(
    folders: Folders, loras: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "a.pt"
    file.touch()
    constants = {"input_mode": "X: LoRA Batch, Y: LoRA Weight", "X_batch_path": str(file.parent)}
    assert listed("loras", "Batch", "X_")(folders, constants) == [str(file)]
    assert folders.find("loras", str(file)) == file
    assert listed("loras", "Batch", "X_")(folders, {**constants, "X_batch_path": "../x"}) == []


def test_a_folder_without_files_is_told(folders: Folders, loras: Path) -> None:
    with pytest.raises(MissingFile, match=r"'stile' holds no file of loras.*did you mean 'style'"):
        batch_files(folders, "loras", "stile", False, "ascending", ALL)
    with pytest.raises(MissingFile, match=r"'absent' holds no file of checkpoints.*looked in"):
        batch_files(folders, "checkpoints", "absent", False, "ascending", ALL)
    with pytest.raises(MissingFile, match=r"'/example_folder' holds no file of loras.*looked in /example_folder"):
        batch_files(folders, "loras", "/example_folder", True, "ascending", ALL)


def test_which_files_there_are_joins_the_key(folders: Folders, loras: Path) -> None:
    fingerprint = listed("loras", "Batch")
    assert fingerprint(folders, {"input_mode": "LoRA Names"}) == []
    assert "top.safetensors" in fingerprint(folders, {"input_mode": "LoRA Batch"})
    linked = {"batch_path": "style"}  # the mode is linked: nobody knows
    assert "top.safetensors" in fingerprint(folders, linked)
