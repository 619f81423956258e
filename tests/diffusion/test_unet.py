"""The walk through a UNet: the network's own numbers, and the places where functions step in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.sd import unet
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint


def loaded(parity: Path, name: str) -> nn.Module:
    path = parity / "models" / "checkpoints" / f"{name}.safetensors"
    return load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32).model.network.module()


@pytest.fixture(scope="module")
def sd1(parity: Path) -> nn.Module:
    return loaded(parity, "tiny_sd15")


@pytest.fixture(scope="module")
def xl(parity: Path) -> nn.Module:
    return loaded(parity, "tiny_sdxl")


def inputs(network: Any, height: int = 8, width: int = 8) -> tuple[Tensor, Tensor, dict[str, Any]]:
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(2, 4, height, width, generator=generator)
    given = {"encoder_hidden_states": torch.randn(2, 77, network.config.cross_attention_dim, generator=generator)}
    if network.config.addition_embed_type is not None:
        given["added_cond_kwargs"] = {"text_embeds": torch.randn(2, 80), "time_ids": torch.full((2, 6), 64.0)}
    return sample, torch.tensor([3.0, 500.0]), given


@pytest.mark.parametrize("name", ["sd1", "xl"])
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (16, 24)])
@torch.inference_mode()
def test_equals_the_networks_own_forward(name: str, size: tuple[int, int], request: pytest.FixtureRequest) -> None:
    network = request.getfixturevalue(name)
    sample, timestep, given = inputs(network, *size)
    expected = network(sample, timestep, return_dict=False, **given)[0]
    assert torch.equal(unet.forward(network, sample, timestep, {}, **given), expected)
    same = {"patches": {f"attn{n}_patch": [lambda x, k, v, options: (x, k, v)] for n in (1, 2)}}
    assert torch.equal(unet.forward(network, sample, timestep, same, **given), expected)


@torch.inference_mode()
def test_control_residuals_are_added_where_diffusers_adds_them(sd1: nn.Module) -> None:
    sample, timestep, given = inputs(sd1)
    skips: list[Tensor] = []
    inner: list[Tensor] = []
    seen = {"input_block_patch": [lambda h, options: skips.append(h) or h]}
    middle = {"attn1": {("middle", 0): lambda q, k, v, options: inner.append(q) or v}}
    unet.forward(sd1, sample, timestep, {"patches": seen, "patches_replace": middle}, **given)
    given |= {
        "down_block_additional_residuals": [torch.randn_like(skip) for skip in skips],
        "mid_block_additional_residual": torch.randn_like(skips[-1]),
    }
    expected = sd1(sample, timestep, return_dict=False, **given)[0]
    assert torch.equal(unet.forward(sd1, sample, timestep, {}, **given), expected)


@torch.inference_mode()
def test_places_are_counted_as_in_ldm(sd1: nn.Module) -> None:
    """SD1: 12 input blocks, one middle block, 12 output blocks; no transformer in the innermost input blocks."""
    sample, timestep, given = inputs(sd1)
    seen: dict[str, list[Any]] = {name: [] for name in (*unet.BLOCK_PATCHES, *unet.ATTENTION_PATCHES)}

    def watch(name: str) -> Any:
        def patch(*values: Any) -> Any:
            *tensors, options = values
            seen[name].append(options)
            return tensors[0] if len(tensors) == 1 else tuple(tensors)

        return patch

    options = {"patches": {name: [watch(name)] for name in seen}, "mine": 7}
    assert torch.equal(
        unet.forward(sd1, sample, timestep, options, **given), sd1(sample, timestep, return_dict=False, **given)[0]
    )
    blocks = {name: [options["block"] for options in calls] for name, calls in seen.items()}
    assert blocks["input_block_patch"] == blocks["input_block_patch_after_skip"] == [("input", n) for n in range(12)]
    assert blocks["output_block_patch"] == [("output", n) for n in range(12)]
    transformers = [("input", n) for n in (1, 2, 4, 5, 7, 8)] + [("middle", 0)] + [("output", n) for n in range(3, 12)]
    assert blocks["attn1_patch"] == blocks["attn2_output_patch"] == blocks["middle_patch"] == transformers
    first = seen["attn2_patch"][0]
    assert (first["mine"], first["transformer_index"], first["block_index"]) == (7, 0, 0)
    assert (first["original_shape"], first["activations_shape"]) == ([2, 4, 8, 8], [2, 32, 8, 8])
    assert first["n_heads"] * first["dim_head"] == 32
    assert [options["transformer_index"] for options in seen["attn1_patch"]] == list(range(16))


@torch.inference_mode()
def test_replaced_attention(sd1: nn.Module) -> None:
    """One layer, a block with all its layers, and the exact numbers of the attention that was there."""
    sample, timestep, given = inputs(sd1)
    plain = sd1(sample, timestep, return_dict=False, **given)[0]
    attn: Any = sd1.mid_block.attentions[0].transformer_blocks[0].attn1

    def run(place: tuple[Any, ...], function: Any) -> Tensor:
        options = {"patches_replace": {"attn1": {place: function}}}
        return unet.forward(sd1, sample, timestep, options, **given)

    assert torch.equal(run(("middle", 0, 0), lambda q, k, v, options: unet.attention(attn, q, k, v)), plain)
    assert not torch.equal(run(("input", 1), lambda q, k, v, options: v), plain)
    assert torch.equal(run(("input", 1, 1), lambda q, k, v, options: v), plain)


@torch.inference_mode()
def test_skip_and_map_are_different_places(sd1: nn.Module) -> None:
    sample, timestep, given = inputs(sd1)
    skips: list[Tensor] = []

    def double(h: Tensor, options: Any) -> Tensor:
        return h * 2 if options["block"] == ("input", 11) else h

    def run(place: str) -> Tensor:
        skips.clear()
        keep = [lambda h, skip, options: skips.append(skip) or (h, skip)]
        return unet.forward(sd1, sample, timestep, {"patches": {place: [double], "output_block_patch": keep}}, **given)

    run("input_block_patch_after_skip")
    kept = skips[0]
    run("input_block_patch")
    assert torch.equal(skips[0], kept * 2)


def test_a_map_that_does_not_fit_its_skip(sd1: nn.Module) -> None:
    sample, timestep, given = inputs(sd1)
    options = {"patches": {"input_block_patch_after_skip": [lambda h, options: h[..., ::2, ::2]]}}
    with pytest.raises(DiffusionError, match=r"left a feature map of .* at output block \d+, whose skip"):
        unet.forward(sd1, sample, timestep, options, **given)


def test_what_is_patched() -> None:
    assert not unet.is_patched({})
    assert not unet.is_patched({"patches": {"attn1_patch": []}, "patches_replace": {"attn1": {}}, "sigmas": 1})
    assert unet.is_patched({"patches": {"middle_patch": [print]}})
    assert unet.is_patched({"patches_replace": {"attn2": {("middle", 0): print}}})
    with pytest.raises(DiffusionError, match="steps in at 'attn3_patch'; there are input_block_patch, "):
        unet.is_patched({"patches": {"attn3_patch": [print]}})
