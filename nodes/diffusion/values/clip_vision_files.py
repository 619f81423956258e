"""Vision towers from files: transformers' names (CLIP and SigLIP) and open_clip's, under any prefix.

Which tower it is and all its sizes are told by keys and shapes; heads and activation by the released towers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families.known import describe, prefix_before
from weft.nodes.diffusion.values.clip_vision import SIGLIP_DEVIATION, SIGLIP_MEAN, ClipVision
from weft.nodes.diffusion.weights.landings import Landing, Shapes, as_landed, third, transposed
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.networks import Part, build, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Stored, WeightFile, Weights

# A key of each layout, which nothing but a vision tower has.
_TRANSFORMERS = "vision_model.embeddings.patch_embedding.weight"
_OPEN_CLIP = "visual.transformer.resblocks.0.attn.in_proj_weight"

_CLASS = "vision_model.embeddings.class_embedding"
_PATCHES = "vision_model.embeddings.patch_embedding.weight"
_POSITIONS = "vision_model.embeddings.position_embedding.weight"
_PROJECTION = "visual_projection.weight"
# What stands before a tower in the checkpoints of models that read pictures (Stable Video Diffusion).
_IN_CHECKPOINT = "conditioner.embedders.0.open_clip.model."
# Behind the tower, of no use here.
_IGNORED = {
    r"vision_model\.head\..*": "SigLIP's own way to one vector",
    r"vision_model\.embeddings\.position_ids": "0, 1, 2, ...: computed",
}

# The towers that were released all have 16 heads; of OpenAI's the largest has 24 layers.
# Of the small tower.
SMALL_WIDTH = 64
# Of the pictures that the small SigLIP reads: 4 patches.
SMALL_SIDE = 64
HEADS = 16
LAYERS_OF_OPENAI = 24


def load_clip_vision(
    path: Path, *, device: torch.device | DeviceMemory, dtype: torch.dtype, warn: Warn = python_warning
) -> ClipVision:
    """Open the vision tower of a file.

    Raises:
        CheckpointError: no such file, none in it, or one that is not whole; the message says what the file is.
    """
    with in_file(path, warn) as tell:
        return open_clip_vision(WeightFile(path), device=device, dtype=dtype, warn=tell)


def open_clip_vision(
    file: Weights, *, device: torch.device | DeviceMemory, dtype: torch.dtype, warn: Warn = python_warning
) -> ClipVision:
    """The vision tower among a file's tensors. Arguments and errors as load_clip_vision."""
    prefix, landings = _layout(file)
    # As transformers names them, so that one reading tells the sizes of both layouts.
    named = {
        landing.target: tuple(landing.change(torch.empty(file.shapes[prefix + key], device="meta")).shape)
        for key, places in landings.items()
        for landing in places
        if prefix + key in file.shapes
    }
    shapes = Shapes(named)
    is_clip = _CLASS in shapes
    if is_clip and _PROJECTION not in shapes:
        raise CheckpointError(f"missing key {prefix + _PROJECTION!r}")
    config = _config(shapes, is_clip)
    module = build("vision model", _clip if is_clip else _siglip, config)
    known = {name for name, _ in module.named_parameters()}
    placed = {key: tuple(_in(known, landing) for landing in places) for key, places in landings.items()}
    part = Part(
        "vision", prefix, module, {key: places for key, places in placed.items() if prefix + key in file.shapes}
    )
    _check_whole(part, known, prefix)
    own = {key: shape for key, shape in file.shapes.items() if key.startswith(f"{prefix}vision_model.")}
    own |= {prefix + key: file.shapes[prefix + key] for key in part.landings}
    check([part], own, warn, {prefix.replace(".", r"\.") + key: why for key, why in _IGNORED.items()})
    fill(file, [part], {part.name: dtype})
    network = PatchedNetwork(module, memory_of(device))
    if is_clip:
        return ClipVision(network, config["image_size"])
    return ClipVision(network, config["image_size"], SIGLIP_MEAN, SIGLIP_DEVIATION, normalised=True)


def _layout(file: Weights) -> tuple[str, dict[str, tuple[Landing, ...]]]:
    """The prefix of a file's tower, and where its keys go by transformers' names."""
    prefix = prefix_before(file.shapes, _TRANSFORMERS)
    if prefix is not None:
        names = [key.removeprefix(prefix) for key in file.shapes if key.startswith(prefix)]
        own = [name for name in names if name.startswith("vision_model.") or name == _PROJECTION]
        return prefix, {name: (Landing(name),) for name in own if not name.startswith("vision_model.head.")}
    prefix = prefix_before(file.shapes, _OPEN_CLIP)
    if prefix is None:
        raise CheckpointError(f"no vision model, but {describe(file.shapes)}")
    layers = Shapes(file.shapes, prefix).indices(r"visual\.transformer\.resblocks\.(\d+)\.")
    return prefix, dict(_of_open_clip(layers))


