"""USO's style on small files of random weights: what its authors' code makes of a picture, and where it stands.

The references here are written down anew from what ByteDance's USO does (Apache 2.0).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.families.glances import patch_glance
from weft.nodes.diffusion.families.patches import packed, unpacked
from weft.nodes.diffusion.families.references import PatchGrid, places
from weft.nodes.diffusion.sampling.model_patch import ModelPatch, load_model_patch, with_sight
from weft.nodes.diffusion.sampling.style_patch import with_style_reference
from weft.nodes.diffusion.values.clip_vision import VisionOutput
from weft.nodes.diffusion.values.clip_vision_files import load_clip_vision
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
ROWS, POOLED = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(1)), torch.ones(1, 32)
FILES = {
    "clip_vision": "sigclip_vision_patch14_384", "model_patches": "uso-flux1-projector-v1",
    "diffusion_models": "flux1-dev",
}  # fmt: skip


def file_of(folder: Path, kind: str, name: str) -> Path:
    tensors = small_file(kind, name, "flux", Path())
    assert tensors is not None
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("uso")
    return {kind: file_of(folder, kind, name) for kind, name in FILES.items()}


@pytest.fixture(scope="module")
def model(files: dict[str, Path]) -> ModelPatcher:
    return load_unet(files["diffusion_models"], **ON_CPU)


@pytest.fixture(scope="module")
def projector(files: dict[str, Path]) -> ModelPatch:
    return load_model_patch(files["model_patches"], **ON_CPU)


@pytest.fixture(scope="module")
def seen(files: dict[str, Path]) -> VisionOutput:
    pictures = torch.rand(2, 70, 90, 3, generator=torch.Generator().manual_seed(2))
    return load_clip_vision(files["clip_vision"], **ON_CPU).encode_image(pictures)


def of(seen: VisionOutput, picture: int) -> VisionOutput:
    """What was made of one of the pictures."""
    one = {place: state[picture : picture + 1] for place, state in seen.deeper.items()}
    return replace(seen, penultimate_hidden_states=seen.penultimate_hidden_states[picture : picture + 1], deeper=one)


def sampled(model: ModelPatcher, latent: Any = None, **changes: Any) -> Any:
    prompt = [[ROWS, {"pooled_output": POOLED, **changes.pop("options", {})}]]
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "simple", "positive": prompt,
        "negative": prompt, **changes,
    }  # fmt: skip
    return ksample(model, latent or {"samples": torch.zeros(1, 16, 4, 6)}, **settings)


def style_rows(weights: dict[str, Tensor], states: dict[str, Tensor]) -> Tensor:
    """As USO's SigLIPMultiFeatProjModel makes them."""
    made = []
    for level, state in states.items():
        fewer = functional.silu(
            state.transpose(1, 2) @ weights[f"{level}_embedding_linear.0.weight"].T
            + weights[f"{level}_embedding_linear.0.bias"]
        ).transpose(1, 2)
        norm = [weights[f"{level}_layer_norm.{leaf}"] for leaf in ("weight", "bias")]
        normed = functional.layer_norm(fewer, fewer.shape[-1:], *norm)
        made.append(normed @ weights[f"{level}_projection.weight"].T + weights[f"{level}_projection.bias"])
    return torch.cat(made, dim=1)


def test_the_rows_of_a_picture_are_those_of_its_authors(projector: ModelPatch, seen: VisionOutput) -> None:
    weights = dict(projector.network.module().named_parameters())
    states = {"high": seen.penultimate_hidden_states, "mid": seen.deeper[-11], "low": seen.deeper[-20]}
    expected = style_rows(weights, states)
    kind: Any = projector.kind
    with torch.inference_mode():
        found = kind.rows(projector.network.module(), seen)
    # Of several pictures one behind the other.
    torch.testing.assert_close(found, torch.cat([expected[:1], expected[1:]], dim=1))
    assert found.shape == (1, 2 * 3 * 2, 128)


