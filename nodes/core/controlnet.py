"""ControlNets: opened, and put on conditionings."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Combo, Float
from weft.nodes.core.loaders import place
from weft.nodes.core.types import Conditioning, ControlNet, Image, Mask, Model, Negative, Positive, Vae, weights

ControlNetFile = Annotated[str, weights("controlnet")]
ControlStrength = Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)]
StartPercent = Annotated[
    float,
    Float(default=0.0, min=0.0, max=1.0, step=0.001),
    Tooltip("Where on the way from noise to image it begins to steer."),
]
EndPercent = Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.001), Tooltip("Where it ends.")]
Both = tuple[Annotated[Conditioning, Output("positive")], Annotated[Conditioning, Output("negative")]]

_MODULE = "comfy_extras.nodes_controlnet"
# What a union ControlNet may be told; the kinds of pictures in the order of its embeddings, as a family has them.
UNION_TASKS = (
    "auto",
    "openpose",
    "depth",
    "hed/pidi/scribble/ted",
    "canny/lineart/anime_lineart/mlsd",
    "normal",
    "segment",
    "tile",
    "repaint",
)


@node(display_name="Load ControlNet Model", category="loaders")
def ControlNetLoader(*, control_net_name: ControlNetFile, context: RunContext) -> ControlNet:
    """Open a ControlNet.

    Args:
        control_net_name: A file below the controlnet folders.
    """
    return _load(control_net_name, None, context)


@node(display_name="Load ControlNet Model (diff)", category="loaders")
def DiffControlNetLoader(*, model: Model, control_net_name: ControlNetFile, context: RunContext) -> ControlNet:
    """Open a ControlNet that is stored as the difference to a diffusion model's weights.

    Args:
        model: The diffusion model whose weights are added to the difference.
        control_net_name: A file below the controlnet folders; one that holds no difference is opened as it is.
    """
    return _load(control_net_name, model, context)


@node(display_name="Apply ControlNet (OLD)", category="conditioning/controlnet", deprecated=True)
def ControlNetApply(
    *, conditioning: Conditioning, control_net: ControlNet, image: Image, strength: ControlStrength
) -> Conditioning:
    """Steer with a picture, on the positive and the negative side alike.

    Args:
        conditioning: The positive conditioning.
        control_net: The network that reads the picture.
        image: The picture, prepared as the network expects it: edges, depth, poses.
        strength: How much it steers; 0 leaves the conditioning as it is.
    """
    from weft.nodes.diffusion.sampling.control import with_control

    return with_control([conditioning], control_net, image, strength, for_all=True)[0]


@node(display_name="Apply ControlNet", category="conditioning/controlnet")
def ControlNetApplyAdvanced(
    *,
    positive: Positive,
    negative: Negative,
    control_net: ControlNet,
    image: Image,
    strength: ControlStrength,
    start_percent: StartPercent,
    end_percent: EndPercent,
    vae: Vae | None = None,
) -> Both:
    """Steer with a picture through a part of the sampling.

    Args:
        control_net: The network that reads the picture.
        image: The picture, prepared as the network expects it: edges, depth, poses.
        strength: How much it steers; 0 leaves the conditionings as they are.
        vae: The model's VAE, for ControlNets of transformers; those of Stable Diffusion 1.x to XL read pixels.
    """
    from weft.nodes.diffusion.sampling.control import with_control

    changed = with_control([positive, negative], control_net, image, strength, start_percent, end_percent, vae=vae)
    return changed[0], changed[1]


@node(
    display_name="Apply Controlnet with VAE",
    category="conditioning/controlnet",
    python_module="comfy_extras.nodes_sd3",
    deprecated=True,
)
def ControlNetApplySD3(
    *,
    positive: Positive,
    negative: Negative,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    strength: ControlStrength,
    start_percent: StartPercent,
    end_percent: EndPercent,
) -> Both:
    """Steer with a picture through a part of the sampling; the same as Apply ControlNet.

    Args:
        control_net: The network that reads the picture.
        vae: The model's VAE, for ControlNets of transformers; those of Stable Diffusion 1.x to XL read pixels.
        image: The picture, prepared as the network expects it: edges, depth, poses.
        strength: How much it steers; 0 leaves the conditionings as they are.
    """
    from weft.nodes.diffusion.sampling.control import with_control

    changed = with_control([positive, negative], control_net, image, strength, start_percent, end_percent, vae=vae)
    return changed[0], changed[1]


@node(category="conditioning/controlnet", python_module=_MODULE)
def SetUnionControlNetType(
    *, control_net: ControlNet, type: Annotated[str, Combo(UNION_TASKS)], context: RunContext
) -> ControlNet:
    """Tell a union ControlNet which kind of picture it reads.

    Args:
        control_net: A ControlNet for several kinds of pictures; another one stays as it is.
        type: The kind; auto tells it none.
    """
    if not control_net.kind.tasks:
        context.warn(f"this ControlNet reads one kind of pictures: {type!r} has no effect")
        return control_net
    return control_net.for_task(type)


@node(category="conditioning/controlnet", python_module=_MODULE)
def ControlNetInpaintingAliMamaApply(
    *,
    positive: Positive,
    negative: Negative,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    mask: Mask,
    strength: ControlStrength,
    start_percent: StartPercent,
    end_percent: EndPercent,
    context: RunContext,
) -> Both:
    """Steer with a picture of which a part is painted anew, for ControlNets that read a mask: those of other families.

    Args:
        control_net: The network that reads the picture.
        vae: The model's VAE, for ControlNets of transformers; those of Stable Diffusion 1.x to XL read pixels.
        image: The picture.
        mask: What is painted anew; ControlNets of Stable Diffusion do not read it.
        strength: How much it steers; 0 leaves the conditionings as they are.
    """
    from weft.nodes.diffusion.sampling.control import with_control

    context.warn("this ControlNet reads no mask: it is steered by the picture alone")
    changed = with_control([positive, negative], control_net, image, strength, start_percent, end_percent, vae=vae)
    return changed[0], changed[1]


def _load(name: str, base: Model | None, context: RunContext) -> ControlNet:
    from weft.nodes.diffusion.sampling.control import load_controlnet

    where = place(context)
    path = context.folders.find("controlnet", name)
    return load_controlnet(path, device=where.memory, dtype=where.unet, base=base, warn=context.warn)
