"""The whole path of every family on a CUDA device that is not there: load, encode, two stages, decode.

No tensor of another device comes into an operation, and no step loop waits for the device. Full sizes are slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.families import small_file, working
from weft.nodes.diffusion.families.flux.text import _CLIP_L as FLUX_CLIP_L
from weft.nodes.diffusion.families.sd.networks import vae_part
from weft.nodes.diffusion.families.sd.releases import XL_CLIP_G
from weft.nodes.diffusion.families.sd.tiny import checkpoint_shapes, shapes_of
from weft.nodes.diffusion.sampling import sample
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.model_patch import load_model_patch, with_sight
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedules import schedule
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.t5 import TOKENIZER
from weft.nodes.diffusion.text.t5_tokenizer import small_tokenizer
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint, load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from . import released
from .ksampling import stage_of
from .pretended import DEVICE, PretendedDevice, PretendedMemory, WaitsForTheDevice, pretended, write_without_numbers
from .released import Shapes

PROMPT = "a (red:1.3) cat"


@dataclass(frozen=True)
class Case:
    """Files of one family by their shapes. shape: of a latent. pair: whether two models follow each other."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    model: Shapes
    clip_type: str = ""
    encoders: Sequence[Shapes] = ()
    vae: Shapes | None = None
    pair: bool = False


def full(name: str) -> Case:
    """A family at the size of its release."""
    half, brain = torch.float16, torch.bfloat16
    t5 = dict(released.t5_file(32128, each=False))
    images = shapes_of(vae_part(released.image_vae(16), ""))
    match name:
        case "sd1":
            return Case(half, (4, 64, 64), released.checkpoint("sd1"))
        case "sdxl":
            return Case(half, (4, 128, 128), released.checkpoint("sdxl"))
        case "flux":
            clip_l = released.tower(FLUX_CLIP_L, prefixes=("text_model.",))
            model = shapes_of(released.flux(guidance=True).model_part(), "")
            return Case(brain, (16, 128, 128), model, "flux", (clip_l, t5), images)
        case "wan pair":
            model = shapes_of(released.wan(5120, 40, 13824, 16, 16).model_part(), "")
            umt5 = dict(released.t5_file(256384, each=True))
            return Case(half, (16, 21, 60, 104), model, "wan", (umt5,), released.video_vae(), pair=True)
        case "sd3":
            towers = [
                released.tower(spec, prefixes=("",), layout="hf_whole")
                for spec in (replace(FLUX_CLIP_L, projected=True), XL_CLIP_G)
            ]
            model = shapes_of(released.SD3_LARGE.model_part(), "")
            return Case(brain, (16, 128, 128), model, "sd3", (*towers, t5), images)
        case "qwen_image":
            encoder = dict(released.qwen_file(3584, 18944, 28, (28, 4), 152064, normed=False))
            model = shapes_of(released.QWEN.model_part(), "")
            return Case(brain, (16, 1, 128, 128), model, "qwen_image", (encoder,), released.video_vae())
        case "qwen_image_21":
            language = released.qwen_file(4096, 12288, 36, (32, 8), 151936, normed=True)
            encoder = {f"model.language_model.{key.removeprefix('model.')}": shape for key, shape in language}
            vae = shapes_of(released.QWEN21_VAE.part({}, pytest.fail), "")
            model = shapes_of(released.QWEN21.model_part(), "")
            return Case(brain, (64, 64, 64), model, "qwen_image", (encoder,), vae)
        case _:
            encoder = dict(released.qwen_file(2560, 9728, 36, (32, 8), 151936, normed=True))
            model = shapes_of(released.ZIMAGE.model_part(), "")
            return Case(brain, (16, 128, 128), model, "lumina2", (encoder,), images)


def small(name: str) -> Case:
    """The same family with small files."""
    match name:
        case "sd1":
            return Case(torch.float16, (4, 8, 8), checkpoint_shapes("sd1"))
        case _:
            kinds = ("diffusion_models", "text_encoders", "vae")
            found = [small_file(kind, "x", "wan", Path()) or {} for kind in kinds]
            model, encoder, vae = ({k: tuple(v.shape) for k, v in each.items() if k != TOKENIZER} for each in found)
            return Case(torch.bfloat16, (16, 2, 4, 4), model, "wan", (encoder,), vae, pair=True)


FULL = ("sd1", "sdxl", "flux", "wan pair", "sd3", "qwen_image", "qwen_image_21", "z_image")


def opened(case: Case, folder: Path, memory: DeviceMemory) -> tuple[list[ModelPatcher], Clip, Vae]:
    placed: dict[str, Any] = {"device": memory, "dtype": case.dtype, "warn": pytest.fail}
    if case.vae is None:
        path = write_without_numbers(folder / "checkpoint.safetensors", case.model, case.dtype)
        whole = load_checkpoint(path, **placed, vae_dtype=torch.float32)
        assert whole.clip is not None and whole.vae is not None
        return [whole.model], whole.clip, whole.vae
    models = []
    for place in range(1 + case.pair):
        path = write_without_numbers(folder / f"model{place}.safetensors", case.model, case.dtype)
        models.append(load_unet(path, **placed))
    encoders = []
    for place, shapes in enumerate(case.encoders):
        beside = {TOKENIZER: small_tokenizer()} if "shared.weight" in shapes else {}
        encoders.append(write_without_numbers(folder / f"encoder{place}.safetensors", shapes, case.dtype, **beside))
    clip = load_clip(encoders, case.clip_type, **placed)
    vae = load_vae(write_without_numbers(folder / "vae.safetensors", case.vae, case.dtype), **placed)
    return models, clip, vae


