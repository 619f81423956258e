"""From shapes to networks without memory, and from a file of weights to networks that compute.

Networks are built on torch's meta device and given the file's tensors. A tensor that already has the wanted number
format stays a view into the mapped file; another is converted on its own, so that the peak is the result and little
more. Every key of the file is accounted for: it lands in a network, is one of `IGNORED`, or is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, Warn, python_warning
from weft.nodes.diffusion.families.sd.keymaps import clip_landings, unet_keymap, vae_landings
from weft.nodes.diffusion.families.sd.recognise import V_PREDICTION, ZERO_SNR
from weft.nodes.diffusion.families.sd.releases import TextEncoderSpec
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.weightfile import Weights

# The halves of a VAE and the layer that goes with each.
_VAE_HALVES = {"encoder": "quant_conv", "decoder": "post_quant_conv"}

# Keys that no network needs, and why: patterns of whole keys.
IGNORED: Mapping[str, str] = {
    r"(.*\.)?position_ids": "0, 1, 2, ...: computed",
    r"(.*\.)?logit_scale": "used only to train CLIP",
    r"(.*\.)?attn_mask": "a causal mask: computed",
    r"((cond_stage_model|conditioner\.embedders\.0)\.transformer\.)?text_projection\.weight": "clip_l's is not used",
    r"(alphas|betas|(sqrt_|log_)?(one_minus_)?alphas_cumprod(_prev)?|sqrt_recip(m1)?_alphas_cumprod)": "the schedule",
    r"posterior_(variance|log_variance_clipped|mean_coef[12])|lvlb_weights|logvar|denoiser\.sigmas": "the schedule",
    r"model_ema\..*": "the running average of training beside the weights",
    r"(first_stage_model\.)?(loss|model_ema)\..*": "the loss that trained the VAE",
    V_PREDICTION: "a mark, read by detect",
    ZERO_SNR: "a mark, read by detect",
}


@dataclass(frozen=True, eq=False)
class Part:
    """One network of a file: `module` without memory, and where the keys behind `prefix` land in it."""

    name: str
    prefix: str
    module: nn.Module
    landings: Mapping[str, tuple[Landing, ...]]


def unet_part(unet: Mapping[str, Any], prefix: str) -> Part:
    """A UNet2DConditionModel, whose keys are those of the original layout."""
    landings = {old: (Landing(new),) for old, new in unet_keymap(unet).items()}
    return Part("unet", prefix, build("UNet", _unet, unet), landings)


def vae_part(vae: Mapping[str, Any], prefix: str, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Part:
    """An AutoencoderKL, whose keys are those of the original layout.

    shapes: of the file, which may lack the encoder or the decoder: then so does the network.
    """
    module, landings = build("VAE", _autoencoder, vae), vae_landings(vae)
    for half, beside in _VAE_HALVES.items():
        if shapes is None or Shapes(shapes, f"{prefix}{half}."):
            continue
        for name in (half, beside):
            if name == half or not Shapes(shapes, f"{prefix}{name}."):
                setattr(module, name, None)
                landings = {key: to for key, to in landings.items() if not key.startswith(f"{name}.")}
    return Part("vae", prefix, module, landings)


def text_part(spec: TextEncoderSpec) -> Part:
    """A text tower as its spec says."""
    module = build(spec.name, _text_encoder, spec)
    return Part(spec.name, spec.prefix, module, text_landings(module, spec.config, spec.layout))


def text_landings(module: nn.Module, config: Mapping[str, Any], layout: str) -> dict[str, tuple[Landing, ...]]:
    """`clip_landings` with the names that this text tower has."""
    names = dict(module.named_parameters())

    def placed(landing: Landing) -> Landing:
        # Versions of transformers differ in whether the bare tower's names start with `text_model.`.
        inner = landing.target if landing.target in names else f"text_model.{landing.target}"
        return replace(landing, target=inner)

    return {old: tuple(map(placed, new)) for old, new in clip_landings(config, layout).items()}


# diffusers does not say what its constructors take.


def _unet(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import UNet2DConditionModel

    return cast("Callable[..., nn.Module]", UNet2DConditionModel)(**config)


def _autoencoder(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import AutoencoderKL

    return cast("Callable[..., nn.Module]", AutoencoderKL)(**config)


def _text_encoder(spec: TextEncoderSpec) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    return (CLIPTextModelWithProjection if spec.projected else CLIPTextModel)(CLIPTextConfig(**spec.config))


def build(title: str, make: Any, config: Any) -> nn.Module:
    """A network on the meta device; a configuration that it refuses is an error of the file."""
    try:
        with torch.device("meta"):
            module: nn.Module = make(config)
    except (ValueError, TypeError, KeyError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(f"no {title} can be built from {config}: {error}") from error
    return module.eval().requires_grad_(False)


def check(parts: Iterable[Part], shapes: Mapping[str, tuple[int, ...]], warn: Warn | None = None) -> None:
    """Every parameter is landed on, and with its shape.

    warn: is told of the keys that land nowhere, as ComfyUI tells; without it they are an error.
    """
    expected = {part.prefix + key for part in parts for key in part.landings}
    unknown = sorted(key for key in shapes.keys() - expected if not _ignored(key))
    wrong = {"missing": sorted(expected - shapes.keys()), "unexpected": [] if warn else unknown}
    problems = [_listed(what, keys) for what, keys in wrong.items() if keys]
    if problems:
        raise CheckpointError("; ".join(problems))
    if unknown and warn:
        warn(f"{_listed('ignored', unknown)}, of no network here")
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


def fill(
    file: Weights,
    parts: Iterable[Part],
    formats: Mapping[str, torch.dtype],
    change: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor,
) -> None:
    """Give the networks their weights, in one pass over the file.

    formats: the number format of each part's weights, by its name. change: (parameter's name, the file's tensor in the
    network's form) -> what is kept.
    """
    owners = {part.prefix + key: (part, landings) for part in parts for key, landings in part.landings.items()}
    states: dict[str, dict[str, Tensor]] = {part.name: {} for part in parts}
    # Plain tensors also when called under inference_mode: weights outlive that block.
    with torch.inference_mode(False), torch.no_grad():
        for key, tensor in file.tensors(owners):
            part, landings = owners[key]
            if not tensor.is_floating_point():
                raise CheckpointError(f"key {key!r} holds {tensor.dtype}, expected floating-point numbers")
            for landing in landings:
                kept = change(landing.target, landing.change(tensor))
                states[part.name][landing.target] = kept.to(formats[part.name])
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


def memory_of(device: torch.device | DeviceMemory) -> DeviceMemory:
    """The memory given, or a new one of the device given."""
    return device if isinstance(device, DeviceMemory) else DeviceMemory(device)


@contextmanager
def in_file(path: Path, warn: Warn = python_warning) -> Iterator[Warn]:
    """Errors say which file they are about, and so do the warnings that are given to what this gives."""
    name = Path(path).name
    try:
        yield lambda message: warn(f"{name}: {message}")
    except CheckpointError as error:
        if name in str(error):
            raise
        raise CheckpointError(f"{name}: {error}") from error