def test_they_stand_before_the_words_and_have_no_place(
    model: ModelPatcher, projector: ModelPatch, seen: VisionOutput
) -> None:
    styled = with_style_reference(model, projector, of(seen, 0))
    net: Any = model.network.module()
    calls: list[Any] = []
    hook = net.proj_out.register_forward_hook(lambda _, __, answer: calls.append(answer))
    sampled(styled, steps=1)
    hook.remove()
    x = sampled_noise(model)
    kind: Any = projector.kind
    with torch.inference_mode():
        rows = kind.rows(projector.network.module(), of(seen, 0))
        state, text = net.x_embedder(packed(x)), torch.cat([rows, net.context_embedder(ROWS)], dim=1)
        told = net.time_text_embed(torch.tensor([1000.0]), torch.tensor([3500.0]), POOLED)
        angles = net.pos_embed(torch.cat([torch.zeros(text.shape[1], 3), places(PatchGrid(2, 3))]))
        for block in net.transformer_blocks:
            text, state = block(
                hidden_states=state, encoder_hidden_states=text, temb=told, image_rotary_emb=angles,
                joint_attention_kwargs={},
            )  # fmt: skip
        for block in net.single_transformer_blocks:
            text, state = block(
                hidden_states=state, encoder_hidden_states=text, temb=told, image_rotary_emb=angles,
                joint_attention_kwargs={},
            )  # fmt: skip
        expected = net.proj_out(net.norm_out(state, told))
    torch.testing.assert_close(calls[0], expected)
    assert unpacked(expected, 4, 6).shape == x.shape


def sampled_noise(model: ModelPatcher) -> Tensor:
    """What a run of seed 3 gives the network first."""
    calls: list[Any] = []
    hook = model.network.module().register_forward_pre_hook(lambda _, args: calls.append(args[0]))
    sampled(model, steps=1)
    hook.remove()
    return unpacked(calls[0], 4, 6)


def test_a_style_acts_beside_other_styles_and_references(
    model: ModelPatcher, projector: ModelPatch, seen: VisionOutput
) -> None:
    one, other = (with_style_reference(model, projector, of(seen, number)) for number in (0, 1))
    both = with_style_reference(one, projector, of(seen, 1))
    at_once = with_style_reference(model, projector, seen)
    shown = {"reference_latents": [torch.ones(1, 16, 2, 2)], "reference_latents_method": "uxo"}
    results = [sampled(each)["samples"] for each in (model, one, other, both)]
    results.append(sampled(one, options=shown)["samples"])
    assert len({float(each.sum()) for each in results}) == 5
    # The words have no places: which style is first does not matter.
    torch.testing.assert_close(results[3], sampled(at_once)["samples"])
    guided = sampled(one, cfg=2.0, latent={"samples": torch.zeros(2, 16, 4, 6)})["samples"]
    assert guided.shape == (2, 16, 4, 6)
    assert sum(bytes_ for _, bytes_ in one.memory_parts) > sum(bytes_ for _, bytes_ in model.memory_parts)


@pytest.mark.parametrize("cut", [1, 3])
def test_two_stages_are_the_single_run_bit_for_bit(
    model: ModelPatcher, projector: ModelPatch, seen: VisionOutput, cut: int
) -> None:
    settings: dict[str, Any] = {"sampler": "dpmpp_2m_sde", "mode": "continuous"}
    whole = sampled(with_style_reference(model, projector, of(seen, 0)), **settings)["samples"]
    styled = with_style_reference(model, projector, of(seen, 0))
    first = sampled(styled, end=cut, **settings)
    assert torch.equal(sampled(styled, first, start=cut, add_noise=False, **settings)["samples"], whole)


def test_what_does_not_fit_is_said(
    model: ModelPatcher, projector: ModelPatch, seen: VisionOutput, files: dict[str, Path], tmp_path: Path
) -> None:
    assert patch_glance(files["model_patches"]) == ("USO's projector", "FLUX.1", False)
    schnell = load_unet(file_of(tmp_path, "diffusion_models", "flux1-schnell"), **ON_CPU)
    with pytest.raises(DiffusionError, match="this model patch is USO's projector; the model is FLUX.1 schnell"):
        with_style_reference(schnell, projector, seen)
    with pytest.raises(DiffusionError, match="is USO's projector, which USOStyleReference puts on a model"):
        with_sight(model, projector, Any, 1.0)  # type: ignore[arg-type]
    clip = VisionOutput(seen.last_hidden_state, seen.image_embeds, seen.penultimate_hidden_states)
    with pytest.raises(DiffusionError, match=r"reads 4 tokens of width 64 of SigLIP, .* gave no layer -11: it needs"):
        with_style_reference(model, projector, clip)
    wide = replace(seen, penultimate_hidden_states=torch.zeros(1, 9, 32))
    with pytest.raises(DiffusionError, match="the vision model gave 9 tokens of width 32"):
        with_style_reference(model, projector, wide)
