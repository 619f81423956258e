"""What the files say about themselves: the keys of Stability AI's model metadata standard (ModelSpec 1.0.0)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from drawings import SIZE
from safetensors.torch import save
from torch import Tensor

AUTHOR = "the Weft authors"
LICENCE = "Apache-2.0"
_ARCHITECTURE = "stable-diffusion-v1"


def describe(kind: str, title: str, description: str, tensors: Mapping[str, Tensor], **more: str) -> dict[str, str]:
    """The metadata of a file.

    Args:
        kind: "" for a checkpoint, else what it is of one: "lora", "textual-inversion".
        tensors: what the file holds; the hash is that of the file behind its header.
        more: further keys of the standard, without their prefix.
    """
    file = save(dict(tensors))
    content = file[8 + int.from_bytes(file[:8], "little") :]
    spec = {
        "sai_model_spec": "1.0.0",
        "architecture": f"{_ARCHITECTURE}/{kind}" if kind else _ARCHITECTURE,
        "implementation": "diffusers" if kind else "sgm",
        "title": title,
        "description": description,
        "author": AUTHOR,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "license": LICENCE,
        "resolution": f"{SIZE}x{SIZE}",
        "hash_sha256": "0x" + hashlib.sha256(content).hexdigest(),
        **more,
    }
    return {f"modelspec.{key}": value for key, value in spec.items()} | {"format": "pt"}
