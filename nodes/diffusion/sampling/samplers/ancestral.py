"""The split of a step into a deterministic part and fresh noise."""

from __future__ import annotations

from torch import Tensor


def ancestral_step(sigma_from: Tensor, sigma_to: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(sigma_down, sigma_up): go down to sigma_down, then add noise of sigma_up to stand at sigma_to.

    The posterior of Ho et al. 2020 in sigma; eta scales the fresh noise, 0 adds none.
    """
    sigma_up = eta * (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5
    sigma_up = sigma_up.minimum(sigma_to)
    return (sigma_to**2 - sigma_up**2) ** 0.5, sigma_up