Put = Callable[[ModelPatcher, Vae, DeviceMemory], ModelPatcher]


def run(
    case: Case, folder: Path, mode: PretendedDevice, sampler: str = "euler", put: Put = lambda model, *_: model
) -> Tensor:
    memory = PretendedMemory()
    models, clip, vae = opened(case, folder, memory)
    models = [put(model, vae, memory) for model in models]
    sides = [clip.encode(text) for text in (PROMPT, "")]
    latent: dict[str, Any] = {"samples": torch.zeros(1, *case.shape)}
    for place, (start, end) in enumerate(((0, 1), (1, 2))):
        model = models[min(place, len(models) - 1)]
        stage = stage_of(
            model.sampling, seed=1, cfg=3.0, positive=sides[0], negative=sides[1], add_noise=not place,
            sampler=sampler, scheduler="simple", steps=2, start=start, end=end,
        )  # fmt: skip
        latent = sample.ksample(model, latent, replace(stage, sampler=mode.watched(stage.sampler)))
    return vae.decode(latent["samples"])


@pytest.mark.parametrize("name", [pytest.param("sd1", marks=pytest.mark.slow), "wan"])
def test_the_whole_path_of_small_models(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended(monkeypatch) as mode:
        image = run(small(name), tmp_path, mode, sampler="dpmpp_2m")
    assert image.shape[-1] == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "name", "clip_type", "shape"),
    [("qwen_image", "inpaint", "qwen_image", (16, 1, 8, 8)), ("z_image", "union-2.1", "lumina2", (16, 8, 8))],
)
def test_model_patches(
    release: str, name: str, clip_type: str, shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("diffusion_models", "text_encoders", "vae", "model_patches")
    found = [small_file(kind, name, release, Path()) or {} for kind in kinds]
    model, encoder, vae_file, patch = ({key: tuple(value.shape) for key, value in each.items()} for each in found)
    case = Case(torch.bfloat16, shape, model, clip_type, (encoder,), vae_file)

    def put(model: ModelPatcher, vae: Vae, memory: DeviceMemory) -> ModelPatcher:
        path = write_without_numbers(tmp_path / "patch.safetensors", patch, case.dtype)
        loaded = load_model_patch(path, device=memory, dtype=case.dtype, warn=pytest.fail)
        return with_sight(model, loaded, vae, 0.7, picture=torch.rand(1, 64, 64, 3), mask=torch.ones(1, 64, 64))

    with pretended(monkeypatch) as mode:
        image = run(case, tmp_path, mode, put=put)
    assert image.shape[-1] == 3


class Guided:
    """A GuidedDenoiser of no network."""

    def __init__(self, sampling: ModelSampling) -> None:
        self.sampling = sampling

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x * 0.5

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return x * 0.5, x * 0.25


PROCESSES = {"exploding": ModelSampling.discrete(), "flow": ModelSampling.flow(shift=3.0)}
# It chooses its steps by the error that it made: one number for each.
READS_BACK = {"dpm_adaptive"}
QUICK = ("euler_ancestral", "dpmpp_2m", "dpmpp_sde_gpu", "uni_pc", "dpm_adaptive")
STEPS = 4


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(SAMPLERS), marks=pytest.mark.slow)], ids=["some", "all"])
def test_no_sampler_waits_for_the_device(names: Sequence[str], process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = PROCESSES[process]
    sigmas = schedule(sampling, "simple", STEPS)
    waits = set()
    with pretended(monkeypatch) as mode:
        x = torch.zeros(1, 4, 8, 8, device=DEVICE)
        for name in names:
            sampler = SAMPLERS[name]
            source = sampler.noise(x, sigmas, 1)
            watched = mode.watched(sampler)
            try:
                x_0 = watched.solve(
                    Guided(sampling),
                    x,
                    sigmas,
                    range(STEPS),
                    source,
                    {},
                    lambda i, x, denoised: denoised.isfinite().all(),
                )
            except WaitsForTheDevice:
                waits.add(name)
            else:
                assert x_0.device == DEVICE
    assert waits == READS_BACK & {*names}


# MiB that were counted for one step with both sides, and for the VAE's decoder, with networks whole.
COUNTED = {
    "sd1": (131, 768), "sdxl": (318, 3072), "flux": (889, 1536), "wan pair": (7800, 4048), "sd3": (511, 1536),
    "qwen_image": (371, 3460), "qwen_image_21": (471, 6432), "z_image": (487, 1536),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_what_computing_is_reckoned_to_take_is_what_was_counted(name: str) -> None:
    case, (sampling, decoding) = full(name), COUNTED[name]
    *frames, height, width = case.shape[1:]
    elements = height * width * (frames[0] if frames else 1)
    layout = working.denoiser_in(case.model)
    assert layout is not None
    # The prompts are of two lengths: where these count, sides were evaluated one after the other.
    found: int | None = layout.rule.taken(elements, layout.width, 1 if layout.rule.as_long else 2, 2)
    assert found is not None
    assert 0.95 <= found / 2**20 / sampling <= 1.2
    # Stable Diffusion's own is in float32 here.
    length = (frames[0] - 1) * 4 + 1 if frames else 1
    pixels = height * width * layout.rule.pixels**2
    found = working.decoding(case.vae or case.model, pixels, length, 2 if case.vae else 4)
    assert found is not None
    assert 0.95 <= found / 2**20 / decoding <= 1.1


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_the_whole_path_at_full_size(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = full(name)
    with pretended(monkeypatch) as mode:
        image = run(case, tmp_path, mode)
    assert image.shape[-1] == (4 if name == "qwen_image_21" else 3)
