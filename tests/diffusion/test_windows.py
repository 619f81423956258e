"""Context windows: along the batch of images they change nothing, which is shown by laying them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.patches.windows import in_windows

from .ksampling import ksample

PLACES = ((0, 1, 2), (1, 2, 3), (2, 3, 4))
PYRAMID = torch.tensor([1.0, 2.0, 1.0])


def sampled(loaded: Any, model: Any, batch: int = 5) -> Tensor:
    given = {"seed": 1, "steps": 2, "cfg": 2.0, "sampler": "euler", "scheduler": "normal"}
    prompts = {"positive": loaded.clip.encode("a cat"), "negative": loaded.clip.encode("")}
    found: Tensor = ksample(model, {"samples": torch.zeros(batch, 4, 8, 8)}, **prompts, **given)["samples"]
    return found


def laid(args: Any) -> list[Tensor]:
    """The predictions of windows of three, overlapping by two, and weighed as a pyramid."""
    x, network = args["input"], args["model"]
    sums = [torch.zeros_like(x) for _ in args["conds"]]
    weights = torch.zeros(len(x), 1, 1, 1)
    for places in PLACES:
        chosen = list(places)
        parts = network.predict(args["conds"], x[chosen], args["level"], args["model_options"])
        weights[chosen] += PYRAMID.reshape(-1, 1, 1, 1)
        for total, part in zip(sums, parts, strict=True):
            total[chosen] += part * PYRAMID.reshape(-1, 1, 1, 1)
    return [total / weights for total in sums]


def test_along_the_batch_windows_change_nothing(open_checkpoint: Callable[..., Any]) -> None:
    loaded = open_checkpoint("sd1")
    assert in_windows(loaded.model, 3, 2, 0) is loaded.model
    windowed = loaded.model.clone()
    windowed.set_model_sampler_calc_cond_batch_function(laid)
    torch.testing.assert_close(sampled(loaded, windowed), sampled(loaded, loaded.model), rtol=1e-4, atol=1e-3)


def test_along_another_axis_one_window_is_all_there_is(open_checkpoint: Callable[..., Any]) -> None:
    loaded = open_checkpoint("sd1")
    fits = in_windows(loaded.model, 8, 4, 2)
    assert torch.equal(sampled(loaded, fits, 1), sampled(loaded, loaded.model, 1))
    with pytest.raises(DiffusionError, match="do not fit into one context window of 7 along axis 2"):
        sampled(loaded, in_windows(loaded.model, 7, 4, 2), 1)
    with pytest.raises(DiffusionError, match="there is no axis 4 in latents of"):
        sampled(loaded, in_windows(loaded.model, 7, 4, 4), 1)
    with pytest.raises(DiffusionError, match="windows of 4 cannot share 4"):
        in_windows(loaded.model, 4, 4, 0)
