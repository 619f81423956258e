"""What a model file, a VAE, text encoders, a CLIP vision model and a LoRA file are, told by their headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import FAMILIES
from weft.nodes.diffusion.families.glance import (
    LoraGlance,
    ModelGlance,
    PatchGlance,
    Shapes,
    TextFile,
    TextGlance,
    VaeGlance,
)
from weft.nodes.diffusion.families.known import lora, prefix_before
from weft.nodes.diffusion.families.protocol import Family
from weft.nodes.diffusion.families.text_files import check_set, text_in
from weft.nodes.diffusion.weights.header import described
from weft.nodes.diffusion.weights.lora_names import is_of_text, split_key

Found = TypeVar("Found")


class VisionGlance(NamedTuple):
    """A CLIP vision model: the width of its states, and of the one vector that it makes of a picture, 0 without."""

    width: int
    vector: int


def model_glance(path: Path) -> ModelGlance | None:
    """What a checkpoint or a file with a network alone is; None for one that is not recognised by its header."""

    def look(family: Family, shapes: Shapes) -> ModelGlance | None:
        found = family.glance(shapes)
        return None if found is None else replace(found, family=family.title)

    return _first(path, look)


def vae_glance(path: Path) -> VaeGlance | None:
    """What a VAE in a file of its own is; None for another file."""
    return _first(path, lambda family, shapes: family.glance_vae(shapes))


def patch_glance(path: Path) -> PatchGlance | None:
    """What a model patch is; None for another file."""
    return _first(path, lambda family, shapes: family.glance_patch(shapes))


def text_glance(paths: Sequence[Path], clip_type: str) -> TextGlance | None:
    """What text encoders of a type write; None where a file is not recognised by its header.

    Raises:
        CheckpointError: the files are not those that this type takes; the message says got and expected.
    """
    family = next((family for family in FAMILIES if clip_type in family.clip_types), None)
    headers = [_header(path) for path in paths]
    if family is None or any(each is None for each in headers):
        return None
    encoders = [text_in(each[1], each[0]) for each in headers if each is not None]
    encoders = check_set(clip_type, family.clip_types[clip_type], encoders)
    return family.glance_clip(clip_type, encoders)


def text_file(path: Path) -> TextFile | None:
    """Which text encoder a file holds."""
    header = _header(path)
    return None if header is None else text_in(header[1], header[0])


def vision_glance(path: Path) -> VisionGlance | None:
    """What a CLIP vision model is; None for another file."""
    _, shapes = _header(path) or ({}, {})
    for patches, projection, side in _VISION:
        prefix = prefix_before(shapes, patches)
        if prefix is not None:
            vector = shapes.get(prefix + projection, (0, 0))
            return VisionGlance(shapes[prefix + patches][0], vector[side] if len(vector) == 2 else 0)
    return None


# Of transformers' layout and of open_clip's: the patches, the projection, and which side of it is the vector.
_VISION = (
    ("vision_model.embeddings.patch_embedding.weight", "visual_projection.weight", 0),
    ("visual.conv1.weight", "visual.proj", 1),
)


def lora_glance(path: Path) -> LoraGlance | None:
    """What a LoRA file is; None for another file."""
    _, shapes = _header(path) or ({}, {})
    title = lora(shapes)
    if not title:
        return None
    roles: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, shape in shapes.items():
        layer, role = split_key(key) or ("", "")
        if role:
            roles.setdefault(layer, {})[role] = shape
    texts = sum(map(is_of_text, roles))
    layers = {layer: _form(found) for layer, found in roles.items() if not is_of_text(layer)}
    named = frozenset(family.title for family in FAMILIES if " for " in title and family.claims(shapes))
    return LoraGlance(title.partition(" (")[0], layers, texts, named)


def _form(roles: Mapping[str, tuple[int, ...]]) -> tuple[int, int] | None:
    up, down = roles.get("up"), roles.get("down")
    return (up[0], down[1]) if up and down and len(up) > 1 and len(down) > 1 else None


def _first(path: Path, look: Callable[[Family, Shapes], Found | None]) -> Found | None:
    """What the first family says that knows the file; None where one finds it not whole, or of a kind it has not."""
    header = _header(path)
    if header is None:
        return None
    try:
        return next((found for family in FAMILIES if (found := look(family, header[1])) is not None), None)
    except DiffusionError:
        return None


def _header(path: Path) -> tuple[Mapping[str, str], Shapes] | None:
    """What a file says about itself, and the shapes in it; None for one that is none, or damaged."""
    try:
        status = path.stat()
        return _read(path, status.st_size, status.st_mtime_ns)
    except (OSError, DiffusionError):
        return None


@lru_cache(maxsize=64)
def _read(path: Path, size: int, changed: int) -> tuple[Mapping[str, str], Shapes] | None:
    return described(path)
