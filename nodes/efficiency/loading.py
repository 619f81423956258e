"""Sub-graphs that load and encode: what the loaders expand into, and what the cells of a plot make anew.

Both build them here, so that a checkpoint, a LoRA on it and a prompt have one key each, wherever they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from weft.engine.links import Link
from weft.engine.schema.expansion import GraphBuilder
from weft.nodes.efficiency.values import ControlNetUse, LoraUse

BAKED_VAE = "Baked VAE"
NONE = "None"


class Loaded(NamedTuple):
    """The sockets of a checkpoint: `clip` stops at the layer asked for; model and clip have the LoRAs."""

    model: Link
    clip: Link
    vae: Link


def add_checkpoint(
    graph: GraphBuilder, ckpt_name: str, vae_name: str, clip_skip: int, loras: Iterable[LoraUse] = ()
) -> Loaded:
    """Load a checkpoint, apply LoRAs in their order, skip layers, and take the VAE from its file or the checkpoint."""
    checkpoint = graph.add("CheckpointLoaderSimple", ckpt_name=ckpt_name, title=f"Load {ckpt_name}")
    model, clip = checkpoint[0], checkpoint[1]
    for lora in loras:
        patched = graph.add(
            "LoraLoader",
            model=model,
            clip=clip,
            lora_name=lora.name,
            strength_model=lora.model_strength,
            strength_clip=lora.clip_strength,
            title=f"LoRA {lora.name}",
        )
        model, clip = patched[0], patched[1]
    skipped = graph.add("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=clip_skip)
    return Loaded(model, skipped[0], add_vae(graph, vae_name, checkpoint[2]))


def add_vae(graph: GraphBuilder, vae_name: str, baked: Link) -> Link:
    """The VAE of the file, or `baked`, the checkpoint's own."""
    return baked if vae_name == BAKED_VAE else graph.add("VAELoader", vae_name=vae_name, title=f"Load {vae_name}")[0]


def add_refiner(graph: GraphBuilder, ckpt_name: str, clip_skip: int) -> tuple[Link, Link]:
    """Model and CLIP of a refiner: as a checkpoint, without LoRAs."""
    loaded = add_checkpoint(graph, ckpt_name, BAKED_VAE, clip_skip)
    return loaded.model, loaded.clip


def add_prompts(
    graph: GraphBuilder,
    clip: Link,
    positive: str,
    negative: str,
    token_normalization: str,
    weight_interpretation: str,
    control_nets: Iterable[ControlNetUse] = (),
) -> tuple[Link, Link]:
    """Encode both prompts and put the control nets on them, in their order: (positive, negative)."""
    encoded = [
        graph.add(
            "weft.EncodePrompt",
            clip=clip,
            text=text,
            token_normalization=token_normalization,
            weight_interpretation=weight_interpretation,
            title=f"Encode the {side} prompt",
        )[0]
        for side, text in (("positive", positive), ("negative", negative))
    ]
    return add_control_nets(graph, encoded[0], encoded[1], control_nets)


def add_control_nets(
    graph: GraphBuilder, positive: Link, negative: Link, control_nets: Iterable[ControlNetUse]
) -> tuple[Link, Link]:
    """Put control nets on a pair of conditionings, in their order."""
    for use in control_nets:
        applied = graph.add("ControlNetApplyAdvanced", positive=positive, negative=negative, **use._asdict())
        positive, negative = applied[0], applied[1]
    return positive, negative


def add_refiner_prompts(
    graph: GraphBuilder,
    clip: Link,
    positive: str,
    negative: str,
    token_normalization: str,
    weight_interpretation: str,
    ascore: tuple[float, float],
    width: int,
    height: int,
) -> tuple[Link, Link]:
    """Encode both prompts for a refiner, which is also told the size and, for each, an aesthetic score."""
    encoded = [
        graph.add(
            "weft.EncodePromptRefiner",
            clip=clip,
            text=text,
            token_normalization=token_normalization,
            weight_interpretation=weight_interpretation,
            ascore=score,
            width=width,
            height=height,
            title=f"Encode the {side} prompt for the refiner",
        )[0]
        for side, text, score in (("positive", positive, ascore[0]), ("negative", negative, ascore[1]))
    ]
    return encoded[0], encoded[1]
