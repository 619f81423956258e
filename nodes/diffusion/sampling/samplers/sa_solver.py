"""SA-Solver."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State
from weft.nodes.diffusion.sampling.samplers.log_snr import in_log_snr


@in_log_snr
def sa_solver(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    eta: float = 1.0,
    sde_start_percent: float = 0.2,
    sde_end_percent: float = 0.8,
    s_noise: float = 1.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> Tensor:
    """Xue et al. 2023, "SA-Solver: Stochastic Adams Solver for Fast Sampling of Diffusion Models", Algorithm 1.

    A step is predicted by Adams-Bashforth and, when the prediction there is known, done again by Adams-Moulton with the
    same noise: one evaluation a step. tau, the strength of the noise, is eta on steps that end between two shares of
    the way from noise to image, and 0 elsewhere.

    predictor_order: 1 .. 6. corrector_order: 0 .. 6, 0 for none. use_pece: evaluate again where the corrector comes
    out. simple_order_2: where the order is 2, its coefficients to the leading order.
    state["denoised"]: [k,B,C,h,w], the last predictions, newest first. state["x"]: x at the start of the step before,
    corrected. state["noise"]: what that step added.
    """
    tau_first, tau_last = (model.sampling.percent_to_sigma(p) for p in (sde_start_percent, sde_end_percent))
    kept = max(predictor_order, corrector_order)
    n = len(sigmas) - 1
    lambdas = -sigmas.double().log().numpy()
    past = list(state["denoised"]) if "denoised" in state else []
    base, added = state.get("x"), state.get("noise")

    def order(limit: int, steps_left: int) -> int:
        """Of a method: it grows with what is known, and falls again before the schedule ends at 0."""
        known = min(limit, len(past))
        return min(known, steps_left) if sigmas[-1] == 0 else known

    def tau(i: int) -> float:
        """Of the step i."""
        return eta if tau_last <= float(sigmas[i + 1]) <= tau_first else 0.0

    def move(x: Tensor, i: int, points: list[int], predictions: list[Tensor]) -> Tensor:
        """x through step i without its noise: predictions at these points of the schedule, joined by a polynomial."""
        h, a = lambdas[i + 1] - lambdas[i], 1 + tau(i) ** 2
        if simple_order_2 and len(points) == 2:
            weights = _simple_weights(lambdas[points], lambdas[i], lambdas[i + 1], a)
        else:
            weights = _weights(lambdas[points], lambdas[i], lambdas[i + 1], a)
        return float(numpy.exp(-a * h)) * x + sum(w * d for w, d in zip(weights, predictions, strict=True))

    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        past = [denoised, *past][:kept]
        k = order(corrector_order, n - i)
        if base is not None and k and (use_pece or sigmas[i + 1] != 0):
            x = move(base, i - 1, list(range(i, i - k, -1)), past[:k])
            x = x if added is None else x + added
            if use_pece:
                denoised = past[0] = model(x, sigmas[i])
        base, added = x, None
        if sigmas[i + 1] == 0:
            x = denoised
            continue
        k = order(predictor_order, n - 1 - i)
        x = move(x, i, list(range(i, i - k, -1)), past[:k])
        if tau(i) > 0 and s_noise > 0:
            h = float(lambdas[i + 1] - lambdas[i])
            sigma_up = sigmas[i + 1] * float(numpy.sqrt(-numpy.expm1(-2 * tau(i) ** 2 * h)))
            added = noise(i, sigmas[i], sigmas[i + 1]) * (s_noise * sigma_up)
            x = x + added
    if base is not None:
        state["denoised"], state["x"] = torch.stack(past), base
        state.pop("noise", None)
    if added is not None:
        state["noise"] = added
    return x


def _weights(points: numpy.ndarray, start: float, end: float, a: float) -> list[float]:
    """For each point the integral from start to end of a exp(-a (end - l)) times its Lagrange polynomial."""
    from scipy.special import factorial, gammainc

    # Of a exp(a u) u^k from start - end to 0, for falling k: incomplete gamma functions.
    k = numpy.arange(len(points))[::-1]
    moments = (-1 / a) ** k * factorial(k) * gammainc(k + 1, a * (end - start))
    weights = []
    for j, point in enumerate(points):
        others = numpy.delete(points, j)
        weights.append(float(numpy.atleast_1d(numpy.poly(others - end)) @ moments / numpy.prod(point - others)))
    return weights


def _simple_weights(points: numpy.ndarray, start: float, end: float, a: float) -> list[float]:
    """_weights for two points to the leading order in the step; their sum stays exact (the paper, for few steps)."""
    h = end - start
    total = -numpy.expm1(-a * h)
    if points[0] == end:
        newest = a * h / 2
        return [float(newest), float(total - newest)]
    oldest = -a * h**2 / 2 / (start - points[1])
    return [float(total - oldest), float(oldest)]
