"""What computing with a network takes beside its weights: one rule for each kind of network.

Bytes = positions x width x bytes of a number x factor. A position is what the network has a row or a pixel for: an
element of the latent, a patch of it, a pixel of the picture. The factors were measured on the released sizes, on a
device that counts what is made on it (tests/diffusion/test_pretended_device.py holds them); attention is counted as a
GPU's kernels do it, row by row. Runs reserve by these rules, and plans, which read a file's header, tell by them. Read
without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

FileShapes = Mapping[str, tuple[int, ...]]

# What reading a prompt takes at most: a few hundred rows.
TEXT = 128 << 20
# What libraries take for themselves while a model samples.
RESERVE = 512 << 20
# What a run leaves free for a text encoder.
READING = TEXT + RESERVE
# The same for networks of which nobody says how much they compute; of a small budget a quarter.
HEADROOM = 2 << 30


class WorkingRule(NamedTuple):
    """What one kind of network takes. patch: sides of a position. pixels: sides of an element of its latent.

    as_long: whether the rows of a prompt are as many as its tokens, so that prompts of two lengths go into two calls,
    one after the other.
    """

    patch: int
    factor: float
    pixels: int = 8
    as_long: bool = False

    def taken(self, elements: int, width: int, items: int, itemsize: int) -> int:
        """Bytes for `items` latents of so many elements in one call; width: channels of a position."""
        return int(elements / self.patch**2 * width * items * itemsize * self.factor)


SD = WorkingRule(1, 26.0)
# It has no attention at its outermost level.
SDXL = WorkingRule(1, 16.0)
FLUX = WorkingRule(2, 22.0)
# Its latents are patches of FLUX.1's.
FLUX2 = WorkingRule(1, 22.0, pixels=16)
QWEN = WorkingRule(2, 16.0, as_long=True)
QWEN21 = WorkingRule(1, 16.0, pixels=16, as_long=True)
WAN = WorkingRule(2, 12.5)
WAN_SMALL = WorkingRule(2, 12.5, pixels=16)
SD3 = WorkingRule(2, 16.0)
Z_IMAGE = WorkingRule(2, 16.5, as_long=True)
UNKNOWN = WorkingRule(2, 26.0)


class KnownLayer(NamedTuple):
    """A layer by which a network is known in a file. width: the axis of its shape that tells it.

    beside: another layer that the file has; rows: how many this one has, if that counts.
    """

    rule: WorkingRule
    key: str
    width: int
    beside: str = ""
    rows: int = 0


DENOISERS = (
    KnownLayer(SD, "input_blocks.0.0.weight", 0, "input_blocks.1.1.norm.weight"),
    KnownLayer(SDXL, "input_blocks.0.0.weight", 0, "label_emb.0.0.weight"),
    KnownLayer(SD, "input_blocks.0.0.weight", 0),
    KnownLayer(FLUX2, "img_in.weight", 0, "double_stream_modulation_img.lin.weight"),
    KnownLayer(FLUX, "img_in.weight", 0, "double_blocks.0.img_attn.qkv.weight"),
    KnownLayer(QWEN21, "img_in.weight", 0, "txt_in.text_norm.weight"),
    KnownLayer(QWEN, "img_in.weight", 0, "transformer_blocks.0.attn.to_q.weight"),
    KnownLayer(WAN_SMALL, "patch_embedding.weight", 0, "head.head.weight", 192),
    KnownLayer(WAN, "patch_embedding.weight", 0),
    KnownLayer(SD3, "x_embedder.proj.weight", 0),
    KnownLayer(Z_IMAGE, "x_embedder.weight", 0, "noise_refiner.0.attention.qkv.weight"),
)
_VIDEO_VAE, _QWEN21_VAE = WorkingRule(1, 18.0), WorkingRule(1, 22.4)
DECODERS = (
    KnownLayer(_QWEN21_VAE, "decoder.conv_out.weight", 1, "decoder.norm_out.gamma"),
    KnownLayer(_QWEN21_VAE, "decoder.head.2.weight", 1, "conv2.weight", 64),
    KnownLayer(WorkingRule(1, 6.0), "decoder.conv_out.weight", 1),
    KnownLayer(_VIDEO_VAE, "decoder.head.2.weight", 1),
)
# Of a video, the frames of an element are decoded together: so much more than one picture.
VIDEO = 3.1


class Layout(NamedTuple):
    """What a file tells of its network: the rule, and the channels of a position."""

    rule: WorkingRule
    width: int


def denoiser_in(shapes: FileShapes) -> Layout | None:
    """Of the diffusion model of a file; None for an unknown one."""
    return _found(DENOISERS, shapes)


def headroom(budget: int | None) -> int:
    """Bytes that are left free within a budget where nobody says how much is computed."""
    return HEADROOM if budget is None else min(HEADROOM, budget // 4)


def sides(scale: object, sampler: object) -> int:
    """How many sides guidance of this scale evaluates for a sampler of this name: samplers of CFG++ ask for both."""
    return 1 if scale == 1.0 and "cfg_pp" not in str(sampler) else 2


def decoding(shapes: FileShapes, pixels: int, frames: int, itemsize: int) -> int | None:
    """Bytes for a VAE's way between a latent and pictures of so many pixels each; None for an unknown one.

    frames: of a video; a VAE of pictures takes one after the other.
    """
    found = _found(DECODERS, shapes)
    if found is None:
        return None
    taken = found.rule.taken(pixels, found.width, 1, itemsize)
    video = frames > 1 and found.rule is _VIDEO_VAE
    return int(taken * VIDEO) if video else taken


def _found(layers: tuple[KnownLayer, ...], shapes: FileShapes) -> Layout | None:
    for layer in layers:
        beside = _shape(shapes, layer.beside) if layer.beside else (layer.rows,)
        shape = _shape(shapes, layer.key)
        if shape is not None and beside is not None and layer.rows in (0, beside[0]):
            return Layout(layer.rule, shape[layer.width])
    return None


def _shape(shapes: FileShapes, end: str) -> tuple[int, ...] | None:
    return next((shape for key, shape in shapes.items() if key == end or key.endswith(f".{end}")), None)
