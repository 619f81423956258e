"""ControlNets: opened, and put on conditionings."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Float
from weft.nodes.core.loaders import place
from weft.nodes.core.types import Conditioning, ControlNet, Image, Model, Negative, Positive, Vae, weights

ControlNetFile = Annotated[str, weights("controlnet")]
ControlStrength = Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)]


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
    start_percent: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.001)],
    end_percent: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.001)],
    vae: Vae | None = None,
) -> tuple[Annotated[Conditioning, Output("positive")], Annotated[Conditioning, Output("negative")]]:
    """Steer with a picture through a part of the sampling.

    Args:
        control_net: The network that reads the picture.
        image: The picture, prepared as the network expects it: edges, depth, poses.
        strength: How much it steers; 0 leaves the conditionings as they are.
        start_percent: Where on the way from noise to image it begins to steer.
        end_percent: Where it ends.
        vae: Not used: the ControlNets of Stable Diffusion read pixels.
    """
    from weft.nodes.diffusion.sampling.control import with_control

    changed = with_control([positive, negative], control_net, image, strength, start_percent, end_percent)
    return changed[0], changed[1]


def _load(name: str, base: Model | None, context: RunContext) -> ControlNet:
    from weft.nodes.diffusion.sampling.control import load_controlnet

    where = place(context)
    path = context.folders.find("controlnet", name)
    return load_controlnet(path, device=where.memory, dtype=where.unet, base=base, warn=context.warn)
