"""Lists of LoRAs and of control nets that a loader applies. A stack given is never changed: a longer one is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.links import Link
from weft.engine.schema.authoring import Output, RawLink
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Combo, Float, Int, Socket, String
from weft.nodes.core.types import Conditioning, weights
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.loading import NONE, add_control_nets
from weft.nodes.efficiency.slots import MAX_SLOTS, beyond, slots
from weft.nodes.efficiency.values import ControlNetStackValue, ControlNetUse, LoraStackValue, LoraUse

CATEGORY = "Efficiency Nodes/Stackers"

ControlNetLink = Annotated[Link, Socket("CONTROL_NET"), RawLink()]
ImageLink = Annotated[Link, Socket("IMAGE"), RawLink()]
ConditioningLink = Annotated[Link, Socket("CONDITIONING"), RawLink()]
Strength = Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)]
Percent = {"min": 0.0, "max": 1.0, "step": 0.001}

LoraFile = Annotated[str, weights("loras", extra_choices=(NONE,), default=NONE)]
LoraStrength = Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)]
_COLUMNS: dict[str, Any] = {
    "lora_name": LoraFile,
    "lora_wt": LoraStrength,
    "model_str": LoraStrength,
    "clip_str": LoraStrength,
}
_NUMBERS = range(1, MAX_SLOTS + 1)
_IDLE = {"simple": ("model_str", "clip_str"), "advanced": ("lora_wt",)}


def _unused(constants: Mapping[str, Any]) -> frozenset[str]:
    idle = _IDLE.get(constants.get("input_mode", ""), ())
    return beyond(constants.get("lora_count"), _COLUMNS) | {f"{name}_{i}" for name in idle for i in _NUMBERS}


@node(class_type="LoRA Stacker", category=CATEGORY, unused=_unused)
@slots(**_COLUMNS)
def LoraStacker(
    *,
    input_mode: Annotated[str, Combo(("simple", "advanced"))],
    lora_count: Annotated[int, Int(default=3, min=0, max=50, step=1)],
    slots: list[tuple[Any, ...]],
    lora_stack: LoraStackValue = (),
) -> LoraStackValue:
    """List LoRAs for a loader to apply, in this order, before those of the stack given.

    Args:
        input_mode: simple gives a LoRA one strength, advanced one for the model and one for the text encoder.
        lora_count: How many of the entries below count; the others are ignored, whatever they hold.
        lora_name: A LoRA; None for none.
        lora_wt: Its strength, where input_mode is simple.
        model_str: Its strength on the diffusion model, where input_mode is advanced.
        clip_str: Its strength on the text encoder, where input_mode is advanced.
        lora_stack: LoRAs to apply after these.
    """
    own = [
        LoraUse(name, weight, weight) if input_mode == "simple" else LoraUse(name, model_strength, clip_strength)
        for name, weight, model_strength, clip_strength in slots[:lora_count]
        if name != NONE
    ]
    return (*own, *(lora for lora in lora_stack or () if lora.name != NONE))


@node(class_type="Control Net Stacker", category=CATEGORY)
def ControlNetStacker(
    *,
    control_net: ControlNetLink,
    image: ImageLink,
    strength: Strength,
    start_percent: Annotated[float, Float(default=0.0, **Percent)],
    end_percent: Annotated[float, Float(default=1.0, **Percent)],
    cnet_stack: ControlNetStackValue = (),
) -> Annotated[ControlNetStackValue, Output("CNET_STACK")]:
    """Add a control net to those that a loader puts on its prompts.

    Args:
        control_net: The network that reads the picture.
        image: The picture, prepared as the network expects it: edges, depth, poses.
        strength: How much it steers.
        start_percent: Where on the way from noise to image it begins to steer.
        end_percent: Where it ends.
        cnet_stack: Control nets that come before it.
    """
    return (*(cnet_stack or ()), ControlNetUse(control_net, image, strength, start_percent, end_percent))


@node(class_type="Apply ControlNet Stack", category=CATEGORY)
def ApplyControlNetStack(
    *,
    positive: ConditioningLink,
    negative: ConditioningLink,
    cnet_stack: ControlNetStackValue = (),
    graph: GraphBuilder,
) -> tuple[
    Annotated[Conditioning, Output("CONDITIONING+")],
    Annotated[Conditioning, Output("CONDITIONING-")],
]:
    """Put the control nets of a stack on two conditionings, in their order.

    Args:
        positive: What should be in the picture.
        negative: What should not.
        cnet_stack: The control nets; without any, the conditionings stay as they are.
    """
    applied = add_control_nets(graph, positive, negative, cnet_stack or ())
    return graph.result(*applied)


@node(class_type="LoRA Stack to String converter", category="Efficiency Nodes/Misc")
def LoraStackToString(*, lora_stack: LoraStackValue) -> Annotated[str, String()]:
    """Write a LoRA stack as text: `<lora:name:model strength:clip strength>`, with spaces between.

    Args:
        lora_stack: What a LoRA Stacker made.
    """
    return " ".join(f"<lora:{name}:{model}:{clip}>" for name, model, clip in lora_stack)
