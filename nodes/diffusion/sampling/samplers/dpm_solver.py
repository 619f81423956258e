"""DPM-Solver with steps of its own choice (Lu et al. 2022, "DPM-Solver"): on a plan, or by an error estimate.

t is -log sigma. What is integrated is the noise e = (x - denoised) / sigma. Of the schedule both take its first sigma
and its last one above 0, and stop there: that much noise is left in the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.ancestral import ancestral_step
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State

Epsilon = Callable[[Tensor, Tensor], Tensor]


def dpm_fast(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver-fast: as many evaluations as the schedule has steps, spent on a grid that is even in t.

    Remembers nothing.
    """
    if not steps:
        raise DiffusionError(f"dpm_fast needs a step to do, the schedule has the one sigma {float(sigmas[0]):.4g}")
    t_start, t_end = _ends(sigmas, steps)
    evaluations = len(steps)
    moves = evaluations // 3 + 1
    orders = [3] * (moves - 2) + [2, 1] if evaluations % 3 == 0 else [3] * (moves - 1) + [evaluations % 3]
    ts = torch.linspace(float(t_start), float(t_end), moves + 1)
    epsilon = _epsilon(model)
    for k, order in enumerate(orders):
        t, t_next, sigma_up = ts[k], ts[k + 1], torch.zeros(())
        if eta:
            t_next, sigma_up = _down(t, t_next, t_end, eta)
        e = epsilon(x, t)
        i = _reached(sigmas, steps, t)
        report(i, x, x - (-t).exp() * e)
        x = SOLVERS[order](epsilon, x, t, t_next, e)
        if eta:
            x = x + noise(i, (-t).exp(), (-ts[k + 1]).exp()) * (s_noise * sigma_up)
    return x


