"""Extended reverse-time SDE solvers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State
from weft.nodes.diffusion.sampling.samplers.log_snr import in_log_snr

POINTS = 200

# phi, the paper's noise scale, as a function of sigma; eta belongs to the second alone.
NOISE_SCALERS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "ER-SDE": lambda sigma, eta: sigma * ((sigma**0.3).exp() + 10.0),
    "Reverse-time SDE": lambda sigma, eta: sigma ** (eta + 1),
    "ODE": lambda sigma, eta: sigma,
}


@in_log_snr
def er_sde(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    solver_type: str = "ER-SDE",
    max_stage: int = 3,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Cui et al. 2023, "Elucidating the solution space of extended reverse-time SDE for diffusion models".

    solver_type: a key of NOISE_SCALERS. max_stage: 1 .. 3, the order. eta: the noise of "Reverse-time SDE".
    state["denoised"]: the prediction of the step before. state["slope"]: its first divided difference in sigma.
    """
    if solver_type not in NOISE_SCALERS:
        raise DiffusionError(f"unknown solver type {solver_type!r}{nearest(solver_type, NOISE_SCALERS)}")
    if not 1 <= max_stage <= 3:
        raise DiffusionError(f"max_stage of er_sde must be 1 .. 3, got {max_stage}")
    stochastic = s_noise > 0 and solver_type != "ODE" and (solver_type != "Reverse-time SDE" or eta > 0)
    previous, previous_slope = state.get("denoised"), state.get("slope")

    def scaler(sigma: Tensor) -> Tensor:
        return NOISE_SCALERS[solver_type](sigma, eta)

    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        slope = None
        if previous is not None:
            slope = (denoised - previous) / (sigmas[i] - sigmas[i - 1])
        if sigmas[i + 1] == 0:
            x = denoised
        else:
            h = sigmas[i + 1] - sigmas[i]
            r = scaler(sigmas[i + 1]) / scaler(sigmas[i])
            x = r * x + (1 - r) * denoised
            # The integral from sigma_next to sigma of 1 / phi, by the left rectangle rule as in ComfyUI's numbers.
            points = sigmas[i + 1] - torch.arange(POINTS) * (h / POINTS)
            density = 1 / scaler(points) * (-h / POINTS)
            if slope is not None and max_stage >= 2:
                x = x + (h + density.sum() * scaler(sigmas[i + 1])) * slope
                if previous_slope is not None and max_stage >= 3:
                    bend = (slope - previous_slope) / ((sigmas[i] - sigmas[i - 2]) / 2)
                    moment = ((points - sigmas[i]) * density).sum()
                    x = x + (h**2 / 2 + moment * scaler(sigmas[i + 1])) * bend
            if stochastic:
                sigma_up = (sigmas[i + 1] ** 2 - sigmas[i] ** 2 * r**2).sqrt().nan_to_num()
                x = x + noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
        previous, previous_slope = denoised, slope
    if previous is not None:
        state["denoised"] = previous
    if previous_slope is not None:
        state["slope"] = previous_slope
    return x
