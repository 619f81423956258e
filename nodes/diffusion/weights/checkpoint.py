"""Open a checkpoint, or a file with one of its parts: from a file of weights to sockets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from weft.nodes.diffusion.errors import CheckpointError, Warn, nearest, python_warning
from weft.nodes.diffusion.families.known import not_a
from weft.nodes.diffusion.families.sd.keymaps.unet import PREFIX as UNET
from weft.nodes.diffusion.families.sd.keymaps.vae import PREFIX as VAE
from weft.nodes.diffusion.families.sd.layouts import with_text_of_its_own, with_unet_of_checkpoint, with_vae_of_its_own
from weft.nodes.diffusion.families.sd.recognise import Read, detect, detect_vae, read_tower, stated_towers
from weft.nodes.diffusion.families.sd.releases import (
    CLIP_H,
    CLIP_L,
    REFINER_CLIP_G,
    XL_CLIP_G,
    XL_CLIP_L,
    Family,
    TextEncoderSpec,
)
from weft.nodes.diffusion.sampling.denoiser import ModelSampling
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights import float8
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory, resolve_dtype
from weft.nodes.diffusion.weights.networks import (
    IGNORED,
    Part,
    check,
    fill,
    in_file,
    memory_of,
    text_part,
    unet_part,
    vae_part,
)
from weft.nodes.diffusion.weights.patcher import ModelPatcher, PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import WeightFile, Weights, read_tensors

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

__all__ = ["IGNORED", "LoadedCheckpoint", "load_checkpoint", "load_clip", "load_unet", "load_vae", "read_tensors"]

# What the towers of one or several files make together, by ComfyUI's names for it: one of these sets of towers.
CLIP_TYPES: Mapping[str, tuple[tuple[TextEncoderSpec, ...], ...]] = {
    "stable_diffusion": ((CLIP_L,), (CLIP_H,), (REFINER_CLIP_G,)),
    "sdxl": ((XL_CLIP_L, XL_CLIP_G),),
}


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """The sockets of one checkpoint; clip or vae is None where the file has none."""

    model: ModelPatcher
    clip: Clip | None
    vae: Vae | None
    family: Family


def load_checkpoint(
    path: Path,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    text_dtype: torch.dtype | None = None,
    vae_dtype: torch.dtype | None = None,
    embeddings: EmbeddingLookup | None = None,
    warn: Warn = python_warning,
) -> LoadedCheckpoint:
    """Open a single-file checkpoint, or a UNet alone, which then has neither clip nor vae.

    Args:
        path: .safetensors, or a torch file (.ckpt, .pt, .pth, .bin), which is read with weights_only.
        device: where the networks compute; a DeviceMemory shared by several loads lets one make room for another.
        dtype: number format of the weights; text_dtype and vae_dtype of the text encoders and the VAE, where other.
            A VAE is float16 only where vae_dtype says so.
        embeddings: finds the file of `embedding:NAME` in prompts.
        warn: is told of keys that nothing here needs.

    Raises:
        CheckpointError: the file cannot be read, is of a family that is not supported, or a key is missing or of
            another shape; the message names it.
    """
    memory = memory_of(device)
    with in_file(path, warn) as tell:
        file = with_unet_of_checkpoint(WeightFile(path))
        family, plan = plan_checkpoint(file.shapes, file.metadata, file.tensor, tell)
        if vae_dtype is None:
            vae_dtype = resolve_dtype("float16", memory.device, "vae") if dtype == torch.float16 else dtype
        formats = {"unet": dtype, "vae": vae_dtype}
        fill(file, plan, {part.name: formats.get(part.name, text_dtype or dtype) for part in plan})
    networks = {part.name: PatchedNetwork(part.module, memory) for part in plan}
    model = _model(networks["unet"], family)
    vae = Vae(networks["vae"]) if "vae" in networks else None
    return LoadedCheckpoint(model, _clip(family, networks, embeddings), vae, family)


def load_vae(
    path: Path, *, device: torch.device | DeviceMemory, dtype: torch.dtype, warn: Warn = python_warning
) -> Vae:
    """Open a VAE of its own, in any layout and under any prefix. Arguments and errors as `load_checkpoint`."""
    with in_file(path, warn) as tell:
        file = with_vae_of_its_own(WeightFile(path))
        plan = plan_vae(file.shapes, file.metadata, tell)
        fill(file, plan, {"vae": dtype})
    return Vae(PatchedNetwork(plan[0].module, memory_of(device)))


def load_unet(
    path: Path,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    rounded: float8.Float8 | None = None,
    warn: Warn = python_warning,
) -> ModelPatcher:
    """Open the UNet of a file, in any layout and under any prefix; else as load_checkpoint.

    rounded: the weights are numbers of this format, patched ones too; they are kept and computed with in `dtype`.
    """
    with in_file(path, warn) as tell:
        file = with_unet_of_checkpoint(WeightFile(path))
        family = replace(
            detect(file.shapes, file.metadata, file.tensor, noun="diffusion model"), text_encoders=(), vae=None
        )
        part = unet_part(family.unet, UNET)
        # What stands beside the UNet is another loader's.
        check([part], {key: shape for key, shape in file.shapes.items() if key.startswith(UNET)}, tell)
        if rounded is None:
            fill(file, [part], {"unet": dtype})
            network = PatchedNetwork(part.module, memory_of(device))
        else:
            fill(file, [part], {"unet": dtype}, lambda name, weight: float8.nearest(name, weight, rounded))
            stored = {landing.target: key for key, landings in part.landings.items() for landing in landings}
            rounding = partial(_rounded_again, stored, rounded)
            network = PatchedNetwork(part.module, memory_of(device), rounding)
    return _model(network, family)


def _rounded_again(stored: Mapping[str, str], form: float8.Float8, name: str, weight: torch.Tensor) -> torch.Tensor:
    """stored: parameter -> its key in the file."""
    return float8.seeded(stored[name], weight, form)


def load_clip(
    paths: Sequence[Path],
    kind: str,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    embeddings: EmbeddingLookup | None = None,
    warn: Warn = python_warning,
) -> Clip:
    """Open text encoders of their own, one a file.

    Args:
        paths: in any order; in the layout of transformers or of open_clip.
        kind: what they are for, a key of CLIP_TYPES.

    Raises:
        CheckpointError: as load_checkpoint, or the files are not the towers that `kind` takes.
    """
    from weft.nodes.diffusion.text.clip import Clip, TextEncoder

    if kind not in CLIP_TYPES:
        known = ", ".join(CLIP_TYPES)
        raise CheckpointError(
            f"text encoders of type {kind!r} are not supported{nearest(kind, CLIP_TYPES)}; {known} are"
        )
    found: dict[str, tuple[Path, Weights]] = {}
    for path in paths:
        with in_file(path):
            file = with_text_of_its_own(WeightFile(path))
            found[_tower_name(file)] = Path(path), file
    towers = next((set_ for set_ in CLIP_TYPES[kind] if {tower.name for tower in set_} == set(found)), None)
    if towers is None or len(found) != len(paths):
        wanted = " or ".join(" + ".join(tower.name for tower in set_) for set_ in CLIP_TYPES[kind])
        got = " + ".join(found)
        names = ", ".join(Path(path).name for path in paths)
        raise CheckpointError(f"{names}: text encoders of type {kind!r} are {wanted}, got {got}")
    memory = memory_of(device)
    encoders = []
    for tower in towers:
        path, file = found[tower.name]
        with in_file(path, warn) as tell:
            layout = "hf_whole" if Shapes(file.shapes, "text_model.") else "open_clip"
            spec = read_tower(replace(tower, prefixes=("",), layout=layout), file.shapes, file.metadata)
            part = text_part(spec)
            check([part], file.shapes, tell)
            fill(file, [part], {part.name: dtype})
        encoders.append(TextEncoder(spec.name, PatchedNetwork(part.module, memory), spec))
    return Clip(tuple(encoders), embeddings)


def _tower_name(file: Weights) -> str:
    """Which tower a file holds: as it says, else by its layers, of which the released ones have 12, 24 and 32."""
    shapes = Shapes(file.shapes)
    layers = shapes.indices(r"(?:text_model\.encoder\.layers|transformer\.resblocks)\.(\d+)\.")
    if not layers or Shapes(file.shapes, UNET):
        raise CheckpointError(not_a("text encoder", file.shapes))
    stated = stated_towers(file.metadata)
    if len(stated) == 1:
        return stated[0]
    return next(name for name, least in (("clip_g", 31), ("clip_h", 23), ("clip_l", 0)) if len(layers) >= least)


def _vae(vae: Mapping[str, Any], prefix: str, shapes: Mapping[str, tuple[int, ...]], warn: Warn) -> Part:
    part = vae_part(vae, prefix, shapes)
    for half in ("encoder", "decoder"):
        if getattr(part.module, half) is None:
            warn(f"its VAE has no {half}")
    return part


def plan_checkpoint(
    shapes: Mapping[str, tuple[int, ...]],
    metadata: Mapping[str, str] | None = None,
    read: Read | None = None,
    warn: Warn = python_warning,
) -> tuple[Family, tuple[Part, ...]]:
    """The family of a checkpoint and its networks, still without weights; every key and shape is checked.

    Raises:
        CheckpointError: as load_checkpoint; nothing of the file but keys, shapes and metadata is needed, and what
            `detect` reads of it.
    """
    family = detect(shapes, metadata, read)
    parts = [unet_part(family.unet, UNET)]
    parts += [text_part(spec) for spec in family.text_encoders]
    if family.vae is not None:
        parts.append(_vae(family.vae, VAE, shapes, warn))
    check(parts, shapes, warn)
    return family, tuple(parts)


def plan_vae(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None, warn: Warn = python_warning
) -> tuple[Part, ...]:
    """As `plan_checkpoint`, for a VAE of its own, whose keys have no prefix."""
    parts = (_vae(detect_vae(shapes, metadata), "", shapes, warn),)
    check(parts, shapes, warn)
    return parts


def _model(network: PatchedNetwork, family: Family) -> ModelPatcher:
    return ModelPatcher(network, family, ModelSampling.discrete(family.prediction, zero_snr=family.zero_snr))


def _clip(family: Family, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None) -> Clip | None:
    from weft.nodes.diffusion.text.clip import Clip, TextEncoder

    encoders = tuple(TextEncoder(spec.name, networks[spec.name], spec) for spec in family.text_encoders)
    return Clip(encoders, embeddings) if encoders else None
