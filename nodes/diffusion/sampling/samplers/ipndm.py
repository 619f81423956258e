"""iPNDM: linear multistep without PNDM's warm-up by Runge-Kutta (Zhang & Chen 2022, "DEIS")."""

from __future__ import annotations

import torch
from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State

# Adams-Bashforth on even steps, by order: the weight of each derivative, newest first.
WEIGHTS = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def ipndm(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """Fourth-order Adams-Bashforth in sigma with the weights of even steps, whatever the steps are.

    state["derivatives"]: [k,B,C,h,w], the last k <= 3 derivatives, newest first. A step to 0 gives the prediction.
    """
    ds = list(state["derivatives"]) if "derivatives" in state else []
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        ds = [(x - denoised) / sigmas[i], *ds][: len(WEIGHTS)]
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        slope = sum(weight * d for weight, d in zip(WEIGHTS[len(ds) - 1], ds, strict=True))
        x = x + (sigmas[i + 1] - sigmas[i]) * slope
    if ds:
        state["derivatives"] = torch.stack(ds[: len(WEIGHTS) - 1])
    return x


def ipndm_v(
    model: GuidedDenoiser, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """ipndm with weights for uneven steps.

    state["derivatives"]: [k,B,C,h,w], the last k <= 3 derivatives, newest first. A step to 0 gives the prediction.
    """
    ds = list(state["derivatives"]) if "derivatives" in state else []
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        ds = [(x - denoised) / sigmas[i], *ds][: len(WEIGHTS)]
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        grid = [sigmas[i + 1 - j] for j in range(len(ds) + 1)]
        hs = [grid[j] - grid[j + 1] for j in range(len(ds))]
        slope = sum(weight * d for weight, d in zip(_uneven_weights(hs), ds, strict=True))
        x = x + hs[0] * slope
    if ds:
        state["derivatives"] = torch.stack(ds[: len(WEIGHTS) - 1])
    return x


def _uneven_weights(hs: list[Tensor]) -> list[Tensor]:
    """The weight of each derivative, newest first. hs: the step to do and those before it, newest first.

    Numbers: goldens ks_ipndm_v_normal, kv_denoise05_ipndm_v. Up to two derivatives this is Adams-Bashforth. With three
    and four, the goldens hold what was published with the method, which is not: a and b are not the integrals of the
    Newton polynomials, and the oldest weight is scaled by a wrong ratio. Exact weights would give lms.
    """
    one = torch.ones(())
    if len(hs) == 1:
        return [one]
    h, h1 = hs[0], hs[1]
    r = h / h1
    if len(hs) == 2:
        return [1 + r / 2, -r / 2]
    h2 = hs[2]
    r1 = h1 / h2
    a = (1 - h**2 / (3 * h1 * (h1 + h2))) / 2
    if len(hs) == 3:
        return [1 + r / 2 + a, -r / 2 - (1 + r1) * a, r1 * a]
    h3 = hs[3]
    q = h1 * (h1 + h2) / (h2 * (h2 + h3))
    b = (1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
    b = b * h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
    return [
        1 + r / 2 + a + b,
        -r / 2 - (1 + r1) * a - (1 + r1 + q) * b,
        r1 * a + (r1 + q * (1 + h2 / h3)) * b,
        -q * r1 * b,
    ]
