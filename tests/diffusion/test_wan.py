"""Wan on small files of random weights: the pair, known frames, the video VAEs, umT5, LoRAs of every spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families import release_in, release_meant
from weft.nodes.diffusion.families.wan.clips import begun, begun_latent, framed
from weft.nodes.diffusion.families.wan.tiny import small_file
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.weights.checkpoint import load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}


def tensors(kind: str, release: str = "wan", name: str = "high") -> dict[str, Tensor]:
    found = small_file(kind, name, release)
    assert found is not None
    return {key: value.contiguous() for key, value in found.items()}


def opened(folder: Path, release: str = "wan", name: str = "high") -> ModelPatcher:
    save_file(tensors("diffusion_models", release, name), folder / f"{release}_{name}.safetensors")
    return load_unet(folder / f"{release}_{name}.safetensors", **ON_CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wan")


@pytest.fixture(scope="module")
def high(folder: Path) -> ModelPatcher:
    return opened(folder)


@pytest.fixture(scope="module")
def low(folder: Path) -> ModelPatcher:
    return opened(folder, name="low")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Clip:
    save_file(tensors("text_encoders"), folder / "umt5.safetensors")
    return load_clip([folder / "umt5.safetensors"], "wan", **ON_CPU)


@pytest.fixture(scope="module")
def vae(folder: Path) -> Any:
    save_file(tensors("vae"), folder / "vae.safetensors")
    return load_vae(folder / "vae.safetensors", **ON_CPU)


def sampled(model: ModelPatcher, clip: Clip, latent: dict[str, Any], **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 2.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": clip.encode("a cat"), "negative": clip.encode(""), **changes,
    }  # fmt: skip
    return ksample(model, latent, **settings)


def empty(channels: int = 16, frames: int = 2, side: int = 4) -> dict[str, Tensor]:
    return {"samples": torch.zeros(1, channels, frames, side, side)}


def test_a_prompt_is_umt5s_rows_and_nothing_behind_them(clip: Clip) -> None:
    [[rows, options]] = clip.encode("a cat")
    assert rows.shape == (1, 512, 32)
    assert options == {}
    assert rows[0, :7].any(dim=1).all()
    assert not rows[0, 7:].any()


@pytest.mark.parametrize("sampler", ["euler", "uni_pc", "dpmpp_2m_sde", "lcm"])
@pytest.mark.parametrize("cut", [1, 3])
def test_two_stages_of_one_model_are_the_single_run_bit_for_bit(
    high: ModelPatcher, clip: Clip, sampler: str, cut: int
) -> None:
    settings: dict[str, Any] = {"sampler": sampler, "mode": "continuous"}
    whole = sampled(high, clip, empty(), **settings)["samples"]
    first = sampled(high, clip, empty(), end=cut, **settings)
    second = sampled(high, clip, first, start=cut, add_noise=False, **settings)["samples"]
    assert torch.equal(second, whole)


def test_a_pair_is_two_models(high: ModelPatcher, low: ModelPatcher, clip: Clip) -> None:
    first = sampled(high, clip, empty(), end=2)
    # A stage that stops with noise in it hands on what the next one begins with, times 1 - sigma.
    assert first["samples"].abs().max() > 10
    pair = sampled(low, clip, first, start=2, add_noise=False)["samples"]
    alone = sampled(high, clip, first, start=2, add_noise=False)["samples"]
    assert pair.isfinite().all()
    assert not torch.allclose(pair, alone)


def test_a_picture_is_a_video_of_one_frame(high: ModelPatcher, clip: Clip) -> None:
    picture = sampled(high, clip, {"samples": torch.zeros(1, 16, 4, 4)})["samples"]
    assert picture.shape == (1, 16, 1, 4, 4)
    assert torch.equal(picture, sampled(high, clip, empty(frames=1))["samples"])


def test_frames_that_are_known_change_the_rest(folder: Path, clip: Clip, vae: Any) -> None:
    model = opened(folder, "wan_i2v")
    pictures = torch.rand(2, 40, 40, 3, generator=torch.Generator().manual_seed(0))
    known = begun(vae, 32, 32, 5, pictures[:1])
    assert known.image.shape == (1, 16, 2, 4, 4)
    assert known.mask[:, :, 0].max() == 0
    assert known.mask[:, :, 1].min() == 1
    both = framed(vae, 32, 32, 5, pictures[:1], pictures[1:])
    assert both.mask.shape == (1, 4, 2, 4, 4)
    assert both.mask[0, :, :, 0, 0].tolist() == [[0, 1], [0, 1], [0, 1], [0, 0]]
    results = []
    for told in ({}, known._asdict(), both._asdict()):
        options = {f"concat_{'latent_image' if key == 'image' else key}": value for key, value in told.items()}
        positive = [[rows, {**given, **options}] for rows, given in clip.encode("a cat")]
        results.append(sampled(model, clip, empty(), positive=positive, cfg=1.0)["samples"])
    assert not torch.allclose(results[0], results[1])
    assert not torch.allclose(results[1], results[2])


def test_the_5b_model_keeps_what_it_is_given(folder: Path, clip: Clip) -> None:
    model = opened(folder, "wan_ti2v")
    save_file(tensors("vae", "wan_ti2v"), folder / "vae22.safetensors")
    vae = load_vae(folder / "vae22.safetensors", **ON_CPU)
    picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    latent = begun_latent(vae, 64, 64, 9, picture, 1)
    assert latent["samples"].shape == (1, 48, 3, 4, 4)
    assert latent["noise_mask"][0, 0, :, 0, 0].tolist() == [0, 1, 1]
    result = sampled(model, clip, dict(latent))["samples"]
    torch.testing.assert_close(result[:, :, 0], latent["samples"][:, :, 0])
    again = sampled(model, clip, {"samples": latent["samples"]})["samples"]
    assert not torch.allclose(result[:, :, 1:], again[:, :, 1:])
    assert vae.decode(result).shape == (9, 64, 64, 3)


def test_the_vae_of_pictures_is_refused_where_a_video_is_begun(vae: Any) -> None:
    class Pictures:
        frames, downscale, latent_channels = 0, 8, 16

    pictures: Any = Pictures()
    with pytest.raises(DiffusionError, match="this VAE is of pictures: Wan needs the VAE of Wan 2.1"):
        begun(pictures, 32, 32, 5, torch.rand(1, 32, 32, 3))
    with pytest.raises(DiffusionError, match="this VAE has 16 channels: the latents are for Wan 2.2 5B"):
        begun_latent(vae, 32, 32, 5, torch.rand(1, 32, 32, 3), 1)


@pytest.mark.parametrize("release", ["wan", "wan_i2v", "wan_ti2v"])
def test_a_file_says_its_release_by_its_shapes(release: str) -> None:
    titles = {"wan": "Wan text-to-video", "wan_i2v": "Wan image-to-video", "wan_ti2v": "Wan 2.2 5B"}
    shapes = {key: tuple(value.shape) for key, value in tensors("diffusion_models", release).items()}
    assert release_in(shapes) == titles[release]


def test_the_name_of_a_file_says_what_stands_in_for_it() -> None:
    names = {
        "wan2.2_t2v_high_noise_14B": "wan",
        "wan2.2_i2v_low_noise_14B": "wan_i2v",
        "wan2.1_flf2v_720p_14B": "wan21_flf2v",
        "wan2.2_ti2v_5B": "wan_ti2v",
    }
    assert {name: release_meant(name) for name in names} == names
    assert tensors("clip_vision", "wan_i2v")


SPELLINGS = (
    "diffusion_model.blocks.0.self_attn.q",
    "lora_unet_blocks_0_self_attn_q",
    "lora_unet__blocks_0_self_attn_q",
    "transformer.blocks.0.attn1.to_q",
    "blocks.0.self_attn.q",
    "blocks.0.attn1.to_q",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_lora_lands_by_any_name(high: ModelPatcher, tmp_path: Path, spelling: str) -> None:
    generator = torch.Generator().manual_seed(0)
    up, down = torch.randn(128, 4, generator=generator), torch.randn(4, 128, generator=generator)
    layer = {f"{spelling}.lora_up.weight": up, f"{spelling}.lora_down.weight": down}
    save_file(layer, tmp_path / "a.safetensors")
    patched, _, _ = apply_lora(high, None, load_lora(tmp_path / "a.safetensors"), 0.5, 0.0)
    assert patched is not None
    weight = "blocks.0.attn1.to_q.weight"
    expected = high.network.base.get_parameter(weight) + 0.5 * up @ down
    torch.testing.assert_close(patched.network.module().get_parameter(weight), expected)


def test_bad_input_says_what_was_expected(high: ModelPatcher, clip: Clip, tmp_path: Path) -> None:
    [[rows, _]] = clip.encode("a cat")
    with pytest.raises(DiffusionError, match="its width is 8, Wan text-to-video reads 32"):
        sampled(high, clip, empty(), positive=[[rows[..., :8], {}]])
    with pytest.raises(DiffusionError, match="a picture to begin with, which Wan text-to-video does not read"):
        sampled(high, clip, empty(), positive=[[rows, {"concat_latent_image": torch.zeros(1, 16, 2, 4, 4)}]])
    with pytest.raises(DiffusionError, match="4 channels, the model takes 16"):
        sampled(high, clip, {"samples": torch.ones(1, 4, 2, 4, 4)})
    animate = {**tensors("diffusion_models"), "face_adapter.fuser_blocks.0.linear1_kv.weight": torch.zeros(1)}
    save_file(animate, tmp_path / "animate.safetensors")
    with pytest.raises(CheckpointError, match="this is Wan Animate, which is not supported"):
        load_unet(tmp_path / "animate.safetensors", **ON_CPU)
    bare = tensors("text_encoders")
    bare.pop("tokenizer_json")
    save_file(bare, tmp_path / "umt5.safetensors")
    with pytest.raises(CheckpointError, match="it has no spiece_model, the tokenizer"):
        load_clip([tmp_path / "umt5.safetensors"], "wan", **ON_CPU)
