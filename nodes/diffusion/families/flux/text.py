"""FLUX.1's text encoders: T5's rows are what the network reads, CLIP-L gives one vector for the whole prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import Warn
from weft.nodes.diffusion.families.sd.encoder import SDTextEncoder
from weft.nodes.diffusion.families.sd.layouts import with_text_of_its_own
from weft.nodes.diffusion.families.sd.networks import text_part
from weft.nodes.diffusion.families.sd.releases import CLIP_L
from weft.nodes.diffusion.families.sd.sizes import read_tower
from weft.nodes.diffusion.families.sd.towers import open_tower
from weft.nodes.diffusion.families.t5_files import T5_NAME, open_t5, t5_encoder
from weft.nodes.diffusion.families.text_files import text_in
from weft.nodes.diffusion.text.clip import Clip, Conditioning
from weft.nodes.diffusion.text.t5 import T5Use, t5_part
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import Part
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import WeightFile, Weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

T5_USE = T5Use(least=256)
# Where the encoders stand in a checkpoint.
_CLIP_L = replace(
    CLIP_L,
    prefixes=("text_encoders.clip_l.transformer.text_model.", "text_encoders.clip_l.transformer."),
)
_T5 = "text_encoders.t5xxl.transformer."
# As a checkpoint is written: of the prefixes of CLIP-L the one of transformers' names.
BESIDE: Mapping[str, str] = {CLIP_L.name: _CLIP_L.prefixes[-1], T5_NAME: _T5, "vae": "vae."}


class FluxClip(Clip):
    """See Clip: of CLIP-L the pooled output counts, of T5 the rows."""

    def joined(self, results: Sequence[tuple[Tensor, Tensor | None]]) -> Conditioning:
        """See Clip."""
        rows = next(cond for cond, pooled in results if pooled is None)
        return [[rows, {"pooled_output": next(pooled for _, pooled in results if pooled is not None)}]]


def text_parts(shapes: FileShapes) -> list[Part]:
    """The text encoders of a checkpoint; none where it has not both."""
    if not Shapes(shapes, _T5) or not any(Shapes(shapes, prefix) for prefix in _CLIP_L.prefixes):
        return []
    return [text_part(read_tower(_CLIP_L, shapes)), t5_part(T5_NAME, _T5, shapes)]


def clip_of(networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights) -> FluxClip:
    """The CLIP socket over the networks of `text_parts`."""
    clip_l = SDTextEncoder(_CLIP_L.name, networks[_CLIP_L.name], read_tower(_CLIP_L, file.shapes))
    return FluxClip((clip_l, t5_encoder(networks[T5_NAME], T5_USE, embeddings, file, _T5)), embeddings)


def load_clip(
    paths: Sequence[Path],
    *,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> Clip:
    """See Family."""
    files = {path: widened(WeightFile(path)) for path in paths}
    path_of = {text_in(file.shapes, file.metadata).name: path for path, file in files.items()}
    of_l, of_t5 = path_of[CLIP_L.name], path_of[T5_NAME]
    clip_l = open_tower(of_l, with_text_of_its_own(files[of_l]), CLIP_L, memory, dtype, warn)
    rows = open_t5(of_t5, files[of_t5], T5_USE, memory, dtype, embeddings, warn)
    return FluxClip((clip_l, rows), embeddings)
