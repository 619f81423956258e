"""What a file of Z-Image is, told by its keys and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.zimage.keymap import MARKS, PREFIX, read_sizes
from weft.nodes.diffusion.families.zimage.kind import ZImageKind
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.weightfile import Renamed, Weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes


def with_keys_of_checkpoint(file: Weights) -> Weights:
    """The file with its transformer's keys as in a checkpoint, beside its others."""
    prefix = known.prefix_before(file.shapes, MARKS[0])
    if prefix is None or prefix == PREFIX or any(prefix + mark not in file.shapes for mark in MARKS):
        return file
    return Renamed(
        file, {key: PREFIX + key.removeprefix(prefix) if key.startswith(prefix) else key for key in file.shapes}
    )


def recognise(shapes: FileShapes) -> ZImageKind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    if any(mark not in found for mark in MARKS):
        return None
    sizes = read_sizes(found)
    if sizes["in_channels"] != 16:
        raise CheckpointError(f"this model of Z-Image reads {sizes['in_channels']} channels: expected 16")
    return ZImageKind(sizes)
