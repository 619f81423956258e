"""A network's weights as the files of its layout keep them: loading backwards.

What memory holds in few bits is written so, where a file can say how (WeightForm.beside) and all that the file keeps
together is held alike; else as the numbers that are computed with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.weights.landings import Landing, as_landed
from weft.nodes.diffusion.weights.packed import PackedTensor
from weft.nodes.diffusion.weights.quantised import MARK, SCALES
from weft.nodes.diffusion.weights.weightfile import Stored


def stored(prefix: str, landings: Mapping[str, Sequence[Landing]], module: nn.Module) -> dict[str, Stored]:
    """The tensors of a network as a file keeps them, by their keys behind a prefix."""
    found = {key: entry for name, parts in landings.items() for key, entry in _entries(prefix + name, parts, module)}
    if any(key.endswith(SCALES[0]) for key in found):
        found[prefix + MARK] = _written(torch.zeros(0, dtype=torch.float8_e4m3fn))
    return found


def _entries(key: str, parts: Sequence[Landing], module: nn.Module) -> Iterator[tuple[str, Stored]]:
    """What a file has of one tensor: it, and what stands beside it."""
    pieces = [landing.back(module.get_parameter(landing.target)) for landing in parts]
    held = [piece for piece in pieces if isinstance(piece, PackedTensor)]
    beside = _beside(held) if len(held) == len(pieces) else None
    make: Callable[[], Tensor]
    if beside is None:
        make = partial(as_landed, parts, module.get_parameter)
        form = as_landed(parts, lambda name: torch.empty_like(module.get_parameter(name), device="meta"))
    else:
        packed = [piece.packed for piece in held]
        make, form = partial(torch.cat, packed), torch.cat([each.to("meta") for each in packed])
    yield key, Stored(tuple(form.shape), form.dtype, make, widened=bool(held) and beside is None)
    for end, tensor in (beside or {}).items():
        yield key.removesuffix(".weight") + end, _written(tensor)


def _beside(held: Sequence[PackedTensor]) -> Mapping[str, Tensor] | None:
    """What a file has beside the numbers that are held for a tensor; None where it has none so."""
    first = held[0]
    if any(each.form != first.form or each.packed.dtype != first.packed.dtype for each in held):
        return None
    if first.scale is None:
        return first.form.beside(None)
    scales = [cast("Tensor", each.scale) for each in held]
    if first.scale.dim():
        return first.form.beside(torch.cat(scales))
    same = all(torch.equal(scale, first.scale) for scale in scales)
    return first.form.beside(first.scale) if same else None


def _written(tensor: Tensor) -> Stored:
    return Stored(tuple(tensor.shape), tensor.dtype, lambda: tensor)
