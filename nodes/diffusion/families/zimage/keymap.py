"""The names of Z-Image's weights: the released file -> diffusers' ZImageTransformer2DModel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from weft.nodes.diffusion.weights.landings import Landing, Shapes, fused

# Keys that every file of it has; together no other family's has them.
MARKS = ("cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight", "cap_pad_token")
HEAD = 128
AXES = (32, 48, 48)
# So many words, rows and columns have a place.
LENGTHS = (4096, 1024, 1024)
# Channels of a patch of a latent.
PATCHED = 64

# diffusers' name -> the file's, by pieces.
_PIECES = (
    (r"^all_x_embedder\.2-1\.", "x_embedder."),
    (r"^all_final_layer\.2-1\.", "final_layer."),
    (r"\.attention\.to_out\.0\.", ".attention.out."),
    (r"\.attention\.norm_([qk])\.", r".attention.\1_norm."),
)
_FUSED = re.compile(r"^(.*\.attention)\.to_([qkv])\.weight$")


def original(name: str) -> str:
    """A parameter's name in a file, without prefix; of queries, keys and values that of all three."""
    if found := _FUSED.match(name):
        return f"{found[1]}.qkv.weight"
    for pattern, piece in _PIECES:
        name = re.sub(pattern, piece, name)
    return name


def names_in(shapes: Shapes) -> list[str]:
    """diffusers' names of the weights that a file has, without a network that says them."""
    found = []
    for key in shapes:
        head, fused_, _ = key.partition(".attention.qkv.weight")
        new = re.sub(r"\.attention\.out\.", ".attention.to_out.0.", key)
        new = re.sub(r"^x_embedder\.", "all_x_embedder.2-1.", re.sub(r"^final_layer\.", "all_final_layer.2-1.", new))
        found += [f"{head}.attention.to_{part}.weight" for part in "qkv"] if fused_ else [new]
    return found


def landings(names: Iterable[str], width: int) -> dict[str, tuple[Landing, ...]]:
    """Where each key of a file lands. names: of the network's parameters. width: its channels."""
    return dict(_landings(names, width))


def _landings(names: Iterable[str], width: int) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for name in names:
        found = _FUSED.match(name)
        if found is None:
            yield original(name), (Landing(name),)
        elif found[2] == "q":
            yield original(name), fused({f"{found[1]}.to_{part}.weight": width for part in "qkv"})


def read_sizes(shapes: Shapes) -> dict[str, Any]:
    """Keyword arguments of ZImageTransformer2DModel that a file's shapes say."""
    width, text = shapes.of("cap_embedder.1.weight", 2)
    return {
        "in_channels": shapes.of("x_embedder.weight", 2)[1] // 4,
        "dim": width,
        "n_layers": len(shapes.indices(r"layers\.(\d+)\.")),
        "n_refiner_layers": len(shapes.indices(r"noise_refiner\.(\d+)\.")),
        "n_heads": width // HEAD,
        "n_kv_heads": width // HEAD,
        "cap_feat_dim": text,
        "axes_dims": list(AXES),
        "axes_lens": list(LENGTHS),
    }
