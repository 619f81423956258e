"""Models to files, in the layout of their family, which other programs read.

What is written loads again to the same numbers, in the number format that the model has here. Where shapes do not say
how a network is built, the metadata does, under `weft.config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

from weft.nodes.diffusion.values.clip_vision_files import stored_clip_vision
from weft.nodes.diffusion.weights.weightfile import Exported, write_safetensors

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip, TextEncoder
    from weft.nodes.diffusion.values.clip_vision import ClipVision
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


def save_model(
    stream: IO[bytes],
    model: ModelPatcher,
    clip: Clip | None,
    vae: Vae | None,
    vision: ClipVision | None = None,
    *,
    title: str,
    metadata: Mapping[str, str],
) -> None:
    """Write a checkpoint, or a diffusion model alone where nothing else is given; patches are multiplied out.

    Args:
        title: what the file says that it is called.
        metadata: what else it says.

    Raises:
        DiffusionError: text encoders of another family or width than the model's, or a vision model that is not CLIP's.
    """
    tensors, said = model.kind.exported(model.network.module(), clip, vae, title)
    if vision is not None:
        tensors = {**tensors, **stored_clip_vision(vision)}
    _write(stream, Exported(tensors, said), metadata)


def save_clip(stream: IO[bytes], encoder: TextEncoder, metadata: Mapping[str, str]) -> None:
    """Write one text encoder. Raises DiffusionError where it has no file of its own."""
    _write(stream, encoder.exported(), metadata)


def save_vae(stream: IO[bytes], vae: Vae, metadata: Mapping[str, str]) -> None:
    """Write a VAE, in the layout of a file of its own. Raises DiffusionError where it has none."""
    _write(stream, vae.exported(), metadata)


def _write(stream: IO[bytes], exported: Exported, metadata: Mapping[str, str]) -> None:
    write_safetensors(stream, exported.tensors, {**metadata, **exported.metadata})
