"""DEIS."""

from __future__ import annotations

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State

# beta(t) = BETA_MIN + BETA_D t, the variance-preserving process of Song et al. 2021: that with sigma 0.002 at t = 0.001
# and 80 at t = 1 (Karras et al. 2022, table 1), whatever the network was trained on.
_LOG_LOW, _LOG_HIGH = numpy.log1p(0.002**2), numpy.log1p(80.0**2)
BETA_D = 2 * (_LOG_LOW / 0.001 - _LOG_HIGH) / (0.001 - 1)
BETA_MIN = _LOG_HIGH - BETA_D / 2

MAX_ORDER = 3

Grid = NDArray[numpy.float64]


def deis(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """tAB-DEIS of order 3 (Zhang & Chen 2022, "Fast Sampling of Diffusion Models with Exponential Integrator").

    The polynomial through the last derivatives is one in the time of the variance-preserving process.
    state["derivatives"]: [k,B,C,h,w], the last k <= 2 derivatives, newest first. A step to 0 gives the prediction.
    """
    grid = sigmas.double().numpy()
    ds = list(state["derivatives"]) if "derivatives" in state else []
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        ds = [(x - denoised) / sigmas[i], *ds][:MAX_ORDER]
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        x = x + sum(c * d for c, d in zip(_coefficients(grid, i, len(ds)), ds, strict=True))
    if ds:
        state["derivatives"] = torch.stack(ds[: MAX_ORDER - 1])
    return x


def _coefficients(grid: Grid, i: int, order: int) -> list[float]:
    """For j < order the integral over step i of the Lagrange polynomial that is 1 at grid[i-j] and 0 at the others."""
    middle, half = (grid[i + 1] + grid[i]) / 2, (grid[i + 1] - grid[i]) / 2
    points, weights = numpy.polynomial.legendre.leggauss(32)
    t = _time(middle + half * points)
    nodes = _time(grid[i - order + 1 : i + 1][::-1])
    coefficients = []
    for j in range(order):
        others = numpy.delete(nodes, j)
        basis = numpy.prod((t[:, None] - others) / (nodes[j] - others), axis=1)
        coefficients.append(float(half * (weights @ basis)))
    return coefficients


def _time(sigma: Grid) -> Grid:
    """When the process has this noise level: 1 + sigma^2 = exp(BETA_MIN t + BETA_D t^2 / 2)."""
    time: Grid = (numpy.sqrt(BETA_MIN**2 + 2 * BETA_D * numpy.log1p(sigma**2)) - BETA_MIN) / BETA_D
    return time
