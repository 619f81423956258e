"""Models to files in the output folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import ExtraPnginfo, PromptJson, node
from weft.engine.schema.sockets import String
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Clip, Model, Vae

_CATEGORY = "advanced/model_merging"
_MODULE = "comfy_extras.nodes_model_merging"


@node(display_name="Save Checkpoint", category=_CATEGORY, python_module=_MODULE, output_node=True)
def CheckpointSave(
    *,
    model: Model,
    clip: Clip,
    vae: Vae,
    filename_prefix: Annotated[str, String(default="checkpoints/ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> None:
    """Write a checkpoint, with all LoRAs and merges multiplied out, and with the workflow that made it.

    Args:
        model: The diffusion model.
        clip: The text encoders.
        vae: The VAE.
        filename_prefix: Subfolder of the output folder and beginning of the file's name.
    """
    from weft.nodes.diffusion.weights.export import save_model

    text, autoencoder = require(clip, "text encoder"), require(vae, "VAE")
    metadata = _metadata(prompt, extra_pnginfo, context)
    _write(
        filename_prefix,
        lambda stream, path: save_model(stream, model, text, autoencoder, title=_title(path), metadata=metadata),
        context,
    )


@node(category=_CATEGORY, python_module=_MODULE, output_node=True)
def ModelSave(
    *,
    model: Model,
    filename_prefix: Annotated[str, String(default="diffusion_models/ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> None:
    """Write a diffusion model without text encoders and VAE.

    Args:
        model: The diffusion model.
        filename_prefix: Subfolder of the output folder and beginning of the file's name.
    """
    from weft.nodes.diffusion.weights.export import save_model

    metadata = _metadata(prompt, extra_pnginfo, context)
    _write(
        filename_prefix,
        lambda stream, path: save_model(stream, model, None, None, title=_title(path), metadata=metadata),
        context,
    )


@node(category=_CATEGORY, python_module=_MODULE, output_node=True)
def CLIPSave(
    *,
    clip: Clip,
    filename_prefix: Annotated[str, String(default="clip/ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> None:
    """Write text encoders, each to a file of its own.

    Args:
        clip: The text encoders.
        filename_prefix: Subfolder of the output folder and beginning of the files' names; the encoder's name follows.
    """
    metadata = _metadata(prompt, extra_pnginfo, context)
    for encoder in require(clip, "text encoder").encoders:
        context.checkpoint()
        _write(f"{filename_prefix}_{encoder.name}", _saver(encoder, metadata), context)


@node(category=_CATEGORY, python_module=_MODULE, output_node=True)
def VAESave(
    *,
    vae: Vae,
    filename_prefix: Annotated[str, String(default="vae/ComfyUI_vae")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> None:
    """Write a VAE.

    Args:
        vae: The VAE.
        filename_prefix: Subfolder of the output folder and beginning of the file's name.
    """
    from weft.nodes.diffusion.weights.export import save_vae

    metadata = _metadata(prompt, extra_pnginfo, context)
    _write(filename_prefix, lambda stream, path: save_vae(stream, require(vae, "VAE"), metadata), context)


def _saver(encoder: Any, metadata: dict[str, str]) -> Callable[[IO[bytes], Path], None]:
    from weft.nodes.diffusion.weights.export import save_clip

    return lambda stream, path: save_clip(stream, encoder, metadata)


def _write(prefix: str, save: Callable[[IO[bytes], Path], None], context: RunContext) -> None:
    """A new file below the output folder, whole or not at all."""
    with context.folders.numbered(prefix).create(".safetensors") as (stream, path):
        save(stream, path)
        context.wrote(path)


def _metadata(prompt: Any, extra_pnginfo: Any, context: RunContext) -> dict[str, str]:
    """What the file says of its making, as a picture does."""
    said = {"prompt": prompt, **extra_pnginfo, "weft": context.provenance}
    return {name: json.dumps(value) for name, value in said.items()}


def _title(path: Path) -> str:
    """`ComfyUI_00012_` -> `ComfyUI 12`."""
    return re.sub(r"_(\d+)_$", lambda match: f" {int(match[1])}", path.stem)
