"""What models in files weigh when they compute, told from headers alone: no torch."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import NamedTuple

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.weights.gguf_header import MAGIC, read_gguf
from weft.nodes.diffusion.weights.header import first_bytes, is_safetensors, read_header

# Where the parts of a checkpoint begin, by the socket that gives them.
PARTS = {
    "MODEL": ("model.diffusion_model.",),
    "CLIP": ("cond_stage_model.", "conditioner.", "text_encoders."),
    "VAE": ("first_stage_model.", "vae."),
}
VISION = "VISION"
_TABLE = "embed_tokens.weight"
_ROWS = re.compile(r"(^|\.)(embed_tokens|shared|token_embedding|position_embedding)\.weight$")
# What a file of a text encoder has beside it: what writes text, and what sees pictures, a network of its own.
_WRITES, _SEES = "lm_head.", "visual."
# Text encoders that are widened as a whole, unlike the large ones: CLIP's.
_SMALL_TEXT = re.compile(r"(^|\.)(text_model|transformer\.resblocks)\.")


class InFile(NamedTuple):
    """Shapes of a file's tensors, and their sizes in bytes; of a file that says neither, its whole size alone."""

    shapes: dict[str, tuple[int, ...]]
    sizes: dict[str, int]


class Weighed(NamedTuple):
    """Bytes of a network where it computes.

    size: as a whole. least: what is there of it when it comes block by block. mapped: what of `size` is the file
    itself, as long as it is on the CPU; rows: of that a table of which a few rows are read. widened: what one matrix of
    few bits takes while it is used.
    """

    size: int
    least: int
    mapped: int
    rows: int
    widened: int


class ModelInFile(NamedTuple):
    """A model in a file, with the files of what changes it. part: the socket that gives it."""

    path: Path
    part: str
    patches: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people."""
        changed = f" with {', '.join(self.patches)}" if self.patches else ""
        part = " (what sees)" if self.part == VISION else ""
        if is_checkpoint(self.path):
            part = {"CLIP": " (text encoders)", "VAE": " (VAE)"}.get(self.part, part)
        return f"{self.path.name}{part}{changed}"


@lru_cache(maxsize=64)
def in_file(path: Path) -> InFile:
    """What a file's header says."""
    try:
        start, size = first_bytes(path)
        if is_safetensors(start):
            _, shapes, sizes = read_header(path, size)
            return InFile(shapes, sizes)
        if start.startswith(MAGIC):
            tensors = read_gguf(path).tensors
            return InFile({key: each.shape for key, each in tensors.items()}, {k: t.size for k, t in tensors.items()})
    except CheckpointError:
        return InFile({}, {})
    return InFile({}, {"": size})


def is_checkpoint(path: Path) -> bool:
    """Whether a file has a diffusion model and more."""
    keys = in_file(path).sizes
    return any(key.startswith(PARTS["MODEL"]) for key in keys) and any(
        key.startswith((*PARTS["VAE"], *PARTS["CLIP"])) for key in keys
    )


def _keys(keys: tuple[str, ...], part: str) -> list[str]:
    if part == VISION:
        return [key for key in keys if key.startswith(_SEES)]
    if part == "CLIP":
        keys = tuple(key for key in keys if not key.startswith((_WRITES, _SEES)))
    return [key for key in keys if key.startswith(PARTS.get(part, ()))] or list(keys)


@lru_cache(maxsize=256)
def weighed(path: Path, part: str, numbers: int) -> Weighed:
    """A network of a file in a run whose numbers have so many bytes.

    Matrices of large networks stay as the file has them where that is less, and so does all that has 8 bits or fewer.
    """
    shapes, sizes = in_file(path)
    keys = _keys(tuple(sizes), part)
    model = working.denoiser_in(shapes) if part == "MODEL" else None
    large = part in ("MODEL", "CLIP", VISION) and (model is None or model.rule not in (working.SD, working.SDXL))
    blocks: dict[str, int] = defaultdict(int)
    mapped = rows = widened = 0
    for key in keys:
        stored, shape = sizes[key], shapes.get(key)
        taken = stored if shape is None else prod(shape) * numbers
        if shape is not None and len(shape) > 1 and stored < taken:
            packed = stored <= prod(shape) * 1.2 or (large and not _SMALL_TEXT.search(key))
            if packed:
                # Of an embedding rows are read.
                widened, taken = widened if _ROWS.search(key) else max(widened, taken), stored
        mapped += taken if taken == stored else 0
        rows += taken if taken == stored and key.endswith(_TABLE) else 0
        found = re.match(r".*?\.\d+\.", key)
        blocks[found[0] if found else ""] += taken
    fixed = blocks.pop("", 0)
    least = fixed + max(blocks.values(), default=0)
    return Weighed(fixed + sum(blocks.values()), least, mapped, rows, widened)
