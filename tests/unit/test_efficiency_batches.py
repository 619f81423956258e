"""The files of a folder as the values of an axis."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import MissingFile, OutsideFolder
from engine.folders import Folders
from nodes.efficiency.batches import batch_files, listed

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


@pytest.mark.parametrize("path", ["/example_folder", "C:\\loras", "\\\\server\\loras", "../checkpoints", "style/../.."])
def test_a_folder_elsewhere_is_refused(folders: Folders, loras: Path, path: str) -> None:
    with pytest.raises(OutsideFolder, match="batch_path"):
        batch_files(folders, "loras", path, False, "ascending", ALL)


def test_a_neighbour_of_the_model_folder_is_refused(folders: Folders, loras: Path) -> None:
    (loras.parent / "loras2").mkdir()
    with pytest.raises(OutsideFolder, match="none of the model folders"):
        batch_files(folders, "loras", str(loras.parent / "loras2"), False, "ascending", ALL)


def test_a_folder_without_files_is_told(folders: Folders, loras: Path) -> None:
    with pytest.raises(MissingFile, match=r"'stile' holds no file of loras.*did you mean 'style'"):
        batch_files(folders, "loras", "stile", False, "ascending", ALL)
    with pytest.raises(MissingFile, match=r"'absent' holds no file of checkpoints.*looked below"):
        batch_files(folders, "checkpoints", "absent", False, "ascending", ALL)


def test_which_files_there_are_joins_the_key(folders: Folders, loras: Path) -> None:
    fingerprint = listed("loras", "Batch")
    assert fingerprint(folders, {"input_mode": "LoRA Names"}) == []
    assert "top.safetensors" in fingerprint(folders, {"input_mode": "LoRA Batch"})
    assert "top.safetensors" in fingerprint(folders, {})  # the mode is linked: nobody knows
