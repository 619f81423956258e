"""`comfy.sd`: models from files and from state dicts, and LoRAs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weft.nodes.compat.host import context
from weft.nodes.compat.modules.comfy import controlnet, model_detection
from weft.nodes.core.loaders import embeddings_of, place
from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.interop.lora import lora_of
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights import checkpoint
from weft.nodes.diffusion.weights.lora import apply_lora
from weft.nodes.diffusion.weights.weightfile import HeldWeights, Weights

__all__ = ["model_detection"]

load_controlnet = controlnet.load_controlnet


class CLIPType(Enum):
    """What text encoders are for."""

    STABLE_DIFFUSION = 1
    STABLE_CASCADE = 2
    SD3 = 3
    STABLE_AUDIO = 4
    HUNYUAN_DIT = 5
    FLUX = 6
    MOCHI = 7
    LTXV = 8
    HUNYUAN_VIDEO = 9
    PIXART = 10
    COSMOS = 11
    LUMINA2 = 12
    WAN = 13
    HIDREAM = 14
    CHROMA = 15
    ACE = 16
    OMNIGEN2 = 17
    QWEN_IMAGE = 18
    HUNYUAN_IMAGE = 19


class _Clips(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Clip)


class CLIP(metaclass=_Clips):
    """What a CLIP is an instance of."""


class _Vaes(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Vae)

    def __call__(cls, sd: Mapping[str, Tensor] | None = None, *args: Any, **options: Any) -> Vae:
        return _vae(sd, *args, **options)


class VAE(metaclass=_Vaes):
    """What a VAE is an instance of; VAE(sd=state_dict) makes one."""


def _vae(
    sd: Mapping[str, Tensor] | None = None,
    device: Any = None,
    config: Any = None,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Vae:
    if sd is None or config is not None:
        raise CheckpointError("a VAE is made of a state dict, VAE(sd=...), and nothing else")
    where = place(context())
    weights = HeldWeights(sd, metadata)
    return checkpoint.load_vae(weights, device=where.memory, dtype=dtype or where.vae, warn=context().warn)


def load_checkpoint_guess_config(
    ckpt_path: str,
    output_vae: bool = True,
    output_clip: bool = True,
    output_clipvision: bool = False,
    embedding_directory: Any = None,
    output_model: bool = True,
    model_options: Mapping[str, Any] | None = None,
    te_model_options: Mapping[str, Any] | None = None,
) -> tuple[Any, Any, Any, None]:
    """(MODEL, CLIP, VAE, None) of a checkpoint; None for what is not asked for.

    embedding_directory: not used; embeddings are those of the run's folders.
    """
    loaded = _checkpoint(Path(ckpt_path))
    model = loaded.model if output_model else None
    return model, loaded.clip if output_clip else None, loaded.vae if output_vae else None, None


def load_checkpoint(
    config_path: Any = None,
    ckpt_path: str | None = None,
    output_vae: bool = True,
    output_clip: bool = True,
    embedding_directory: Any = None,
    state_dict: Mapping[str, Tensor] | None = None,
    config: Any = None,
) -> tuple[Any, Any, Any]:
    """(MODEL, CLIP, VAE) of a checkpoint or of its state dict; what a configuration says, the weights say, too."""
    if ckpt_path is None and state_dict is None:
        raise CheckpointError("load_checkpoint needs a ckpt_path or a state_dict")
    loaded = _checkpoint(HeldWeights(state_dict) if state_dict is not None else Path(str(ckpt_path)))
    return loaded.model, loaded.clip if output_clip else None, loaded.vae if output_vae else None


def load_state_dict_guess_config(
    sd: Mapping[str, Tensor],
    output_vae: bool = True,
    output_clip: bool = True,
    output_clipvision: bool = False,
    embedding_directory: Any = None,
    output_model: bool = True,
    model_options: Mapping[str, Any] | None = None,
    te_model_options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[Any, Any, Any, None]:
    """As load_checkpoint_guess_config, of a state dict."""
    loaded = _checkpoint(HeldWeights(sd, metadata))
    model = loaded.model if output_model else None
    return model, loaded.clip if output_clip else None, loaded.vae if output_vae else None, None


def _checkpoint(source: Path | Weights) -> checkpoint.LoadedCheckpoint:
    run = context()
    where = place(run)
    return checkpoint.load_checkpoint(
        source,
        device=where.memory,
        dtype=where.unet,
        text_dtype=where.text,
        vae_dtype=where.vae,
        embeddings=embeddings_of(run),
        warn=run.warn,
    )


def load_diffusion_model(unet_path: str, model_options: Mapping[str, Any] | None = None) -> Any:
    """The MODEL of a file that holds one alone."""
    return _model(Path(unet_path))


load_unet = load_diffusion_model


def load_diffusion_model_state_dict(
    sd: Mapping[str, Tensor],
    model_options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """The same of a state dict."""
    return _model(HeldWeights(sd, metadata))


load_unet_state_dict = load_diffusion_model_state_dict


def _model(source: Path | Weights) -> Any:
    where = place(context())
    return checkpoint.load_unet(source, device=where.memory, dtype=where.unet, warn=context().warn)


def load_clip(
    ckpt_paths: Sequence[str],
    embedding_directory: Any = None,
    clip_type: CLIPType = CLIPType.STABLE_DIFFUSION,
    model_options: Mapping[str, Any] | None = None,
) -> Clip:
    """The CLIP of files with text encoders; two files of Stable Diffusion's are XL's."""
    run = context()
    where = place(run)
    name = clip_type.name.lower()
    if len(ckpt_paths) == 2 and clip_type is CLIPType.STABLE_DIFFUSION:
        name = "sdxl"
    paths = [Path(path) for path in ckpt_paths]
    return checkpoint.load_clip(
        paths, name, device=where.memory, dtype=where.text, embeddings=embeddings_of(run), warn=run.warn
    )


def load_lora_for_models(
    model: Any, clip: Any, lora: Mapping[str, Tensor], strength_model: float, strength_clip: float
) -> tuple[Any, Any]:
    """Model and text encoders with a LoRA's state dict on them; either may be None."""
    changed, encoders, report = apply_lora(model, clip, lora_of(lora), strength_model, strength_clip)
    lost = [*report.unmatched, *report.misfits]
    if lost:
        more = ", ..." if len(lost) > 3 else ""
        context().warn(f"of a LoRA {len(lost)} keys fit no layer of this model: {', '.join(lost[:3])}{more}")
    return changed, encoders
