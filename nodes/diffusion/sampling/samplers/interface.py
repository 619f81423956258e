"""What a solver is given: the one signature that all samplers share.

    solver(model, x, sigmas, steps, noise, state, report, **options) -> x

model: the guided network, see GuidedDenoiser; sigma is a 0-dim CPU tensor.
x: [B,C,h,w] float32 at noise level sigmas[steps.start].
sigmas: [n+1] float32 on the CPU, descending: the schedule being solved. Step i goes from sigmas[i] to sigmas[i+1].
steps: the indices to do now, ascending by 1: all of 0..n-1, or one stretch of a run that is solved in stages.
noise(i, sigma, sigma_next): a NoiseSource, see nodes/diffusion/sampling/noise.py.
state: what the solver remembers from step to step, tensors by name, on x's device. Read before the first step and
    written after the last, so that stages that hand it on compute exactly what one run computes. Empty at the start.
report(i, x, denoised): called once a step, before x moves; x is at sigmas[i]. What it raises ends the run.
options: keywords with ComfyUI's names, as its Sampler* nodes offer them.

Symbols are those of the papers as k-diffusion writes them: d is dx/dsigma, h a step in -log sigma, eta the share of
fresh noise. No solver reads a value back from x's device: it decides by the schedule, which is on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from weft.nodes.diffusion.interop.solving import KSAMPLER
from weft.nodes.diffusion.sampling.noise import NoiseSource, sequential_noise

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling

Report = Callable[[int, Tensor, Tensor], None]
State = dict[str, Tensor]


class GuidedDenoiser(Protocol):
    """The guided network of one run."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided prediction of the noise-free latent. x: [B,C,h,w] float32. sigma: 0-dim, CPU."""

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The guided prediction, and the negative side's alone, which is then evaluated at every guidance scale."""

    @property
    def sampling(self) -> ModelSampling:
        """The noise levels that the network was trained at."""


@dataclass(frozen=True)
class Sampler:
    """A solver and what the KSampler path must know about it.

    solve: the algorithm.
    noise: (x, sigmas, seed, batch_index) -> the noise that it adds on its way, for one run over this schedule.
    discard_penultimate: KSampler leaves the lowest sigma above 0 out of the schedule.
    fresh_inpaint_noise: what a noise mask protects is noised with a draw from seed + 1, not with the initial noise.
    own_steps: it takes only the ends and the length of the schedule and chooses its own noise levels between them, so
        that a run cannot be cut in two. It reports the step of the schedule whose noise level it has come to.
    looks_ahead: what it does in a step depends on levels of its schedule beyond the end of that step, by its solver or
        its noise: states on the way to two different ends differ. None where nobody has said: nothing may rely on it.
    name: that of SAMPLERS; empty for a solver with options of its own.
    """

    solve: Callable[..., Tensor]
    noise: Callable[..., NoiseSource] = sequential_noise
    discard_penultimate: bool = False
    fresh_inpaint_noise: bool = False
    own_steps: bool = False
    looks_ahead: bool | None = None
    name: str = ""

    def sample(self, *args: Any, **options: Any) -> Tensor:
        """As packs call a SAMPLER: see interop.solving.KSAMPLER.sample."""
        return self._in_form.sample(*args, **options)

    @property
    def sampler_function(self) -> Callable[..., Tensor]:
        """It in k-diffusion's convention: see interop.solving."""
        return self._in_form.sampler_function

    @property
    def extra_options(self) -> dict[str, Any]:
        """Options beside its own: none."""
        return {}

    @property
    def inpaint_options(self) -> dict[str, Any]:
        """What packs know of fresh_inpaint_noise."""
        return self._in_form.inpaint_options

    @property
    def _in_form(self) -> KSAMPLER:
        return KSAMPLER.of(self)
