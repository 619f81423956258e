"""Merges: what they make of two models' weights, and that they cost nothing before. ComfyUI's numbers: merge_*."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import PatchError
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.merge import added, by_block, merge_clips, merge_models, subtracted, weighted

Open = Callable[..., Any]
NAME = "mid_block.resnets.0.conv1.weight"


@pytest.fixture
def pair(open_checkpoint: Open) -> tuple[Any, Any]:
    return open_checkpoint("sd1"), open_checkpoint("sd1", seed=1)


def weights(model: Any) -> dict[str, Tensor]:
    return dict(model.network.module().named_parameters())


def merged_by(pair: tuple[Any, Any], shares: tuple[float, float]) -> dict[str, Tensor]:
    return weights(merge_models(pair[0].model, pair[1].model, lambda name: shares)[0])


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_a_ratio_is_the_share_of_the_first(pair: tuple[Any, Any], ratio: float) -> None:
    one, two = (weights(each.model) for each in pair)
    for name, weight in merged_by(pair, weighted(ratio)).items():
        assert torch.equal(weight, one[name] * ratio + two[name] * (1.0 - ratio)), name


def test_a_difference_added_to_a_third(pair: tuple[Any, Any], open_checkpoint: Open) -> None:
    third = open_checkpoint("sd1", seed=2)
    difference, _ = merge_models(pair[0].model, pair[1].model, lambda name: subtracted(0.5))
    result, _ = merge_models(third.model, difference, lambda name: added())
    one, two, three = (weights(each.model)[NAME] for each in (*pair, third))
    torch.testing.assert_close(weights(result)[NAME], three + (one - two) * 0.5)
    # A multiplier of 0 leaves nothing of either.
    assert not merged_by(pair, subtracted(0.0))[NAME].any()


def test_ratios_by_block(pair: tuple[Any, Any]) -> None:
    ratios = by_block({"input": 0.25, "middle": 0.5, "out": 0.75})
    merged = weights(merge_models(pair[0].model, pair[1].model, ratios)[0])
    one, two = (weights(each.model) for each in pair)
    for name, ratio in {
        "conv_in.weight": 0.25,
        "down_blocks.2.resnets.0.conv1.weight": 0.25,
        "time_embedding.linear_1.weight": 0.25,  # of no block: the first ratio
        NAME: 0.5,
        "up_blocks.0.resnets.0.conv1.weight": 0.75,
        "conv_out.weight": 0.75,
    }.items():
        torch.testing.assert_close(merged[name], one[name] * ratio + two[name] * (1 - ratio))


def test_the_longest_beginning_counts() -> None:
    shares = by_block({"input_blocks.1": 0.1, "input_blocks.1.1": 0.2, "out": 0.3})
    assert shares("input_blocks.1.0.x") == weighted(0.1)
    assert shares("input_blocks.1.1.x") == weighted(0.2)
    assert shares("middle_block.0") == weighted(0.1)


def test_a_merge_is_lazy_and_shares_what_it_leaves(pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = by_block({"input": 1.0, "middle": 0.5, "out": 1.0})
    merged, _ = merge_models(pair[0].model, pair[1].model, ratios)
    network = merged.network
    assert network._module is None
    assert all(name.startswith("mid_block.") for name in network.patches)
    base = dict(network.base.named_parameters())
    shared = [name for name, weight in network.module().named_parameters() if weight is base[name]]
    assert len(shared) == len(base) - len(network.patches)
    assert pair[0].model.network.patches == {}
    # Twice the same is realised once; another ratio is another module.
    again, _ = merge_models(pair[0].model, pair[1].model, ratios)
    assert again.network.module() is network.module()
    other, _ = merge_models(pair[0].model, pair[1].model, lambda name: weighted(0.5))
    assert other.network.module() is not network.module()


def test_a_ratio_of_1_is_the_first_model(pair: tuple[Any, Any]) -> None:
    merged, _ = merge_models(pair[0].model, pair[1].model, lambda name: weighted(1.0))
    assert merged.network.module() is pair[0].model.network.base


def test_what_a_cache_counts(pair: tuple[Any, Any]) -> None:
    merged, _ = merge_models(pair[0].model, pair[1].model, lambda name: weighted(0.5))
    parts = dict(merged.memory_parts)
    for each in pair:
        network = each.model.network
        assert parts[id(network.base)] == sum(p.nbytes for p in network.base.parameters())
    assert len(parts) == 3
    merged_sizes = sum(p.nbytes for p in merged.network.base.parameters())
    assert merged.nbytes == merged_sizes


def test_loras_below_and_above_a_merge(parity: Any) -> None:
    """A merge takes the other model's patches in, unrounded, and what comes behind it is applied to the result."""
    from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    model = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float16).model
    lora = load_lora(parity / "models" / "loras" / "tiny_lora_b.safetensors")
    patched, _, report = apply_lora(model, None, lora, 1.0, 0.0)
    name = next(iter(report.matched.values())).removeprefix("unet.")
    below, _ = merge_models(model, patched, lambda name: weighted(0.4))
    above, _, _ = apply_lora(below, None, lora, 0.5, 0.0)
    base = weights(model)[name].float()
    change = patched.network.weight(name, base.device) - base
    torch.testing.assert_close(weights(below)[name], (base * 0.4 + (base + change) * 0.6).half(), rtol=0, atol=1e-3)
    torch.testing.assert_close(weights(above)[name], (base + 1.1 * change).half(), rtol=0, atol=2e-3)
    exact = base * 0.4 + patched.network.weight(name, base.device) * 0.6
    assert torch.equal(weights(below)[name], exact.half()), "cast once"


