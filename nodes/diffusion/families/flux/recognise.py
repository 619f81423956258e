"""What a file of FLUX.1 is, told by its keys and their shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.flux.keymap import MARKS, PATCH, PREFIX, read_sizes
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.image_vae import CHANNELS, recognise_vae
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.weightfile import Renamed, Weights

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

VAE = "vae."
# What the network may read beside the latent, by the number of its channels: models that are not here yet.
_INPUTS = {32: "a control LoRA's base or FLUX.1 Depth or Canny", 96: "FLUX.1 Fill"}


def with_keys_of_checkpoint(file: Weights) -> Weights:
    """The file with its transformer's keys as in a checkpoint, beside its others."""
    prefix = known.prefix_before(file.shapes, *MARKS)
    if prefix is None or prefix == PREFIX or not _is_flux(file.shapes):
        return file
    return Renamed(
        file, {key: PREFIX + key.removeprefix(prefix) if key.startswith(prefix) else key for key in file.shapes}
    )


def recognise(shapes: FileShapes) -> FluxKind | None:
    """See Family.recognise."""
    found = Shapes(shapes, PREFIX)
    mark = next((mark for mark in MARKS if mark in found), None)
    if mark is None or not _is_flux(shapes):
        return None
    sizes = read_sizes(found)
    channels = sizes["in_channels"] // PATCH**2
    if channels != CHANNELS:
        what = _INPUTS.get(channels, f"a model of {channels} channels")
        raise CheckpointError(f"this is {what}, which is not supported: of FLUX.1, dev and schnell are")
    return FluxKind(sizes, mark.rpartition(".")[2], recognise_vae(shapes, VAE))


def _is_flux(names: Iterable[str]) -> bool:
    return known.foreign(names) == f"a {known.FLUX} model"
