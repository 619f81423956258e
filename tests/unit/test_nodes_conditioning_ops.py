"""Conditioning nodes: the options they set, in ComfyUI's terms, and what they say of prompts that are not used."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from weft.engine.context import RunContext
from weft.nodes.core import conditioning as faces

PROMPT = [[torch.ones(1, 4, 3), {"pooled_output": torch.ones(1, 5)}]]


def options(conditioning: list[Any]) -> dict[str, Any]:
    ((_, found),) = conditioning
    return {name: value for name, value in found.items() if name != "pooled_output"}


def test_areas_are_in_latent_pixels_height_first() -> None:
    area = faces.ConditioningSetArea(conditioning=PROMPT, width=97, height=64, x=39, y=8, strength=0.5)
    assert options(area) == {"area": (8, 12, 1, 4), "strength": 0.5, "set_area_to_bounds": False}
    share = faces.ConditioningSetAreaPercentage(conditioning=PROMPT, width=0.5, height=0.25, x=0.1, y=0.2, strength=2.0)
    assert options(share)["area"] == ("percentage", 0.25, 0.5, 0.2, 0.1)


def test_strength_leaves_the_area() -> None:
    area = faces.ConditioningSetArea(conditioning=PROMPT, width=64, height=64, x=0, y=0, strength=0.5)
    changed = options(faces.ConditioningSetAreaStrength(conditioning=area, strength=3.0))
    assert (changed["area"], changed["strength"]) == ((8, 8, 0, 0), 3.0)


def test_masks() -> None:
    mask = torch.rand(6, 7)
    by_value = faces.ConditioningSetMask(conditioning=PROMPT, mask=mask, strength=0.5, set_cond_area="default")
    found = options(by_value)
    assert torch.equal(found.pop("mask"), mask[None])
    assert found == {"set_area_to_bounds": False, "mask_strength": 0.5}
    bounds = faces.ConditioningSetMask(conditioning=PROMPT, mask=mask, strength=1.0, set_cond_area="mask bounds")
    assert options(bounds)["set_area_to_bounds"] is True
    with pytest.raises(ValueError, match=r"a mask must be \[height, width\] or .*, got \[7\]"):
        faces.ConditioningSetMask(conditioning=PROMPT, mask=mask[0], strength=1.0, set_cond_area="default")


def test_timestep_range() -> None:
    ranged = faces.ConditioningSetTimestepRange(conditioning=PROMPT, start=0.25, end=0.75)
    assert options(ranged) == {"start_percent": 0.25, "end_percent": 0.75}


def test_combine_keeps_the_order() -> None:
    other = [[torch.zeros(1, 4, 3), {}]]
    combined = faces.ConditioningCombine(conditioning_1=PROMPT, conditioning_2=other)
    assert combined == [*PROMPT, *other]
    assert len(PROMPT) == 1


def test_prompts_that_are_not_used_are_named(make_context: Any) -> None:
    context: RunContext = make_context()
    two = [*PROMPT, *PROMPT]
    faces.ConditioningConcat(conditioning_to=two, conditioning_from=PROMPT, context=context)
    assert context.warnings == []
    faces.ConditioningConcat(conditioning_to=PROMPT, conditioning_from=two, context=context)
    other: RunContext = make_context()
    faces.ConditioningAverage(
        conditioning_to=PROMPT, conditioning_from=two, conditioning_to_strength=0.5, context=other
    )
    for each in (context, other):
        assert [text for _, text in each.warnings] == ["conditioning_from holds 2 prompts; only the first is used"]
