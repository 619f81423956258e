""".latent files: a safetensors file with one tensor, `latent_tensor`, and the workflow in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.weights.weightfile import read_tensors

TENSOR = "latent_tensor"
VERSION = "latent_format_version_0"
# Files older than the version mark hold latents in the scaled space of SD1.x.
OLD_SCALE = 1 / 0.18215


def read_latent(path: Path) -> Tensor:
    """The latent in a file, float32 [B,C,h,w]. Raises DiffusionError for a file that holds none."""
    tensors = read_tensors(path)
    if TENSOR not in tensors:
        raise DiffusionError(f"{path.name!r} is no latent: it has no {TENSOR!r}, but {', '.join(list(tensors)[:3])}")
    # Cloned: the file may be written again while the latent is in use.
    latent = tensors[TENSOR].to(torch.float32, copy=True)
    return latent if VERSION in tensors else latent * OLD_SCALE


def latent_bytes(samples: Tensor, metadata: Mapping[str, str]) -> bytes:
    """The content of a .latent file: samples [B,C,h,w] as float32, and text metadata."""
    from safetensors.torch import save

    tensors = {TENSOR: samples.detach().to("cpu", torch.float32).contiguous(), VERSION: torch.tensor([])}
    return save(tensors, dict(metadata))
