"""Models to files, in the layout of their family, which other programs read.

What is written loads again to the same numbers, in the number format that the model has here: in as many bits as it has
in memory, or where no file has those, in as many as are computed with. Where shapes do not say how a network is built,
the metadata does, under `weft.config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

from weft.nodes.diffusion.errors import Warn, python_warning
from weft.nodes.diffusion.values.clip_vision_files import stored_clip_vision
from weft.nodes.diffusion.weights.quantised import MARK
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
    warn: Warn = python_warning,
) -> None:
    """Write a checkpoint, or a diffusion model alone where nothing else is given; patches are multiplied out.

    Args:
        title: what the file says that it is called.
        metadata: what else it says.
        warn: told of weights that are written with more bits than they have in memory.

    Raises:
        DiffusionError: text encoders of another family or width than the model's, or a vision model that is not CLIP's.
    """
    tensors, said = model.kind.exported(model.network.module(), clip, vae, title)
    if vision is not None:
        tensors = {**tensors, **stored_clip_vision(vision)}
    _write(stream, Exported(tensors, said), metadata, warn)


def save_clip(
    stream: IO[bytes], encoder: TextEncoder, metadata: Mapping[str, str], warn: Warn = python_warning
) -> None:
    """Write one text encoder; warn: as save_model. Raises DiffusionError where it has no file of its own."""
    tensors, said = encoder.exported()
    # It stands for the whole file, and other programs look for it there.
    named = {MARK if key.endswith(f".{MARK}") else key: entry for key, entry in tensors.items()}
    _write(stream, Exported(named, said), metadata, warn)


def save_vae(stream: IO[bytes], vae: Vae, metadata: Mapping[str, str]) -> None:
    """Write a VAE, in the layout of a file of its own. Raises DiffusionError where it has none."""
    _write(stream, vae.exported(), metadata, python_warning)


def _write(stream: IO[bytes], exported: Exported, metadata: Mapping[str, str], warn: Warn) -> None:
    wide = [entry for entry in exported.tensors.values() if entry.widened]
    if wide:
        formats = ", ".join(sorted({str(entry.dtype).removeprefix("torch.") for entry in wide}))
        warn(
            f"{len(wide)} of {len(exported.tensors)} tensors are written as {formats}, and have fewer bits in memory: "
            "no file that is written here has GGUF's blocks, or a layer in few bits that a LoRA is merged into in use"
        )
    write_safetensors(stream, exported.tensors, {**metadata, **exported.metadata})