def _of_open_clip(layers: list[int]) -> Iterator[tuple[str, tuple[Landing, ...]]]:
    yield "visual.class_embedding", (Landing(_CLASS),)
    yield "visual.conv1.weight", (Landing(_PATCHES),)
    yield "visual.positional_embedding", (Landing(_POSITIONS),)
    yield "visual.proj", (Landing(_PROJECTION, transposed, transposed),)
    for end in ("weight", "bias"):
        yield f"visual.ln_pre.{end}", (Landing(f"vision_model.pre_layrnorm.{end}"),)
        yield f"visual.ln_post.{end}", (Landing(f"vision_model.post_layernorm.{end}"),)
        for layer in layers:
            old, new = f"visual.transformer.resblocks.{layer}", f"vision_model.encoder.layers.{layer}"
            thirds = (Landing(f"{new}.self_attn.{name}.{end}", partial(third, i)) for i, name in enumerate(_QKV))
            yield f"{old}.attn.in_proj_{end}", tuple(thirds)
            for inner, name in _LAYER.items():
                yield f"{old}.{inner}.{end}", (Landing(f"{new}.{name}.{end}"),)


_QKV = ("q_proj", "k_proj", "v_proj")
_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def _config(shapes: Shapes, is_clip: bool) -> dict[str, Any]:
    """Keyword arguments of CLIPVisionConfig or SiglipVisionConfig."""
    width, _, patch, _ = shapes.of(_PATCHES, 4)
    layers = len(shapes.indices(r"vision_model\.encoder\.layers\.(\d+)\."))
    places = shapes.of(_POSITIONS, 2)[0] - is_clip
    if isqrt(places) ** 2 != places:
        raise CheckpointError(f"a vision model with {places} patches: expected a square of them")
    config = {
        "hidden_size": width,
        "intermediate_size": shapes.of("vision_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "patch_size": patch,
        "image_size": isqrt(places) * patch,
    }
    if not is_clip:
        return {**config, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "vision_use_head": False}
    activation = "quick_gelu" if layers <= LAYERS_OF_OPENAI else "gelu"
    return {**config, "projection_dim": shapes.of(_PROJECTION, 2)[0], "hidden_act": activation, "layer_norm_eps": 1e-5}


def _in(known: set[str], landing: Landing) -> Landing:
    """A landing by the network's own names: SigLIP's have no `vision_model.` before them in today's transformers."""
    inner = landing.target.removeprefix("vision_model.")
    return landing if landing.target in known else Landing(inner, landing.change, landing.back)


def _check_whole(part: Part, known: set[str], prefix: str) -> None:
    landed = {landing.target for places in part.landings.values() for landing in places}
    missing = sorted(known - landed)
    if missing:
        raise CheckpointError(f"the vision model {prefix!r} lacks {len(missing)} tensors: {', '.join(missing[:5])}")


def _clip(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.clip.configuration_clip import CLIPVisionConfig
    from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig(**config))


def _siglip(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.siglip.configuration_siglip import SiglipVisionConfig
    from transformers.models.siglip.modeling_siglip import SiglipVisionModel

    return SiglipVisionModel(SiglipVisionConfig(**config))


def stored_clip_vision(vision: ClipVision) -> dict[str, Stored]:
    """The tensors of a tower as a checkpoint has them beside a model that reads pictures: in open_clip's names.

    Raises:
        DiffusionError: a tower of another kind than CLIP's, which no checkpoint holds.
    """
    module = vision.network.module()
    known = dict(module.named_parameters())
    if not any(name.endswith(_PROJECTION) for name in known):
        raise DiffusionError("this vision model is none of CLIP's, and no checkpoint holds another")
    layers = Shapes({name: tuple(each.shape) for name, each in known.items()}).indices(r".*encoder\.layers\.(\d+)\.")

    def stored(places: tuple[Landing, ...]) -> Stored:
        landings = [_in(set(known), landing) for landing in places]
        form = as_landed(landings, lambda name: torch.empty_like(known[name], device="meta"))
        return Stored(
            tuple(form.shape), form.dtype, lambda: as_landed(landings, known.__getitem__).detach().contiguous()
        )

    return {_IN_CHECKPOINT + key: stored(places) for key, places in _of_open_clip(layers)}


def small_siglip(layers: int = 20) -> dict[str, torch.Tensor]:
    """As small_clip_vision, of a SigLIP: so many layers, of which some models read ones far in."""
    from transformers.models.siglip.configuration_siglip import SiglipVisionConfig
    from transformers.models.siglip.modeling_siglip import SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=SMALL_WIDTH, intermediate_size=32, num_hidden_layers=layers, num_attention_heads=HEADS,
        image_size=SMALL_SIDE, patch_size=32, hidden_act="gelu_pytorch_tanh", vision_use_head=False,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SiglipVisionModel(config)
    return {
        f"vision_model.{name.removeprefix('vision_model.')}": value
        for name, value in network.state_dict().items()
        if not name.endswith("position_ids")
    }


def small_clip_vision(projected: int) -> dict[str, torch.Tensor]:
    """The tensors of a small tower of random weights, in transformers' names, whose pooled output has this width."""
    from transformers.models.clip.configuration_clip import CLIPVisionConfig
    from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=SMALL_WIDTH, intermediate_size=128, num_hidden_layers=2, num_attention_heads=HEADS, patch_size=32,
        projection_dim=projected,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = CLIPVisionModelWithProjection(config)
    return {name: value for name, value in network.state_dict().items() if not name.endswith("position_ids")}
