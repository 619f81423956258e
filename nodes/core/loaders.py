"""Models from files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.engine.schema.authoring import node
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Combo, Files
from weft.nodes.core import clip_types
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import Clip, ClipVision, LoraStrength, Model, Vae, weights

LIBRARIES = (
    "torch",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.models.autoencoders.autoencoder_kl",
    "transformers.models.clip.modeling_clip",
    "weft.nodes.diffusion.weights.checkpoint",
)

if TYPE_CHECKING:
    import torch

    from weft.nodes.diffusion.text.mentions import EmbeddingLookup
    from weft.nodes.diffusion.weights.memory import DeviceMemory

ClipFile = Annotated[str, weights("text_encoders")]
ClipDevice = Annotated[str, Combo(("default", "cpu"), advanced=True)]
_FP8 = ("fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")

# The configurations that come with ComfyUI: what each says of the model's target and of the text encoder's last layer.
# Everything else in them, the file of weights says itself.
_LAST_BUT_ONE = {"layer": -2}
_V = {"parameterization": "v"}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "anything_v3.yaml": _LAST_BUT_ONE,
    "v1-inference.yaml": {},
    "v1-inference_clip_skip_2.yaml": _LAST_BUT_ONE,
    "v1-inference_clip_skip_2_fp16.yaml": _LAST_BUT_ONE,
    "v1-inference_fp16.yaml": {},
    "v1-inpainting-inference.yaml": {},
    "v2-inference-v.yaml": _V,
    "v2-inference-v_fp32.yaml": _V,
    "v2-inference.yaml": {},
    "v2-inference_fp32.yaml": {},
    "v2-inpainting-inference.yaml": {},
}
SUFFIXES = (".yaml",)


@node(display_name="Load Checkpoint", category="loaders")
def CheckpointLoaderSimple(
    *, ckpt_name: Annotated[str, weights("checkpoints")], context: RunContext
) -> tuple[Model, Clip | None, Vae | None]:
    """Open a checkpoint: the diffusion model, its text encoders and its VAE.

    Args:
        ckpt_name: A file below the checkpoints folders.
    """
    from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

    where = place(context)
    loaded = load_checkpoint(
        context.folders.find("checkpoints", ckpt_name),
        device=where.memory,
        dtype=where.unet,
        text_dtype=where.text,
        vae_dtype=where.vae,
        embeddings=embeddings_of(context),
        warn=context.warn,
    )
    for part, value in (("text encoder", loaded.clip), ("VAE", loaded.vae)):
        if value is None:
            context.warn(f"{ckpt_name} holds no {part}")
    return loaded.model, loaded.clip, loaded.vae


def _vision_tower(ckpt_name: str, context: RunContext) -> ClipVision:
    from weft.nodes.diffusion.values.clip_vision_files import load_clip_vision

    where = place(context)
    path = context.folders.find("checkpoints", ckpt_name)
    return load_clip_vision(path, device=where.memory, dtype=where.text, warn=context.warn)


@node(category="loaders")
def unCLIPCheckpointLoader(
    *, ckpt_name: Annotated[str, weights("checkpoints")], context: RunContext
) -> tuple[Model, Clip | None, Vae | None, ClipVision]:
    """Open a checkpoint that also reads pictures: SD 2.x unCLIP. It has the vision model that unCLIPConditioning needs.

    Args:
        ckpt_name: A file below the checkpoints folders.
    """
    # The vision tower first: without one, nothing is loaded for nothing.
    tower = _vision_tower(ckpt_name, context)
    return *CheckpointLoaderSimple(ckpt_name=ckpt_name, context=context), tower


@node(
    display_name="Image Only Checkpoint Loader (img2vid model)",
    category="loaders/video_models",
    python_module="comfy_extras.nodes_video_model",
)
def ImageOnlyCheckpointLoader(
    *, ckpt_name: Annotated[str, weights("checkpoints")], context: RunContext
) -> tuple[Model, ClipVision, Vae | None]:
    """Open a checkpoint that reads pictures in the place of prompts, with its vision model.

    Args:
        ckpt_name: A file below the checkpoints folders; Stable Video Diffusion and others are refused by their names.
    """
    model, _, vae, tower = unCLIPCheckpointLoader(ckpt_name=ckpt_name, context=context)
    return model, tower, vae


# The VAE without weights, for models that work on pixels.
_PIXEL_SPACE = "pixel_space"
# The small VAEs for quick pictures, and the latent scale of their families.
_TAESD = ("taesd", "taesdxl", "taesd3", "taef1")


def tiny_files(name: str, folders: Folders, halves: Sequence[str] = ("encoder", "decoder")) -> dict[str, Path]:
    """The two files of a TAESD, or those of some halves. Raises MissingFile."""
    names = {half: f"{name}_{half}" for half in halves}
    listed = folders.files("vae_approx")
    return {
        half: folders.find("vae_approx", next((file for file in listed if file.startswith(f"{stem}.")), stem))
        for half, stem in names.items()
    }


def _check_taesd(seen: Seen) -> Iterator[tuple[str, str | MissingFile]]:
    name = seen.constants.get("vae_name")
    if name in _TAESD and seen.folders is not None:
        try:
            tiny_files(name, seen.folders)
        except MissingFile as error:
            yield "vae_name", error


def _files_of_taesd(folders: Folders, constants: Mapping[str, Any]) -> list[Path]:
    """What the name of a TAESD does not show: its files, which join the cache key by their content."""
    name = constants.get("vae_name")
    return list(tiny_files(name, folders).values()) if name in _TAESD else []


@node(display_name="Load VAE", category="loaders", check=_check_taesd, fingerprint=_files_of_taesd)
def VAELoader(
    *, vae_name: Annotated[str, weights("vae", extra_choices=(*_TAESD, _PIXEL_SPACE))], context: RunContext
) -> Vae:
    """Open a VAE that stands in a file of its own.

    Args:
        vae_name: A file below the vae folders; taesd, taesdxl, taesd3 and taef1 are small ones, whose files are in
            vae_approx; pixel_space has no file: its latents are the pixels, three channels in -1..1.
    """
    from weft.nodes.diffusion.values.tiny_vae import KINDS, load_tiny_vae
    from weft.nodes.diffusion.values.vae import PixelVae
    from weft.nodes.diffusion.weights.checkpoint import load_vae

    if vae_name == _PIXEL_SPACE:
        return PixelVae()
    where = place(context)
    if vae_name in _TAESD:
        files = tiny_files(vae_name, context.folders)
        return load_tiny_vae(files, KINDS[vae_name], device=where.memory, dtype=where.vae)
    return load_vae(context.folders.find("vae", vae_name), device=where.memory, dtype=where.vae, warn=context.warn)


@node(display_name="Load Diffusion Model", category="advanced/loaders")
def UNETLoader(
    *,
    unet_name: Annotated[str, weights("diffusion_models")],
    weight_dtype: Annotated[str, Combo(("default", *_FP8))],
    context: RunContext,
) -> Model:
    """Open a diffusion model that stands in a file of its own.

    Args:
        unet_name: A file below the diffusion_models folders.
        weight_dtype: fp8_e4m3fn and fp8_e5m2 round the weights to 8 bits; default leaves them as the run has them.
    """
    from weft.nodes.diffusion.weights.checkpoint import load_unet
    from weft.nodes.diffusion.weights.float8 import FORMATS

    where = place(context)
    return load_unet(
        context.folders.find("diffusion_models", unet_name),
        device=where.memory,
        dtype=where.unet,
        rounded=FORMATS.get(weight_dtype),
        warn=context.warn,
    )


@node(category="advanced/loaders", display_name="Load CLIP")
def CLIPLoader(
    *,
    clip_name: ClipFile,
    type: Annotated[str, Combo(clip_types.SINGLE, unsupported=clip_types.unsupported(clip_types.SINGLE))],
    device: ClipDevice = "default",
    context: RunContext,
) -> Clip:
    """Open a text encoder that stands in a file of its own: CLIP L for SD 1.x, H for 2.x, bigG for the SDXL refiner.

    Args:
        clip_name: A file below the text_encoders folders.
        type: The models that it is for.
        device: cpu keeps it off the GPU.
    """
    return open_text_encoders([clip_name], type, device, context)


@node(category="advanced/loaders")
def DualCLIPLoader(
    *,
    clip_name1: ClipFile,
    clip_name2: ClipFile,
    type: Annotated[str, Combo(clip_types.DUAL, unsupported=clip_types.unsupported(clip_types.DUAL))],
    device: ClipDevice = "default",
    context: RunContext,
) -> Clip:
    """Open two text encoders from files of their own: CLIP L and bigG for SDXL, CLIP L and T5 for FLUX.

    Args:
        clip_name1: A file below the text_encoders folders.
        clip_name2: The other; the order does not matter.
        type: The models that they are for.
        device: cpu keeps them off the GPU.
    """
    return open_text_encoders([clip_name1, clip_name2], type, device, context)


@node(display_name="Load LoRA", category="loaders", version=2)
def LoraLoader(
    *,
    model: Model,
    clip: Clip,
    lora_name: Annotated[str, weights("loras")],
    strength_model: LoraStrength,
    strength_clip: LoraStrength,
    context: RunContext,
) -> tuple[Model | None, Clip | None]:
    """Apply a LoRA to a diffusion model and its text encoders. The models given stay as they are.

    Args:
        model: The diffusion model to change.
        clip: The text encoders to change.
        lora_name: A file below the loras folders.
        strength_model: How much of the LoRA the diffusion model gets; may be negative.
        strength_clip: How much of the LoRA the text encoders get; may be negative.
    """
    return _with_lora(model, clip, lora_name, strength_model, strength_clip, context)


@node(category="loaders", version=2)
def LoraLoaderModelOnly(
    *, model: Model, lora_name: Annotated[str, weights("loras")], strength_model: LoraStrength, context: RunContext
) -> Model | None:
    """Apply a LoRA to a diffusion model and leave the text encoders alone.

    Args:
        model: The diffusion model to change.
        lora_name: A file below the loras folders.
        strength_model: How much of the LoRA the diffusion model gets; may be negative.
    """
    return _with_lora(model, None, lora_name, strength_model, 0.0, context)[0]


@node(display_name="Load LoRA (Bypass) (For debugging)", category="loaders")
def LoraLoaderBypass(
    *,
    model: Model,
    clip: Clip,
    lora_name: Annotated[str, weights("loras")],
    strength_model: LoraStrength,
    strength_clip: LoraStrength,
    context: RunContext,
) -> tuple[Model | None, Clip | None]:
    """Apply a LoRA as Load LoRA does: whether it is added to the weights or beside them, the picture is the same.

    Args:
        model: The diffusion model to change.
        clip: The text encoders to change.
        lora_name: A file below the loras folders.
        strength_model: How much of the LoRA the diffusion model gets; may be negative.
        strength_clip: How much of the LoRA the text encoders get; may be negative.
    """
    return _with_lora(model, clip, lora_name, strength_model, strength_clip, context)


@node(display_name="Load LoRA (Bypass, Model Only) (for debugging)", category="loaders")
def LoraLoaderBypassModelOnly(
    *, model: Model, lora_name: Annotated[str, weights("loras")], strength_model: LoraStrength, context: RunContext
) -> Model | None:
    """Apply a LoRA to a diffusion model as LoraLoaderModelOnly does; the picture is the same.

    Args:
        model: The diffusion model to change.
        lora_name: A file below the loras folders.
        strength_model: How much of the LoRA the diffusion model gets; may be negative.
    """
    return _with_lora(model, None, lora_name, strength_model, 0.0, context)[0]


def device_memory(context: RunContext) -> DeviceMemory:
    """The memory of the run's device, shared by every model of the run."""
    from weft.nodes.diffusion.weights.memory import DeviceMemory, resolve_device

    def made() -> DeviceMemory:
        device = resolve_device(context.settings.device)
        # On the CPU nothing moves, whatever a GPU may hold.
        budget = None if device.type == "cpu" else context.settings.vram
        return DeviceMemory(device, budget, replays=context.settings.cuda_graphs)

    return context.shared("device memory", made)


