"""Patches that make self attention cheaper: token merging and HyperTile. Both are approximations.

The functions of one layer share what they need through the evaluation's scratch: in before attention, out behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

# HyperTile's smallest tile, in image pixels.
SMALLEST_TILE = 32
# Token merging keeps one token of each cell of so many by so many as a place to merge into.
CELL = 2


def merge_tokens(model: ModelPatcher, ratio: float) -> ModelPatcher:
    """Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion": fewer queries in the outermost self attention.

    ratio: the share of tokens that is merged into others that are most like them.
    """
    clone = model.clone()
    clone.set_model_attn1_patch(MergeTokens(ratio))
    clone.set_model_attn1_output_patch(unmerge_tokens)
    return clone


def hyper_tile(model: ModelPatcher, tile_size: int, swap_size: int, max_depth: int, scale_depth: bool) -> ModelPatcher:
    """tfernd 2023, "HyperTile": self attention within tiles of the picture.

    tile_size: smallest side of a tile in image pixels. swap_size: how many tilings are chosen from.
    max_depth: how many resolutions, from the outermost in, are tiled. scale_depth: tiles grow with depth.
    """
    clone = model.clone()
    clone.set_model_attn1_patch(
        TiledAttention(max(SMALLEST_TILE, tile_size) // model.latent_format.pixels, swap_size, max_depth, scale_depth)
    )
    clone.set_model_attn1_output_patch(untile)
    return clone


@dataclass(frozen=True)
class MergeTokens:
    """An attn1_patch. Which token of a cell is kept is drawn anew at each layer."""

    ratio: float

    def __call__(
        self, x: Tensor, keys: Tensor, values: Tensor, options: Mapping[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor]:
        options["scratch"]["merged"] = None
        size = options["activations_shape"][2:]
        merged = int(x.shape[1] * self.ratio)
        outermost = list(size) == list(options["original_shape"][2:]) and x.shape[1] == size[0] * size[1]
        if not outermost or merged <= 0 or min(size) < CELL:
            return x, keys, values
        matching = Matching(x, size, merged, options["random"].generator)
        options["scratch"]["merged"] = matching
        return matching.merge(x), keys, values


def unmerge_tokens(x: Tensor, options: Mapping[str, Any]) -> Tensor:
    """An attn1_output_patch: every merged token gets what it was merged into got."""
    matching = options["scratch"].pop("merged", None)
    return x if matching is None else matching.unmerge(x)


class Matching:
    """Which tokens are merged into which: bipartite soft matching between one token of each cell and all others.

    x: [N,T,C], tokens of a map of `size`. count: how many of the others are merged, those most like a kept one first.
    """

    def __init__(self, x: Tensor, size: tuple[int, int], count: int, generator: torch.Generator) -> None:
        kept, others = _one_of_each_cell(size, generator)
        # A blocking copy would wait for the device.
        self._kept, self._others = (places.to(x.device, non_blocking=True) for places in (kept, others))
        direction = x / x.norm(dim=-1, keepdim=True)
        likeness = direction[:, self._others] @ direction[:, self._kept].transpose(1, 2)
        best, partner = likeness.max(dim=-1)
        order = best.argsort(dim=-1, descending=True)
        count = min(count, len(others))
        self._merged, self._single = order[:, :count], order[:, count:]
        self._into = partner.gather(1, self._merged)

    def merge(self, x: Tensor) -> Tensor:
        """[N,T-count,C]: the tokens that stay alone, then the kept ones, each the mean of what is merged into it."""
        others, kept = x[:, self._others], x[:, self._kept]
        mean = kept.scatter_reduce(1, _wide(self._into, x), others.gather(1, _wide(self._merged, x)), reduce="mean")
        return torch.cat([others.gather(1, _wide(self._single, x)), mean], dim=1)

    def unmerge(self, x: Tensor) -> Tensor:
        """[N,T,C] from [N,T-count,C], in the order of the map."""
        alone = self._single.shape[1]
        single, kept = x[:, :alone], x[:, alone:]
        others = x.new_empty(x.shape[0], len(self._others), x.shape[2])
        others.scatter_(1, _wide(self._single, x), single)
        others.scatter_(1, _wide(self._merged, x), kept.gather(1, _wide(self._into, x)))
        whole = x.new_empty(x.shape[0], len(self._others) + len(self._kept), x.shape[2])
        whole[:, self._others], whole[:, self._kept] = others, kept
        return whole


def _wide(index: Tensor, like: Tensor) -> Tensor:
    """[N,n] as [N,n,C], for gather and scatter along tokens."""
    return index[:, :, None].expand(-1, -1, like.shape[2])


def _one_of_each_cell(size: tuple[int, int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The places of one token of each cell, drawn, and of all others: those beyond the last whole cell are others."""
    height, width = size
    rows, columns = height // CELL, width // CELL
    drawn = torch.randint(CELL * CELL, (rows, columns), generator=generator)
    y = torch.arange(rows)[:, None] * CELL + drawn // CELL
    x = torch.arange(columns) * CELL + drawn % CELL
    is_kept = torch.zeros(height * width, dtype=torch.bool)
    is_kept[(y * width + x).flatten()] = True
    return is_kept.nonzero()[:, 0], (~is_kept).nonzero()[:, 0]


