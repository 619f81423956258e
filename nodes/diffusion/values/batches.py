"""Batches put together anew: of any number of batches of pictures or latents, batches of one size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.latents import Latent, samples_of
from weft.nodes.diffusion.values.masks import as_masks
from weft.nodes.diffusion.values.pixels import LATENT_PIXELS, check_images, to_batch


class _Item(NamedTuple):
    """One latent of a batch: samples [C,h,w], its noise mask [1,H,W] if it has one, and where its noise comes from."""

    samples: Tensor
    mask: Tensor | None
    noise: int


def rebatch_images(images: Sequence[Tensor], size: int) -> list[Tensor]:
    """The pictures of all batches [B,H,W,C] in batches of `size`; the last one has what is left.

    Raises:
        DiffusionError: pictures of different sizes, which go into no batch, or a `size` below 1.
    """
    check_images(*images)
    _check_size(size)
    if len({image.shape[1:] for image in images}) > 1:
        sizes = ", ".join(dict.fromkeys(f"{image.shape[2]}x{image.shape[1]}x{image.shape[3]}" for image in images))
        raise DiffusionError(f"cannot put pictures of {sizes} into one batch: they must have one size")
    return list(torch.split(torch.cat(list(images)), size)) if images else []


def rebatch_latents(latents: Sequence[Latent], size: int) -> list[Latent]:
    """The latents of all batches in batches of `size`; one of another shape begins a new batch.

    Where none says otherwise, the items take noise by their place in the whole. A noise mask counts where some item
    has one: the others are then sampled everywhere. Of what else stands in a latent nothing is kept.
    """
    _check_size(size)
    items: list[_Item] = []
    for latent in latents:
        items += _items(latent, len(items))
    batches: list[Latent] = []
    for _, alike in groupby(items, lambda item: item.samples.shape):
        group = list(alike)
        batches += [_batch(group[start : start + size]) for start in range(0, len(group), size)]
    return batches


def _items(latent: Latent, before: int) -> list[_Item]:
    samples = samples_of(latent)
    count = samples.shape[0]
    masks: Sequence[Tensor | None] = [None] * count
    if (given := latent.get("noise_mask")) is not None:
        height, width = (side * LATENT_PIXELS for side in samples.shape[-2:])
        mask = as_masks(given)[:, None].float()
        if mask.shape[-2:] != (height, width):
            mask = interpolate(mask, (height, width), mode="bilinear")
        masks = list(to_batch(mask, count))
    indices = latent.get("batch_index") or range(before, before + count)
    return [_Item(*each) for each in zip(samples, masks, indices, strict=True)]


def _batch(items: Sequence[_Item]) -> Latent:
    result: Latent = {
        "samples": torch.stack([item.samples for item in items]),
        "batch_index": [item.noise for item in items],
    }
    masks = [item.mask for item in items if item.mask is not None]
    if masks:
        mask = torch.stack([torch.ones_like(masks[0]) if item.mask is None else item.mask for item in items])
        if mask.mean() != 1.0:
            result["noise_mask"] = mask
    return result


def _check_size(size: int) -> None:
    if size < 1:
        raise DiffusionError(f"a batch must have at least 1 item, got {size}")
