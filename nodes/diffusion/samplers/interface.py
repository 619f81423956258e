"""What a solver is given: the one signature that all samplers share.

    solver(model, x, sigmas, steps, noise, state, report, **options) -> x

model(x, sigma) -> denoised: the guided network; sigma is a 0-dim CPU tensor.
x: [B,C,h,w] float32 at noise level sigmas[steps.start].
sigmas: [n+1] float32 on the CPU, descending: the schedule being solved. Step i goes from sigmas[i] to sigmas[i+1].
steps: the indices to do now, ascending by 1: all of 0..n-1, or one stretch of a run that is solved in stages.
noise(i, sigma, sigma_next): a NoiseSource, see nodes/diffusion/noise.py.
state: what the solver remembers from step to step, tensors by name, on x's device. Read before the first step and
    written after the last, so that stages that hand it on compute exactly what one run computes. Empty at the start.
report(i, x, denoised): called once a step, before x moves; x is at sigmas[i]. What it raises ends the run.

Symbols are those of the papers as k-diffusion writes them: d is dx/dsigma, h a step in -log sigma, eta the share of
fresh noise. No solver reads a value back from x's device: it decides by the schedule, which is on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Model = Callable[[Tensor, Tensor], Tensor]
Report = Callable[[int, Tensor, Tensor], None]
State = dict[str, Tensor]


@dataclass(frozen=True)
class Sampler:
    """A solver and what the KSampler path must know about it.

    solve: the algorithm.
    discard_penultimate: KSampler leaves the lowest sigma above 0 out of the schedule.
    fresh_inpaint_noise: what a noise mask protects is noised with a draw from seed + 1, not with the initial noise.
    """

    solve: Callable[..., Tensor]
    discard_penultimate: bool = False
    fresh_inpaint_noise: bool = False
