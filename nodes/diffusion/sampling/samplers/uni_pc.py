"""UniPC."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.noise import NoiseSource
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser, Report, State

VARIANTS = ("bh1", "bh2")
MAX_ORDER = 3
SIGMA_LAST = 0.001


def uni_pc(
    model: GuidedDenoiser,
    x: Tensor,
    sigmas: Tensor,
    steps: range,
    noise: NoiseSource,
    state: State,
    report: Report,
    *,
    variant: str = "bh1",
) -> Tensor:
    """UniPC of order 3 on predictions of the noise-free latent (Zhao et al. 2023, "UniPC").

    A step is predicted and, when the prediction there is known, done again with it: one evaluation a step, and none
    after the last, which goes to sigma 0.001 instead of 0. variant: the paper's B(h), "bh1" h or "bh2" exp(h) - 1.

    As in ComfyUI a schedule of one step is not solved: x keeps its noise, at the variance of the last sigma.
    state["denoised"]: [k,B,C,h,w], the last k <= 3 predictions, newest first. state["x"]: x at the start of the step
    before, corrected.
    """
    if variant not in VARIANTS:
        raise DiffusionError(f"unknown variant {variant!r} of UniPC{nearest(variant, VARIANTS)}")
    n = len(sigmas) - 1
    ends = torch.where(sigmas == 0, SIGMA_LAST, sigmas)
    levels = _Levels.of(ends)
    past = list(state["denoised"]) if "denoised" in state else []
    base = state.get("x")

    def order(i: int) -> int:
        """Of step i: it grows with what is known, and falls again before the end."""
        return min(len(past), MAX_ORDER, n - 1, n - i)

    for i in steps:
        denoised = model(x, sigmas[i])
        report(i, x, denoised)
        if base is not None:
            x = _move(base, levels, i - 1, past[: order(i - 1)], denoised, variant)
        base, past = x, [denoised, *past][:MAX_ORDER]
        if n == 1:
            x = x * ((1 + ends[1] ** 2) / (1 + ends[0] ** 2)).sqrt()
        else:
            x = _move(x, levels, i, past[: order(i)], None, variant)
        if sigmas[i + 1] == 0:
            # A flow has almost no noise left there, and is brought to the size of a latent without any.
            x = model.sampling.ended(x, ends[i + 1])
    if base is not None:
        state["denoised"], state["x"] = torch.stack(past), base
    return x


@dataclass(frozen=True)
class _Levels:
    """A schedule as the paper has it: lambda = log(alpha / std) of the variance-preserving process, and std / alpha.

    In exact arithmetic that is -log(sigma) and sigma again. ComfyUI solves in that process, in float32, and the
    rounding of these lines is in its numbers: 3 % of sigma 0.001, and what linear_quadratic's small steps make of it.
    """

    lambdas: Tensor
    sigmas: Tensor

    @classmethod
    def of(cls, sigmas: Tensor) -> _Levels:
        log_alpha = 0.5 * (1 / (sigmas**2 + 1)).log()
        variance = 1 - (2 * log_alpha).exp()
        return cls(log_alpha - 0.5 * variance.log(), variance.sqrt() / log_alpha.exp())


def _move(x: Tensor, levels: _Levels, i: int, past: list[Tensor], ahead: Tensor | None, variant: str) -> Tensor:
    """x through step i. past: the predictions at its start and before, newest first. ahead: that at its end."""
    t = levels.lambdas
    h = t[i + 1] - t[i]
    x = (levels.sigmas[i + 1] / levels.sigmas[i]) * x - (-h).expm1() * past[0]
    r = [(t[i - k] - t[i]) / h for k in range(1, len(past))]
    ds = [(d - past[0]) / r_k for d, r_k in zip(past[1:], r, strict=True)]
    if ahead is not None:
        r.append(torch.ones(()))
        ds.append(ahead - past[0])
    if not ds:
        return x
    b = -h if variant == "bh1" else (-h).expm1()
    # One point alone: the paper's a_1 = 1/2, whatever the step.
    rho = [torch.tensor(0.5)] if len(ds) == 1 else _rho(torch.stack(r), h, b)
    return x - b * sum(w * d for w, d in zip(rho, ds, strict=True))


def _rho(r: Tensor, h: Tensor, b: Tensor) -> list[Tensor]:
    """The weights that make the method of order len(r) + 1: the solution of its linear conditions."""
    phi = (-h).expm1() / -h - 1
    factorial = 1
    rows, right = [], []
    for k in range(len(r)):
        factorial *= k + 1
        rows.append(r**k)
        right.append(phi * factorial / b)
        phi = phi / -h - 1 / (factorial * (k + 2))
    return list(torch.linalg.solve(torch.stack(rows), torch.stack(right)))
