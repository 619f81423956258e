"""CLIP's text towers: the layouts of their keys, and transformers' names.

`hf`: the names of transformers inside `text_model.`, which Stable Diffusion 1.x and the first tower of SDXL use.
`hf_whole`: a file of transformers, with the text projection beside `text_model.`. `open_clip`: the names of
mlfoundations/open_clip, for SD 2.x and the second tower of SDXL: one fused matrix for query, key and value, and the
text projection stored as (in, out), the transpose of a linear layer's weight. A projection lands where the config has
a projection_dim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.weights.landings import Landing, Shapes, as_stored, third, transposed

if TYPE_CHECKING:
    from torch import Tensor

_BOTH = (".weight", ".bias")
_QKV = ("q_proj", "k_proj", "v_proj")
_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_EMBEDDINGS = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
}


def clip_landings(config: Mapping[str, Any], layout: str) -> dict[str, tuple[Landing, ...]]:
    """Where each key of a text tower lands; the names are those of transformers without `text_model.`.

    Args:
        config: keyword arguments of transformers' CLIPTextConfig, as `TextEncoderSpec.config` has them.
        layout: "hf", "hf_whole" or "open_clip".
    """
    landings = dict(_LAYOUTS[layout](config["num_hidden_layers"]))
    if "projection_dim" in config:
        name, change = _PROJECTIONS[layout]
        landings[name] = (Landing("text_projection.weight", change, change),)
    return landings


def _hf(layers: int) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    names = [*_EMBEDDINGS.values(), *(f"final_layer_norm{end}" for end in _BOTH)]
    inner = [*_LAYER.values(), *(f"self_attn.{name}" for name in _QKV)]
    names += [f"encoder.layers.{layer}.{name}{end}" for layer in range(layers) for name in inner for end in _BOTH]
    for name in names:
        yield name, (Landing(name),)


def _hf_whole(layers: int) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for name, landings in _hf(layers):
        yield f"text_model.{name}", landings


def _open_clip(layers: int) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    for old, new in _EMBEDDINGS.items():
        yield old, (Landing(new),)
    for end in _BOTH:
        yield f"ln_final{end}", (Landing(f"final_layer_norm{end}"),)
    for layer in range(layers):
        old, new = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
        for end in _BOTH:
            for inner, name in _LAYER.items():
                yield f"{old}.{inner}{end}", (Landing(f"{new}.{name}{end}"),)
            thirds = (Landing(f"{new}.self_attn.{name}{end}", partial(third, i)) for i, name in enumerate(_QKV))
            yield f"{old}.attn.in_proj{end.replace('.', '_')}", tuple(thirds)


_LAYOUTS: Mapping[str, Callable[[int], Iterator[tuple[str, tuple[Landing, ...]]]]] = {
    "hf": _hf,
    "hf_whole": _hf_whole,
    "open_clip": _open_clip,
}


# Where each layout keeps the text projection, if it has a place for it, and its change of form, both ways.
_PROJECTIONS: Mapping[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "hf_whole": ("text_projection.weight", as_stored),
    "open_clip": ("text_projection", transposed),
}

_READ = {
    "hf": (
        "embeddings.token_embedding.weight",
        "embeddings.position_embedding.weight",
        r"encoder\.layers\.(\d+)\.",
        r"encoder\.layers\.\d+\.mlp\.fc1\.weight",
    ),
    "hf_whole": (
        "text_model.embeddings.token_embedding.weight",
        "text_model.embeddings.position_embedding.weight",
        r"text_model\.encoder\.layers\.(\d+)\.",
        r"text_model\.encoder\.layers\.\d+\.mlp\.fc1\.weight",
    ),
    "open_clip": (
        "token_embedding.weight",
        "positional_embedding",
        r"transformer\.resblocks\.(\d+)\.",
        r"transformer\.resblocks\.\d+\.mlp\.c_fc\.weight",
    ),
}


def read_clip(shapes: Shapes, layout: str) -> dict[str, Any]:
    """Keyword arguments of CLIPTextConfig, as far as shapes tell them: all but heads and activation.

    Raises:
        CheckpointError: a key that the structure needs is missing.
    """
    tokens, positions, layers, widening = _READ[layout]
    vocabulary, width = shapes.of(tokens, 2)
    inner = shapes.first(widening)
    if inner is None:
        raise CheckpointError(f"no key of the text encoder {shapes.prefix!r} matches {widening!r}")
    found = shapes.indices(layers)
    if found != list(range(len(found))):
        raise CheckpointError(f"the text encoder {shapes.prefix!r} has layers {found}: expected all from 0 on")
    config = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner[0],
        "num_hidden_layers": len(found),
        "max_position_embeddings": shapes.of(positions, 2)[0],
        "layer_norm_eps": 1e-5,
    }
    projection = _PROJECTIONS.get(layout)
    if projection is not None and projection[0] in shapes:
        # The two layouts' matrices are each other's transpose; released ones are square.
        config["projection_dim"] = shapes.of(projection[0], 2)[layout == "open_clip"]
    return config
