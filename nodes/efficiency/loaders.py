"""Loaders that do all that comes before sampling: they expand into the core nodes that do it."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.links import Link
from weft.engine.schema.authoring import Output, PromptJson, UniqueId
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Float, Int, String
from weft.nodes.core.conditioning import prompts
from weft.nodes.core.types import Clip, Conditioning, Latent, Model, Vae, weights
from weft.nodes.efficiency.encoding import TokenNormalization, WeightInterpretation
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.loading import BAKED_VAE, NONE, add_checkpoint, add_prompts, add_refiner, add_refiner_prompts
from weft.nodes.efficiency.stackers import LoraFile, LoraStrength
from weft.nodes.efficiency.values import (
    ControlNetStackValue,
    Dependencies,
    DependenciesValue,
    LoraStackValue,
    LoraUse,
    SdxlTupleValue,
)

CATEGORY = "Efficiency Nodes/Loaders"
CLIP_SLOT = 5  # of Efficient Loader

Checkpoint = Annotated[str, weights("checkpoints")]
VaeFile = Annotated[str, weights("vae", extra_choices=(BAKED_VAE,), default=BAKED_VAE)]
Score = {"min": 0.0, "max": 1000.0, "step": 0.01}


@node(class_type="Efficient Loader", category=CATEGORY, **prompts("positive", "negative"))
def EfficientLoader(
    *,
    ckpt_name: Checkpoint,
    vae_name: VaeFile,
    clip_skip: Annotated[int, Int(default=-1, min=-24, max=-1, step=1)],
    lora_name: LoraFile,
    lora_model_strength: LoraStrength,
    lora_clip_strength: LoraStrength,
    positive: Annotated[str, String(default="CLIP_POSITIVE", multiline=True)],
    negative: Annotated[str, String(default="CLIP_NEGATIVE", multiline=True)],
    token_normalization: TokenNormalization,
    weight_interpretation: WeightInterpretation,
    empty_latent_width: Annotated[int, Int(default=512, min=64, max=16384, step=64)],
    empty_latent_height: Annotated[int, Int(default=512, min=64, max=16384, step=64)],
    batch_size: Annotated[int, Int(default=1, min=1, max=262_144)],
    lora_stack: LoraStackValue = (),
    cnet_stack: ControlNetStackValue = (),
    prompt: PromptJson,
    my_unique_id: UniqueId,
    graph: GraphBuilder,
) -> tuple[
    Model,
    Annotated[Conditioning, Output("CONDITIONING+")],
    Annotated[Conditioning, Output("CONDITIONING-")],
    Latent,
    Vae,
    Clip,
    DependenciesValue,
]:
    """Load a checkpoint with LoRAs, encode both prompts, put control nets on them, and make an empty latent.

    Args:
        ckpt_name: A file below the checkpoints folders.
        vae_name: A file below the vae folders, or the VAE in the checkpoint.
        clip_skip: Where the text encoder stops; -1 is its last layer, -2 the one before it.
        lora_name: A LoRA to apply before those of the stack.
        lora_model_strength: How much of it the diffusion model gets.
        lora_clip_strength: How much of it the text encoder gets.
        positive: What should be in the picture.
        negative: What should not.
        token_normalization: How prompt weights are evened out between words of different length.
        weight_interpretation: What a prompt weight does; comfy is what CLIP Text Encode does.
        empty_latent_width: Width of the empty latent, in pixels of the picture.
        empty_latent_height: Its height.
        batch_size: How many pictures it stands for.
        lora_stack: More LoRAs.
        cnet_stack: Control nets for both prompts.
    """
    inline = () if lora_name == NONE else (LoraUse(lora_name, lora_model_strength, lora_clip_strength),)
    loras = (*inline, *(lora_stack or ()))
    control_nets = tuple(cnet_stack or ())
    loaded = add_checkpoint(graph, ckpt_name, vae_name, clip_skip, loras)
    prompts = add_prompts(
        graph, loaded.clip, positive, negative, token_normalization, weight_interpretation, control_nets
    )
    dependencies = Dependencies(
        vae_name=vae_name,
        ckpt_name=ckpt_name,
        clip=Link(my_unique_id, CLIP_SLOT),
        clip_skip=clip_skip,
        refiner_name=NONE,
        refiner_clip_skip=None,
        positive=positive,
        negative=negative,
        token_normalization=token_normalization,
        weight_interpretation=weight_interpretation,
        ascore=None,
        width=empty_latent_width,
        height=empty_latent_height,
        loras=loras,
        control_nets=control_nets,
    )
    latent = _empty_latent(graph, empty_latent_width, empty_latent_height, batch_size)
    outputs = (loaded.model, *prompts, latent, loaded.vae, loaded.clip, dependencies)
    return graph.result(*outputs)


@node(class_type="Eff. Loader SDXL", category=CATEGORY, **prompts("positive", "negative"))
def EfficientLoaderSdxl(
    *,
    base_ckpt_name: Checkpoint,
    base_clip_skip: Annotated[int, Int(default=-2, min=-24, max=-1, step=1)],
    refiner_ckpt_name: Annotated[str, weights("checkpoints", extra_choices=(NONE,), default=NONE)],
    refiner_clip_skip: Annotated[int, Int(default=-2, min=-24, max=-1, step=1)],
    positive_ascore: Annotated[float, Float(default=6.0, **Score)],
    negative_ascore: Annotated[float, Float(default=2.0, **Score)],
    vae_name: VaeFile,
    positive: Annotated[str, String(default="CLIP_POSITIVE", multiline=True)],
    negative: Annotated[str, String(default="CLIP_NEGATIVE", multiline=True)],
    token_normalization: TokenNormalization,
    weight_interpretation: WeightInterpretation,
    empty_latent_width: Annotated[int, Int(default=1024, min=64, max=16384, step=64)],
    empty_latent_height: Annotated[int, Int(default=1024, min=64, max=16384, step=64)],
    batch_size: Annotated[int, Int(default=1, min=1, max=64)],
    lora_stack: LoraStackValue = (),
    cnet_stack: ControlNetStackValue = (),
    prompt: PromptJson,
    my_unique_id: UniqueId,
    graph: GraphBuilder,
) -> tuple[SdxlTupleValue, Latent, Vae, DependenciesValue]:
    """Load SDXL's base with LoRAs, and its refiner if there is one; encode the prompts for both; make an empty latent.

    Args:
        base_ckpt_name: A file below the checkpoints folders.
        base_clip_skip: Where the base's text encoders stop; -1 is the last layer, -2 the one that SDXL was trained on.
        refiner_ckpt_name: The refiner's file, or None.
        refiner_clip_skip: Where the refiner's text encoder stops.
        positive_ascore: The aesthetic score that the refiner is told with the positive prompt.
        negative_ascore: The one with the negative prompt.
        vae_name: A file below the vae folders, or the VAE in the base's checkpoint.
        positive: What should be in the picture.
        negative: What should not.
        token_normalization: How prompt weights are evened out between words of different length.
        weight_interpretation: What a prompt weight does; comfy is what CLIP Text Encode does.
        empty_latent_width: Width of the empty latent, in pixels of the picture.
        empty_latent_height: Its height.
        batch_size: How many pictures it stands for.
        lora_stack: LoRAs for the base.
        cnet_stack: Control nets for the base's prompts.
    """
    loras, control_nets = tuple(lora_stack or ()), tuple(cnet_stack or ())
    encoding: tuple[str, str, str, str] = (positive, negative, token_normalization, weight_interpretation)
    ascore = (positive_ascore, negative_ascore)
    base = add_checkpoint(graph, base_ckpt_name, vae_name, base_clip_skip, loras)
    base_prompts = add_prompts(graph, base.clip, *encoding, control_nets)
    parts: dict[str, Any] = {
        "base_model": base.model,
        "base_clip": base.clip,
        "base_positive": base_prompts[0],
        "base_negative": base_prompts[1],
    }
    has_refiner = refiner_ckpt_name != NONE
    if has_refiner:
        model, clip = add_refiner(graph, refiner_ckpt_name, refiner_clip_skip)
        prompts = add_refiner_prompts(graph, clip, *encoding, ascore, empty_latent_width, empty_latent_height)
        parts |= {
            "refiner_model": model,
            "refiner_clip": clip,
            "refiner_positive": prompts[0],
            "refiner_negative": prompts[1],
        }
    dependencies = Dependencies(
        vae_name=vae_name,
        ckpt_name=base_ckpt_name,
        clip=None,
        clip_skip=base_clip_skip,
        refiner_name=refiner_ckpt_name,
        refiner_clip_skip=refiner_clip_skip if has_refiner else None,
        positive=positive,
        negative=negative,
        token_normalization=token_normalization,
        weight_interpretation=weight_interpretation,
        ascore=ascore,
        width=empty_latent_width,
        height=empty_latent_height,
        loras=loras,
        control_nets=control_nets,
    )
    packed = graph.add("weft.PackSdxl", **parts)
    latent = _empty_latent(graph, empty_latent_width, empty_latent_height, batch_size)
    outputs = (packed[0], latent, base.vae, dependencies)
    return graph.result(*outputs)


def _empty_latent(graph: GraphBuilder, width: int, height: int, batch_size: int) -> Link:
    return graph.add("EmptyLatentImage", width=width, height=height, batch_size=batch_size)[0]
