"""Models made of two models' weights, and models written to files in the output folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Each, ExtraPnginfo, PromptJson, Tooltip, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, String
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Clip, ClipVision, Model, Vae

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import TextEncoder

Ratio = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)]
Multiplier = Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)]

_CATEGORY = "advanced/model_merging"
_MODULE = "comfy_extras.nodes_model_merging"
SPECIFIC: Mapping[str, Any] = {
    "category": f"{_CATEGORY}/model_specific",
    "python_module": f"{_MODULE}_model_specific",
}
"""For `@node(**SPECIFIC)`: a merge with a share for each part of a family's network."""


def _parts(inputs: int, *, end: str) -> tuple[str, ...]:
    """What the parameters of a UNet's parts begin with, of so many input blocks; `end` stands behind a number."""
    blocks = {"input_blocks": inputs, "middle_block": 3, "output_blocks": inputs}
    numbered = (f"{block}.{number}{end}" for block, count in blocks.items() for number in range(count))
    return "time_embed.", "label_emb.", *numbered, "out."


_SD_PARTS = _parts(12, end=".")
_SDXL_PARTS = _parts(9, end="")
PartRatio = Annotated[Ratio, Tooltip("The share of model1 in this part of the network.")]


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeSimple(*, model1: Model, model2: Model, ratio: Ratio, context: RunContext) -> Model:
    """Mix two diffusion models of one family.

    Args:
        model1: The model that a ratio of 1 gives.
        model2: The model that a ratio of 0 gives.
        ratio: The share of model1.
    """
    from weft.nodes.diffusion.weights.merge import weighted

    return _merged(model1, model2, lambda name: weighted(ratio), context)


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeBlocks(
    *, model1: Model, model2: Model, input: Ratio, middle: Ratio, out: Ratio, context: RunContext
) -> Model:
    """Mix two diffusion models of one family, with a share for each part of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
        input: The share of model1 in the input blocks, and in the embeddings.
        middle: The share of model1 in the middle block.
        out: The share of model1 in the output blocks.
    """
    from weft.nodes.diffusion.weights.merge import by_block

    return _merged(model1, model2, by_block({"input": input, "middle": middle, "out": out}), context)


@node(**SPECIFIC)
def ModelMergeSD1(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_SD_PARTS)]
) -> Model:
    """Mix two diffusion models of SD 1.x, with a share for each block of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _SD_PARTS, ratios, context)


@node(**SPECIFIC)
def ModelMergeSD2(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_SD_PARTS)]
) -> Model:
    """Mix two diffusion models of SD 2.x, with a share for each block of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _SD_PARTS, ratios, context)


@node(**SPECIFIC)
def ModelMergeSDXL(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_SDXL_PARTS)]
) -> Model:
    """Mix two diffusion models of SDXL, with a share for each block of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _SDXL_PARTS, ratios, context)


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeAdd(*, model1: Model, model2: Model, context: RunContext) -> Model:
    """Add the weights of two diffusion models of one family: for differences that ModelMergeSubtract made.

    Args:
        model1: The one model, whose schedule and options the result has.
        model2: The other.
    """
    from weft.nodes.diffusion.weights.merge import added

    return _merged(model1, model2, lambda name: added(), context)


@node(category=_CATEGORY, python_module=_MODULE)
def ModelMergeSubtract(*, model1: Model, model2: Model, multiplier: Multiplier, context: RunContext) -> Model:
    """The difference between two diffusion models of one family: what a fine-tune learned.

    Args:
        model1: The model to subtract from.
        model2: The model that is subtracted.
        multiplier: What the difference is multiplied with.
    """
    from weft.nodes.diffusion.weights.merge import subtracted

    return _merged(model1, model2, lambda name: subtracted(multiplier), context)


@node(category=_CATEGORY, python_module=_MODULE)
def CLIPMergeSimple(*, clip1: Clip, clip2: Clip, ratio: Ratio) -> Clip:
    """Mix the text encoders of two checkpoints of one family.

    Args:
        clip1: The text encoders that a ratio of 1 gives.
        clip2: The text encoders that a ratio of 0 gives.
        ratio: The share of clip1.
    """
    from weft.nodes.diffusion.weights.merge import weighted

    return _merged_clip(clip1, clip2, weighted(ratio))


@node(category=_CATEGORY, python_module=_MODULE)
def CLIPMergeAdd(*, clip1: Clip, clip2: Clip) -> Clip:
    """Add the weights of the text encoders of two checkpoints of one family.

    Args:
        clip1: The one.
        clip2: The other.
    """
    from weft.nodes.diffusion.weights.merge import added

    return _merged_clip(clip1, clip2, added())


@node(category=_CATEGORY, python_module=_MODULE)
def CLIPMergeSubtract(*, clip1: Clip, clip2: Clip, multiplier: Multiplier) -> Clip:
    """The difference between the text encoders of two checkpoints of one family.

    Args:
        clip1: The text encoders to subtract from.
        clip2: The text encoders that are subtracted.
        multiplier: What the difference is multiplied with.
    """
    from weft.nodes.diffusion.weights.merge import subtracted

    return _merged_clip(clip1, clip2, subtracted(multiplier))


def merged_parts(
    model1: Model, model2: Model, parts: Sequence[str], ratios: Mapping[str, float], context: RunContext
) -> Model:
    """The two models mixed by ratios of parts, of which the first counts for what is in none."""
    from weft.nodes.diffusion.weights.merge import by_block

    # The first part counts for parameters of none, so the order matters.
    return _merged(model1, model2, by_block({part: ratios[part] for part in parts}), context)


def _merged(model1: Model, model2: Model, shares: Callable[[str], tuple[float, float]], context: RunContext) -> Model:
    from weft.nodes.diffusion.weights.merge import merge_models

    merged, left = merge_models(model1, model2, shares)
    if left:
        context.warn(f"the models read different channels: {', '.join(left)} is model1's alone")
    return merged


def _merged_clip(clip1: Clip, clip2: Clip, shares: tuple[float, float]) -> Clip:
    from weft.nodes.diffusion.weights.merge import merge_clips

    return merge_clips(require(clip1, "text encoder"), require(clip2, "text encoder"), shares)


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
        clip: The text encoders.
        vae: The VAE.
        filename_prefix: Subfolder of the output folder and beginning of the file's name.
    """
    from weft.nodes.diffusion.weights.export import save_model

    text, autoencoder = require(clip, "text encoder"), require(vae, "VAE")
    metadata = _metadata(prompt, extra_pnginfo, context)
    _write(
        filename_prefix,
        lambda stream, path: save_model(
            stream, model, text, autoencoder, title=_title(path), metadata=metadata, warn=context.warn
        ),
        context,
    )


