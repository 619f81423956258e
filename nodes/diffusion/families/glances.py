"""What a model file and a LoRA file are, told by their headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.glance import LoraGlance, ModelGlance, Shapes
from weft.nodes.diffusion.families.known import lora
from weft.nodes.diffusion.families.sd.glance import glance
from weft.nodes.diffusion.weights.header import first_bytes, is_safetensors, read_header
from weft.nodes.diffusion.weights.lora_names import is_of_text, split_key


def model_glance(path: Path) -> ModelGlance | None:
    """What a checkpoint or a file with a network alone is; None for one that is not recognised by its header."""
    found = _header(path)
    return glance(found) if found is not None else None


def lora_glance(path: Path) -> LoraGlance | None:
    """What a LoRA file is; None for another file."""
    shapes = _header(path)
    title = lora(shapes or ())
    if shapes is None or not title:
        return None
    roles: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, shape in shapes.items():
        layer, role = split_key(key) or ("", "")
        if role:
            roles.setdefault(layer, {})[role] = shape
    texts = sum(map(is_of_text, roles))
    layers = {layer: _form(found) for layer, found in roles.items() if not is_of_text(layer)}
    return LoraGlance(title.partition(" (")[0], layers, texts)


def _form(roles: Mapping[str, tuple[int, ...]]) -> tuple[int, int] | None:
    up, down = roles.get("up"), roles.get("down")
    return (up[0], down[1]) if up and down and len(up) > 1 and len(down) > 1 else None


def _header(path: Path) -> Shapes | None:
    try:
        status = path.stat()
        return _read(path, status.st_size, status.st_mtime_ns)
    except (OSError, DiffusionError):
        return None


@lru_cache(maxsize=16)
def _read(path: Path, size: int, changed: int) -> Shapes | None:
    start, size = first_bytes(path)
    return read_header(path, size)[1] if is_safetensors(start) else None
