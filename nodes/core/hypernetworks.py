"""Hypernetworks of the web UI."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Float
from weft.nodes.core.types import Model, weights


@node(category="loaders", python_module="comfy_extras.nodes_hypernetwork")
def HypernetworkLoader(
    *,
    model: Model,
    hypernetwork_name: Annotated[str, weights("hypernetworks")],
    strength: Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)],
    context: RunContext,
) -> Model:
    """Put a hypernetwork before a model's attention. The model given stays as it is.

    Args:
        model: The diffusion model to change.
        hypernetwork_name: A file of the web UI (.pt) below the hypernetworks folders.
        strength: How much of it the model gets; may be negative.
    """
    from weft.nodes.diffusion.sampling.patches.hypernetwork import load_hypernetwork, with_hypernetwork

    return with_hypernetwork(
        model, load_hypernetwork(context.folders.find("hypernetworks", hypernetwork_name)), strength
    )