def embeddings_of(context: RunContext) -> EmbeddingLookup:
    """The embeddings of the run's folders, and what its settings say of those that are not there.

    It goes with the text encoders into the cache, and so holds nothing of the run.
    """
    from weft.nodes.diffusion.text.mentions import EmbeddingLookup

    folders, lenient = context.folders, context.settings.missing_embeddings == "warn"
    refusal = None if lenient else folders.missing_embedding
    return EmbeddingLookup(folders.embedding, refusal, tuple(folders.folders("tokenizers")), context.settings.numbers)


class Placement(NamedTuple):
    """Where the networks of a run compute, and in which number format each kind of them."""

    memory: DeviceMemory
    unet: torch.dtype
    text: torch.dtype
    vae: torch.dtype


def place(context: RunContext, device: str = "default") -> Placement:
    """The place that the run's settings name; device "cpu" keeps off the GPU."""
    import torch

    from weft.nodes.diffusion.weights.memory import DeviceMemory, resolve_dtype

    memory = DeviceMemory(torch.device("cpu")) if device == "cpu" else device_memory(context)
    name = context.settings.dtype
    unet, text, vae = (resolve_dtype(name, memory.device, kind) for kind in ("unet", "text", "vae"))
    return Placement(memory, unet, text, vae)


def open_text_encoders(names: Sequence[str], kind: str, device: str, context: RunContext) -> Clip:
    """The text encoders in files of these names. kind: what they are for, one of the clip_types of a family."""
    from weft.nodes.diffusion.weights.checkpoint import load_clip

    where = place(context, device)
    return load_clip(
        [context.folders.find("text_encoders", name) for name in names],
        kind,
        device=where.memory,
        dtype=where.text,
        embeddings=embeddings_of(context),
        warn=context.warn,
    )