def dpm_adaptive(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver-12 and -23: a step is as long as the difference of two orders allows. Remembers nothing.

    order: 2 or 3. rtol, atol: the difference allowed. h_init: the first step, in t. pcoeff, icoeff, dcoeff: how the
    lengths of steps are controlled by the errors (Soderlind 2003, "Digital filters in adaptive time-stepping").
    accept_safety: a step is kept where the next one is to be at least this share of it. eta: fresh noise, as in
    ancestral sampling. The error of each step is read back from the device: whether to go on depends on it.
    """
    if order not in (2, 3):
        raise DiffusionError(f"the order of dpm_adaptive must be 2 or 3, got {order}")
    t, t_end = _ends(sigmas, steps)
    if eta and t >= t_end:
        raise DiffusionError("dpm_adaptive with eta needs two sigmas above 0, the first one the higher")
    control = _Control(h_init, pcoeff, icoeff, dcoeff, 1.5 if eta else order, accept_safety)
    epsilon = _epsilon(model)
    x_low_before = x
    while t < t_end - 1e-5:
        t_step = torch.minimum(t_end, t + control.h)
        t_next, sigma_up = (t_step, torch.zeros(())) if not eta else _down(t, t_step, t_end, eta)
        e = epsilon(x, t)
        i = _reached(sigmas, steps, t)
        report(i, x, x - (-t).exp() * e)
        x_low, x_high = PAIRS[order](epsilon, x, t, t_next, e)
        delta = torch.maximum(x_low.abs(), x_low_before.abs()).mul(rtol).clamp_min(atol)
        error = float(((x_low - x_high) / delta).square().mean().sqrt())
        if math.isnan(error) or t_step <= t:
            raise DiffusionError(f"dpm_adaptive found no next step at sigma {float((-t).exp()):.4g}, error {error:.4g}")
        if control.accepts(error):
            x_low_before, x = x_low, x_high
            if eta:
                x = x + noise(i, (-t).exp(), (-t_step).exp()) * (s_noise * sigma_up)
            t = t_step
    return x


class _Control:
    """The length of the next step, from the errors of the last three."""

    def __init__(self, h: float, p: float, i: float, d: float, order: float, safety: float) -> None:
        self.h = h
        self._powers = ((p + i + d) / order, -(p + 2 * d) / order, d / order)
        self._safety = safety
        self._inverse_errors: list[float] = []

    def accepts(self, error: float) -> bool:
        """Whether a step with this error (1: just allowed) is kept. Sets h for the next one, or for the next try."""
        inverse = 1 / (error + 1e-8)
        if not self._inverse_errors:
            self._inverse_errors = [inverse] * 3
        self._inverse_errors[0] = inverse
        factor = math.prod(value**power for value, power in zip(self._inverse_errors, self._powers, strict=True))
        factor = 1 + math.atan(factor - 1)
        accepted = factor >= self._safety
        if accepted:
            self._inverse_errors = [inverse, *self._inverse_errors[:2]]
        self.h *= factor
        return accepted


def _first(epsilon: Epsilon, x: Tensor, t: Tensor, t_next: Tensor, e: Tensor) -> Tensor:
    """DPM-Solver-1."""
    return x - (-t_next).exp() * (t_next - t).expm1() * e


def _second(epsilon: Epsilon, x: Tensor, t: Tensor, t_next: Tensor, e: Tensor, r: float = 1 / 2) -> Tensor:
    """DPM-Solver-2, Algorithm 1."""
    h = t_next - t
    e_1 = epsilon(_first(epsilon, x, t, t + r * h, e), t + r * h)
    return _first(epsilon, x, t, t_next, e) - (-t_next).exp() / (2 * r) * h.expm1() * (e_1 - e)


def _third(epsilon: Epsilon, x: Tensor, t: Tensor, t_next: Tensor, e: Tensor) -> Tensor:
    """DPM-Solver-3, Algorithm 2."""
    return _second_and_third(epsilon, x, t, t_next, e)[1]


def _first_and_second(epsilon: Epsilon, x: Tensor, t: Tensor, t_next: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    return _first(epsilon, x, t, t_next, e), _second(epsilon, x, t, t_next, e)


def _second_and_third(epsilon: Epsilon, x: Tensor, t: Tensor, t_next: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """DPM-Solver-2 with its midpoint at a third, and DPM-Solver-3, which shares that evaluation."""
    r_1, r_2 = 1 / 3, 2 / 3
    h = t_next - t
    t_1, t_2 = t + r_1 * h, t + r_2 * h
    e_1 = epsilon(_first(epsilon, x, t, t_1, e), t_1)
    bend = (r_2 / r_1) * ((r_2 * h).expm1() / (r_2 * h) - 1) * (e_1 - e)
    e_2 = epsilon(_first(epsilon, x, t, t_2, e) - (-t_2).exp() * bend, t_2)
    straight = _first(epsilon, x, t, t_next, e)
    second = straight - (-t_next).exp() / (2 * r_1) * h.expm1() * (e_1 - e)
    return second, straight - (-t_next).exp() / r_2 * (h.expm1() / h - 1) * (e_2 - e)


SOLVERS = {1: _first, 2: _second, 3: _third}
PAIRS = {2: _first_and_second, 3: _second_and_third}


def _epsilon(model: GuidedDenoiser) -> Epsilon:
    def epsilon(x: Tensor, t: Tensor) -> Tensor:
        sigma = (-t).exp()
        return (x - model(x, sigma)) / sigma

    return epsilon


def _ends(sigmas: Tensor, steps: range) -> tuple[Tensor, Tensor]:
    """t at the start of the stretch and at its last sigma above 0."""
    stretch = sigmas[steps.start : steps.stop + 1]
    return -stretch[0].log(), -stretch[stretch > 0][-1].log()


def _reached(sigmas: Tensor, steps: range, t: Tensor) -> int:
    """The step of the schedule that t lies in."""
    passed = int((sigmas[steps.start : steps.stop] >= (-t).exp() * (1 - 1e-5)).sum())
    return steps[max(passed, 1) - 1]


def _down(t: Tensor, t_next: Tensor, t_end: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(t_down, sigma_up) of an ancestral step that does not go beyond t_end."""
    sigma_down, _ = ancestral_step((-t).exp(), (-t_next).exp(), eta)
    t_down = torch.minimum(t_end, -sigma_down.log())
    return t_down, ((-2 * t_next).exp() - (-2 * t_down).exp()).clamp_min(0).sqrt()
