"""Transparency of images [B,H,W,C] of 0..1, apart from them: a mask [B,H,W] that is 1 where they are transparent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.masks import as_masks, resize_mask
from weft.nodes.diffusion.values.pixels import check_images, scale_image, to_batch

Layer = tuple[Tensor, Tensor]
"""Colours that were multiplied by the opacity [B,H,W,3], and the opacity [B,H,W,1]."""


def split_alpha(image: Tensor) -> tuple[Tensor, Tensor]:
    """The colours [B,H,W,3], and what is transparent; nothing in an image without alpha."""
    check_images(image)
    alpha = image[..., 3] if image.shape[-1] > 3 else torch.ones_like(image[..., 0])
    return image[..., :3].clone(), 1.0 - alpha


def join_alpha(image: Tensor, mask: Tensor) -> Tensor:
    """[B,H,W,4]: the image, transparent where the mask is 1; the mask is resized (bilinear) to it.

    The shorter batch is repeated.
    """
    check_images(image)
    batch = max(len(image), len(as_masks(mask)))
    opacity = 1.0 - resize_mask(mask, *image.shape[1:3]).to(image)
    return torch.cat((to_batch(image[..., :3], batch), to_batch(opacity, batch)[..., None]), dim=-1)


def composite(source: Tensor, source_mask: Tensor, below: Tensor, below_mask: Tensor, mode: str) -> Layer:
    """The source put onto the image below by a key of MODES: colours [B,H,W,3] and what is transparent [B,H,W].

    Args:
        source: resized (bicubic, cut to the aspect) to the image below.
        source_mask: resized (bilinear) to it, as is below_mask.

    Raises:
        DiffusionError: another mode, or something that is no image or mask.
    """
    check_images(source, below)
    if mode not in MODES:
        raise DiffusionError(f"unknown mode {mode!r}{nearest(mode, MODES)}: one of {', '.join(MODES)}")
    height, width = below.shape[1:3]
    if source.shape[1:3] != below.shape[1:3]:
        source = scale_image(source, width, height, "bicubic", "center")
    batch = max(len(source), len(below))
    layers = []
    for image, mask in ((source, source_mask), (below, below_mask)):
        opacity = to_batch(1.0 - resize_mask(mask, height, width).to(below), batch)[..., None]
        layers.append((to_batch(image[..., :3].to(below), batch) * opacity, opacity))
    colours, opacity = MODES[mode](*layers)
    colours = torch.where(opacity > 0, colours / opacity.clamp(min=1e-6), 0.0)
    return colours.clamp(0.0, 1.0), 1.0 - opacity[..., 0].clamp(0.0, 1.0)


def _shares(shares: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Layer, Layer], Layer]:
    """A sum of both, of which `shares` says how much counts of each, by their opacities (Porter and Duff 1984)."""

    def combine(above: Layer, under: Layer) -> Layer:
        s, d = shares(above[1], under[1])
        return above[0] * s + under[0] * d, above[1] * s + under[1] * d

    return combine


def _blended(mix: Callable[[Layer, Layer], Tensor]) -> Callable[[Layer, Layer], Layer]:
    """Both where the other is not, a mix of them where both are."""

    def combine(above: Layer, under: Layer) -> Layer:
        (c_s, a_s), (c_d, a_d) = above, under
        return c_s * (1.0 - a_d) + c_d * (1.0 - a_s) + mix(above, under), a_s + a_d - a_s * a_d

    return combine


def _overlay(above: Layer, under: Layer) -> Tensor:
    (c_s, a_s), (c_d, a_d) = above, under
    return torch.where(2.0 * c_d < a_d, 2.0 * c_s * c_d, a_s * a_d - 2.0 * (a_d - c_d) * (a_s - c_s))


def _darken(above: Layer, under: Layer) -> Tensor:
    return torch.minimum(above[0] * under[1], under[0] * above[1])


def _lighten(above: Layer, under: Layer) -> Tensor:
    return torch.maximum(above[0] * under[1], under[0] * above[1])


def _screen(above: Layer, under: Layer) -> Tensor:
    return above[0] * under[1] + under[0] * above[1] - above[0] * under[0]


# The names are those of Android's PorterDuff.Mode, and so are ADD and MULTIPLY; the blends are W3C's, "Compositing and
# Blending Level 1", which show each layer where the other is not.
MODES: Mapping[str, Callable[[Layer, Layer], Layer]] = {
    "ADD": lambda above, under: ((above[0] + under[0]).clamp(max=1.0), (above[1] + under[1]).clamp(max=1.0)),
    "CLEAR": _shares(lambda s, d: (0.0, 0.0)),
    "DARKEN": _blended(_darken),
    "DST": _shares(lambda s, d: (0.0, 1.0)),
    "DST_ATOP": _shares(lambda s, d: (1.0 - d, s)),
    "DST_IN": _shares(lambda s, d: (0.0, s)),
    "DST_OUT": _shares(lambda s, d: (0.0, 1.0 - s)),
    "DST_OVER": _shares(lambda s, d: (1.0 - d, 1.0)),
    "LIGHTEN": _blended(_lighten),
    "MULTIPLY": lambda above, under: (above[0] * under[0], above[1] * under[1]),
    "OVERLAY": _blended(_overlay),
    "SCREEN": _blended(_screen),
    "SRC": _shares(lambda s, d: (1.0, 0.0)),
    "SRC_ATOP": _shares(lambda s, d: (d, 1.0 - s)),
    "SRC_IN": _shares(lambda s, d: (d, 0.0)),
    "SRC_OUT": _shares(lambda s, d: (1.0 - d, 0.0)),
    "SRC_OVER": _shares(lambda s, d: (1.0, 1.0 - s)),
    "XOR": _shares(lambda s, d: (1.0 - d, 1.0 - s)),
}
