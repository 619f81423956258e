"""Linear multistep."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State


def lms(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    order: int = 4,
) -> Tensor:
    """Adams-Bashforth on uneven steps in sigma (Liu et al. 2022, "PNDM", on k-diffusion's grid).

    state["derivatives"]: [k,B,C,h,w], the last k < order derivatives, newest first.
    """
    grid = sigmas.numpy()
    ds = list(state["derivatives"]) if "derivatives" in state else []
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        ds = [(x - denoised) / sigmas[i], *ds][:order]
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        x = x + sum(d * _coefficient(grid, i, j, len(ds)) for j, d in enumerate(ds))
    if ds[: order - 1]:
        state["derivatives"] = torch.stack(ds[: order - 1])
    return x


def _coefficient(grid: numpy.ndarray, i: int, j: int, order: int) -> float:
    """The integral over step i of the Lagrange polynomial that is 1 at grid[i-j] and 0 at the other points."""
    from scipy.integrate import quad

    def basis(tau: float) -> float:
        # In float32, as ComfyUI's: where sigmas are nearly equal (linear_quadratic) the exact value differs by 2e-4.
        value = numpy.float32(1.0)
        for k in range(order):
            if k != j:
                value *= (numpy.float32(tau) - grid[i - k]) / (grid[i - j] - grid[i - k])
        return float(value)

    return float(quad(basis, grid[i], grid[i + 1], epsrel=1e-4)[0])
