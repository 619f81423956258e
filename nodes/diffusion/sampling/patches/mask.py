"""A patch on the noise mask: Differential Diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.arguments import MaskArguments
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


def differential_diffusion(model: ModelPatcher, strength: float = 1.0) -> ModelPatcher:
    """Levin & Fried 2023: a grey mask says from which step on each pixel may change.

    strength: 1 follows the threshold, less mixes in the mask as it is. 0 counts as 1, as in ComfyUI.
    """
    clone = model.clone()
    clone.set_model_denoise_mask_function(DifferentialDiffusion(strength))
    return clone


@dataclass(frozen=True)
class DifferentialDiffusion:
    """A denoise_mask_function: the mask's pixels that are at or above the share of the run that is left."""

    strength: float

    def __call__(self, sigma: Tensor, denoise_mask: Tensor, extra_options: MaskArguments) -> Tensor:
        """sigma: [1], CPU. extra_options: "model" with its sampling, "sigmas" of the run."""
        sampling, sigmas = extra_options["model"].sampling, extra_options["sigmas"]
        first = sampling.timestep(sigmas[0])
        last = sampling.timestep(max(float(sigmas[-1]), sampling.sigma_min))
        threshold = (sampling.timestep(sigma[0]) - last) / (first - last)
        allowed = (denoise_mask >= threshold).to(denoise_mask.dtype)
        if not 0.0 < self.strength < 1.0:
            return allowed
        return self.strength * allowed + (1.0 - self.strength) * denoise_mask
