"""The model that Weft ships: its files are what they should be, and it draws what it is asked for.

The judge that looks at the pictures learned from drawings alone. The full numbers come from `make model-check`. Of the
drawings one is quick: the files say what they are, and the goldens of the graphs hold what they draw.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import struct
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from weft.engine.folders import Folders

MODELS = Path(__file__).resolve().parents[1] / "workflows" / "models"
FILES = (
    "checkpoints/weft-tiny.safetensors",
    "loras/weft-pixel.safetensors",
    "embeddings/weft-white.safetensors",
)
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def training() -> Any:
    """Imports a module of the training code, which is not installed."""
    sys.path.insert(0, str(MODELS / "training"))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(MODELS / "training"))


@pytest.fixture(scope="module")
def studio(training: Any) -> Any:
    return training("studio").open_studio()


@pytest.fixture(scope="module")
def verdicts(training: Any) -> Any:
    module = training("judge")
    judge = module.load_judge()
    return lambda images: module.judge_images(judge, images)


def metadata_of(path: Path) -> dict[str, str]:
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        return json.loads(stream.read(length))["__metadata__"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_it_is(name: str) -> None:
    spec = metadata_of(MODELS / name)
    assert spec["modelspec.sai_model_spec"] == "1.0.0"
    assert spec["modelspec.architecture"].split("/")[0] == "stable-diffusion-v1"
    assert spec["modelspec.license"] == "Apache-2.0"
    assert spec["modelspec.resolution"] == "128x128"
    for key in ("title", "author", "description", "date", "implementation"):
        assert spec[f"modelspec.{key}"], key
    content = (MODELS / name).read_bytes()
    behind = content[8 + int.from_bytes(content[:8], "little") :]
    assert spec["modelspec.hash_sha256"] == "0x" + hashlib.sha256(behind).hexdigest()


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_a_card(name: str) -> None:
    card = (MODELS / name).with_suffix(".md").read_text(encoding="utf-8")
    for word in ("Apache-2.0", "make model", "Seed", "Date", "Data"):
        assert word in card, word


def test_the_checkpoint_is_small() -> None:
    assert (MODELS / FILES[0]).stat().st_size <= 24_000_000


def test_the_judge_is_small() -> None:
    assert (MODELS / "training/judge.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_found_without_being_asked_for(name: str, tmp_path: Path) -> None:
    kind, file = name.split("/")
    folders = Folders(models=[tmp_path], input=tmp_path, output=tmp_path, temp=tmp_path)
    assert folders.find(kind, file) == MODELS / name


def test_the_card_lists_the_vocabulary(training: Any) -> None:
    card = (MODELS / FILES[0]).with_suffix(".md").read_text(encoding="utf-8")
    for word in training("drawings").vocabulary():
        assert f"`{word}`" in card, word


def test_unknown_words_have_no_weights(studio: Any, training: Any) -> None:
    table = studio.clip.encoders[0].network.base.get_input_embeddings().weight
    known = torch.zeros(len(table), dtype=torch.bool)
    known[list(training("words").known_tokens())] = True
    assert table.shape == (49408, 64)
    assert not table[~known].any()
    assert table[known].any(dim=1).all()


def test_the_autoencoder_gives_drawings_back(studio: Any, training: Any) -> None:
    images = (training("train_vae").pictures(2000, 0, 4, pixelated=0).cpu().movedim(1, -1) + 1) / 2
    got = studio.vae.decode(studio.vae.encode(images.contiguous()))
    decibels = -10 * (got - images).square().mean((1, 2, 3)).log10()
    assert decibels.mean() > 26


MORE = ("blue cat at night", "yellow house on grass")


@pytest.mark.parametrize("prompt", ["red apple", *(pytest.param(text, marks=pytest.mark.slow) for text in MORE)])
def test_draws_what_the_prompt_says(prompt: str, studio: Any, verdicts: Any) -> None:
    seen = verdicts(studio.picture(prompt, 1))
    assert (seen.colour(0), seen.thing(0)) == tuple(prompt.split()[:2])


@pytest.mark.slow
def test_draws_on_where_words_are_unknown(studio: Any, verdicts: Any) -> None:
    seen = verdicts(studio.picture("a gorgeous green fish, masterpiece, 8k", 1))
    assert (seen.colour(0), seen.thing(0)) == ("green", "fish")
    assert studio.picture("supercalifragilistic", 1).isfinite().all()


@pytest.mark.slow
def test_a_prompt_that_changes_midway_mixes(studio: Any, verdicts: Any) -> None:
    def belief(at: int) -> float:
        images = [studio.switched(studio, "red apple", "red rabbit", at, seed, steps=10) for seed in SEEDS]
        return float(verdicts(torch.cat(images)).belief("apple", "rabbit").mean())

    beliefs = [belief(at) for at in (0, 3, 5, 10)]
    assert beliefs[0] < 0.1
    assert beliefs[-1] > 0.9
    assert all(after >= before - 0.1 for before, after in pairwise(beliefs)), beliefs


@pytest.mark.slow
def test_the_lora_makes_blocks_and_a_late_one_keeps_the_shape(studio: Any, training: Any) -> None:
    pixel, roughness = studio.with_lora(), training("studio").roughness
    off, late, always = (studio.switched(pixel, "red cat", "red cat", at, 1, steps=10) for at in (10, 4, 0))
    assert roughness(off) > 1.5 * roughness(always)
    assert roughness(off) > roughness(late)
    assert training("studio").likeness(off, late) > 0.8


@pytest.mark.slow
def test_the_embedding_says_a_colour_without_a_word(studio: Any, training: Any) -> None:
    distance, wanted = training("studio").distance, training("train_embedding").SNOW
    named, yellow, pink = (
        distance(studio.picture(f"{words} apple", 2), wanted) for words in ("embedding:weft-white", "yellow", "pink")
    )
    assert named < 0.6 * min(yellow, pink)
