"""The split of a step into a deterministic part and fresh noise."""

from __future__ import annotations

from torch import Tensor


def ancestral_step(sigma_from: Tensor, sigma_to: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(sigma_down, sigma_up): go down to sigma_down, then add noise of sigma_up to stand at sigma_to.

    The posterior of Ho et al. 2020 in sigma; eta scales the fresh noise, 0 adds none. sigma_from may be infinite.
    """
    if sigma_from.isinf():
        sigma_up = eta * sigma_to
    else:
        sigma_up = eta * (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5
    sigma_up = sigma_up.minimum(sigma_to)
    return (sigma_to**2 - sigma_up**2) ** 0.5, sigma_up


def flow_step(sigma_from: Tensor, sigma_to: Tensor, eta: float) -> tuple[Tensor, Tensor, Tensor]:
    """(sigma_down, kept, sigma_up): a flow goes down to sigma_down, is multiplied by kept, and gets noise of sigma_up.

    eta of the way to sigma_to is gone once more, and brought back by noise: then x has the signal and the variance that
    it is to have at sigma_to.
    """
    sigma_down = sigma_to * (1 + (sigma_to / sigma_from - 1) * eta)
    kept = (1 - sigma_to) / (1 - sigma_down)
    return sigma_down, kept, (sigma_to**2 - sigma_down**2 * kept**2).clamp(min=0) ** 0.5
