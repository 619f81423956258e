"""Images [B,H,W,C] of 0..1 in the colours of others: their statistics are made those of a reference.

Nothing is measured here: what each does follows from the publication, and docs/differences.md says what is a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.values.pixels import check_images

BINS = 256
"""Levels of a channel that histograms tell apart."""
LEAST = 1e-5
"""What spreads and variances are at least, so that an even image becomes even."""

STATISTICS = ("per_frame", "uniform", "target_frame")


def transfer(target: Tensor, reference: Tensor, method: str, statistics: str, index: int, strength: float) -> Tensor:
    """The target in the colours of the reference; alpha is left alone, the result is clamped to 0..1.

    Args:
        method: a key of METHODS.
        statistics: one of STATISTICS: what of the target is made equal to the reference: each image by itself, all of
            them together, or the one at `index` (at most the last), whose change is that of all.
        strength: 0 changes nothing, 1 changes all, more exaggerates.

    Raises:
        DiffusionError: another method or statistics, or an image of less than 3 channels.
    """
    check_images(target, reference)
    if method not in METHODS:
        raise DiffusionError(f"unknown method {method!r}{nearest(method, METHODS)}: one of {', '.join(METHODS)}")
    if statistics not in STATISTICS:
        known = ", ".join(STATISTICS)
        raise DiffusionError(f"unknown statistics {statistics!r}{nearest(statistics, STATISTICS)}: one of {known}")
    if min(target.shape[-1], reference.shape[-1]) < 3:
        raise DiffusionError("expected images of 3 or 4 channels")
    if strength == 0:
        return target
    to_space, match, from_space = METHODS[method]
    pixels, wanted = to_space(target[..., :3]).flatten(1, 2), to_space(reference[..., :3].to(target)).flatten(1, 2)
    # Each image of a batch has its own reference where there are several: as many, or the last one for the rest.
    paired = method == "histogram" and statistics == "per_frame" and len(wanted) > 1
    whole = wanted.flatten(0, 1)
    changed = []
    for number, image in enumerate(pixels):
        source = {
            "per_frame": image,
            "uniform": pixels.flatten(0, 1),
            "target_frame": pixels[min(index, len(pixels) - 1)],
        }[statistics]
        changed.append(match(image, source, wanted[min(number, len(wanted) - 1)] if paired else whole))
    result = from_space(torch.stack(changed).reshape(*target.shape[:3], 3))
    mixed = torch.lerp(target[..., :3], result, strength).clamp(0.0, 1.0)
    return torch.cat((mixed, target[..., 3:]), dim=-1)


def _to_lab(image: Tensor) -> Tensor:
    from kornia.color import rgb_to_lab

    lab: Tensor = rgb_to_lab(image.movedim(-1, 1)).movedim(1, -1)
    return lab


def _from_lab(image: Tensor) -> Tensor:
    from kornia.color import lab_to_rgb

    rgb: Tensor = lab_to_rgb(image.movedim(-1, 1)).movedim(1, -1)
    return rgb


def _moments(image: Tensor, source: Tensor, wanted: Tensor) -> Tensor:
    """Mean and spread of each channel made equal (Reinhard et al. 2001). [N,3] each."""
    spread = wanted.std(dim=0, unbiased=False) / source.std(dim=0, unbiased=False).clamp(min=LEAST)
    return (image - source.mean(dim=0)) * spread + wanted.mean(dim=0)


def _covariances(image: Tensor, source: Tensor, wanted: Tensor) -> Tensor:
    """Mean and covariance made equal by the linear map that moves the least (Pitie and Kokaram 2007). [N,3] each."""
    have, want = _covariance(source), _covariance(wanted)
    root = _power(have, 0.5)
    back = _power(have, -0.5)
    change = back @ _power(root @ want @ root, 0.5) @ back
    return (image - source.mean(dim=0)) @ change.T.to(image) + wanted.mean(dim=0)


def _covariance(pixels: Tensor) -> Tensor:
    centred = (pixels - pixels.mean(dim=0)).double()
    return centred.T @ centred / len(pixels)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Of a symmetric matrix without negative values."""
    values, vectors = torch.linalg.eigh(matrix)
    raised: Tensor = vectors @ torch.diag(values.clamp(min=LEAST) ** exponent) @ vectors.T
    return raised


def _histograms(image: Tensor, source: Tensor, wanted: Tensor) -> Tensor:
    """Each channel's levels moved to where the reference has as many below. [N,3] each, of 0..1."""
    channels = []
    for channel in range(3):
        below, level = _cumulated(source[:, channel]), _cumulated(wanted[:, channel])
        table = torch.searchsorted(level, below).clamp(max=BINS - 1).to(image) / (BINS - 1)
        channels.append(table[_levels(image[:, channel])])
    return torch.stack(channels, dim=-1)


def _levels(values: Tensor) -> Tensor:
    return (values.clamp(0.0, 1.0) * (BINS - 1)).round().long()


def _cumulated(values: Tensor) -> Tensor:
    """[BINS] float64: the share of the values up to each level."""
    counts = torch.bincount(_levels(values), minlength=BINS).double()
    return counts.cumsum(0) / len(values)


def _same(image: Tensor) -> Tensor:
    return image


Space = Callable[[Tensor], Tensor]
Match = Callable[[Tensor, Tensor, Tensor], Tensor]

METHODS: Mapping[str, tuple[Space, Match, Space]] = {
    "reinhard_lab": (_to_lab, _moments, _from_lab),
    "mkl_lab": (_to_lab, _covariances, _from_lab),
    "histogram": (_same, _histograms, _same),
}
"""In which space, how, and back."""
