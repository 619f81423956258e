"""A network's weights as the files of its layout keep them: loading backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.weights.landings import Landing, as_landed
from weft.nodes.diffusion.weights.weightfile import Stored


def stored(prefix: str, landings: Mapping[str, Sequence[Landing]], module: nn.Module) -> dict[str, Stored]:
    """The tensors of a network as a file keeps them, by their keys behind a prefix."""

    def entry(parts: Sequence[Landing]) -> Stored:
        def on_meta(name: str) -> Tensor:
            return torch.empty_like(module.get_parameter(name), device="meta")

        form = as_landed(parts, on_meta)
        return Stored(tuple(form.shape), form.dtype, lambda: as_landed(parts, module.get_parameter))

    return {prefix + key: entry(parts) for key, parts in landings.items()}
