"""Open a checkpoint, or a file with one of its parts: from a file of weights to sockets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from weft.nodes.diffusion.errors import CheckpointError, Warn, nearest, python_warning
from weft.nodes.diffusion.families import FAMILIES, recognise, recognise_vae, renamed, renamed_vae
from weft.nodes.diffusion.families.text_files import check_set, text_in
from weft.nodes.diffusion.weights import float8
from weft.nodes.diffusion.weights.memory import DeviceMemory, resolve_dtype
from weft.nodes.diffusion.weights.networks import IGNORED, Part, check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.patcher import ModelPatcher
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import WeightFile, Weights, opened, read_tensors

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Family, FileShapes, Kind, Read, VaeKind
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.values.vae import Vae

__all__ = ["IGNORED", "LoadedCheckpoint", "load_checkpoint", "load_clip", "load_unet", "load_vae", "read_tensors"]


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """The sockets of one checkpoint, and what it is; clip or vae is None where the file has none."""

    model: ModelPatcher
    clip: Clip | None
    vae: Vae | None
    kind: Kind


def load_checkpoint(
    path: Path | Weights,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    text_dtype: torch.dtype | None = None,
    vae_dtype: torch.dtype | None = None,
    embeddings: EmbeddingLookup | None = None,
    warn: Warn = python_warning,
    families: Sequence[Family] = FAMILIES,
) -> LoadedCheckpoint:
    """Open a single-file checkpoint, or a diffusion model alone, which then has neither clip nor vae.

    Args:
        path: .safetensors, or a torch file (.ckpt, .pt, .pth, .bin), which is read with weights_only; or what was read.
        device: where the networks compute; a DeviceMemory shared by several loads lets one make room for another.
        dtype: number format of the weights; text_dtype and vae_dtype of the text encoders and the VAE, where other.
            A VAE is float16 only where vae_dtype says so.
        embeddings: finds the file of `embedding:NAME` in prompts.
        warn: is told of keys that nothing here needs.
        families: what may be in the file.

    Raises:
        CheckpointError: the file cannot be read, is of a family that is not supported, or a key is missing or of
            another shape; the message names it.
    """
    memory = memory_of(device)
    with in_file(path, warn) as tell:
        file = renamed(widened(opened(path)), families)
        kind, plan = plan_checkpoint(file.shapes, file.metadata, file.tensor, tell, families=families)
        if vae_dtype is None:
            vae_dtype = resolve_dtype("float16", memory.device, "vae") if dtype == torch.float16 else dtype
        denoising, *_ = plan
        formats = {denoising.name: dtype, "vae": vae_dtype}
        fill(file, plan, {part.name: formats.get(part.name, text_dtype or dtype) for part in plan})
    networks = {part.name: PatchedNetwork(part.module, memory, part.landings) for part in plan}
    model = ModelPatcher(networks[denoising.name], kind, kind.process())
    return LoadedCheckpoint(model, kind.open_clip(networks, embeddings, file), kind.open_vae(networks), kind)


def load_vae(
    path: Path | Weights,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    warn: Warn = python_warning,
    families: Sequence[Family] = FAMILIES,
) -> Vae:
    """Open a VAE of its own, in any layout and under any prefix. Arguments and errors as `load_checkpoint`."""
    with in_file(path, warn) as tell:
        file = renamed_vae(widened(opened(path)), families)
        kind, part = plan_vae(file.shapes, file.metadata, tell, families=families)
        fill(file, [part], {part.name: dtype})
    return kind.open(PatchedNetwork(part.module, memory_of(device)))


def load_unet(
    path: Path | Weights,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    rounded: float8.Float8 | None = None,
    warn: Warn = python_warning,
    families: Sequence[Family] = FAMILIES,
) -> ModelPatcher:
    """Open the diffusion model of a file, in any layout and under any prefix; else as load_checkpoint.

    rounded: the weights are kept as numbers of this format, patched ones too; they are computed with in `dtype`.
    """
    with in_file(path, warn) as tell:
        file = renamed(widened(opened(path)), families)
        found = recognise(file.shapes, file.metadata, file.tensor, noun="diffusion model", families=families)
        kind, part = found.alone(), found.model_part()
        # What stands beside the network is another loader's.
        own = {key: shape for key, shape in file.shapes.items() if key.startswith(part.prefix)}
        check([part], own, tell, kind.ignored)
        if rounded is None:
            fill(file, [part], {part.name: dtype})
        else:
            form, exact = float8.RoundedFloat8(rounded), kind.unrounded

            def packed(name: str, weight: torch.Tensor) -> torch.Tensor:
                return weight if name in exact else form.packed(name, weight)

            fill(file, [part], {part.name: dtype}, packed)
    return ModelPatcher(PatchedNetwork(part.module, memory_of(device), part.landings), kind, kind.process())


def load_clip(
    paths: Sequence[Path],
    clip_type: str,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None = None,
    warn: Warn = python_warning,
    families: Sequence[Family] = FAMILIES,
) -> Clip:
    """Open text encoders of their own, one a file.

    Args:
        paths: in any order; in the layout of transformers or of open_clip.
        clip_type: what they are for, one of the clip_types of a family.

    Raises:
        CheckpointError: as load_checkpoint, or the files are not the towers that `clip_type` takes.
    """
    for family in families:
        if clip_type in family.clip_types:
            _check_encoders(paths, clip_type, family)
            return family.load_clip(
                paths, clip_type, memory=memory_of(device), dtype=dtype, embeddings=embeddings, warn=warn
            )
    supported = [name for family in families for name in family.clip_types]
    hint = nearest(clip_type, supported)
    raise CheckpointError(f"text encoders of type {clip_type!r} are not supported{hint}; {', '.join(supported)} are")


def _check_encoders(paths: Sequence[Path], clip_type: str, family: Family) -> None:
    encoders = []
    for path in paths:
        with in_file(path):
            file = WeightFile(path)
            encoders.append(text_in(file.shapes, file.metadata))
    try:
        check_set(clip_type, family.clip_types[clip_type], encoders)
    except CheckpointError as error:
        raise CheckpointError(f"{', '.join(Path(path).name for path in paths)}: {error}") from error


def plan_checkpoint(
    shapes: FileShapes,
    metadata: Mapping[str, str] | None = None,
    read: Read | None = None,
    warn: Warn = python_warning,
    *,
    families: Sequence[Family] = FAMILIES,
) -> tuple[Kind, tuple[Part, ...]]:
    """What a checkpoint is and its networks, still without weights, the one that denoises first.

    Every key and shape is checked. Nothing of the file but keys, shapes and metadata is needed, and what `recognise`
    reads of it.

    Raises:
        CheckpointError: as load_checkpoint.
    """
    kind = recognise(shapes, metadata, read, families=families)
    parts = tuple(kind.parts(shapes, warn))
    check(parts, shapes, warn, kind.ignored)
    return kind, parts


def plan_vae(
    shapes: FileShapes,
    metadata: Mapping[str, str] | None = None,
    warn: Warn = python_warning,
    *,
    families: Sequence[Family] = FAMILIES,
) -> tuple[VaeKind, Part]:
    """As `plan_checkpoint`, for a VAE of its own, its keys as `renamed_vae` gives them."""
    kind = recognise_vae(shapes, metadata, families=families)
    part = kind.part(shapes, warn)
    check([part], shapes, warn)
    return kind, part