def test_an_inpainting_model_keeps_its_first_convolution(open_checkpoint: Open) -> None:
    inpaint, plain = open_checkpoint("sd1", 9), open_checkpoint("sd1", seed=1)
    merged, left = merge_models(inpaint.model, plain.model, lambda name: added())
    assert left == ["conv_in.weight"]
    one, two = (weights(each.model) for each in (inpaint, plain))
    assert torch.equal(weights(merged)["conv_in.weight"], one["conv_in.weight"])
    assert torch.equal(weights(merged)[NAME], one[NAME] + two[NAME])
    assert merged.kind.inputs == "inpaint"


def test_models_of_two_families(open_checkpoint: Open) -> None:
    models = [open_checkpoint(family).model for family in ("sd1", "sdxl")]
    words = "a Stable Diffusion 1.x and a Stable Diffusion XL model cannot be merged"
    with pytest.raises(PatchError, match=words):
        merge_models(*models, lambda name: weighted(0.5))


def test_models_of_two_sizes(open_checkpoint: Open, parity: Any) -> None:
    from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    larger = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32).model
    with pytest.raises(PatchError, match="models of different structure cannot be merged: '.*' is in one alone"):
        merge_models(open_checkpoint("sd1").model, larger, lambda name: weighted(0.5))


def test_models_of_two_widths(open_checkpoint: Open) -> None:
    def widen(tensors: dict[str, Tensor]) -> None:
        for key, tensor in tensors.items():
            if ".attn2.to_k." in key or ".attn2.to_v." in key:
                tensors[key] = tensor[:, :48].contiguous()
        for key in [key for key in tensors if key.startswith("cond_stage_model.")]:
            del tensors[key]

    narrow = open_checkpoint("sd1", name="narrow", change=widen)
    with pytest.raises(PatchError, match=r"different sizes .*to_k.weight' is \[32, 64\] in the first, \[32, 48\]"):
        merge_models(open_checkpoint("sd1").model, narrow.model, lambda name: weighted(0.5))


def test_text_encoders(pair: tuple[Any, Any], open_checkpoint: Open) -> None:
    one, two = (dict(each.clip.encoders[0].network.base.named_parameters()) for each in pair)
    merged = merge_clips(pair[0].clip, pair[1].clip, weighted(0.25))
    for name, weight in merged.encoders[0].network.module().named_parameters():
        torch.testing.assert_close(weight, one[name] * 0.25 + two[name] * 0.75)
    merged = merge_clips(pair[0].clip.with_layer(-2), pair[1].clip, added())
    assert merged.layer == -2
    assert pair[0].clip.encoders[0].network.patches == {}
    with pytest.raises(PatchError, match=r"text encoders clip_l and clip_l \+ clip_g cannot be merged"):
        merge_clips(pair[0].clip, open_checkpoint("sdxl").clip, weighted(0.5))


def test_a_merge_of_all_encoders_of_sdxl(open_checkpoint: Open) -> None:
    one, two = open_checkpoint("sdxl").clip, open_checkpoint("sdxl", seed=1).clip
    merged = merge_clips(one, two, subtracted(2.0))
    for a, b, c in zip(one.encoders, two.encoders, merged.encoders, strict=True):
        names = [n for n in c.network.parameter_names if n.endswith("fc1.weight")]
        for name in names:
            first, second = (each.network.base.get_parameter(name) for each in (a, b))
            torch.testing.assert_close(c.network.module().get_parameter(name), 2 * (first - second))
