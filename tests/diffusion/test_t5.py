"""T5's tokenizer: where it is looked for, and that no other is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.text.t5_tokenizer import find, ids_inside, ids_of, small_tokenizer


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-home"))


@pytest.mark.parametrize(
    "place",
    [
        "models/tokenizers/tokenizer.json",
        "models/tokenizers/t5/spiece.model",
        "models/text_encoders/t5_tokenizer.json",
        "comfy/text_encoders/t5_tokenizer/tokenizer.json",
        "hub-home/hub/models--black-forest-labs--FLUX.1-dev/snapshots/1/tokenizer_2/spiece.model",
        "hub-home/hub/models--google--t5-v1_1-xxl/snapshots/1/spiece.model",
    ],
)
def test_where_it_lies(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert find([tmp_path / "models" / "tokenizers"]) == path


def test_without_one_it_is_said_which_file_goes_where(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "tokenizers"
    (tmp_path / "models" / "text_encoders").mkdir(parents=True)
    (tmp_path / "models" / "text_encoders" / "tokenizer.json").write_text("{}")  # perhaps another encoder's
    with pytest.raises(DiffusionError, match=f"put tokenizer.json or spiece.model of google/t5-v1_1-xxl .*{folder}"):
        ids_of([folder])("a cat")


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    assert ids_inside(tokenizer)("ab a") == ids_inside(tokenizer)(" ab a")
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.numpy().tobytes())
    with pytest.raises(DiffusionError, match="is no tokenizer of T5: 'a photo of a cat' has the ids"):
        ids_of([tmp_path])("a cat")
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DiffusionError, match="tokenizer.json is no tokenizer: "):
        ids_of([tmp_path])("another text")
