"""Pictures that a model edits: latents whose patches stand behind those of the one that is sampled.

A patch has a place: a layer, a row and a column. The sampled latent is in layer 0 and begins at row and column 0; where
the pictures begin, the conditioning's reference_latents_method says:

- offset: all in layer 1, each beside or below those before it, so that together they are nearer to a square.
- index: each in a layer of its own, behind each other (Qwen-Image-Edit-2509; FLUX.1 Kontext's only picture).
- uxo: in layer 0, each beyond the lower right corner of all before it (Wu et al. 2025, "UNO").
- index_timestep_zero: as index, and the network is told that they have no noise (Qwen-Image-Edit-2511).
- negative_index: as index, before the latent: in layer -1, -2, ... (Qwen-Image-Layered).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.families.patches import packed, wrapped
from weft.nodes.diffusion.values.pixels import to_batch

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.latent_format import LatentFormat

OFFSET, INDEX, ACROSS, STILL, BEFORE = "offset", "index", "uxo", "index_timestep_zero", "negative_index"

# What a denoiser feeds of them, by these names: rows [b,n,C] of patches, places [1,n,3] of these, and [1,n] ones where
# the network is told that they have no noise. What shares a call shares places: `layout` keeps apart what is laid
# otherwise.
ROWS, PLACES, CLEAN, LAYOUT = "reference", "reference_places", "reference_clean", "reference_layout"


class PatchGrid(NamedTuple):
    """A picture in patches: its rows and columns, and the place of the first."""

    height: int
    width: int
    layer: int = 0
    row: int = 0
    column: int = 0


def method_of(options: Mapping[str, Any], known: Sequence[str], title: str) -> str:
    """Where a conditioning has its pictures, of the ways that a model knows, by default the first.

    Raises:
        DiffusionError: another way.
    """
    method = options.get("reference_latents_method", known[0])
    if method not in known:
        raise DiffusionError(
            f"its reference_latents_method is {method!r}, {title} reads pictures by {', '.join(known)}"
            f"{nearest(str(method), known)}"
        )
    return str(method)


def latents_of(options: Mapping[str, Any], latent_format: LatentFormat, patch: int) -> list[Tensor]:
    """The pictures of a conditioning as the network takes them, [b,C,h,w] each, in whole patches.

    Raises:
        DiffusionError: one is no latent of this format.
    """
    found = []
    for number, latent in enumerate(options["reference_latents"]):
        if not isinstance(latent, Tensor) or latent.dim() not in (4, 5) or 0 in latent.shape:
            got = list(latent.shape) if isinstance(latent, Tensor) else type(latent).__name__
            raise DiffusionError(f"its picture to edit {number} is {got}, expected a latent [batch, channels, h, w]")
        try:
            taken = latent_format.to_network(latent.float())
        except DiffusionError as error:
            raise DiffusionError(f"of its picture to edit {number} (ReferenceLatent) {error}") from None
        # A video is its frames, one picture after the other.
        frames = taken.unbind(2) if taken.dim() == 5 else (taken,)
        found += [wrapped(frame, patch) for frame in frames]
    return found


def laid(latents: Sequence[Tensor], method: str, sampled: tuple[int, int], patch: int) -> list[PatchGrid]:
    """Where each latent stands. sampled: rows and columns of patches of the latent that is sampled."""
    grids: list[PatchGrid] = []
    below, beside = sampled if method == ACROSS else (0, 0)
    for number, latent in enumerate(latents):
        height, width = (side // patch for side in latent.shape[-2:])
        if method == ACROSS:
            grids.append(PatchGrid(height, width, 0, below, beside))
            below, beside = below + height, beside + width
        elif method == OFFSET:
            row, column = (0, beside) if below + height > beside + width else (below, 0)
            grids.append(PatchGrid(height, width, 1, row, column))
            below, beside = max(below, row + height), max(beside, column + width)
        else:
            grids.append(PatchGrid(height, width, -number - 1 if method == BEFORE else number + 1))
    return grids


def places(grid: PatchGrid, *, centred: bool = False) -> Tensor:
    """The places of a picture's patches, [height * width, 3] float32. centred: its middle is at the grid's origin."""
    layer, row, column = torch.meshgrid(
        torch.tensor([grid.layer], dtype=torch.float32),
        torch.arange(grid.height, dtype=torch.float32) + (grid.row - centred * (grid.height // 2)),
        torch.arange(grid.width, dtype=torch.float32) + (grid.column - centred * (grid.width // 2)),
        indexing="ij",
    )
    return torch.stack([layer, row, column], dim=-1).reshape(-1, 3)


def layout(grids: Sequence[PatchGrid]) -> Tensor:
    """[1,0,x], no numbers: its shape tells where pictures stand, and what is read in one call has one shape."""
    return torch.empty(1, 0, zlib.crc32(repr([*map(tuple, grids)]).encode()))


def rows(latents: Sequence[Tensor], patch: int) -> Tensor:
    """All patches of all latents, [b,n,C]; b is the largest of their batches."""
    batch = max(len(latent) for latent in latents)
    return torch.cat([to_batch(packed(latent, patch), batch) for latent in latents], dim=1)
