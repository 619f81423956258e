"""Every family and variant, cut: in continuous mode two stages are the single run, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.core import wan as nodes
from weft.nodes.core.attention import ScaleROPE
from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.sampling.model_patch import load_model_patch, with_sight
from weft.nodes.diffusion.sampling.patches.layers import skip_layers
from weft.nodes.diffusion.sampling.patches.references import keep_prefix
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import SCHEDULERS
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample
from .test_transformer_control import Eye, VideoEye
from .test_wan_variants import Heard, options, pixels, told, vae

Options = Mapping[str, Any]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Variant:
    """A model and what its prompts carry.

    latent: channels, frames. width: of a prompt's rows; pooled: of the vector beside them. masked: begun by a picture.
    """

    release: str
    latent: tuple[int, ...]
    width: int
    pooled: int = 0
    file: str = "x"
    beside: Callable[[], Options] = dict
    masked: bool = False
    patched: Callable[[ModelPatcher], ModelPatcher] = lambda model: model


def clip(node: Any, **inputs: Any) -> Callable[[], Options]:
    """What a node of Wan's puts on its prompts."""
    return lambda: options(told(node, **inputs))


def rope(model: ModelPatcher) -> ModelPatcher:
    given = {f"{what}_{axis}": float(what == "scale") for axis in "xyt" for what in ("scale", "shift")}
    patched: ModelPatcher = ScaleROPE(model=model, **{**given, "scale_x": 2.0})
    return patched


def one_layer_less(model: ModelPatcher) -> ModelPatcher:
    return skip_layers(model, double="1", single="", scale=3.0, start_percent=0.0, end_percent=0.6)


def seeing(release: str, vae: Any, name: str = "x") -> Callable[[ModelPatcher], ModelPatcher]:
    """With a ControlNet that stands on the model."""

    def put(model: ModelPatcher) -> ModelPatcher:
        tensors = small_file("model_patches", name, release, Path())
        assert tensors is not None
        with TemporaryDirectory() as folder:
            path = Path(folder) / "patch.safetensors"
            save_file({key: value.contiguous() for key, value in tensors.items()}, path)
            patch = load_model_patch(path, device=torch.device("cpu"), dtype=torch.float32)
        return with_sight(model, patch, vae, 1.0, picture=pixels(1, 32, 32, 3))

    return put


