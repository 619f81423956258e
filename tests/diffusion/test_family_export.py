"""Transformers, their text encoders and VAEs, written in the layout that they were loaded from, and merged."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, PatchError
from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint, load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.export import save_clip, save_model, save_vae
from weft.nodes.diffusion.weights.merge import added, by_block, merge_models, subtracted

PLACE: Mapping[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
PREFIX = "model.diffusion_model."
RELEASES = ("flux", "wan", "wan_i2v", "wan_ti2v", "qwen_image", "z_image", "sd3")
TEXT = {
    "flux": ("flux", ("clip_l", "t5xxl")),
    "sd3": ("sd3", ("clip_l", "clip_g", "t5xxl")),
    "wan": ("wan", ("umt5_xxl",)),
    "qwen_image": ("qwen_image", ("qwen_2.5_vl_7b",)),
    "z_image": ("lumina2", ("qwen_3_4b",)),
}


def small(kind: str, name: str, release: str, folder: Path) -> tuple[dict[str, Tensor], Path]:
    tensors = small_file(kind, name, release, Path())
    assert tensors is not None
    tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
    path = folder / f"{name}.safetensors"
    save_file(tensors, path)
    return tensors, path


def written(save: Callable[[io.BytesIO], None]) -> dict[str, Tensor]:
    stream = io.BytesIO()
    save(stream)
    return load(stream.getvalue())


def assert_same(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key].float(), tensor.float()) for key, tensor in expected.items())


@pytest.mark.parametrize("release", RELEASES)
def test_a_model_is_what_its_file_was(release: str, tmp_path: Path) -> None:
    tensors, path = small("diffusion_models", release, release, tmp_path)
    model = load_unet(path, **PLACE)
    got = written(lambda stream: save_model(stream, model, None, None, title="x", metadata={}))
    assert_same({key.removeprefix(PREFIX): tensor for key, tensor in got.items()}, tensors)


@pytest.mark.parametrize("release", ["flux", "wan", "wan_ti2v", "qwen_image"])
def test_a_vae_is_what_its_file_was(release: str, tmp_path: Path) -> None:
    tensors, path = small("vae", release, release, tmp_path)
    vae = load_vae(path, **PLACE)
    assert_same(written(lambda stream: save_vae(stream, vae, {})), tensors)


@pytest.mark.parametrize("release", TEXT)
def test_text_encoders_are_what_their_files_were(release: str, tmp_path: Path) -> None:
    kind, names = TEXT[release]
    files = [small("text_encoders", name, release, tmp_path) for name in names]
    clip = load_clip([path for _, path in files], kind, **PLACE)
    got = [written(lambda stream, each=each: save_clip(stream, each, {})) for each in clip.encoders]
    for tensors, _ in files:
        (same,) = [each for each in got if each.keys() == tensors.keys()]
        assert_same(same, tensors)


@pytest.mark.parametrize("release", ["flux", "sd3"])
def test_a_checkpoint_is_what_its_file_was(release: str, tmp_path: Path) -> None:
    tensors, path = small("checkpoints", release, release, tmp_path)
    found = load_checkpoint(path, **PLACE)
    got = written(lambda stream: save_model(stream, found.model, found.clip, found.vae, title="x", metadata={}))
    assert_same(got, tensors)


def test_a_checkpoint_without_a_place_for_its_parts(tmp_path: Path) -> None:
    _, path = small("diffusion_models", "wan", "wan", tmp_path)
    _, text = small("text_encoders", "umt5_xxl", "wan", tmp_path)
    model, clip = load_unet(path, **PLACE), load_clip([text], "wan", **PLACE)
    with pytest.raises(
        DiffusionError, match="a checkpoint of Wan.* has no place for the text encoder 'umt5xxl': write"
    ):
        save_model(io.BytesIO(), model, clip, None, title="x", metadata={})


def other(model: Any) -> Any:
    """It with every weight doubled."""
    return merge_models(model, model, lambda name: added())[0]


@pytest.mark.parametrize("release", RELEASES)
def test_a_difference_is_put_on_again(release: str, tmp_path: Path) -> None:
    _, path = small("diffusion_models", release, release, tmp_path)
    model = load_unet(path, **PLACE)
    difference, _ = merge_models(other(model), model, lambda name: subtracted(1.0))
    again, _ = merge_models(model, difference, lambda name: added())
    for name, weight in model.network.module().named_parameters():
        torch.testing.assert_close(again.network.module().get_parameter(name), 2 * weight)


@pytest.mark.parametrize(
    ("release", "block", "inside", "outside"),
    [
        ("flux", "double_blocks.0.", "transformer_blocks.0.attn.to_k.weight", "context_embedder.weight"),
        ("flux", "single_blocks.0.", "single_transformer_blocks.0.proj_mlp.bias", "transformer_blocks.0.ff.net.2.bias"),
        ("sd3", "joint_blocks.0.", "transformer_blocks.0.attn.to_v.weight", "proj_out.weight"),
        ("wan", "blocks.0.", "blocks.0.attn1.to_q.weight", "patch_embedding.weight"),
        ("qwen_image", "transformer_blocks.0.", "transformer_blocks.0.attn.to_q.weight", "img_in.weight"),
    ],
)
def test_ratios_of_blocks(release: str, block: str, inside: str, outside: str, tmp_path: Path) -> None:
    _, path = small("diffusion_models", release, release, tmp_path)
    model = load_unet(path, **PLACE)
    merged, _ = merge_models(model, other(model), by_block({"none.": 1.0, block: 0.25}))
    was, got = model.network.module(), merged.network.module()
    torch.testing.assert_close(got.get_parameter(inside), 1.75 * was.get_parameter(inside))
    assert torch.equal(got.get_parameter(outside), was.get_parameter(outside))


def test_families_do_not_mix(tmp_path: Path) -> None:
    first, second = (
        load_unet(small("diffusion_models", release, release, tmp_path)[1], **PLACE)
        for release in ("wan", "qwen_image")
    )
    with pytest.raises(PatchError, match="a Wan.* and a Qwen-Image model cannot be merged"):
        merge_models(first, second, lambda name: added())
