"""Blurring and sharpening images [B,H,W,C] of 0..1, as ComfyUI 0.3.64 does (golden img_blur)."""

from __future__ import annotations

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.pixels import check_images

SHARPEN_GAIN = 10.0  # what an alpha of 1 stands for


def blur(image: Tensor, radius: int, sigma: float) -> Tensor:
    """Each pixel becomes the Gaussian mean of the square of 2 * radius + 1 pixels around it; edges are mirrored.

    Args:
        sigma: standard deviation, where 1 is the distance from the middle to the side of the square.

    Raises:
        DiffusionError: no image of this form, or a radius that reaches beyond the image.
    """
    return _convolve(image, gaussian(radius, sigma), radius)


def sharpen(image: Tensor, radius: int, sigma: float, alpha: float) -> Tensor:
    """The image plus 10 * alpha of its difference to its blur, clamped to 0..1; radius and sigma as in blur."""
    kernel = gaussian(radius, sigma) * -(alpha * SHARPEN_GAIN)
    # All weights together are 1, so that an even surface stays as it is.
    kernel[radius, radius] += 1.0 - kernel.sum()
    return _convolve(image, kernel, radius).clamp(0.0, 1.0)


def gaussian(radius: int, sigma: float) -> Tensor:
    """[2r+1,2r+1] weights of sum 1 over the square from -1 to 1."""
    if radius < 1 or sigma <= 0:
        raise DiffusionError(f"a blur needs a radius of at least 1 and a sigma above 0, got {radius} and {sigma}")
    at = torch.linspace(-1.0, 1.0, 2 * radius + 1)
    weight = torch.exp(-(at[:, None] ** 2 + at**2) / (2.0 * sigma**2))
    return weight / weight.sum()


def _convolve(image: Tensor, kernel: Tensor, radius: int) -> Tensor:
    check_images(image)
    height, width, channels = image.shape[1:]
    if radius >= min(height, width):
        raise DiffusionError(f"a radius of {radius} is too large for an image of {width}x{height} pixels")
    padded = torch.nn.functional.pad(image.movedim(-1, 1), (radius,) * 4, mode="reflect")
    kernels = kernel.to(padded).expand(channels, 1, *kernel.shape)
    return torch.nn.functional.conv2d(padded, kernels, groups=channels).movedim(1, -1)
