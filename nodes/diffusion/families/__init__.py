"""Families of networks, a folder each: how a file is recognised, built and fed.

To be imported: FAMILIES and the functions here, which ask each family in turn, and protocol. Without torch.
A new family is a folder with an object of protocol.Family, and an entry in FAMILIES.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families import known
from weft.nodes.diffusion.families.flux import Flux
from weft.nodes.diffusion.families.flux2 import Flux2
from weft.nodes.diffusion.families.flux3 import Flux3
from weft.nodes.diffusion.families.model_patches import PatchKind
from weft.nodes.diffusion.families.protocol import ControlKind, Family, FileShapes, Kind, Read, VaeKind
from weft.nodes.diffusion.families.qwen import QwenImage
from weft.nodes.diffusion.families.qwen21 import QwenImage21
from weft.nodes.diffusion.families.sd import StableDiffusion
from weft.nodes.diffusion.families.sd3 import StableDiffusion3
from weft.nodes.diffusion.families.wan import Wan
from weft.nodes.diffusion.families.zimage import ZImage

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from weft.nodes.diffusion.weights.weightfile import Weights

__all__ = [
    "FAMILIES",
    "foreign",
    "recognise",
    "recognise_controlnet",
    "recognise_patch",
    "recognise_vae",
    "release_in",
    "release_meant",
    "release_title",
    "renamed",
    "renamed_controlnet",
    "renamed_vae",
    "small_file",
]

FAMILIES: tuple[Family, ...] = (
    Flux3(),
    Flux2(),
    Flux(),
    QwenImage21(),
    Wan(),
    QwenImage(),
    ZImage(),
    StableDiffusion3(),
    StableDiffusion(),
)


def release_meant(name: str, families: Sequence[Family] = FAMILIES) -> str:
    """The release that a file is of by its name; empty for a family that is not here."""
    return next((release for family in families if (release := family.release_meant(name))), "")


def release_title(release: str, families: Sequence[Family] = FAMILIES) -> str:
    """How people call a release that `release_meant` gives."""
    return next((family.releases[release] for family in families if release in family.releases), release)


def small_file(
    kind: str, name: str, release: str, base: Path, families: Sequence[Family] = FAMILIES
) -> dict[str, Tensor] | None:
    """As Family.small_file, of the first family that has one."""
    for family in families:
        if (tensors := family.small_file(kind, name, release, base)) is not None:
            return tensors
    return None


def foreign(names: Iterable[str], families: Sequence[Family] = FAMILIES) -> str:
    """What a file with these keys is, if no family here can use it: a model or a LoRA of another one; else empty."""
    names = list(names)
    return "" if any(family.claims(names) for family in families) else known.foreign(names)


def release_in(shapes: FileShapes, families: Sequence[Family] = FAMILIES) -> str:
    """As Family.release_in, of the first family that knows it."""
    return next((release for family in families if (release := family.release_in(shapes))), "")


def renamed(file: Weights, families: Sequence[Family] = FAMILIES) -> Weights:
    """The file with its keys as a checkpoint of its family has them."""
    for family in families:
        file = family.renamed(file)
    return file


def recognise(
    shapes: FileShapes,
    metadata: Mapping[str, str] | None = None,
    read: Read | None = None,
    *,
    noun: str = "checkpoint",
    families: Sequence[Family] = FAMILIES,
) -> Kind:
    """What the diffusion model of a file is, its keys as `renamed` gives them; arguments as Family.recognise.

    noun: what the file was to be.

    Raises:
        CheckpointError: no family has such a model, or it is not supported or not whole.
    """
    for family in families:
        kind = family.recognise(shapes, metadata, read)
        if kind is not None:
            return kind
    raise CheckpointError(known.not_a(noun, shapes))


def renamed_vae(file: Weights, families: Sequence[Family] = FAMILIES) -> Weights:
    """As `renamed`, for the VAE of a file."""
    for family in families:
        file = family.renamed_vae(file)
    return file


def recognise_vae(
    shapes: FileShapes, metadata: Mapping[str, str] | None = None, *, families: Sequence[Family] = FAMILIES
) -> VaeKind:
    """As `recognise`, for the VAE of a file, its keys as `renamed_vae` gives them."""
    for family in families:
        kind = family.recognise_vae(shapes, metadata)
        if kind is not None:
            return kind
    raise CheckpointError(known.not_a("VAE", shapes))


def renamed_controlnet(file: Weights, families: Sequence[Family] = FAMILIES) -> Weights:
    """As `renamed`, for the ControlNet of a file."""
    for family in families:
        file = family.renamed_controlnet(file)
    return file


def recognise_controlnet(shapes: FileShapes, *, families: Sequence[Family] = FAMILIES) -> ControlKind:
    """As `recognise`, for the ControlNet of a file, its keys as `renamed_controlnet` gives them."""
    for family in families:
        kind = family.recognise_controlnet(shapes)
        if kind is not None:
            return kind
    raise CheckpointError(known.not_a("ControlNet", shapes))


def recognise_patch(
    shapes: FileShapes, read: Read | None = None, *, families: Sequence[Family] = FAMILIES
) -> PatchKind:
    """As `recognise`, for the model patch of a file."""
    for family in families:
        kind = family.recognise_patch(shapes, read)
        if kind is not None:
            return kind
    raise CheckpointError(f"not a model patch that Weft runs, but {known.describe(shapes)}")
