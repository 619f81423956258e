"""Models from files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from engine.authoring import node
from engine.context import RunContext
from engine.sockets import Files
from nodes.types import Clip, LoraStrength, Model, Vae

if TYPE_CHECKING:
    from nodes.diffusion.lora import LoraReport
    from nodes.diffusion.memory import DeviceMemory


@node(display_name="Load Checkpoint", category="loaders")
def CheckpointLoaderSimple(
    *, ckpt_name: Annotated[str, Files("checkpoints")], context: RunContext
) -> tuple[Model, Clip, Vae]:
    """Open a checkpoint: the diffusion model, its text encoders and its VAE.

    Args:
        ckpt_name: A file below the checkpoints folders.
    """
    from nodes.diffusion.checkpoint import load_checkpoint
    from nodes.diffusion.memory import resolve_dtype

    memory = device_memory(context)
    loaded = load_checkpoint(
        context.folders.find("checkpoints", ckpt_name),
        device=memory,
        dtype=resolve_dtype(context.settings.dtype, memory.device),
        embeddings=context.folders.embedding,
    )
    for part, value in (("text encoder", loaded.clip), ("VAE", loaded.vae)):
        if value is None:
            context.warn(f"{ckpt_name} holds no {part}")
    return loaded.model, loaded.clip, loaded.vae


@node(display_name="Load VAE", category="loaders")
def VAELoader(*, vae_name: Annotated[str, Files("vae")], context: RunContext) -> Vae:
    """Open a VAE that stands in a file of its own.

    Args:
        vae_name: A file below the vae folders.
    """
    from nodes.diffusion.checkpoint import load_vae
    from nodes.diffusion.memory import resolve_dtype

    memory = device_memory(context)
    dtype = resolve_dtype(context.settings.dtype, memory.device, "vae")
    return load_vae(context.folders.find("vae", vae_name), device=memory, dtype=dtype)


@node(display_name="Load LoRA", category="loaders")
def LoraLoader(
    *,
    model: Model,
    clip: Clip,
    lora_name: Annotated[str, Files("loras")],
    strength_model: LoraStrength,
    strength_clip: LoraStrength,
    context: RunContext,
) -> tuple[Model, Clip]:
    """Apply a LoRA to a diffusion model and its text encoders. The models given stay as they are.

    Args:
        model: The diffusion model to change.
        clip: The text encoders to change.
        lora_name: A file below the loras folders.
        strength_model: How much of the LoRA the diffusion model gets; may be negative.
        strength_clip: How much of the LoRA the text encoders get; may be negative.
    """
    return _with_lora(model, clip, lora_name, strength_model, strength_clip, context)


@node(category="loaders")
def LoraLoaderModelOnly(
    *, model: Model, lora_name: Annotated[str, Files("loras")], strength_model: LoraStrength, context: RunContext
) -> Model:
    """Apply a LoRA to a diffusion model and leave the text encoders alone.

    Args:
        model: The diffusion model to change.
        lora_name: A file below the loras folders.
        strength_model: How much of the LoRA the diffusion model gets; may be negative.
    """
    return _with_lora(model, None, lora_name, strength_model, 0.0, context)[0]


def device_memory(context: RunContext) -> DeviceMemory:
    """The memory of the run's device, shared by every model of the run."""
    from nodes.diffusion.memory import DeviceMemory, resolve_device

    return context.shared("device memory", lambda: DeviceMemory(resolve_device(context.settings.device)))


def _with_lora(
    model: Any, clip: Any, name: str, strength_model: float, strength_clip: float, context: RunContext
) -> tuple[Any, Any]:
    if strength_model == 0 and strength_clip == 0:
        return model, clip
    from nodes.diffusion.lora import apply_lora, load_lora

    lora = load_lora(context.folders.find("loras", name))
    model, clip, report = apply_lora(model, clip, lora, strength_model, strength_clip)
    _tell(name, report, context)
    return model, clip


def _tell(name: str, report: LoraReport, context: RunContext) -> None:
    if report.unmatched:
        keys = sorted(report.unmatched)
        shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
        context.warn(f"{name}: {len(keys)} keys fit nothing in this model: {shown}")
