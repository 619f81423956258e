"""FLUX.1's editing models on small files of random weights: against what diffusers' pipelines give the network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux_fill import FluxFillPipeline
from diffusers.pipelines.flux.pipeline_flux_kontext import FluxKontextPipeline
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, DiffusionWarning
from weft.nodes.diffusion.families import release_in, small_file
from weft.nodes.diffusion.families.flux.kind import SCALE, SHIFT
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.references import PatchGrid, laid, places
from weft.nodes.diffusion.sampling.gathering import Gathering, NetworkCall
from weft.nodes.diffusion.sampling.patches.layers import skip, skip_layers
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
NAMES = {"kontext": "flux1-kontext-dev", "fill": "flux1-fill-dev", "canny": "flux1-canny-dev"}
TITLES = {"kontext": "FLUX.1 dev", "fill": "FLUX.1 Fill", "canny": "FLUX.1 Canny or Depth"}
ROWS, POOLED = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(1)), torch.ones(1, 32)


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelPatcher]:
    folder, found = tmp_path_factory.mktemp("flux"), {}
    for kind, name in NAMES.items():
        tensors = small_file("diffusion_models", name, "flux", Path())
        assert tensors is not None
        assert release_in({key: tuple(value.shape) for key, value in tensors.items()}) == TITLES[kind]
        save_file({key: value.contiguous() for key, value in tensors.items()}, folder / f"{kind}.safetensors")
        found[kind] = load_unet(folder / f"{kind}.safetensors", **ON_CPU)
    return found


def prompt(**options: Any) -> list[Any]:
    return [[ROWS, {"pooled_output": POOLED, **options}]]


def sampled(model: ModelPatcher, latent: Tensor, positive: list[Any], **changes: Any) -> Any:
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple",
        "positive": positive, "negative": positive, **changes,
    }  # fmt: skip
    return ksample(model, {"samples": latent}, **settings)


def first_step(model: ModelPatcher, latent: Tensor, positive: list[Any]) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """(what the network is given for the latent's rows, its answer, what else it is given) in one step from noise."""
    calls: list[Any] = []
    network = model.network.module()
    hook = network.register_forward_hook(
        lambda _, args, given, answer: calls.append((args[0], answer[0], given)), with_kwargs=True
    )
    try:
        sampled(model, latent, positive, steps=1)
    finally:
        hook.remove()
    (call,) = calls
    return call


def test_kontext_is_given_what_diffusers_gives_it(models: dict[str, ModelPatcher]) -> None:
    shown = noise(1, 16, 4, 6)
    rows, answer, given = first_step(models["kontext"], torch.zeros(1, 16, 6, 8), prompt(reference_latents=[shown]))
    pipeline: Any = SimpleNamespace(
        vae_scale_factor=8, latent_channels=16, _pack_latents=FluxKontextPipeline._pack_latents,
        _prepare_latent_image_ids=FluxKontextPipeline._prepare_latent_image_ids,
    )  # fmt: skip
    started = rows[:, :12]
    latents, pictures, ids, ids_of_pictures = FluxKontextPipeline.prepare_latents(
        pipeline, (shown - SHIFT) * SCALE, 1, 16, 48, 64, torch.float32, torch.device("cpu"), latents=started
    )
    expected = {"img_ids": torch.cat([ids, ids_of_pictures]), "hidden_states": torch.cat([latents, pictures], dim=1)}
    torch.testing.assert_close(rows, expected["hidden_states"])
    assert torch.equal(given["img_ids"], expected["img_ids"])
    told = {name: given[name] for name in ("encoder_hidden_states", "pooled_projections", "timestep", "guidance")}
    network = models["kontext"].network.module()
    with torch.inference_mode():
        (again,) = network(**expected, **told, txt_ids=torch.zeros(6, 3), return_dict=False)
    torch.testing.assert_close(answer, again)


def test_a_picture_to_edit_acts_and_its_patches_are_no_part_of_the_answer(models: dict[str, ModelPatcher]) -> None:
    model, empty = models["kontext"], torch.zeros(2, 16, 5, 7)
    plain = sampled(model, empty, prompt())["samples"]
    shown = sampled(model, empty, prompt(reference_latents=[noise(1, 16, 4, 6)]))["samples"]
    two = sampled(model, empty, prompt(reference_latents=[noise(1, 16, 4, 6), noise(2, 16, 3, 3)]))["samples"]
    assert plain.shape == shown.shape == two.shape == (2, 16, 5, 7)
    assert len({float(each.sum()) for each in (plain, shown, two)}) == 3


def test_where_pictures_stand() -> None:
    pictures = [torch.zeros(1, 16, 4, 8), torch.zeros(1, 16, 6, 4), torch.zeros(1, 16, 2, 2)]
    sizes = [(2, 4), (3, 2), (1, 1)]
    expected = {
        "index": [(1, 0, 0), (2, 0, 0), (3, 0, 0)],
        "index_timestep_zero": [(1, 0, 0), (2, 0, 0), (3, 0, 0)],
        # The first lies flat, so the second comes below it, and the third beside both.
        "offset": [(1, 0, 0), (1, 2, 0), (1, 0, 4)],
        "uxo": [(0, 3, 5), (0, 5, 9), (0, 8, 11)],
    }
    for method, origins in expected.items():
        grids = [PatchGrid(*size, *origin) for size, origin in zip(sizes, origins, strict=True)]
        assert laid(pictures, method, (3, 5), 2) == grids, method
    assert places(PatchGrid(2, 2, 1, 3, 0)).tolist() == [[1, 3, 0], [1, 3, 1], [1, 4, 0], [1, 4, 1]]
    assert places(PatchGrid(3, 1, 1), centred=True).tolist() == [[1, -1, 0], [1, 0, 0], [1, 1, 0]]


def test_fill_is_given_what_diffusers_gives_it(models: dict[str, ModelPatcher]) -> None:
    shown, mask = noise(1, 16, 4, 6), (noise(1, 1, 32, 48, seed=5) > 0).float()
    rows, _, _ = first_step(
        models["fill"], torch.zeros(1, 16, 4, 6), prompt(concat_latent_image=shown, concat_mask=mask)
    )
    pipeline: Any = SimpleNamespace(
        vae_scale_factor=8, _pack_latents=FluxFillPipeline._pack_latents,
        vae=SimpleNamespace(config=SimpleNamespace(shift_factor=SHIFT, scaling_factor=SCALE)),
    )  # fmt: skip
    of_mask, of_picture = FluxFillPipeline.prepare_mask_latents(
        pipeline, mask, shown, 1, 16, 1, 32, 48, torch.float32, torch.device("cpu"), None
    )
    torch.testing.assert_close(rows[..., 64:], torch.cat([of_picture, of_mask], dim=-1))


def test_canny_is_given_the_picture_behind_the_latent(models: dict[str, ModelPatcher]) -> None:
    shown = noise(1, 16, 4, 6)
    rows, answer, _ = first_step(models["canny"], torch.zeros(1, 16, 4, 6), prompt(concat_latent_image=shown))
    torch.testing.assert_close(rows[..., 64:], packed((shown - SHIFT) * SCALE))
    assert unpacked(answer, 4, 6).shape == (1, 16, 4, 6)


@pytest.mark.parametrize("kind", NAMES)
def test_two_stages_are_the_single_run_bit_for_bit(models: dict[str, ModelPatcher], kind: str) -> None:
    beside: dict[str, Any] = {
        "kontext": {"reference_latents": [noise(1, 16, 4, 4)]},
        "fill": {"concat_latent_image": noise(1, 16, 4, 4), "concat_mask": torch.ones(1, 32, 32)},
        "canny": {"concat_latent_image": noise(1, 16, 4, 4)},
    }
    given, model, empty = prompt(**beside[kind]), models[kind], torch.zeros(1, 16, 4, 4)
    settings: dict[str, Any] = {"sampler": "dpmpp_2m_sde", "mode": "continuous"}
    whole = sampled(model, empty, given, **settings)["samples"]
    first = sampled(model, empty, given, end=2, **settings)
    assert isinstance(first, dict)
    stage: dict[str, Any] = {"seed": 3, "cfg": 1.0, "steps": 4, "scheduler": "simple", "start": 2, "add_noise": False}
    second = ksample(model, first, positive=given, negative=given, **stage, **settings)["samples"]
    assert torch.equal(second, whole)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("fill", {}, "FLUX.1 Fill reads a picture beside the prompt, and there is none: connect InpaintModelCond"),
        ("canny", {}, "FLUX.1 Canny or Depth reads a picture .* there is none: connect InstructPixToPixCond"),
        ("fill", {"concat_latent_image": torch.ones(1, 16, 4, 4)}, "needs a mask, there is none: connect Inpaint"),
        ("canny", {"concat_latent_image": torch.ones(1, 4, 4, 4)}, r"is \[1, 4, 4, 4\], expected a latent \[batch, 16"),
        ("kontext", {"reference_latents": [torch.ones(1, 4, 4, 4)]}, r"picture to edit 0 \(ReferenceLatent\) the lat"),
        ("kontext", {"reference_latents": [torch.ones(2)]}, r"picture to edit 0 is \[2\], expected a latent"),
        (
            "kontext",
            {"reference_latents": [torch.ones(1, 16, 2, 2)], "reference_latents_method": "index_timestep_zero"},
            "is 'index_timestep_zero', FLUX.1 dev reads pictures by offset, index, uxo",
        ),
    ],
)
def test_wrong_input_says_what_was_expected(
    models: dict[str, ModelPatcher], kind: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(DiffusionError, match=told):
        sampled(models[kind], torch.zeros(1, 16, 4, 4), prompt(**options), steps=1)


def test_pictures_of_as_many_patches_share_a_call_only_where_they_stand_alike(models: dict[str, ModelPatcher]) -> None:
    model, calls = models["kontext"], list[Tensor]()
    lying, upright = (prompt(reference_latents=[noise(1, 16, *size)]) for size in ((4, 12), (12, 4)))
    hook = model.network.module().register_forward_pre_hook(
        lambda _, args, given: calls.append(given["img_ids"][4:]), with_kwargs=True
    )
    try:
        sampled(model, torch.zeros(1, 16, 4, 4), lying, negative=lying, cfg=2.0, steps=1)
        sampled(model, torch.zeros(1, 16, 4, 4), lying, negative=upright, cfg=2.0, steps=1)
    finally:
        hook.remove()
    expected = [places(PatchGrid(*sides, 1)) for sides in ((2, 6), (2, 6), (6, 2))]
    assert len(calls) == len(expected)
    assert all(any(torch.equal(found, each) for found in calls) for each in expected)
    denoiser = model.kind.denoiser(model.network.module(), model.sampling, model.latent_format)
    run: Any = SimpleNamespace(shape=(1, 16, 4, 4), device=torch.device("cpu"), seed=0, warn=print)
    asked = []
    for [[rows, options]] in (lying, lying, upright):
        fed = denoiser.feed(rows, options, "positive", run)
        asked.append(NetworkCall(denoiser, noise(1, 16, 4, 4), torch.tensor(0.7), fed.context, fed.added))
    with torch.inference_mode():
        found = Gathering(lambda answer, call: None).answer(asked)
    assert [each is None for each in found] == [False, False, True]


def test_a_model_that_edits_nothing_says_so(models: dict[str, ModelPatcher]) -> None:
    beside = {"concat_latent_image": torch.ones(1, 16, 4, 4), "reference_latents": [torch.ones(1, 16, 4, 4)]}
    with pytest.warns(DiffusionWarning, match=r"pictures to edit \(ReferenceLatent\), which this model does not read"):
        sampled(models["canny"], torch.zeros(1, 16, 4, 4), prompt(**beside), steps=1)


def test_blocks_may_be_left_out(models: dict[str, ModelPatcher]) -> None:
    model, x, context = models["kontext"], noise(1, 16, 4, 4), ROWS
    network: Any = model.network.module()
    denoiser = model.kind.denoiser(network, model.sampling, model.latent_format)
    added = {"pooled": POOLED, "guidance": torch.tensor([3.5])}

    def denoised(**replaced: Any) -> Tensor:
        functions = {
            ("double_block" if name == "double" else "single_block", 0): each for name, each in replaced.items()
        }
        with torch.inference_mode():
            return denoiser(x, torch.tensor(0.5), context, added, {"patches_replace": {"dit": functions}})

    plain = denoised()
    assert torch.equal(denoised(double=lambda args, extra: extra["original_block"](args)), plain)
    assert torch.equal(denoised(single=lambda args, extra: extra["original_block"](args)), plain)
    without_double, without_single = denoised(double=skip), denoised(single=skip)
    assert len({float(each.sum()) for each in (plain, without_double, without_single)}) == 3
    assert len(network.transformer_blocks) == 1
    with pytest.raises(DiffusionError, match=r"steps in at other; there is dit, at \('double_block', number\)"):
        denoiser(x, torch.tensor(0.5), context, added, {"patches_replace": {"other": {1: skip}}})
    steered = skip_layers(model, double="0", single="", scale=2.0, start_percent=0.0, end_percent=1.0)
    given = prompt()
    assert not torch.equal(sampled(steered, x, given)["samples"], sampled(model, x, given)["samples"])