@dataclass(frozen=True)
class TiledAttention:
    """An attn1_patch. size: smallest side of a tile in latent pixels."""

    size: int
    choices: int
    depth: int
    grows: bool

    def __call__(
        self, x: Tensor, keys: Tensor, values: Tensor, options: Mapping[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor]:
        options["scratch"]["tiles"] = None
        height, width = options["activations_shape"][2:]
        full = options["original_shape"][2] * options["original_shape"][3]
        depths = [depth for depth in range(self.depth + 1) if full / 4**depth == height * width]
        if not depths or x.shape[1] != height * width:
            return x, keys, values
        size = self.size * 2 ** depths[0] if self.grows else self.size
        generator = options["random"].generator
        # ComfyUI takes the one side for the other: off the square its tiles are strips of the map's raster.
        down, across = (_parts(side, size, self.choices, generator) for side in (width, height))
        if down * across == 1:
            return x, keys, values
        tiles = Tiles(down, across, width // down, height // across)
        options["scratch"]["tiles"] = tiles
        # Nor are keys and values tiled: they are cut into as many runs of the raster.
        runs = (-1, x.shape[1] // (down * across), x.shape[2])
        return tiles.split(x), keys.reshape(runs), values.reshape(runs)


def untile(x: Tensor, options: Mapping[str, Any]) -> Tensor:
    """An attn1_output_patch: the tiles as one map again."""
    tiles = options["scratch"].pop("tiles", None)
    return x if tiles is None else tiles.join(x)


@dataclass(frozen=True)
class Tiles:
    """down x across tiles of height x width tokens."""

    down: int
    across: int
    height: int
    width: int

    def split(self, x: Tensor) -> Tensor:
        """[N,T,C] as [N * tiles,tokens of one,C]."""
        x = torch.unflatten(x, 1, (self.down, self.height, self.across, self.width))
        return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)

    def join(self, x: Tensor) -> Tensor:
        """The inverse of split."""
        x = torch.unflatten(torch.unflatten(x, 0, (-1, self.down, self.across)), 3, (self.height, self.width))
        return x.transpose(2, 3).flatten(1, 4)


def _parts(side: int, smallest: int, choices: int, generator: torch.Generator) -> int:
    """Into how many equal parts of at least `smallest` a side is cut: one of the `choices` largest numbers, drawn.

    The last of them is never drawn where there are several, as in ComfyUI.
    """
    sizes = [size for size in range(min(smallest, side), side + 1) if side % size == 0][:choices]
    place = int(torch.randint(len(sizes) - 1, (1,), generator=generator)) if len(sizes) > 1 else 0
    return side // sizes[place]
