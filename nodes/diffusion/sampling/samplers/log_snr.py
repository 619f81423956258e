"""Flows for solvers that know noise levels only by their ratio of noise to signal.

A flow's x = (1 - sigma) * x0 + sigma * noise, divided by 1 - sigma, is the variance-exploding latent at the level
sigma / (1 - sigma), of the same signal-to-noise ratio. A solver that steps in its logarithm solves a flow there: what
goes in and comes out is changed, not the algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.sampling.denoiser import EXPLODING, ModelSampling
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State

# Pure noise has no signal to divide by: a schedule that begins there begins at this share of the way from it instead.
ALMOST_PURE_NOISE = 0.0001


def in_log_snr(solver: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The solver, written for exploding variance, for flows too; their numbers: parity_families facts, section 3.

    Its state holds what it computes with, divided. Each step is changed there and back by itself, so that one call for
    many steps and a call for each give the same bits.
    """

    @wraps(solver)
    def solve(
        model: GuidedDenoiser,
        x: Tensor,
        sigmas: Tensor,
        steps: range,
        noise: NoiseSource,
        state: State,
        report: Report,
        **options: Any,
    ) -> Tensor:
        if model.sampling.process is EXPLODING:
            return solver(model, x, sigmas, steps, noise, state, report, **options)
        levels = _Levels(sigmas, model.sampling)
        call = _Divided(model, levels)
        for i in steps:
            step = _Step(x, noise, report, levels)
            divided = x / levels.signal(levels.ratios[i])
            divided = solver(call, divided, levels.ratios, range(i, i + 1), step.noise, state, step.report, **options)
            x = divided * levels.signal(levels.ratios[i + 1])
        return x

    return solve


class _Levels:
    """The levels of a flow's schedule and their ratios of noise to signal.

    ratios: [n+1], as sigmas. A ratio of the schedule is brought back to exactly the level that it was made of.
    """

    def __init__(self, sigmas: Tensor, sampling: ModelSampling) -> None:
        sigmas = sigmas.clone()
        if sigmas[0] >= 1.0:
            sigmas[0] = sampling.percent_to_sigma(ALMOST_PURE_NOISE)
        # By the logarithm, as ComfyUI: ancestral steps between far levels carry each rounding on.
        self.ratios = sigmas.logit().exp()
        self.sampling = sampling.exploded()
        self._of = dict(zip(self.ratios.tolist(), sigmas, strict=True))

    def sigma(self, ratio: Tensor) -> Tensor:
        """The level of the flow."""
        known = self._of.get(float(ratio))
        return ratio.log().sigmoid() if known is None else known

    def signal(self, ratio: Tensor) -> Tensor:
        """The share of the latent in x there."""
        known = self._of.get(float(ratio))
        return 1.0 / (1.0 + ratio) if known is None else 1.0 - known


class _Divided:
    """A GuidedDenoiser of exploding variance over one of a flow."""

    def __init__(self, model: GuidedDenoiser, levels: _Levels) -> None:
        self._model = model
        self._levels = levels
        self.sampling = levels.sampling

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See GuidedDenoiser."""
        return self._model(x * self._levels.signal(sigma), self._levels.sigma(sigma))

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """See GuidedDenoiser."""
        return self._model.with_uncond(x * self._levels.signal(sigma), self._levels.sigma(sigma))


class _Step:
    """What a step asks and tells by the flow's levels: its noise, and x as it began."""

    def __init__(self, x: Tensor, noise: NoiseSource, report: Report, levels: _Levels) -> None:
        self._x = x
        self._noise = noise
        self._report = report
        self._levels = levels

    def noise(self, i: int, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """See NoiseSource."""
        return self._noise(i, self._levels.sigma(sigma), self._levels.sigma(sigma_next))

    def report(self, i: int, x: Tensor, denoised: Tensor) -> None:
        """See Report."""
        self._report(i, self._x, denoised)
