"""FLUX.2 klein KV on a small file of random weights: against diffusers' Flux2KleinKVPipeline, and its splits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein_kv import Flux2KleinKVPipeline
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.sampling.patches.references import keep_references
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


SHOWN = [noise(1, 128, 2, 3), noise(1, 128, 4, 1)]


def loaded(folder: Path, family: str, name: str) -> ModelPatcher:
    tensors = small_file("diffusion_models", name, family, Path())
    assert tensors is not None
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / f"{name}.safetensors")
    return load_unet(folder / f"{name}.safetensors", **ON_CPU)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return loaded(tmp_path_factory.mktemp("flux2"), "flux2", "flux-2-klein-9b-kv-fp8")


@pytest.fixture(scope="module")
def model(plain: ModelPatcher) -> ModelPatcher:
    return keep_references(plain)


def prompt(seed: int = 3, **options: Any) -> list[Any]:
    return [[noise(1, 6, 24, seed=seed), {"reference_latents": SHOWN, **options}]]


def sampled(model: ModelPatcher, latent: Any = None, **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": prompt(), "negative": prompt(seed=4), **changes,
    }  # fmt: skip
    return ksample(model, latent or {"samples": torch.zeros(1, 128, 3, 4)}, **settings)


def test_every_step_is_as_diffusers_takes_the_first_and_the_others(model: ModelPatcher) -> None:
    context, x = noise(1, 6, 24), noise(1, 128, 3, 4)
    denoiser = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    run: Any = SimpleNamespace(shape=x.shape, device=torch.device("cpu"))
    fed = denoiser.feed(context, {"reference_latents": SHOWN}, "positive", run)
    peer: Any = model.network.module()
    pipeline = Flux2KleinKVPipeline
    rows, ids = pipeline._pack_latents(x), pipeline._prepare_latent_ids(x)
    shown = torch.cat([pipeline._pack_latents(each) for each in SHOWN], dim=1)
    told: dict[str, Any] = {
        "encoder_hidden_states": context, "txt_ids": pipeline._prepare_text_ids(context), "return_dict": False,
    }  # fmt: skip
    with torch.inference_mode():
        first, cache = peer(
            torch.cat([shown, rows], dim=1), timestep=torch.tensor([0.7]), kv_cache_mode="extract",
            img_ids=torch.cat([pipeline._prepare_image_ids(SHOWN), ids], dim=1), num_ref_tokens=10, **told,
        )  # fmt: skip
        (later,) = peer(rows, timestep=torch.tensor([0.4]), img_ids=ids, kv_cache=cache, kv_cache_mode="cached", **told)
        for sigma, expected in ((0.7, first), (0.4, later)):
            denoised = denoiser(x, torch.tensor(sigma), fed.context, fed.added)
            velocity = expected.permute(0, 2, 1).reshape(1, 128, 3, 4)
            torch.testing.assert_close(denoised, x - sigma * velocity)


def test_pictures_are_read_once_a_run_and_act(model: ModelPatcher, plain: ModelPatcher) -> None:
    calls: list[Any] = []
    hook = model.network.module().register_forward_pre_hook(
        lambda _, __, given: calls.append((given.get("kv_cache_mode"), len(given["txt_ids"]))), with_kwargs=True
    )
    kept = sampled(model)["samples"]
    told, calls[:] = calls[:], []
    guided = sampled(model, cfg=3.0)["samples"]
    hook.remove()
    assert told == [("extract", 1), *[("cached", 6)] * 4]
    # Both sides of a guided run are one batch.
    assert calls == told
    without = sampled(model, positive=prompt(reference_latents=[]))["samples"]
    assert torch.equal(without, sampled(plain, positive=prompt(reference_latents=[]))["samples"])
    results = [kept, guided, without, sampled(plain)["samples"]]
    assert len({float(each.sum()) for each in results}) == 4


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde", "heun"])
@pytest.mark.parametrize("cut", [1, 3])
@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_two_stages_are_the_single_run_bit_for_bit(model: ModelPatcher, sampler: str, cut: int, cfg: float) -> None:
    settings: dict[str, Any] = {"sampler": sampler, "mode": "continuous", "cfg": cfg}
    whole = sampled(model, **settings)["samples"]
    first = sampled(model, end=cut, **settings)
    assert torch.equal(sampled(model, first, start=cut, add_noise=False, **settings)["samples"], whole)


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DiffusionError, match="FLUX.1 dev cannot keep what it reads .*: expected a model of FLUX.2 klein KV"
    ):
        keep_references(loaded(tmp_path, "flux", "flux1-dev"))
