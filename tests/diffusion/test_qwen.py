"""Qwen-Image and Z-Image on small files of random weights, and the tokenizer that both read by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import release_in, small_file
from weft.nodes.diffusion.families.qwen.rope import centred
from weft.nodes.diffusion.families.references import PatchGrid, places
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.qwen_tokenizer import encode
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
QWEN, ZIMAGE = "qwen_image", "z_image"
TYPES = {QWEN: "qwen_image", ZIMAGE: "lumina2"}
# As the tokenizers of Qwen2.5 and Qwen3 give them.
IDS = {
    "a photo of a cat": [64, 6548, 315, 264, 8251],
    "<|im_start|>user\n": [151644, 872, 198],
    "<think>": [151667],
}


def file_of(folder: Path, kind: str, release: str) -> Path:
    tensors = small_file(kind, "x", release, Path())
    assert tensors is not None
    path = folder / f"{release}_{kind}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qwen")


@pytest.fixture(scope="module", params=[QWEN, ZIMAGE])
def opened(request: pytest.FixtureRequest, folder: Path) -> tuple[str, ModelPatcher, Clip]:
    release: str = request.param
    model = load_unet(file_of(folder, "diffusion_models", release), **ON_CPU)
    return release, model, load_clip([file_of(folder, "text_encoders", release)], TYPES[release], **ON_CPU)


def sampled(model: ModelPatcher, clip: Clip, latent: dict[str, Any], **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 2.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": clip.encode("a cat"), "negative": clip.encode("some other words"), **changes,
    }  # fmt: skip
    return ksample(model, latent, **settings)


@pytest.mark.parametrize("text", IDS)
def test_the_ids_are_qwens(text: str) -> None:
    assert encode(text) == IDS[text]


def test_any_text_has_ids() -> None:
    assert len(encode("it is  50%\n\nnew 色调艳丽 😀")) > 8
    assert encode("") == []


def test_parentheses_are_read_as_they_stand(opened: tuple[str, ModelPatcher, Clip]) -> None:
    release, _, clip = opened
    [[plain, options]] = clip.encode("a cat")
    [[weighted, _]] = clip.encode("a (cat:1.5)")
    assert weighted.shape[1] > plain.shape[1]
    # Of Qwen-Image the system's words are left out: two of the user's, and five behind them.
    assert plain.shape[1] == (7 if release == QWEN else 10)
    assert list(options) == ([] if release == QWEN else ["attention_mask"])
    assert clip.encode("")[0][0].shape[1] == plain.shape[1] - 2


def test_a_chat_of_ones_own_is_taken_as_it_is(opened: tuple[str, ModelPatcher, Clip]) -> None:
    _, _, clip = opened
    [[rows, _]] = clip.encode("<|im_start|>user\na cat<|im_end|>\n")
    assert rows.shape[1] == 7


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde"])
def test_two_stages_are_the_single_run_bit_for_bit(opened: tuple[str, ModelPatcher, Clip], sampler: str) -> None:
    _, model, clip = opened
    settings: dict[str, Any] = {"sampler": sampler, "mode": "continuous"}
    empty = {"samples": torch.zeros(1, 16, 5, 6)}
    whole = sampled(model, clip, empty, **settings)["samples"]
    first = sampled(model, clip, empty, end=2, **settings)
    second = sampled(model, clip, first, start=2, add_noise=False, **settings)["samples"]
    assert torch.equal(second, whole)


def test_an_odd_number_of_rows_has_its_middle_at_zero() -> None:
    angles, words = centred((16, 56, 56))(places(PatchGrid(3, 2), centred=True), 4)
    assert angles.shape == (6, 64)
    assert words.shape == (4, 64)
    # Row 1 of 3 is at 0, row 0 at -1; a picture's words begin behind its larger half.
    assert torch.equal(angles[2, 8:36], torch.ones(28, dtype=torch.complex64))
    torch.testing.assert_close(angles[0, 8].angle(), torch.tensor(-1.0))
    torch.testing.assert_close(words[0, 8].angle(), torch.tensor(1.0))


@pytest.mark.parametrize(
    ("release", "spelling", "rows"),
    [
        (QWEN, "transformer.transformer_blocks.0.attn.to_q", 128),
        (QWEN, "transformer_blocks.0.attn.add_k_proj", 128),
        (ZIMAGE, "diffusion_model.layers.0.attention.qkv", 768),
        (ZIMAGE, "diffusion_model.layers.0.attention.to_k", 256),
        (ZIMAGE, "lora_unet_layers_0_attention_out", 256),
    ],
)
def test_a_lora_lands_by_any_name(folder: Path, tmp_path: Path, release: str, spelling: str, rows: int) -> None:
    model = load_unet(file_of(folder, "diffusion_models", release), **ON_CPU)
    width = 128 if release == QWEN else 256
    up, down = torch.randn(rows, 4), torch.randn(4, width)
    save_file({f"{spelling}.lora_up.weight": up, f"{spelling}.lora_down.weight": down}, tmp_path / "lora.safetensors")
    patched, _, report = apply_lora(model, None, load_lora(tmp_path / "lora.safetensors"), 1.0, 0.0)
    assert patched is not None
    assert not report.unmatched
    changed = {
        name: weight - model.network.base.get_parameter(name)
        for name, weight in patched.network.module().named_parameters()
        if not torch.equal(weight, model.network.base.get_parameter(name))
    }
    together: Tensor = torch.cat([changed[name] for name in _in_order(list(changed))])
    torch.testing.assert_close(together, up @ down, rtol=1e-4, atol=1e-4)


def _in_order(names: list[str]) -> list[str]:
    parts = ("to_q", "to_k", "to_v")
    return sorted(names, key=lambda name: next((at for at, part in enumerate(parts) if part in name), 0))


@pytest.mark.parametrize(("release", "title"), [(QWEN, "Qwen-Image"), (ZIMAGE, "Z-Image")])
def test_a_file_says_its_release(release: str, title: str) -> None:
    tensors = small_file("diffusion_models", "x", release, Path())
    assert tensors is not None
    assert release_in({key: tuple(value.shape) for key, value in tensors.items()}) == title


def test_bad_input_says_what_was_expected(opened: tuple[str, ModelPatcher, Clip], folder: Path) -> None:
    release, model, clip = opened
    with pytest.raises(DiffusionError, match=r"its width is 5, (Qwen|Z)-Image reads 8"):
        sampled(model, clip, {"samples": torch.zeros(1, 16, 4, 4)}, positive=[[torch.zeros(1, 3, 5), {}]])
    if release == QWEN:
        with pytest.raises(DiffusionError, match="the latent has 3 frames, and Qwen-Image draws pictures"):
            sampled(model, clip, {"samples": torch.zeros(1, 16, 3, 4, 4)})
    files = [file_of(folder, "text_encoders", release)] * 2
    with pytest.raises(CheckpointError, match=r"of type '\w+' are (qwen\w+)(?: or qwen3vl)?, got \1 \+ \1"):
        load_clip(files, TYPES[release], **ON_CPU)