@node(category=_CATEGORY, python_module="comfy_extras.nodes_video_model", output_node=True)
def ImageOnlyCheckpointSave(
    *,
    model: Model,
    clip_vision: ClipVision,
    vae: Vae,
    filename_prefix: Annotated[str, String(default="checkpoints/ComfyUI")],
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> None:
    """Write a checkpoint whose model reads pictures in the place of prompts, with its vision model.

    Args:
        clip_vision: The vision model, one of CLIP's.
        vae: The VAE.
        filename_prefix: Subfolder of the output folder and beginning of the file's name.
    """
    from weft.nodes.diffusion.weights.export import save_model

    metadata = _metadata(prompt, extra_pnginfo, context)
    _write(
        filename_prefix,
        lambda stream, path: save_model(
            stream,
            model,
            None,
            require(vae, "VAE"),
            clip_vision,
            title=_title(path),
            metadata=metadata,
            warn=context.warn,
        ),
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
        filename_prefix: Subfolder of the output folder and beginning of the file's name.
    """
    from weft.nodes.diffusion.weights.export import save_model

    metadata = _metadata(prompt, extra_pnginfo, context)
    _write(
        filename_prefix,
        lambda stream, path: save_model(
            stream, model, None, None, title=_title(path), metadata=metadata, warn=context.warn
        ),
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
        _write(f"{filename_prefix}_{encoder.name}", _saver(encoder, metadata, context), context)


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


@node(
    display_name="Extract and Save Lora",
    category="_for_testing",
    python_module="comfy_extras.nodes_lora_extract",
    output_node=True,
    experimental=True,
)
def LoraSave(
    *,
    filename_prefix: Annotated[str, String(default="loras/ComfyUI_extracted_lora", multiline=False)],
    rank: Annotated[int, Int(default=8, min=1, max=4096, step=1)],
    lora_type: Annotated[str, Combo(("standard", "full_diff"), multiselect=False)],
    bias_diff: Annotated[bool, Boolean(default=True)],
    model_diff: Annotated[Model, Tooltip("What ModelMergeSubtract gives.")] | None = None,
    text_encoder_diff: Annotated[Clip, Tooltip("What CLIPMergeSubtract gives.")] | None = None,
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    context: RunContext,
) -> None:
    """Write the difference between two models as a LoRA.

    Args:
        filename_prefix: Subfolder of the output folder and beginning of the file's name.
        rank: How many numbers each row and column gets: more are nearer to the difference, and a larger file.
        lora_type: standard for factors of this rank, full_diff for the difference itself.
        bias_diff: Keep the difference of what has no factors, such as biases, too.
    """
    from weft.nodes.diffusion.weights.lora_extract import save_lora

    metadata, full = _metadata(prompt, extra_pnginfo, context), lora_type == "full_diff"
    _write(
        filename_prefix,
        lambda stream, path: save_lora(
            stream, model_diff, text_encoder_diff, rank=rank, full=full, biases=bias_diff, metadata=metadata
        ),
        context,
    )


def _saver(encoder: TextEncoder, metadata: dict[str, str], context: RunContext) -> Callable[[IO[bytes], Path], None]:
    from weft.nodes.diffusion.weights.export import save_clip

    return lambda stream, path: save_clip(stream, encoder, metadata, context.warn)


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
