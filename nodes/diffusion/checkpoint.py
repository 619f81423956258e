"""Open a checkpoint or a VAE: from a file of weights to networks that compute.

Networks are built without memory (on torch's meta device) and given the file's tensors. A tensor that already has the
wanted number format stays a view into the mapped file; another is converted on its own, so that the peak is the result
and little more. Every key of the file is accounted for: it lands in a network, is one of `IGNORED`, or is an error.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nodes.diffusion.denoiser import ModelSampling
from nodes.diffusion.detect import V_PREDICTION, Family, TextEncoderSpec, detect, detect_vae
from nodes.diffusion.errors import CheckpointError
from nodes.diffusion.keymaps import Landing, clip_landings, unet_keymap, vae_landings
from nodes.diffusion.keymaps.unet import PREFIX as UNET
from nodes.diffusion.keymaps.vae import PREFIX as VAE
from nodes.diffusion.memory import DeviceMemory
from nodes.diffusion.patcher import ModelPatcher, PatchedNetwork
from nodes.diffusion.vae import Vae
from nodes.diffusion.weightfile import WeightFile, read_tensors

if TYPE_CHECKING:
    from nodes.diffusion.embeddings import EmbeddingLookup
    from nodes.diffusion.text import Clip

__all__ = ["IGNORED", "LoadedCheckpoint", "load_checkpoint", "load_vae", "read_tensors"]

log = logging.getLogger("weft")

# Keys that no network needs, and why: patterns of whole keys.
IGNORED: Mapping[str, str] = {
    r"(.*\.)?position_ids": "0, 1, 2, ...: computed",
    r"(.*\.)?logit_scale": "used only to train CLIP",
    r"(.*\.)?attn_mask": "a causal mask: computed",
    r"(cond_stage_model|conditioner\.embedders\.0)\.transformer\.text_projection\.weight": "clip_l is used unprojected",
    r"(alphas|betas|(sqrt_|log_)?(one_minus_)?alphas_cumprod(_prev)?|sqrt_recip(m1)?_alphas_cumprod)": "the schedule",
    r"posterior_(variance|log_variance_clipped|mean_coef[12])|lvlb_weights|logvar|denoiser\.sigmas": "the schedule",
    r"model_ema\..*": "the running average of training beside the weights",
    r"(first_stage_model\.)?(loss|model_ema)\..*": "the loss that trained the VAE",
    V_PREDICTION: "a mark, read by detect",
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
) -> LoadedCheckpoint:
    """Open a single-file checkpoint.

    Args:
        path: .safetensors, or a torch file (.ckpt, .pt, .pth, .bin), which is read with weights_only.
        device: where the networks compute; a DeviceMemory shared by several loads lets one make room for another.
        dtype: number format of the weights; text_dtype and vae_dtype of the text encoders and the VAE, where other.
        embeddings: finds the file of `embedding:NAME` in prompts.

    Raises:
        CheckpointError: the file cannot be read, is of a family that is not supported, or a key is missing,
            unexpected or of another shape; the message names it.
    """
    with _in_file(path):
        file = WeightFile(path)
        family, plan = plan_checkpoint(file.shapes, file.metadata)
        formats = {"unet": dtype, "vae": vae_dtype or dtype}
        _fill(file, plan, {part.name: formats.get(part.name, text_dtype or dtype) for part in plan})
    memory = _memory(device)
    networks = {part.name: PatchedNetwork(part.module, memory) for part in plan}
    model = ModelPatcher(networks["unet"], family, ModelSampling.discrete(family.prediction))
    vae = Vae(networks["vae"]) if "vae" in networks else None
    return LoadedCheckpoint(model, _clip(family, networks, embeddings), vae, family)


def load_vae(path: Path, *, device: torch.device | DeviceMemory, dtype: torch.dtype) -> Vae:
    """Open a VAE of its own. Arguments and errors as `load_checkpoint`."""
    with _in_file(path):
        file = WeightFile(path)
        plan = plan_vae(file.shapes, file.metadata)
        _fill(file, plan, {"vae": dtype})
    return Vae(PatchedNetwork(plan[0].module, _memory(device)))


@dataclass(frozen=True, eq=False)
class Part:
    """One network of a file: `module` without memory, and where the keys behind `prefix` land in it."""

    name: str
    prefix: str
    module: nn.Module
    landings: Mapping[str, tuple[Landing, ...]]


def plan_checkpoint(
    shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None
) -> tuple[Family, tuple[Part, ...]]:
    """The family of a checkpoint and its networks, still without weights; every key and shape is checked.

    Raises:
        CheckpointError: as load_checkpoint; nothing of the file but keys, shapes and metadata is needed.
    """
    family = detect(shapes, metadata)
    keymap = unet_keymap(family.unet)
    unet = _build("UNet", _unet, family.unet)
    parts = [Part("unet", UNET, unet, {old: (Landing(new),) for old, new in keymap.items()})]
    parts += [_text_part(spec) for spec in family.text_encoders]
    if family.vae is not None:
        parts.append(_vae_part(family.vae, VAE))
    _check(parts, shapes)
    return family, tuple(parts)


def plan_vae(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> tuple[Part, ...]:
    """As `plan_checkpoint`, for a VAE of its own, whose keys have no prefix."""
    parts = (_vae_part(detect_vae(shapes, metadata), ""),)
    _check(parts, shapes)
    return parts


def _vae_part(vae: Mapping[str, Any], prefix: str) -> Part:
    return Part("vae", prefix, _build("VAE", _autoencoder, vae), vae_landings(vae))


def _text_part(spec: TextEncoderSpec) -> Part:
    module = _build(spec.name, _text_encoder, spec)
    names = dict(module.named_parameters())

    def placed(landing: Landing) -> Landing:
        # Versions of transformers differ in whether the bare tower's names start with `text_model.`.
        inner = landing.target if landing.target in names else f"text_model.{landing.target}"
        return Landing(inner, landing.change)

    landings = clip_landings(spec.config, spec.layout)
    return Part(spec.name, spec.prefix, module, {old: tuple(map(placed, new)) for old, new in landings.items()})


def _unet(config: Mapping[str, Any]) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**config)


def _autoencoder(config: Mapping[str, Any]) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(**config)


def _text_encoder(spec: TextEncoderSpec) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    return (CLIPTextModelWithProjection if spec.projected else CLIPTextModel)(CLIPTextConfig(**spec.config))


def _build(title: str, make: Any, config: Any) -> nn.Module:
    """A network on the meta device; a configuration that it refuses is an error of the file."""
    try:
        with torch.device("meta"):
            module: nn.Module = make(config)
    except (ValueError, TypeError, KeyError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(f"no {title} can be built from {config}: {error}") from error
    return module.eval().requires_grad_(False)


def _check(parts: Iterable[Part], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Every key lands, every parameter is landed on, and with its shape."""
    expected = {part.prefix + key for part in parts for key in part.landings}
    missing = sorted(expected - shapes.keys())
    prefixes = tuple(part.prefix for part in parts)
    unknown = sorted(key for key in shapes.keys() - expected if not _ignored(key))
    # Inside a network an unknown key changes what it computes; beside them, merges leave all sorts of things.
    unexpected = [key for key in unknown if key.startswith(prefixes)]
    problems = [_listed(what, keys) for what, keys in (("missing", missing), ("unexpected", unexpected)) if keys]
    if problems:
        raise CheckpointError("; ".join(problems))
    if unknown:
        log.warning("%s of no network here", _listed("ignored", unknown))
    for part in parts:
        for key, landings in part.landings.items():
            stored = torch.empty(shapes[part.prefix + key], device="meta")
            for landing in landings:
                _check_shape(part, key, landing, stored)