def _with_lora(
    model: Model | None,
    clip: Clip | None,
    name: str,
    strength_model: float,
    strength_clip: float,
    context: RunContext,
) -> tuple[Model | None, Clip | None]:
    if strength_model == 0 and strength_clip == 0:
        return model, clip
    from weft.nodes.diffusion.weights.lora import apply_lora, load_lora

    lora = load_lora(context.folders.find("loras", name))
    model, clip, report = apply_lora(model, clip, lora, strength_model, strength_clip)
    for message in report.said(name):
        context.warn(message)
    return model, clip


@node(display_name="Load Checkpoint With Config (DEPRECATED)", category="advanced/loaders", deprecated=True)
def CheckpointLoader(
    *,
    config_name: Annotated[str, Files("configs", suffixes=SUFFIXES, extra_choices=tuple(CONFIGS))],
    ckpt_name: Annotated[str, weights("checkpoints")],
    context: RunContext,
) -> tuple[Model, Clip | None, Vae | None]:
    """Open a checkpoint, and take two things from a configuration: whether it was trained for v, and its clip skip.

    Args:
        config_name: One of the configurations that come with ComfyUI, or a .yaml file below the configs folders.
        ckpt_name: A file below the checkpoints folders.
    """
    config = CONFIGS.get(config_name)
    if config is None:
        config = _read(context.folders.find("configs", config_name, SUFFIXES))
    model, clip, vae = CheckpointLoaderSimple(ckpt_name=ckpt_name, context=context)
    # As in ComfyUI, eps is never forced: what the file itself shows to be a v model stays one.
    if config.get("parameterization") == "v":
        from weft.nodes.diffusion.sampling.patches.sampling import discrete

        model = discrete(model, "v_prediction", zero_snr=False)
    if config.get("layer") is not None:
        clip = require(clip, "text encoder").with_layer(config["layer"])
    return model, clip, vae


def _read(path: Path) -> Mapping[str, Any]:
    """The two things in a configuration of CompVis' form; a DiffusionError says what is missing in it."""
    import yaml

    from weft.nodes.diffusion.errors import DiffusionError

    try:
        params = yaml.safe_load(path.read_text(encoding="utf-8"))["model"]["params"]
        encoder = params["cond_stage_config"].get("params") or {}
        layer = encoder.get("layer_idx")
        found = {"parameterization": params.get("parameterization"), "layer": None if layer is None else int(layer)}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DiffusionError(f"{path} is no YAML: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        hint = "expected model.params.cond_stage_config, as in v1-inference.yaml"
        raise DiffusionError(f"{path} is no configuration of a Stable Diffusion model: {hint}") from error
    return found
