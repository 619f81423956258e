"""What Qwen2.5-VL and Qwen3-VL see: a picture as rows that stand among those of a prompt's words, each at a place.

transformers' classes are the networks; how pictures are cut up and where their rows stand is as in their processors and
models (Bai et al. 2025, "Qwen2.5-VL"; Qwen3-VL), which the tests compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.values.pixels import check_images
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build
from weft.nodes.diffusion.weights.patched import PatchedNetwork

PREFIX = "visual."
# What stands for a picture in a text, and becomes its rows.
PICTURE_MARK = "<|image_pad|>"
PICTURE = 151655
# Patches along one side of a row, and how often a still picture is repeated in time.
MERGED, TIMES = 2, 2
_HEADS, _WINDOW, _WHOLE = 16, 112, 8
# Of Qwen3-VL: which blocks' rows the first layers of the language model are given, by how many blocks there are.
_DEEP = {24: (5, 11, 17), 27: (8, 16, 24)}
# Channels of half a head that turn with time, row and column.
SECTIONS = (16, 24, 24)


class Sight(NamedTuple):
    """How pictures are shown: pixels of a patch's side and of a picture in all, mean and spread of their colours."""

    patch: int
    least: int
    most: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


# As published with Qwen2.5-VL-7B-Instruct and Qwen3-VL-8B-Instruct.
SIGHT = Sight(14, 56 * 56, 12_845_056, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
SIGHT_OF_VL3 = Sight(16, 65_536, 16_777_216, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class SeenPicture(NamedTuple):
    """A picture as the language model reads it: rows [height * width, C], and those that its first layers add."""

    rows: Tensor
    height: int
    width: int
    deep: tuple[Tensor, ...] = ()


def vision_part(name: str, shapes: Mapping[str, tuple[int, ...]]) -> Part | None:
    """The vision tower in the file of a text encoder; None where there is none, or not all of one."""
    found = Shapes(shapes, PREFIX)
    if "patch_embed.proj.weight" not in found:
        return None
    if "deepstack_merger_list.0.norm.weight" in found:
        return _vl3_part(name, found)
    width, _, _, patch, _ = found.of("patch_embed.proj.weight", 5)
    depth = len(found.indices(r"blocks\.(\d+)\."))
    config = {
        "depth": depth,
        "hidden_size": width,
        "intermediate_size": found.of("blocks.0.mlp.gate_proj.weight", 2)[0],
        "num_heads": _HEADS,
        "patch_size": patch,
        "spatial_merge_size": MERGED,
        "temporal_patch_size": TIMES,
        "window_size": _WINDOW,
        "out_hidden_size": found.of("merger.mlp.2.weight", 2)[0],
        # Every eighth block sees the whole picture, the others windows of it.
        "fullatt_block_indexes": list(range(_WHOLE - 1, depth, _WHOLE)),
    }
    module = build(name, _tower, config)
    landings = {key: (Landing(key),) for key, _ in module.named_parameters()}
    return Part(name, PREFIX, module, landings) if all(key in found for key in landings) else None


def _vl3_part(name: str, found: Shapes) -> Part | None:
    width, _, _, patch, _ = found.of("patch_embed.proj.weight", 5)
    depth, deep = len(found.indices(r"blocks\.(\d+)\.")), len(found.indices(r"deepstack_merger_list\.(\d+)\."))
    config = {
        "depth": depth,
        "hidden_size": width,
        "intermediate_size": found.of("blocks.0.mlp.linear_fc1.weight", 2)[0],
        "num_heads": _HEADS,
        "patch_size": patch,
        "spatial_merge_size": MERGED,
        "temporal_patch_size": TIMES,
        "out_hidden_size": found.of("merger.linear_fc2.weight", 2)[0],
        "num_position_embeddings": found.of("pos_embed.weight", 2)[0],
        "deepstack_visual_indexes": list(_DEEP.get(depth, range(deep))),
    }
    module = build(name, _vl3_tower, config)
    landings = {key: (Landing(key),) for key, _ in module.named_parameters()}
    return Part(name, PREFIX, module, landings) if all(key in found for key in landings) else None


def see(network: PatchedNetwork, picture: Tensor) -> SeenPicture:
    """A picture [1,H,W,C] of 0..1.

    Raises:
        DiffusionError: no picture, several, or one more than 200 times as long as wide.
    """
    check_images(picture)
    if len(picture) != 1:
        raise DiffusionError(f"{len(picture)} pictures at once, expected one")
    module: Any = network.module()
    sight = SIGHT_OF_VL3 if hasattr(module, "deepstack_merger_list") else SIGHT
    height, width = fitting(picture.shape[1], picture.shape[2], sight)
    pixels = picture[..., :3].movedim(-1, 1).float()
    shown = nn.functional.interpolate(pixels, size=(height, width), mode="bicubic", antialias=True).clamp(0.0, 1.0)
    weight = module.patch_embed.proj.weight
    rows, columns = height // sight.patch, width // sight.patch
    output = module(patches(shown, sight).to(weight), grid_thw=torch.tensor([[1, rows, columns]], device=weight.device))
    deep = tuple(getattr(output, "deepstack_features", ()))
    return SeenPicture(output.pooler_output, rows // MERGED, columns // MERGED, deep)


def fitting(height: int, width: int, sight: Sight = SIGHT) -> tuple[int, int]:
    """Sides in whole rows, near to those of a picture, whose area the tower takes."""
    if max(height, width) > 200 * min(height, width):
        raise DiffusionError(f"a picture of {width}x{height} is too long for the text encoder: at most 200 to 1")
    cell = sight.patch * MERGED
    sides = height, width
    fitted = [round(side / cell) * cell for side in sides]
    area, scale = math.prod(fitted), math.sqrt(height * width)
    if area > sight.most:
        fitted = [max(cell, math.floor(side * math.sqrt(sight.most) / scale / cell) * cell) for side in sides]
    elif area < sight.least:
        fitted = [math.ceil(side * math.sqrt(sight.least) / scale / cell) * cell for side in sides]
    return fitted[0], fitted[1]


def count_of(picture: Tensor, sight: Sight) -> int:
    """How many rows a picture [1,H,W,C] becomes."""
    height, width = fitting(picture.shape[1], picture.shape[2], sight)
    return height * width // (sight.patch * MERGED) ** 2


def patches(pixels: Tensor, sight: Sight = SIGHT) -> Tensor:
    """Pixels [1,3,H,W] of 0..1 as [patches, 3 * TIMES * patch * patch]: the four of each row one behind the other."""
    mean, deviation = (torch.tensor(each).reshape(1, -1, 1, 1).to(pixels) for each in (sight.mean, sight.deviation))
    side = sight.patch
    _, channels, height, width = pixels.shape
    cells = ((pixels - mean) / deviation).reshape(
        channels, height // side // MERGED, MERGED, side, width // side // MERGED, MERGED, side
    )
    cells = cells.permute(1, 4, 2, 5, 0, 3, 6)[..., None, :, :].expand(*[-1] * 5, TIMES, -1, -1)
    return cells.reshape(-1, channels * TIMES * side * side)


def places(tokens: Sequence[Any], seen: Sequence[SeenPicture]) -> Tensor:
    """[3, tokens with the rows of pictures in their marks' places]: when, in which row and column each stands."""
    found, at, left = [], 0, list(seen)
    for token in tokens:
        if token != PICTURE:
            found.append(torch.full((3, 1), at))
            at += 1
            continue
        picture = left.pop(0)
        rows, columns = torch.meshgrid(torch.arange(picture.height), torch.arange(picture.width), indexing="ij")
        found.append(torch.stack([torch.zeros_like(rows), rows, columns]).reshape(3, -1) + at)
        at += max(picture.height, picture.width)
    return torch.cat(found, dim=1)


def mixed(turns: Sequence[Tensor]) -> Tensor:
    """[1,T,128] of three axes of places -> one: each section of a half is the axis' of its number."""
    half = torch.cat([axis.split_with_sizes([*SECTIONS, *SECTIONS], -1)[at] for at, axis in enumerate(turns)], dim=-1)
    return torch.cat((half, half), dim=-1)


def _tower(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

    return _turning(Qwen2_5_VisionTransformerPretrainedModel(Qwen2_5_VLVisionConfig(**config)))


def _vl3_tower(config: Mapping[str, Any]) -> nn.Module:
    from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

    return _turning(Qwen3VLVisionModel(Qwen3VLVisionConfig(**config)))


def _turning(module: Any) -> nn.Module:
    # Its angles are in no file: computed, where all else has no memory yet.
    with torch.device("cpu"):
        module.rotary_pos_emb = type(module.rotary_pos_emb)(module.config)
    found: nn.Module = module
    return found
