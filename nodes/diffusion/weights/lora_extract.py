"""LoRAs from differences: what ModelMergeSubtract and CLIPMergeSubtract give, as factors of low rank in a file.

Names are ComfyUI's own, `diffusion_model.` before those of a single file and `text_encoders.NAME.transformer.` before
those of transformers, which every loader knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import IO, TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, whole_number
from weft.nodes.diffusion.weights.weightfile import Stored, write_safetensors

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# The share of the factors' numbers that is not clipped: a few are far off, and cost all others their precision.
CLIPPED_ABOVE = 0.99
_MODEL, _TEXT = "diffusion_model.", "text_encoders.{name}.transformer."


def save_lora(
    stream: IO[bytes],
    model: ModelPatcher | None,
    clip: Clip | None,
    *,
    rank: int,
    full: bool,
    biases: bool,
    metadata: Mapping[str, str],
) -> None:
    """Write a LoRA of differences.

    Args:
        model, clip: whose weights are the differences; either may be None.
        rank: of the factors, at most; full: the differences themselves instead. biases: those of biases, too.
        metadata: what the file says.

    Raises:
        DiffusionError: nothing to write.
    """
    whole_number("the rank", rank, 1)
    tensors: dict[str, Stored] = {}
    for network, names in _sources(model, clip):
        for parameter, name in names.items():
            tensors |= _stored(network, parameter, name, rank, full, biases)
    if not tensors:
        raise DiffusionError("there is no difference to make a LoRA of: link model_diff, text_encoder_diff or both")
    write_safetensors(stream, tensors, metadata)


def _sources(model: ModelPatcher | None, clip: Clip | None) -> Iterator[tuple[PatchedNetwork, dict[str, str]]]:
    """Networks, and the names of their parameters in the file."""
    if model is not None:
        yield model.network, {parameter: _MODEL + name for parameter, name in model.kind.names().items()}
    for encoder in clip.encoders if clip is not None else ():
        prefix = _TEXT.format(name=encoder.name)
        yield encoder.network, {name: prefix + name for name in encoder.network.parameter_names}


def _stored(
    network: PatchedNetwork, parameter: str, name: str, rank: int, full: bool, biases: bool
) -> dict[str, Stored]:
    layer, _, leaf = name.rpartition(".")
    shape = tuple(network.shape_of(parameter))

    @cache
    def difference() -> Tensor:
        return network.weight(parameter, torch.device("cpu"))

    if leaf == "bias":
        return {f"{layer}.diff_b": Stored(shape, torch.float32, difference)} if biases else {}
    if full or len(shape) < 2:
        return {f"{layer}.diff": Stored(shape, torch.float32, difference)} if full or biases else {}
    kept = min(rank, shape[0], math.prod(shape[1:]))

    @cache
    def both() -> tuple[Tensor, Tensor]:
        return factors(difference(), kept)

    # A convolution's kernel is that of the first factor; the second mixes channels.
    ones = (1,) * (len(shape) - 2)
    up, down = (shape[0], kept, *ones), (kept, *shape[1:])
    return {
        f"{layer}.lora_up.weight": Stored(up, torch.float32, lambda: both()[0].reshape(up)),
        f"{layer}.lora_down.weight": Stored(down, torch.float32, lambda: both()[1].reshape(down)),
    }


def factors(difference: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """[O,rank] and [rank,I...] whose product is the nearest to a difference [O,I...], by its singular values.

    The numbers furthest off are clipped to those that CLIPPED_ABOVE of them stay below.
    """
    left, values, right = torch.linalg.svd(difference.float().flatten(1), full_matrices=False)
    up, down = left[:, :rank] * values[:rank], right[:rank]
    bound = _bound(torch.cat((up.flatten(), down.flatten())))
    return up.clamp(-bound, bound), down.clamp(-bound, bound)


def _bound(numbers: Tensor) -> float:
    # Not torch.quantile, which takes 16 million numbers at most.
    return float(numbers.sort().values[round((len(numbers) - 1) * CLIPPED_ABOVE)])
