"""Blur and sharpen: against a plain sum, on even surfaces, and where the image is too small."""

from __future__ import annotations

import math

import pytest
import torch

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.filters import blur, gaussian, sharpen


@pytest.mark.parametrize("radius", [1, 3, 6])
def test_blur_is_a_weighted_mean_with_mirrored_edges(radius: int) -> None:
    image = torch.rand(2, 8, 9, 3)
    weights = [
        [math.exp(-((i / radius) ** 2 + (j / radius) ** 2) / (2 * 0.7**2)) for j in range(-radius, radius + 1)]
        for i in range(-radius, radius + 1)
    ]
    total = sum(map(sum, weights))
    assert torch.allclose(gaussian(radius, 0.7), torch.tensor(weights) / total)

    def mirrored(at: int, size: int) -> int:
        return -at if at < 0 else 2 * (size - 1) - at if at >= size else at

    for y, x in ((0, 0), (4, 4), (7, 8)):
        expected = torch.zeros(2, 3)
        for i in range(-radius, radius + 1):
            for j in range(-radius, radius + 1):
                pixel = image[:, mirrored(y + i, 8), mirrored(x + j, 9)]
                expected += pixel * weights[i + radius][j + radius] / total
        assert torch.allclose(blur(image, radius, 0.7)[:, y, x], expected, atol=1e-6)


def test_even_surfaces_stay() -> None:
    image = torch.full((1, 9, 9, 4), 0.3)
    assert torch.allclose(blur(image, 4, 1.0), image, atol=1e-6)
    assert torch.allclose(sharpen(image, 4, 1.0, 5.0), image, atol=1e-4)


def test_sharpen_adds_the_difference_to_the_blur() -> None:
    image = torch.rand(1, 9, 9, 3) * 0.1 + 0.45
    assert torch.allclose(sharpen(image, 2, 1.0, 0.0), image, atol=1e-6)
    expected = image + 10.0 * 0.05 * (image - blur(image, 2, 1.0))
    assert torch.allclose(sharpen(image, 2, 1.0, 0.05), expected.clamp(0.0, 1.0), atol=1e-5)
    sharp = sharpen(torch.rand(1, 9, 9, 3), 2, 1.0, 5.0)
    assert sharp.min() >= 0.0
    assert sharp.max() <= 1.0


def test_what_does_not_fit() -> None:
    with pytest.raises(DiffusionError, match="a radius of 8 is too large for an image of 20x8 pixels"):
        blur(torch.zeros(1, 8, 20, 3), 8, 1.0)
    with pytest.raises(DiffusionError, match=r"expected \[B,H,W,C\]"):
        sharpen(torch.zeros(8, 8, 3), 1, 1.0, 1.0)
    with pytest.raises(DiffusionError, match="a sigma above 0, got 1 and 0"):
        blur(torch.zeros(1, 8, 8, 3), 1, 0.0)
