"""Weights multiplied by name: which layers, by how much, and that a model passes through untouched otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from weft.nodes.core import attention
from weft.nodes.diffusion.weights.scaling import ScalePatch, of_frames


def changed(before: Any, after: Any) -> dict[str, float]:
    """The parameters that a network has patched, by the factor; each is multiplied by it."""
    found, cpu = {}, torch.device("cpu")
    for name, ((patch, strength),) in after.patches.items():
        found[name] = patch.factor
        assert strength == 1.0
        torch.testing.assert_close(after.weight(name, cpu), before.weight(name, cpu) * patch.factor)
    return found


@pytest.mark.parametrize(
    ("node", "layer"), [("UNetSelfAttentionMultiply", "attn1"), ("UNetCrossAttentionMultiply", "attn2")]
)
def test_attention_of_a_unet(open_checkpoint: Callable[..., Any], node: str, layer: str) -> None:
    model = open_checkpoint("sd1").model
    made = getattr(attention, node)(model=model, q=0.5, k=1.0, v=2.0, out=3.0)
    found = changed(model.network, made.network)
    wanted = {f"{layer}.to_q.weight": 0.5, f"{layer}.to_v.weight": 2.0, f"{layer}.to_out.0.weight": 3.0}
    wanted |= {f"{layer}.to_out.0.bias": 3.0}
    expected = {
        name: factor
        for name in model.network.parameter_names
        for end, factor in wanted.items()
        if name.endswith(f".{end}")
    }
    assert found == pytest.approx(expected)


def test_attention_of_text_encoders(open_checkpoint: Callable[..., Any]) -> None:
    clip = open_checkpoint("sd1").clip
    made = attention.CLIPAttentionMultiply(clip=clip, q=0.5, k=1.0, v=1.0, out=1.0)
    found = changed(clip.encoders[0].network, made.encoders[0].network)
    assert set(found.values()) == {0.5}
    assert all(name.endswith((".q_proj.weight", ".q_proj.bias")) for name in found)


def test_attention_within_and_across_frames() -> None:
    factor = of_frames({"attn1": (2.0, 3.0), "attn2": (4.0, 5.0)})
    block = "down_blocks.0.attentions.0"
    assert factor(f"{block}.transformer_blocks.0.attn1.to_out.0.weight") == 2.0
    assert factor(f"{block}.temporal_transformer_blocks.0.attn1.to_out.0.bias") == 3.0
    assert factor(f"{block}.transformer_blocks.0.attn2.to_out.0.weight") == 4.0
    assert factor(f"{block}.transformer_blocks.0.attn2.to_q.weight") == 1.0
    weight = torch.ones(2)
    assert ScalePatch(3.0).apply(weight, 0.5).tolist() == [2.0, 2.0]
