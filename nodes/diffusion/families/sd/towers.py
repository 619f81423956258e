"""Text encoders of Stable Diffusion in files of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import CheckpointError, Warn
from weft.nodes.diffusion.families.known import not_a
from weft.nodes.diffusion.families.sd.encoder import SDTextEncoder
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
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
from weft.nodes.diffusion.families.sd.sizes import read_tower, stated_towers
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import check, fill, in_file
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import WeightFile, Weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

# What the towers of one or several files make together, by ComfyUI's names for it: one of these sets of towers.
CLIP_TYPES: Mapping[str, tuple[tuple[TextEncoderSpec, ...], ...]] = {
    "stable_diffusion": ((CLIP_L,), (CLIP_H,), (REFINER_CLIP_G,)),
    "sdxl": ((XL_CLIP_L, XL_CLIP_G),),
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
    """See Family. clip_type: a key of CLIP_TYPES."""
    found: dict[str, tuple[Path, Weights]] = {}
    for path in paths:
        with in_file(path):
            file = with_text_of_its_own(widened(WeightFile(path)))
            found[tower_name(file)] = Path(path), file
    towers = next((set_ for set_ in CLIP_TYPES[clip_type] if {tower.name for tower in set_} == set(found)), None)
    if towers is None or len(found) != len(paths):
        wanted = " or ".join(" + ".join(tower.name for tower in set_) for set_ in CLIP_TYPES[clip_type])
        got = " + ".join(found)
        names = ", ".join(Path(path).name for path in paths)
        raise CheckpointError(f"{names}: text encoders of type {clip_type!r} are {wanted}, got {got}")
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


def tower_name(file: Weights) -> str:
    """Which tower a file holds: as it says, else by its layers, of which the released ones have 12, 24 and 32."""
    shapes = Shapes(file.shapes)
    layers = shapes.indices(r"(?:text_model\.encoder\.layers|transformer\.resblocks)\.(\d+)\.")
    if not layers or Shapes(file.shapes, UNET):
        raise CheckpointError(not_a("text encoder", file.shapes))
    stated = stated_towers(file.metadata)
    if len(stated) == 1:
        return stated[0]
    return next(name for name, least in (("clip_g", 31), ("clip_h", 23), ("clip_l", 0)) if len(layers) >= least)