def _check_shape(part: Part, key: str, landing: Landing, stored: Tensor) -> None:
    expected = part.module.get_parameter(landing.target).shape
    if not stored.dim() or landing.change(stored).shape != expected:
        raise CheckpointError(
            f"key {part.prefix + key!r} has shape {list(stored.shape)}, which does not fit "
            f"{landing.target!r} {list(expected)} of the {part.name}"
        )


def _ignored(key: str) -> bool:
    return any(re.fullmatch(pattern, key) for pattern in IGNORED)


def _listed(what: str, keys: list[str]) -> str:
    shown = ", ".join(map(repr, keys[:5]))
    return f"{len(keys)} {what} key{'s' if len(keys) > 1 else ''}: {shown}{', ...' if len(keys) > 5 else ''}"


def _fill(file: WeightFile, parts: Iterable[Part], formats: Mapping[str, torch.dtype]) -> None:
    """Give the networks their weights, in one pass over the file."""
    owners = {part.prefix + key: (part, landings) for part in parts for key, landings in part.landings.items()}
    states: dict[str, dict[str, Tensor]] = {part.name: {} for part in parts}
    # Plain tensors also when called under inference_mode: weights outlive that block.
    with torch.inference_mode(False), torch.no_grad():
        for key, tensor in file.tensors(owners):
            part, landings = owners[key]
            if not tensor.is_floating_point():
                raise CheckpointError(f"key {key!r} holds {tensor.dtype}, expected floating-point numbers")
            for landing in landings:
                states[part.name][landing.target] = landing.change(tensor).to(formats[part.name])
        for part in parts:
            part.module.load_state_dict(states[part.name], strict=True, assign=True)
            _materialise(part.module)


def _materialise(module: nn.Module) -> None:
    """Give the buffers that no file holds their values: CLIP's position_ids."""
    for name, buffer in list(module.named_buffers()):
        if not buffer.is_meta:
            continue
        path, _, leaf = name.rpartition(".")
        if leaf != "position_ids":
            raise CheckpointError(f"the network has a buffer {name!r} that nothing fills")
        setattr(module.get_submodule(path), leaf, torch.arange(buffer.shape[-1]).expand(buffer.shape))


def _clip(family: Family, networks: Mapping[str, PatchedNetwork], embeddings: EmbeddingLookup | None) -> Clip | None:
    from nodes.diffusion.text import Clip, TextEncoder

    encoders = tuple(TextEncoder(spec.name, networks[spec.name], spec) for spec in family.text_encoders)
    return Clip(encoders, embeddings) if encoders else None


def _memory(device: torch.device | DeviceMemory) -> DeviceMemory:
    return device if isinstance(device, DeviceMemory) else DeviceMemory(device)


@contextmanager
def _in_file(path: Path) -> Iterator[None]:
    """Errors say which file they are about."""
    name = Path(path).name
    try:
        yield
    except CheckpointError as error:
        if name in str(error):
            raise
        raise CheckpointError(f"{name}: {error}") from error
