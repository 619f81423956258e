"""Predictions that are not made anew while little changes: EasyCache and LazyCache. Both are approximations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.guidance import GuidedNetwork
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

Predict = Callable[[Mapping[str, Any]], list[Tensor]]


def reuse_predictions(
    model: ModelPatcher, threshold: float, start_percent: float, end_percent: float, *, of_network: bool
) -> ModelPatcher:
    """The model, of which a run makes a prediction only where the one before is not near enough; see Reuse."""
    clone = model.clone()
    earlier = clone.model_options.get("sampler_calc_cond_batch_function")
    clone.set_model_sampler_calc_cond_batch_function(
        Reuse(threshold, start_percent, end_percent, of_network, earlier or _predicted)
    )
    return clone


def _predicted(args: Mapping[str, Any]) -> list[Tensor]:
    found: list[Tensor] = args["model"].predict(args["conds"], args["input"], args["level"], args["model_options"])
    return found


@dataclass
class _Held:
    """What a run was given and gave at its last evaluation.

    step: [sides,B,...] from what went in to what came out, when that was last computed. rate: how much faster the one
    changes than the other, None before two were computed. error: the changes since, estimated and added up.
    """

    level: float
    given: Tensor
    made: Tensor
    step: Tensor
    rate: float | None = None
    error: float = 0.0


@dataclass(frozen=True)
class Reuse:
    """Zhou et al. 2025, "Less is Enough" (EasyCache): a sampler_calc_cond_batch_function.

    What goes into the network and what comes out change at a ratio that is steady over the steps. From how much the
    input changed it tells how much the output would, relative to the one before; while the sum of these changes stays
    below `threshold`, the output is the input plus the step between them that was computed last. All sides of a run are
    reused together. A rising noise level begins it anew.

    start_percent, end_percent: where on the way it acts, both ends included.
    of_network: of the network's input and the noise that it tells; else of x and the denoised prediction.
    earlier: what makes predictions.
    """

    threshold: float
    start_percent: float
    end_percent: float
    of_network: bool
    earlier: Predict
    _held: WeakKeyDictionary[GuidedNetwork, _Held] = field(default_factory=WeakKeyDictionary, compare=False, repr=False)

    def __call__(self, args: Mapping[str, Any]) -> list[Tensor]:
        network, level = args["model"], float(args["level"])
        sides: Sequence[Any] = args["conds"]
        given = self._given(args)
        held = self._held.get(network)
        if held is not None and (level > held.level or held.made.shape != (len(sides), *given.shape)):
            held = None
        if held is not None and self._near(held, given, level, network):
            held.level, held.given, held.made = level, given, held.step + given
            return self._denoised(held.made, args)
        predictions = self.earlier(args)
        made = self._made(torch.stack(predictions), args)
        rate = None if held is None else _size(made - held.made) / max(_size(given - held.given), 1e-12)
        self._held[network] = _Held(level, given, made, made - given, rate)
        return predictions

    def _near(self, held: _Held, given: Tensor, level: float, network: GuidedNetwork) -> bool:
        start, end = (network.sampling.percent_to_sigma(share) for share in (self.start_percent, self.end_percent))
        if held.rate is None or not end <= level <= start:
            return False
        held.error += held.rate * _size(given - held.given) / max(_size(held.made), 1e-12)
        return held.error < self.threshold

    def _given(self, args: Mapping[str, Any]) -> Tensor:
        x: Tensor = args["input"]
        return args["model"].sampling.scale_input(x, args["level"]) if self.of_network else x

    def _made(self, denoised: Tensor, args: Mapping[str, Any]) -> Tensor:
        return (args["input"] - denoised) / float(args["level"]) if self.of_network else denoised

    def _denoised(self, made: Tensor, args: Mapping[str, Any]) -> list[Tensor]:
        return list(args["input"] - made * float(args["level"]) if self.of_network else made)


def _size(samples: Tensor) -> float:
    """The mean length of an element. Asking for it waits for the device, as any decision by numbers does."""
    size = float(samples.abs().mean())
    return size if math.isfinite(size) else math.inf
