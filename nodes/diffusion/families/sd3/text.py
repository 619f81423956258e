"""Stable Diffusion 3's text encoders, CLIP-L, CLIP-G and T5, of which some may be missing.

A prompt is the rows of both CLIPs side by side, filled with zeros up to T5's width, and below them T5's rows; and one
vector, both CLIPs' pooled outputs side by side. What a missing CLIP would give is zero; a missing T5 gives no rows.
Numbers: the goldens sd3_text_* (parity_families/facts.md section 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families.sd.encoder import SDTextEncoder
from weft.nodes.diffusion.families.sd.layouts import with_text_of_its_own
from weft.nodes.diffusion.families.sd.networks import text_part
from weft.nodes.diffusion.families.sd.releases import XL_CLIP_G, XL_CLIP_L, TextEncoderSpec
from weft.nodes.diffusion.families.sd.sizes import read_tower
from weft.nodes.diffusion.families.sd.towers import open_tower
from weft.nodes.diffusion.families.sd3.widths import RELEASED, widths_of
from weft.nodes.diffusion.families.t5_files import T5_NAME, open_t5, t5_encoder
from weft.nodes.diffusion.families.text_files import text_in
from weft.nodes.diffusion.text.clip import Clip, Conditioning, PromptEncoder
from weft.nodes.diffusion.text.t5 import IGNORED as OF_T5
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

USE = T5Use(least=77)
_T5 = "text_encoders.t5xxl.transformer."
# The CLIPs, in the order of their channels, and where they stand in a checkpoint.
TOWERS: Mapping[str, TextEncoderSpec] = {
    tower.name: replace(tower, prefixes=(f"text_encoders.{tower.name}.transformer.",), layout="hf_whole")
    for tower in (XL_CLIP_L, XL_CLIP_G)
}
BESIDE: Mapping[str, str] = {
    **{name: tower.prefixes[0] for name, tower in TOWERS.items()},
    T5_NAME: _T5,
    "vae": "first_stage_model.",
}
IGNORED: Mapping[str, str] = {
    **OF_T5,
    r"text_encoders\.clip_l\.transformer\.text_projection\.weight": "clip_l's is not used",
}


class SD3Clip(Clip):
    """See Clip: any of CLIP-L, CLIP-G and T5."""

    def encode_each(self, texts: Mapping[str, str], warn: Warn = python_warning) -> Conditioning:
        """As Clip's; texts for encoders that are missing are not read, and where a text is missing, there are no rows.

        A missing text of one CLIP alone is an empty prompt: the rows of both stand side by side.
        """
        prompts = [
            encoder.read(texts[encoder.name], self.embeddings, warn) if encoder.name in texts else []
            for encoder in self.encoders
        ]
        if not any(prompts):
            names = ", ".join(encoder.name for encoder in self.encoders)
            raise DiffusionError(
                f"no text for {names}: nothing would be encoded; empty_padding empty_prompt encodes empty texts"
            )
        return self.encode_tokens(self.evened(prompts))

    def joined(self, results: Sequence[tuple[Tensor, Tensor | None]]) -> Conditioning:
        """See Clip."""
        found = dict(zip((encoder.name for encoder in self.encoders), results, strict=True))
        widths = widths_of({encoder.name: encoder.width for encoder in self.encoders})
        length = min((rows.shape[1] for name, (rows, _) in found.items() if name in TOWERS), default=0)
        side_by_side, pooled = [], []
        for name in TOWERS:
            rows, vector = found.get(name, (torch.zeros(1, length, widths[name]), None))
            side_by_side.append(rows[:, :length])
            pooled.append(torch.zeros(1, widths[name]) if vector is None else vector)
        of_towers = torch.cat(side_by_side, dim=-1)
        filling = widths[T5_NAME] - of_towers.shape[-1]
        rows = torch.nn.functional.pad(of_towers, (0, filling))
        if T5_NAME in found:
            rows = torch.cat([rows, found[T5_NAME][0]], dim=1)
        return [[rows, {"pooled_output": torch.cat(pooled, dim=-1)}]]


def clip_with(encoders: Sequence[PromptEncoder], embeddings: EmbeddingLookup | None) -> SD3Clip:
    """The CLIP socket over encoders, in any order. Raises CheckpointError for widths that do not go together."""
    widths = widths_of({encoder.name: encoder.width for encoder in encoders})
    if widths["clip_l"] + widths["clip_g"] > widths[T5_NAME]:
        got = ", ".join(f"{encoder.name} {encoder.width}" for encoder in encoders)
        raise CheckpointError(f"text encoders of these widths do not go together: {got}; expected {_said(RELEASED)}")
    order = [*TOWERS, T5_NAME]
    return SD3Clip(tuple(sorted(encoders, key=lambda encoder: order.index(encoder.name))), embeddings)


def _said(widths: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {width}" for name, width in widths.items())


def text_parts(shapes: FileShapes) -> list[Part]:
    """The text encoders of a checkpoint, those that it has."""
    towers = [tower for tower in TOWERS.values() if Shapes(shapes, tower.prefix)]
    parts = [text_part(read_tower(tower, shapes)) for tower in towers]
    return [*parts, *([t5_part(T5_NAME, _T5, shapes)] if Shapes(shapes, _T5) else ())]


def clip_of(
    networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None, file: Weights
) -> SD3Clip | None:
    """The CLIP socket over the networks of `text_parts`; None without any."""
    encoders: list[PromptEncoder] = [
        SDTextEncoder(name, networks[name], read_tower(tower, file.shapes))
        for name, tower in TOWERS.items()
        if name in networks
    ]
    if T5_NAME in networks:
        encoders.append(t5_encoder(networks[T5_NAME], USE, embeddings, file, _T5))
    return clip_with(encoders, embeddings) if encoders else None


def load_clip(
    paths: Sequence[Path],
    *,
    memory: DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None,
    warn: Warn,
) -> Clip:
    """See Family."""
    encoders: list[PromptEncoder] = []
    for path in paths:
        file = widened(WeightFile(path))
        name = text_in(file.shapes, file.metadata).name
        if name == T5_NAME:
            encoders.append(open_t5(path, file, USE, memory, dtype, embeddings, warn))
        else:
            encoders.append(open_tower(path, with_text_of_its_own(file), TOWERS[name], memory, dtype, warn))
    return clip_with(encoders, embeddings)
