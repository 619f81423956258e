"""A second family takes nothing but its own module: recognised from a file, built, fed, sampled, decoded, saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, PatchError
from weft.nodes.diffusion.families import FAMILIES, foreign
from weft.nodes.diffusion.families.sd.controlnet import SDControlKind
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.noise import RandomNoise
from weft.nodes.diffusion.sampling.patches.attention import hyper_tile
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.tiled_sampling import sample_tiled, tiled_stage
from weft.nodes.diffusion.weights.checkpoint import LoadedCheckpoint, load_checkpoint, load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.export import save_model
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.merge import merge_models, weighted

from .ksampling import ksample
from .toy_family import CHANNELS, PIXELS, ToyFamily, write

BOTH = (ToyFamily(), *FAMILIES)
OPTIONS: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32, "families": BOTH}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toys")


@pytest.fixture(scope="module")
def video(folder: Path) -> LoadedCheckpoint:
    return load_checkpoint(write(folder / "video.safetensors", video=True), **OPTIONS)


@pytest.fixture(scope="module")
def picture(folder: Path) -> LoadedCheckpoint:
    return load_checkpoint(write(folder / "picture.safetensors", video=False), **OPTIONS)


def sampled(toy: LoadedCheckpoint, latent: dict[str, Any], prompt: dict[str, Any] | None = None, **changes: Any) -> Any:
    assert toy.clip is not None
    positive = [[toy.clip.encode("a cat")[0][0], prompt or {}]]
    settings = {"seed": 3, "steps": 4, "cfg": 3.0, "sampler": "euler", "scheduler": "karras", **changes}
    return ksample(toy.model, latent, positive=positive, negative=toy.clip.encode(""), **settings)


def test_from_a_file_to_pictures(video: LoadedCheckpoint) -> None:
    assert (video.kind.name, video.kind.title) == ("toy", "Toy")
    latent = sampled(video, {"samples": torch.zeros(2, CHANNELS, 3, 4, 5)})
    assert latent["samples"].shape == (2, CHANNELS, 3, 4, 5)
    assert video.vae is not None
    pictures = video.vae.decode(latent["samples"])
    assert pictures.shape == (6, 4 * PIXELS, 5 * PIXELS, 3)
    assert pictures.std() > 0
    tiled = video.vae.decode_tiled(latent["samples"], 4, 4, 1)
    torch.testing.assert_close(tiled, pictures)
    assert video.vae.encode(pictures).shape == (6, CHANNELS, 4, 5)


def test_what_a_family_reads_of_a_conditioning(video: LoadedCheckpoint) -> None:
    latent = {"samples": torch.zeros(1, CHANNELS, 2, 4, 4)}
    plain, guided = (sampled(video, latent, options)["samples"] for options in ({}, {"guidance": 3.0}))
    assert not torch.allclose(plain, guided)
    assert torch.equal(plain, sampled(video, latent, {"guidance": 1.0})["samples"])
    with pytest.raises(DiffusionError, match="positive conditioning, entry 0: its width is 7, this model takes 6"):
        ksample(
            video.model,
            latent,
            positive=[[torch.zeros(1, 3, 7), {}]],
            negative=[],
            seed=3,
            steps=4,
            cfg=3.0,
            sampler="euler",
            scheduler="karras",
        )


def test_a_picture_is_a_video_of_one_frame(video: LoadedCheckpoint, picture: LoadedCheckpoint) -> None:
    latent = torch.randn(2, CHANNELS, 4, 5)
    with_time, without = (sampled(toy, {"samples": latent}, denoise=0.5)["samples"] for toy in (video, picture))
    assert torch.equal(with_time, without[:, :, None])
    with pytest.raises(DiffusionError, match="the model takes pictures"):
        sampled(picture, {"samples": latent[:, :, None]})
    with pytest.raises(DiffusionError, match="the latent has 4 channels, the model takes 16"):
        sampled(video, {"samples": torch.ones(1, 4, 8, 8)})


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_every_sampler_takes_videos(video: LoadedCheckpoint, picture: LoadedCheckpoint, sampler: str) -> None:
    """One frame is sampled as the picture it is: with a mask, an area, indices of noise; in one run, and in stages."""
    latent, mask = torch.randn(2, CHANNELS, 6, 7), torch.zeros(1, 1, 60, 70)
    mask[..., 20:] = 1.0
    given = {"noise_mask": mask, "batch_index": [4, 1]}
    runs: list[dict[str, Any]] = [{}]
    if not SAMPLERS[sampler].own_steps:
        runs.append({"mode": "continuous", "end": 2})
    for changes in runs:
        results = [
            sampled(toy, {"samples": samples, **given}, {"area": (4, 5, 1, 2)}, sampler=sampler, **changes)["samples"]
            for toy, samples in ((video, latent[:, :, None]), (picture, latent))
        ]
        assert results[0].isfinite().all()
        assert torch.equal(results[0][:, :, 0], results[1])


@pytest.mark.parametrize("mode", ["comfy", "continuous"])
def test_stages_of_videos(video: LoadedCheckpoint, mode: str) -> None:
    latent = {"samples": torch.zeros(1, CHANNELS, 3, 4, 5)}
    whole = sampled(video, latent, mode=mode)
    half = sampled(video, latent, mode=mode, end=2)
    rest = sampled(video, half, mode=mode, start=2, add_noise=False)
    torch.testing.assert_close(rest["samples"], whole["samples"])


def test_a_mask_for_each_frame(video: LoadedCheckpoint) -> None:
    start = torch.randn(1, CHANNELS, 3, 4, 5)
    mask = torch.zeros(1, 1, 3, 8, 10)
    mask[:, :, 1:] = 1.0
    result = sampled(video, {"samples": start, "noise_mask": mask})["samples"]
    torch.testing.assert_close(result[:, :, 0], start[:, :, 0])
    assert not torch.isclose(result[:, :, 1:], start[:, :, 1:]).any(dim=1).all()
    with pytest.raises(DiffusionError, match="other frames"):
        sampled(video, {"samples": start, "noise_mask": mask[:, :, :2]})


def test_tiles_of_videos(video: LoadedCheckpoint, picture: LoadedCheckpoint) -> None:
    assert video.clip is not None
    latent = torch.randn(1, CHANNELS, 9, 20)
    guidance = CFG(video.clip.encode("a cat"), video.clip.encode(""), 3.0)
    stage = tiled_stage(
        video.model.sampling, guidance, RandomNoise(3), sampler="euler", scheduler="karras", steps=3, denoise=1.0
    )
    results = [
        sample_tiled(toy.model, {"samples": samples}, stage, tile=(9, 10), strategy="random strict")["samples"]
        for toy, samples in ((video, latent), (video, latent[:, :, None]), (picture, latent))
    ]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0][:, :, 0], results[2])


def test_a_lora_by_the_names_of_the_family(video: LoadedCheckpoint, folder: Path) -> None:
    up, down = torch.randn(CHANNELS, 2), torch.randn(2, CHANNELS)
    path = folder / "lora.safetensors"
    save_file({"toy_model.mix.lora_up.weight": up, "toy_model.mix.lora_down.weight": down}, path)
    model, _, report = apply_lora(video.model, None, load_lora(path), 0.5, 0.0)
    assert report.matched == {"toy_model.mix": "unet.mix.weight"}
    assert model is not None
    base = dict(video.model.network.base.named_parameters())["mix.weight"]
    changed = dict(model.network.module().named_parameters())["mix.weight"]
    torch.testing.assert_close(changed, base + 0.5 * up @ down)


def test_merged_and_saved(video: LoadedCheckpoint, folder: Path) -> None:
    other = load_unet(write(folder / "other.safetensors", video=True, seed=1), **OPTIONS)
    merged, left = merge_models(video.model, other, lambda name: weighted(0.25 if name == "mix.weight" else 1.0))
    assert left == []
    path = folder / "merged.safetensors"
    with path.open("wb") as stream:
        save_model(stream, merged, None, None, title="Mixed", metadata={"by": "a test"})
    back = load_unet(path, **OPTIONS)
    assert back.kind == video.kind
    assert not torch.equal(back.network.base.get_parameter("mix.weight"), video.model.network.base.mix.weight)
    for name, weight in merged.network.module().named_parameters():
        assert torch.equal(back.network.base.get_parameter(name), weight)


def test_a_vae_of_its_own(folder: Path) -> None:
    tensors = {"encoder.weight": torch.randn(CHANNELS, 3), "decoder.weight": torch.randn(3, CHANNELS)}
    save_file(tensors, folder / "vae.safetensors")
    vae = load_vae(folder / "vae.safetensors", **OPTIONS)
    assert vae.decode(torch.zeros(1, CHANNELS, 2, 2)).shape == (1, 2 * PIXELS, 2 * PIXELS, 3)


def test_families_stand_side_by_side(
    video: LoadedCheckpoint, folder: Path, make_checkpoint: Callable[..., Path], open_checkpoint: Callable[..., Any]
) -> None:
    beside = load_checkpoint(make_checkpoint("sd1"), **OPTIONS)
    assert beside.kind == open_checkpoint("sd1").kind
    with pytest.raises(PatchError, match="a Toy and a Stable Diffusion 1.x model cannot be merged"):
        merge_models(video.model, beside.model, lambda name: weighted(0.5))
    net: Any = SimpleNamespace(cross_attention_dim=64, block_out_channels=(32,), layers_per_block=1)
    control = SDControlKind("sd1", {"block_out_channels": (32,)}, "", False, False)
    denoiser = video.kind.denoiser(video.model.network.module(), video.model.sampling, video.model.latent_format)

    class Net(SimpleNamespace):
        def __getitem__(self, name: str) -> Any:
            return getattr(self, name)

    module: Any = SimpleNamespace(config=Net(**vars(net)))
    with pytest.raises(DiffusionError, match="its ControlNet is for a Stable Diffusion 1.x model .* another family"):
        control.check_fit(module, denoiser)


def test_without_its_family_a_file_is_refused(folder: Path, video: LoadedCheckpoint) -> None:
    only: dict[str, Any] = {**OPTIONS, "families": FAMILIES}
    with pytest.raises(CheckpointError, match="not a Stable Diffusion checkpoint, but something unknown"):
        load_checkpoint(folder / "video.safetensors", **only)
    with pytest.raises(CheckpointError, match="of type 'tow' are not supported; did you mean 'toy'"):
        load_clip([], "tow", **OPTIONS)


def test_what_no_family_claims_is_named() -> None:
    other = ["double_stream_blocks.0.block.attn1.to_q.weight"]
    assert foreign(other) == foreign(other, BOTH) == "a HiDream model"
    assert foreign(["toy.mix.weight", *other]) == "a HiDream model"
    assert foreign(["toy.mix.weight", *other], BOTH) == ""


def test_functions_around_guidance_work_in_every_family(video: LoadedCheckpoint) -> None:
    model = video.model.clone()
    with pytest.raises(DiffusionError, match="no place 'attn1_patch' to patch a model; there are none in this one"):
        hyper_tile(model, 64, 2, 0, False)
    with pytest.raises(DiffusionError, match="cannot replace 'attn1' in a model; there are none in this one"):
        model.set_model_attn1_replace(lambda *args: None, "middle", 0)

    def halved(args: dict[str, Any]) -> Tensor:
        half: Tensor = args["denoised"] * 0.5
        return half

    model.set_model_sampler_post_cfg_function(halved)
    latent = {"samples": torch.zeros(1, CHANNELS, 2, 4, 4)}
    changed = sampled(LoadedCheckpoint(model, video.clip, video.vae, video.kind), latent)["samples"]
    assert not torch.allclose(changed, sampled(video, latent)["samples"])
