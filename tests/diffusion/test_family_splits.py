"""Every family at every sampler that can be cut: in continuous mode two stages are the single run, bit for bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.schedulers import SCHEDULERS
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

# Release -> channels, frames, and what the network reads of a prompt: width of its rows and of a vector beside them.
FAMILIES: dict[str, tuple[tuple[int, ...], int, int]] = {
    "flux": ((16,), 32, 32),
    "flux2": ((128,), 24, 0),
    "wan": ((16, 2), 32, 0),
    "wan_ti2v": ((48, 2), 32, 0),
    "qwen_image": ((16, 1), 8, 0),
    "z_image": ((16,), 8, 0),
}
USUAL = ("euler", "euler_ancestral", "uni_pc", "dpmpp_2m", "dpmpp_2m_sde", "res_multistep", "lcm")
CUT = [name for name in SAMPLERS if not SAMPLERS[name].own_steps]
CASES = [
    *((release, sampler, "simple") for release in FAMILIES for sampler in CUT),
    *((release, sampler, name) for release in FAMILIES for sampler in USUAL for name in SCHEDULERS if name != "simple"),
]
STEPS = 5


@cache
def opened(release: str) -> ModelPatcher:
    tensors = small_file("diffusion_models", "x", release, Path())
    assert tensors is not None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({key: value.contiguous() for key, value in tensors.items()}, path)
        return load_unet(path, device=torch.device("cpu"), dtype=torch.float32)


def prompt(release: str, seed: int) -> list[Any]:
    _, width, pooled = FAMILIES[release]
    generator = torch.Generator().manual_seed(seed)
    options = {"pooled_output": torch.randn(1, pooled, generator=generator)} if pooled else {}
    return [[torch.randn(1, 6, width, generator=generator), options]]


@pytest.mark.slow
@pytest.mark.parametrize(("release", "sampler", "scheduler"), CASES)
def test_two_stages_are_one_run(release: str, sampler: str, scheduler: str) -> None:
    shape, *_ = FAMILIES[release]
    model, empty = opened(release), {"samples": torch.zeros(1, *shape, 4, 4)}
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 2.0, "steps": STEPS, "sampler": sampler, "scheduler": scheduler, "mode": "continuous",
        "positive": prompt(release, 1), "negative": prompt(release, 2),
    }  # fmt: skip
    whole = ksample(model, empty, **settings)["samples"]
    for cut in (2, 4):
        first = ksample(model, empty, end=cut, **settings)
        second = ksample(model, first, start=cut, add_noise=False, **settings)["samples"]
        assert torch.equal(second, whole), cut
