"""EasyCache and LazyCache, held to the published rule: no reference values of ComfyUI's are at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.sampling.patches.reuse import Reuse, reuse_predictions
from weft.nodes.diffusion.sampling.tally import counting

from .ksampling import ksample

LEVELS = (14.0, 10.0, 8.0, 6.0, 5.0, 4.5, 4.25, 0.5)


class Network:
    """A GuidedNetwork of a known rate: what it gives is `slope` times what it is given, plus an offset a side."""

    sampling = ModelSampling.discrete()

    def __init__(self, slope: float) -> None:
        self.slope = slope
        self.levels: list[float] = []

    def predict(self, sides: Any, x: Tensor, sigma: Tensor, options: Any) -> list[Tensor]:
        self.levels.append(float(sigma))
        return [self.slope * x + side for side in range(1, len(sides) + 1)]


def evaluated(reuse: Reuse, network: Network, x: Tensor, level: float) -> list[Tensor]:
    return reuse(
        {"model": network, "conds": [["c"], ["u"]], "input": x, "level": torch.tensor(level), "model_options": {}}
    )


def lazy(threshold: float, **more: Any) -> Reuse:
    made: Any = {"start_percent": 0.0, "end_percent": 1.0, **more}
    return Reuse(threshold, of_network=False, earlier=lambda args: args["model"].predict(*_of(args)), **made)


def _of(args: Any) -> tuple[Any, ...]:
    return args["conds"], args["input"], args["level"], args["model_options"]


def test_the_rule() -> None:
    """The first two are computed: a rate is known then. Each other adds rate * |dx| / |the output before|."""
    network, reuse = Network(slope=0.5), lazy(0.12)
    xs = [torch.full((1, 1, 2, 2), value) for value in (4.0, 3.0, 2.9, 2.7, 2.5, 2.4)]
    found = [evaluated(reuse, network, x, level) for x, level in zip(xs, LEVELS, strict=False)]
    # After 3.0 the outputs are 2.5 and 3.5, 3.0 on average, and the step from the input -0.5 and 0.5.
    assert [float(side.mean()) for side in found[2]] == pytest.approx([2.4, 3.4])  # 0.5 * 0.1 / 3.0 = 0.017
    assert [float(side.mean()) for side in found[3]] == pytest.approx([2.2, 3.2])  # + 0.5 * 0.2 / 2.9 = 0.051
    assert [float(side.mean()) for side in found[4]] == pytest.approx([2.0, 3.0])  # + 0.5 * 0.2 / 2.7 = 0.088
    assert [float(side.mean()) for side in found[5]] == pytest.approx([1.9, 2.9])  # + 0.5 * 0.1 / 2.5 = 0.108
    assert network.levels == [14.0, 10.0]
    evaluated(reuse, network, torch.full((1, 1, 2, 2), 2.2), 4.25)  # + 0.5 * 0.2 / 2.4 = 0.150: computed
    assert network.levels == [14.0, 10.0, 4.25]


def test_where_it_acts_and_when_it_begins_anew() -> None:
    network = Network(slope=0.0)
    acts = network.sampling.percent_to_sigma(0.1), network.sampling.percent_to_sigma(0.4)
    reuse = lazy(3.0, start_percent=0.1, end_percent=0.4)
    x = torch.ones(1, 1, 2, 2)
    for place, level in enumerate(LEVELS):
        evaluated(reuse, network, x + place, level)
    computed = [level for level in LEVELS if not acts[1] <= level <= acts[0]]
    assert network.levels == computed and len(computed) < len(LEVELS)
    evaluated(reuse, network, x, 14.0)
    evaluated(reuse, Network(slope=0.0), x, 13.0)
    evaluated(reuse, network, torch.ones(2, 1, 2, 2), 12.0)
    assert network.levels[-2:] == [14.0, 12.0]


def test_of_the_network_what_it_reads_and_the_noise_that_it_tells() -> None:
    """The input is scaled to variance 1; carried on, the noise is that input plus the step between them."""
    network, x = Network(slope=0.5), torch.full((1, 1, 2, 2), 30.0)
    reuse = Reuse(3.0, 0.0, 1.0, True, lambda args: args["model"].predict(*_of(args)))
    for value, level in ((30.0, 14.0), (28.0, 13.0), (26.0, 12.0)):
        found = evaluated(reuse, network, torch.full_like(x, value), level)
    scaled, noise = 28.0 / (13.0**2 + 1) ** 0.5, (28.0 - (14.0 + 1)) / 13.0
    expected = 26.0 - 12.0 * (26.0 / (12.0**2 + 1) ** 0.5 + noise - scaled)
    assert float(found[0].mean()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("of_network", [True, False])
def test_a_run(open_checkpoint: Callable[..., Any], of_network: bool) -> None:
    loaded = open_checkpoint("sd1")
    prompt = loaded.clip.encode("a cat")

    def sampled(model: Any) -> tuple[Tensor, int]:
        given = {"seed": 1, "steps": 5, "cfg": 2.0, "sampler": "euler", "scheduler": "normal"}
        with counting() as tally:
            found = ksample(
                model, {"samples": torch.zeros(1, 4, 8, 8)}, positive=prompt, negative=loaded.clip.encode(""), **given
            )["samples"]
        return found, tally.calls

    plain, all_calls = sampled(loaded.model)
    exact, as_many = sampled(reuse_predictions(loaded.model, 0.0, 0.0, 1.0, of_network=of_network))
    assert as_many == all_calls
    assert torch.equal(plain, exact)
    near, fewer = sampled(reuse_predictions(loaded.model, 3.0, 0.0, 1.0, of_network=of_network))
    assert fewer < all_calls
    assert not torch.equal(near, plain)
