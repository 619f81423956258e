"""Text encoders of Stable Diffusion in files of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.families.sd.encoder import SDTextEncoder
from weft.nodes.diffusion.families.sd.kind import IGNORED
from weft.nodes.diffusion.families.sd.layouts import with_text_of_its_own
from weft.nodes.diffusion.families.sd.networks import text_part
from weft.nodes.diffusion.families.sd.releases import (
    CLIP_H,
    CLIP_L,
    REFINER_CLIP_G,
    XL_CLIP_G,
    XL_CLIP_L,
    TextEncoderSpec,
)
from weft.nodes.diffusion.families.sd.sizes import read_tower
from weft.nodes.diffusion.families.text_files import text_in
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import check, fill, in_file
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import WeightFile, Weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

# The towers of a checkpoint of this family, by their names where they stand in files of their own.
_TOWERS: Mapping[str, Mapping[str, TextEncoderSpec]] = {
    "stable_diffusion": {tower.name: tower for tower in (CLIP_L, CLIP_H, REFINER_CLIP_G)},
    "sdxl": {tower.name: tower for tower in (XL_CLIP_L, XL_CLIP_G)},
}


def load_clip(
    paths: Sequence[Path],
    clip_type: str,
    *,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> Clip:
    """See Family."""
    found: dict[str, tuple[Path, Weights]] = {}
    for path in paths:
        with in_file(path):
            file = widened(WeightFile(path))
            found[text_in(file.shapes, file.metadata).name] = path, with_text_of_its_own(file)
    towers = [tower for name, tower in _TOWERS[clip_type].items() if name in found]
    return Clip(tuple(open_tower(*found[tower.name], tower, memory, dtype, warn) for tower in towers), embeddings)


def open_tower(
    path: Path, file: Weights, tower: TextEncoderSpec, memory: DeviceMemory, dtype: torch.dtype, warn: Warn
) -> SDTextEncoder:
    """A text tower in a file of its own, its keys as `with_text_of_its_own` gives them. tower: a row of the table."""
    with in_file(path, warn) as tell:
        layout = "hf_whole" if Shapes(file.shapes, "text_model.") else "open_clip"
        spec = read_tower(replace(tower, prefixes=("",), layout=layout), file.shapes, file.metadata)
        part = text_part(spec)
        check([part], file.shapes, tell, IGNORED)
        fill(file, [part], {part.name: dtype})
    return SDTextEncoder(spec.name, PatchedNetwork(part.module, memory), spec)
