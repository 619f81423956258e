"""What computing with a network takes beside its weights: one rule for each kind, told from a file's header.

Bytes = positions x width x bytes of a number x factor. A position is what the network has a row or a pixel for: an
element of the latent, a patch of it, a pixel of the picture. The factors were measured on the released sizes, on a
device that counts what is made on it (tests/diffusion/test_pretended_device.py holds them); attention is counted as a
GPU's kernels do it, row by row. Read without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

FileShapes = Mapping[str, tuple[int, ...]]

# What reading a prompt takes at most: a few hundred rows.
TEXT = 128 << 20
# What libraries take for themselves, and the factor that no network here exceeds: for runs, which know no file.
RESERVE, MOST = 512 << 20, 26.0


class KnownLayer(NamedTuple):
    """A layer by which a network is known. width: the axis of its shape that tells it; patch: sides of a position."""

    key: str
    width: int
    patch: int
    factor: float
    beside: str = ""


DENOISERS = (
    # XL has no attention at its outermost level.
    KnownLayer("input_blocks.0.0.weight", 0, 1, 16.0, "label_emb.0.0.weight"),
    KnownLayer("input_blocks.0.0.weight", 0, 1, 26.0),
    KnownLayer("img_in.weight", 0, 2, 22.0, "double_blocks.0.img_attn.qkv.weight"),
    KnownLayer("img_in.weight", 0, 2, 16.0, "transformer_blocks.0.attn.to_q.weight"),
    KnownLayer("patch_embedding.weight", 0, 2, 12.5),
    KnownLayer("x_embedder.proj.weight", 0, 2, 16.0),
    KnownLayer("x_embedder.weight", 0, 2, 16.5, "noise_refiner.0.attention.qkv.weight"),
)
DECODERS = (KnownLayer("decoder.conv_out.weight", 1, 1, 6.0), KnownLayer("decoder.head.2.weight", 1, 1, 18.0))
# Of a video, the frames of an element are decoded together: so much more than one picture.
VIDEO = 3.1


def denoising(shapes: FileShapes, elements: int, items: int, itemsize: int) -> int | None:
    """Bytes for one evaluation of a diffusion model on `items` latents of so many elements; None for an unknown one."""
    return _taken(DENOISERS, shapes, elements, items * itemsize)


def decoding(shapes: FileShapes, pixels: int, frames: int, itemsize: int) -> int | None:
    """Bytes for a VAE's way between a latent and pictures of so many pixels each; None for an unknown one.

    frames: of a video; a VAE of pictures takes one after the other.
    """
    taken = _taken(DECODERS, shapes, pixels, itemsize)
    video = frames > 1 and any(_ends(key, DECODERS[1].key) for key in shapes)
    return int(taken * VIDEO) if taken is not None and video else taken


def _taken(layers: tuple[KnownLayer, ...], shapes: FileShapes, positions: int, each: int) -> int | None:
    for layer in layers:
        found = next((shape for key, shape in shapes.items() if _ends(key, layer.key)), None)
        if found is None or (layer.beside and not any(_ends(key, layer.beside) for key in shapes)):
            continue
        return int(positions / layer.patch**2 * found[layer.width] * each * layer.factor)
    return None


def _ends(key: str, end: str) -> bool:
    return key == end or key.endswith(f".{end}")
