"""Conditions: what an entry of a conditioning says, resolved against a latent."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError, DiffusionWarning
from weft.nodes.diffusion.families.sd.denoiser import UNetDenoiser
from weft.nodes.diffusion.sampling.conditions import Condition, SamplingRun, add_twins, resolve
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.values.masks import resize_mask
from weft.nodes.diffusion.values.pixels import to_batch

H, W = 16, 12


class Network(nn.Module):
    """Only what a Denoiser asks of a network before its first call."""

    def __init__(self, pooled: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(
            in_channels=4,
            cross_attention_dim=6,
            addition_embed_type="text_time" if pooled else None,
            addition_time_embed_dim=2,
            projection_class_embeddings_input_dim=(pooled or 0) + 12,
        )


def run(batch: int = 1, pooled: int | None = None) -> SamplingRun:
    return SamplingRun(UNetDenoiser(Network(pooled), ModelSampling.discrete()), (batch, 4, H, W), torch.device("cpu"))


def one(context: Any = None, pooled: int | None = None, **options: Any) -> Condition:
    context = torch.zeros(1, 77, 6) if context is None else context
    (condition,) = resolve([[context, options]], "positive", run(pooled=pooled))
    return condition


def test_a_plain_entry_acts_everywhere_and_always() -> None:
    condition = one()
    assert condition.box(H, W) == (H, W, 0, 0)
    assert condition.weight(3, H, W) == 1.0
    assert condition.active(0.0)
    assert condition.active(1e9)
    assert condition.added == {}


def test_area_is_cut_at_the_edge() -> None:
    assert one(area=(8, 4, 2, 3)).box(H, W) == (8, 4, 2, 3)
    assert one(area=(100, 100, 10, 5)).box(H, W) == (6, 7, 10, 5)
    assert one(area=(100, 100, 10, 5), strength=2.0).weight(1, H, W)[0, 0, -1, -1] == 2.0


def test_percentages_are_rounded_to_even() -> None:
    # 16 * 0.15625 = 2.5 -> 2 and 12 * 0.125 = 1.5 -> 2; a size is at least 1.
    assert one(area=("percentage", 0.15625, 0.125, 0.15625, 0.125)).area == (2, 2, 2, 2)
    assert one(area=("percentage", 0.0, 0.0, 0.5, 0.5)).area == (1, 1, 8, 6)


@pytest.mark.parametrize("area", [(4, 4, 16, 0), (4, 4, 0, 12), (0, 4, 0, 0), (4, 4, -1, 0)])
def test_area_outside(area: tuple[int, int, int, int]) -> None:
    with pytest.raises(DiffusionError, match=r"entry 0: its area of .* lies outside the latent of 12x16"):
        one(area=area)


def test_area_fades_in_where_it_does_not_touch_the_edge() -> None:
    weight = one(area=(8, 12, 4, 0), strength=2.0).weight(1, H, W)
    assert weight.shape == (1, 1, 8, 12)
    # A ramp of min(8, 8 // 4) rows at top and bottom, none at the sides, which are the latent's own.
    assert weight[0, 0, :, 5].tolist() == [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0]
    assert torch.equal(weight[0, 0, :, :1].expand(8, 12), weight[0, 0])


def test_strength_without_an_area() -> None:
    assert one(strength=0.25).weight(1, H, W) == 0.25


def test_mask_weighs_without_fading() -> None:
    mask = torch.rand(H, W)
    condition = one(mask=mask, mask_strength=0.5, strength=3.0, area=(4, 4, 2, 3))
    assert torch.allclose(condition.weight(2, H, W), 1.5 * mask[2:6, 3:7].expand(2, 1, 4, 4))


def test_mask_is_brought_to_latent_size_and_batch() -> None:
    masks = torch.rand(2, 37, 23)
    condition = one(mask=masks)
    weight = condition.weight(5, H, W)
    assert weight.shape == (5, 1, H, W)
    assert torch.equal(weight[0], weight[2])
    assert torch.equal(weight[1], weight[3])
    expected = nn.functional.interpolate(masks[:, None], size=(H, W), mode="bilinear")
    assert torch.allclose(weight[:2], expected)
    assert condition.weight(1, H, W).shape == (1, 1, H, W)


def test_mask_bounds() -> None:
    mask = torch.zeros(1, H, W)
    mask[0, 2:14, 1:3] = 1.0
    assert one(mask=mask, set_area_to_bounds=True).area == (12, 8, 2, 1)
    # At least 8x8, yet not beyond the latent.
    mask = torch.zeros(2, H, W)
    mask[0, 15, 11] = mask[1, 13, 10] = 0.1
    assert one(mask=mask, set_area_to_bounds=True).box(H, W) == (3, 2, 13, 10)
    # What marks nothing costs as little as can be.
    assert one(mask=torch.zeros(H, W), set_area_to_bounds=True).area == (8, 8, 0, 0)
    assert one(mask=torch.tensor([[[-1.0]], [[0.0]]]), set_area_to_bounds=True).box(H, W) == (H, W, 0, 0)


@pytest.mark.parametrize("shape", [(5,), (1, 1, 1, 8, 8), (2, 3, 8, 8), (0, 8, 8)])
def test_a_mask_of_another_kind(shape: tuple[int, ...]) -> None:
    with pytest.raises(DiffusionError, match=r"entry 0: a mask must be \[height, width\] or"):
        one(mask=torch.zeros(shape))


def test_timestep_range_includes_both_ends() -> None:
    sampling = ModelSampling.discrete()
    condition = one(start_percent=0.2, end_percent=0.7)
    start, end = sampling.percent_to_sigma(0.2), sampling.percent_to_sigma(0.7)
    assert [condition.active(s) for s in (start, end, start * 1.001, end * 0.999)] == [True, True, False, False]
    assert one(start_percent=0.0, end_percent=1.0).active(sampling.sigma_max)


def test_twins() -> None:
    plain, other_plain = one(torch.full((1, 77, 6), 1.0)), one(torch.full((1, 77, 6), 2.0))
    wide, small = one(torch.full((1, 77, 6), 3.0), area=(8, 8, 0, 0)), one(area=(4, 4, 2, 2), strength=0.5)
    far = one(area=(4, 4, 12, 8))

    def twin_of(condition: Condition, *others: Condition) -> list[Condition]:
        known = list(others)
        add_twins([condition], known)
        return known[len(others) :]

    (twin,) = twin_of(small, plain)
    assert (twin.area, twin.strength, twin.context) == (small.area, 0.5, plain.context)
    assert twin_of(small, plain, wide)[0].context is wide.context
    assert twin_of(far, wide, plain)[0].context is plain.context
    assert twin_of(small, plain, other_plain)[0].context is plain.context
    assert twin_of(small, plain, small) == []
    assert twin_of(far, wide) == []
    # Areas are compared as they were asked for, not as the latent's edge cuts them: so does ComfyUI.
    assert twin_of(one(area=(99, 4, 0, 0)), one(area=(H, W, 0, 0))) == []
    assert twin_of(plain, plain) == []


def test_one_twin_for_two_equal_areas() -> None:
    known = [one()]
    add_twins([one(area=(4, 4, 0, 0)), one(area=(4, 4, 0, 0))], known)
    assert len(known) == 2


def test_sdxl_sizes() -> None:
    pooled = torch.ones(1, 5)
    assert one(pooled=5, pooled_output=pooled).added["time_ids"].tolist() == [[128, 96, 0, 0, 128, 96]]
    stated = {"width": 1024, "height": 768, "crop_w": 16, "crop_h": 8, "target_width": 640, "target_height": 480}
    added = one(pooled=5, pooled_output=pooled, **stated).added
    assert added["time_ids"].tolist() == [[768, 1024, 8, 16, 480, 640]]
    assert torch.equal(added["text_embeds"], pooled)
    # The target defaults to the stated size.
    added = one(pooled=5, pooled_output=pooled, width=1024, height=768).added
    assert added["time_ids"].tolist() == [[768, 1024, 0, 0, 768, 1024]]


def test_a_prompt_of_another_family() -> None:
    with pytest.raises(DiffusionError, match=r"positive conditioning, entry 0: its width is 2048, .* takes 6"):
        one(torch.zeros(1, 77, 2048))
    with pytest.raises(DiffusionError, match="needs a pooled_output of width 5, and there is none"):
        one(pooled=5)
    with pytest.raises(DiffusionError, match="pooled_output has width 7, the model takes 5"):
        one(pooled=5, pooled_output=torch.zeros(1, 7))


@pytest.mark.parametrize("context", [torch.zeros(77, 6), "a cat", None])
def test_no_tensor(context: Any) -> None:
    with pytest.raises(DiffusionError, match=r"negative conditioning, entry 1: expected a tensor \[batch"):
        resolve([[torch.zeros(1, 77, 6), {}], [context, {}]], "negative", run())


@pytest.mark.parametrize("entry", [torch.zeros(1, 77, 6), [torch.zeros(1, 77, 6)], None])
def test_no_entry(entry: Any) -> None:
    with pytest.raises(DiffusionError, match=r"positive conditioning, entry 0: expected \[tensor, options\], got"):
        resolve([entry], "positive", run())


def test_boxes_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(DiffusionError, match="its gligen is of an unknown kind; expected boxes, as GLIGENTextBoxApply"):
        one(gligen=("other", object(), []))
    assert one(gligen=None).grounded is None


def test_pictures_to_edit_that_the_family_does_not_read_are_told() -> None:
    with pytest.warns(DiffusionWarning, match="pictures to edit .ReferenceLatent., which this model does not read"):
        one(reference_latents=[torch.zeros(1, 4, 2, 2)])


def test_to_batch() -> None:
    items = torch.arange(3.0)[:, None]
    assert to_batch(items, 5)[:, 0].tolist() == [0, 1, 2, 0, 1]
    assert to_batch(items, 2)[:, 0].tolist() == [0, 1]
    assert to_batch(items[1:2], 3)[:, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("shape", [(9, 7), (1, 9, 7), (1, 1, 9, 7)])
def test_mask_layouts(shape: tuple[int, ...]) -> None:
    mask: Tensor = torch.arange(63.0).reshape(shape)
    assert torch.equal(resize_mask(mask, 9, 7), mask.reshape(1, 9, 7))
    assert resize_mask(mask, 4, 4).shape == (1, 4, 4)
    assert math.isclose(float(resize_mask(mask, 1, 1)), 31.0)