PICTURE, VIDEO = pixels(1, 32, 32, 3), pixels(5, 32, 32, 3)
SEEN = {"clip_vision_output": {"penultimate_hidden_states": noise(1, 50, 64)}}
FLUX: dict[str, Any] = {"release": "flux", "latent": (16,), "width": 32, "pooled": 32}
FLUX2: dict[str, Any] = {"release": "flux2", "latent": (128,), "width": 24}
FLUX3: dict[str, Any] = {"release": "flux3", "latent": (128,), "width": 64}
QWEN: dict[str, Any] = {"release": "qwen_image", "latent": (16, 1), "width": 8}
QWEN21: dict[str, Any] = {"release": "qwen_image_21", "latent": (64,), "width": 8}
WAN: dict[str, Any] = {"latent": (16, 2), "width": 32}
FIVE: dict[str, Any] = {"latent": (48, 2), "width": 32}
FAMILIES = {
    "FLUX.1": Variant(**FLUX),
    "FLUX.2": Variant(**FLUX2),
    "FLUX.3": Variant(**FLUX3, file="flux3-image-klein-base"),
    "Wan": Variant("wan", **WAN),
    "Wan 2.2 5B": Variant("wan_ti2v", **FIVE),
    "SD3": Variant("sd3", (16,), 32, 24),
    "Qwen-Image": Variant(**QWEN),
    "Qwen-Image 2.1": Variant(**QWEN21),
    "Z-Image": Variant("z_image", (16,), 8),
}
VARIANTS = {
    "FLUX.1 Kontext": Variant(
        **FLUX, file="flux1-kontext-dev", beside=lambda: {"reference_latents": [noise(1, 16, 4, 4)]}
    ),
    "FLUX.1 Fill": Variant(
        **FLUX,
        file="flux1-fill-dev",
        beside=lambda: {"concat_latent_image": noise(1, 16, 4, 4), "concat_mask": torch.ones(1, 32, 32)},
    ),
    "FLUX.1 Canny, Depth": Variant(
        **FLUX, file="flux1-canny-dev", beside=lambda: {"concat_latent_image": noise(1, 16, 4, 4)}
    ),
    "FLUX.2 with pictures": Variant(**FLUX2, beside=lambda: {"reference_latents": [noise(1, 128, 2, 2)]}),
    "FLUX.2 klein": Variant(
        **FLUX2, file="flux-2-klein-4b", beside=lambda: {"reference_latents": [noise(1, 128, 2, 2)]}
    ),
    "FLUX.3 klein": Variant(**FLUX3, file="flux3-image-klein"),
    "FLUX.3 klein with pictures": Variant(
        **FLUX3, file="flux3-image-klein", beside=lambda: {"reference_latents": [noise(1, 128, 2, 2)]}
    ),
    "Qwen-Image Edit": Variant(
        **QWEN, file="qwen_image_edit", beside=lambda: {"reference_latents": [noise(1, 16, 1, 4, 6)]}
    ),
    "Qwen-Image Edit 2511": Variant(
        **QWEN,
        file="qwen_image_edit_2511",
        beside=lambda: {
            "reference_latents": [noise(1, 16, 1, 4, 6)],
            "reference_latents_method": "index_timestep_zero",
        },
    ),
    "Qwen-Image 2.1 with pictures": Variant(
        **QWEN21,
        beside=lambda: {"reference_latents": [noise(1, 64, 2, 4)], "picture_rows": [(2, 4)]},
        patched=lambda model: keep_prefix(model, "auto", "int8"),
    ),
    "Wan image-to-video": Variant("wan_i2v", **WAN, beside=clip(nodes.WanImageToVideo, start_image=PICTURE)),
    "Wan 2.1 image-to-video": Variant("wan21_i2v", **WAN, beside=clip(nodes.WanImageToVideo, start_image=PICTURE)),
    "Wan 2.1 with CLIP vision": Variant(
        "wan21_i2v", **WAN, beside=lambda: {**clip(nodes.WanImageToVideo, start_image=PICTURE)(), **SEEN}
    ),
    "Wan first-last-frame": Variant(
        "wan21_flf2v",
        **WAN,
        beside=clip(nodes.WanFirstLastFrameToVideo, start_image=PICTURE, end_image=PICTURE),
    ),
    "Wan VACE": Variant("wan_vace", **WAN, beside=clip(nodes.WanVaceToVideo, strength=1.0, control_video=VIDEO)),
    "Wan Fun control": Variant(
        "wan_control",
        **WAN,
        beside=clip(nodes.Wan22FunControlToVideo, ref_image=PICTURE, control_video=VIDEO),
    ),
    "Wan 2.1 Fun control": Variant(
        "wan21_control", **WAN, beside=clip(nodes.WanFunControlToVideo, control_video=VIDEO)
    ),
    "Wan Fun inpaint": Variant("wan_i2v", **WAN, beside=clip(nodes.WanFunInpaintToVideo, start_image=PICTURE)),
    "Wan Fun camera": Variant(
        "wan_camera",
        **WAN,
        beside=lambda: clip(
            nodes.WanCameraImageToVideo,
            start_image=PICTURE,
            camera_conditions=nodes.WanCameraEmbedding(camera_pose="Zoom In", width=32, height=32, length=5)[0],
        )(),
    ),
    "Wan 2.2 5B from a picture": Variant("wan_ti2v", **FIVE, masked=True),
    "Wan with ScaleROPE": Variant("wan", **WAN, patched=rope),
    "Qwen-Image with a DiffSynth ControlNet": Variant(**QWEN, patched=seeing("qwen_image", VideoEye())),
    "Z-Image with a Fun ControlNet": Variant("z_image", (16,), 8, patched=seeing("z_image", Eye(), "union-2.1")),
    "Wan with skipped layers": Variant("wan", **WAN, patched=one_layer_less),
}
USUAL = ("euler", "euler_ancestral", "uni_pc", "dpmpp_2m", "dpmpp_2m_sde", "res_multistep", "lcm")
CUT = [name for name in SAMPLERS if not SAMPLERS[name].own_steps]
CASES = [
    *((name, sampler, "simple") for name in FAMILIES for sampler in CUT),
    *((name, sampler, each) for name in FAMILIES for sampler in USUAL for each in SCHEDULERS if each != "simple"),
    *((name, sampler, each) for name in VARIANTS for sampler in USUAL for each in SCHEDULERS),
]
STEPS = 5


@cache
def opened(name: str) -> ModelPatcher:
    variant = {**FAMILIES, **VARIANTS}[name]
    tensors = small_file("diffusion_models", variant.file, variant.release, Path())
    assert tensors is not None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({key: value.contiguous() for key, value in tensors.items()}, path)
        return variant.patched(load_unet(path, device=torch.device("cpu"), dtype=torch.float32))


@cache
def prompts(name: str) -> dict[str, Any]:
    variant = {**FAMILIES, **VARIANTS}[name]
    beside = dict(variant.beside())
    if variant.pooled:
        beside["pooled_output"] = noise(1, variant.pooled, seed=7)
    sides = enumerate(("positive", "negative"), start=1)
    return {side: [[noise(1, 6, variant.width, seed=seed), beside]] for seed, side in sides}


def empty(name: str) -> dict[str, Any]:
    variant = {**FAMILIES, **VARIANTS}[name]
    if not variant.masked:
        return {"samples": torch.zeros(1, *variant.latent, 4, 4)}
    begun: dict[str, Any] = nodes.Wan22ImageToVideoLatent(
        vae=vae("wan_ti2v"),
        width=64,
        height=64,
        length=5,
        batch_size=1,
        start_image=pixels(1, 64, 64, 3),
        context=Heard(),
    )
    assert "noise_mask" in begun
    return begun


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sampler", "scheduler"), CASES)
def test_two_stages_are_one_run(name: str, sampler: str, scheduler: str) -> None:
    model = opened(name)
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 2.0, "steps": STEPS, "sampler": sampler, "scheduler": scheduler, "mode": "continuous",
        **prompts(name),
    }  # fmt: skip
    whole = ksample(model, empty(name), **settings)["samples"]
    for cut in (2, 4):
        first = ksample(model, empty(name), end=cut, **settings)
        second = ksample(model, first, start=cut, add_noise=False, **settings)["samples"]
        assert torch.equal(second, whole), cut
