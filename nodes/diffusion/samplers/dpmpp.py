"""The DPM-Solver++ family (Lu et al. 2022, "DPM-Solver++")."""

from __future__ import annotations

from torch import Tensor

from nodes.diffusion.noise import NoiseSource
from nodes.diffusion.samplers.interface import Model, Report, State


def dpmpp_2m(
    model: Model, x: Tensor, sigmas: Tensor, steps: range, noise: NoiseSource, state: State, report: Report
) -> Tensor:
    """DPM-Solver++(2M), Algorithm 2: second order from the previous prediction, one evaluation a step.

    state["denoised"]: the prediction of the step before. The first step of a run and the one to 0 are of first order.
    """
    previous = state.get("denoised")
    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        t, t_next = -sigmas[i].log(), -sigmas[i + 1].log()
        h = t_next - t
        blend = denoised
        if previous is not None and sigmas[i + 1] != 0:
            h_last = t + sigmas[i - 1].log()
            r = h_last / h
            blend = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * previous
        x = ((-t_next).exp() / (-t).exp()) * x - (-h).expm1() * blend
        previous = denoised
    if previous is not None:
        state["denoised"] = previous
    return x
